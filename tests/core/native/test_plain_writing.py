"""Steps written plainly: as the eager loop up to the ends of the number range, or refused in plain words."""

from __future__ import annotations

from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from memcell.recurrent import Cell
from memcell.recurrent.norms import SiteNorms
from memcell.recurrent.step_masks import StepMasks
from memcell.recurrent.window_call import WindowCall
from memcell_compiler.runtime.unroll import native_reason, unroll_native

NONE = SiteNorms({}, None)


class One(NamedTuple):
    h: Tensor


class Plain(Cell):
    """A cell of one function of the input [B, width], a state of a given shape and weights ``w``."""

    state_type = One

    def __init__(self, function, shape, weights=(), width=6):
        super().__init__(3, width)
        torch.manual_seed(1)
        self.function, self.shape = function, shape
        self.into = nn.Parameter(torch.randn(width, 3, dtype=torch.float64))
        self.w = nn.ParameterList(torch.randn(*s, dtype=torch.float64) * 0.4 for s in weights)

    @property
    def state_spec(self):
        return {"h": self.shape}

    def project(self, x):
        return F.linear(x, self.into)

    def step(self, p, state, norm):
        output, after = self.function(p, state.h, self.w)
        return output, One(after)


def one_row_times_a_weight_per_head(p, h, w):
    z = (h.unsqueeze(-2) @ w[0]).squeeze(-2)
    h = torch.tanh(z[..., 1:3] + p.unflatten(-1, (3, 2)))
    return h.flatten(1), h


def addressing_by_shifts(p, h, w):
    turned = [s * torch.roll(h, j - 1, 1) for j, s in enumerate(p[:, :3].softmax(-1).split(1, 1))]
    h = torch.tanh(sum(turned) + p)
    return h, h.roll(6, 1)


def logarithm_times_itself(p, h, w):
    h = torch.xlogy(p.abs(), h.abs() + 1)
    return h, h


def lower_triangle(p, h, w):
    m = torch.tanh(h.tril() + p.view(-1, 2, 3).triu(1))
    return m.flatten(1), m


def hard_gate(p, h, w):
    h = F.hardsigmoid(p + h @ w[0]) * p
    return h, h


def masked_row(p, h, w):
    z = torch.where(p > 0, p, -torch.inf)
    total = torch.logsumexp(z.view(-1, 3, 2), -1)
    found = torch.where(total.isinf(), 0.5, total).repeat(1, 2)
    return found * h, torch.tanh(h + p)


CELLS = [
    (one_row_times_a_weight_per_head, (3, 2), [(3, 2, 4)]),
    (addressing_by_shifts, (6,), []),
    (logarithm_times_itself, (6,), []),
    (lower_triangle, (2, 3), []),
    (hard_gate, (6,), [(6, 6)]),
    (masked_row, (6,), []),
]


@pytest.mark.parametrize(
    ("function", "shape", "weights"), CELLS, ids=lambda v: getattr(v, "__name__", "")
)
def test_step_equals_the_eager_loop(agree, function, shape, weights):
    cell = Plain(function, shape, weights)
    assert not agree.difference(
        cell, NONE, agree.Window(lanes=5, resets=True, padding=True), threads=2
    )


INF = float("inf")
ENDS = [0.0, -0.0, INF, -INF, float("nan"), 1e30, -1e30, 88.5, 88.8, -87, -87.4, 709.5, -745]


def square_root(p, h, w):
    return p**0.5 + (p * p) ** -0.5, h


def exponential(p, h, w):
    return torch.exp(p), h


@pytest.mark.parametrize("function", [exponential, square_root])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_function_at_the_ends_of_the_number_range(function, dtype):
    cell = Plain(function, (1,), width=len(ENDS))
    cell.project = lambda x: x
    cell.input_size = len(ENDS)
    cell.to(dtype)
    x = torch.tensor(ENDS, dtype=dtype).view(1, 1, -1)
    state = cell.initial_state(1, dtype=dtype)
    no = torch.zeros(1, 1, dtype=torch.bool)
    masks = StepMasks.of(no, ~no, torch.zeros(1, dtype=torch.int64))
    with torch.no_grad():
        found, _ = unroll_native(WindowCall(cell, NONE, x, state, state, masks, (), False))
        wanted, _ = function(x, None, None)
    normal = wanted.abs() >= torch.finfo(dtype).tiny
    wanted = torch.where(normal | wanted.isnan(), wanted, 0.0)  # below, both ways give zero
    torch.testing.assert_close(found, wanted, rtol=1e-6, atol=0, equal_nan=True)


def takes_a_list(p, h, w):
    h = h + p[:, [5, 0, 2, 1, 3, 4]]
    return h, h


def takes_a_tensor_of_its_own(p, h, w):
    h = h + p * torch.tensor(0.3)
    return h, h


def multiplies_three(p, h, w):
    h = h + F.bilinear(p, h, w[0])
    return h, h


def scales_groups(p, h, w):
    h = h + F.group_norm(p, 2)
    return h, h


# fmt: off
def stands_on_a_very_long_line(p, h, w):
    h = h + p.cumsum(-1) + 0 * (p + p + p + p + p + p + p + p + p + p + p + p + p + p + p + p + p + p + p + p + p + p + p + p + p)  # noqa: E501
    return h, h
# fmt: on


def writes_then_sums(p, h, w):
    p = p * 2
    p.add_(h)
    h = p.cumsum(-1)
    return h, h


REASONS = [
    (takes_a_list, [], ["line", "p[:, [5, 0, 2, 1, 3, 4]]", "register_buffer"]),
    (takes_a_tensor_of_its_own, [], ["line", "torch.tensor(0.3)", "register_buffer"]),
    (multiplies_three, [(6, 6, 6)], ["line", "F.bilinear is not supported"]),
    (scales_groups, [], ["line", "F.group_norm is not supported"]),
    (stands_on_a_very_long_line, [], ["line", "h = h + p.cumsum(-1) + 0", " …`: torch.cumsum"]),
    (writes_then_sums, [], ["p.add_(h)", "in place", "torch.cumsum is not supported"]),
]


@pytest.mark.parametrize(
    ("function", "weights", "words"), REASONS, ids=lambda v: getattr(v, "__name__", "")
)
def test_refusal_names_line_and_cause(function, weights, words):
    reason = native_reason(Plain(function, (6,), weights), NONE)
    assert reason is not None
    for word in words:
        assert word in reason
    assert len(reason) < 500


class Counts(Plain):
    def initial_state(self, batch_size, *, device=None, dtype=None):
        return One(torch.zeros(batch_size, 6, dtype=torch.int64, device=device))


def test_refusal_names_the_state_that_is_of_another_type():
    reason = native_reason(Counts(takes_a_list, (6,)), NONE)
    assert "state h is torch.int64, the input torch.float64" in reason


@pytest.mark.parametrize("shape", [(0,), (2, 0)])
def test_refusal_says_that_a_state_is_empty(shape):
    reason = native_reason(Plain(lambda p, h, w: (p, h), shape), NONE)
    assert "state_spec" in reason
