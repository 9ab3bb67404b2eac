"""Cells that no one here has written: right, or refused with the reason."""

from __future__ import annotations

from typing import NamedTuple

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from memcell.backends.eager import unroll_eager
from memcell.recurrent.cell import Cell
from memcell.recurrent.norms import SiteNorms
from memcell.recurrent.refusals import Unsupported
from memcell.recurrent.window_call import WindowCall
from memcell_compiler.runtime.unroll import native_reason, unroll_native


class Memory(NamedTuple):
    h: torch.Tensor


class Base(Cell):
    """h = tanh(W x + U h + b); subclasses do something else."""

    state_type = Memory

    def __init__(self, features=3, hidden=4):
        super().__init__(features, hidden)
        torch.manual_seed(0)
        self.w = nn.Parameter(torch.randn(hidden, features, dtype=torch.float64) * 0.5)
        self.u = nn.Parameter(torch.randn(hidden, hidden, dtype=torch.float64) * 0.5)
        self.b = nn.Parameter(torch.randn(hidden, dtype=torch.float64) * 0.5)
        self.b2 = nn.Parameter(torch.randn(hidden, dtype=torch.float64) * 0.5)

    @property
    def state_spec(self):
        return {"h": (self.hidden_size,)}

    def project(self, x):
        return F.linear(x, self.w)

    def sums(self, p, state):
        return p + F.linear(state.h, self.u)

    def step(self, p, state, norm):
        h = torch.tanh(self.sums(p, state) + self.b)
        return h, Memory(h)


class TwoBiases(Base):
    """Two parameters with one and the same gradient."""

    def step(self, p, state, norm):
        h = torch.tanh(self.sums(p, state) + self.b + self.b2)
        return h, Memory(h)


class Unseen(Base):
    """Many operations, weights cut and used twice, a second kind of gate, an output that is no state."""

    def step(self, p, state, norm):
        z = self.sums(p, state) + F.linear(state.h, self.u[:2]).repeat(1, 1).mean(-1, keepdim=True)
        gate = torch.softmax(F.softplus(z) + F.linear(state.h, self.u.t()), dim=-1)
        mixed = torch.where(z > 0, torch.relu(z), 0.1 * torch.expm1(z)).clamp(-2, 2)
        h = gate * mixed + (1 - gate) * state.h * torch.exp(-torch.abs(self.b))
        left, right = h.split([1, self.hidden_size - 1], dim=-1)
        turned = torch.cat([right, left], dim=-1) / (1 + h.pow(2).sum(-1, keepdim=True)).sqrt()
        return F.layer_norm(turned, (self.hidden_size,), self.b2), Memory(h)


class InPlaceOnFresh(Base):
    def step(self, p, state, norm):
        z = self.sums(p, state) + self.b
        z.mul_(0.5)
        h = torch.tanh(z)
        return h, Memory(h)


class InPlaceOnState(Base):
    """Forbidden, and autograd's own error where the state needs a gradient."""

    def step(self, p, state, norm):
        h = torch.tanh(self.sums(p, state))
        state.h.detach().mul_(0.5)
        return h, Memory(h)


class KeepsOnSelf(Base):
    def step(self, p, state, norm):
        self.last = getattr(self, "last", 0.0) + 1.0
        h = torch.tanh(self.sums(p, state) + self.last)
        return h, Memory(h)


class AppendsOnSelf(Base):
    def __init__(self):
        super().__init__()
        self.seen = []

    def step(self, p, state, norm):
        self.seen.append(1)
        return super().step(p, state, norm)


class Branches(Base):
    def step(self, p, state, norm):
        z = self.sums(p, state)
        h = torch.tanh(z) if z.sum() > 0 else torch.sigmoid(z)
        return h, Memory(h)


class Random(Base):
    def step(self, p, state, norm):
        h = torch.tanh(self.sums(p, state)) * (torch.rand_like(state.h) > 0.5)
        return h, Memory(h)


class MixesLanes(Base):
    def step(self, p, state, norm):
        h = torch.tanh(self.sums(p, state) - state.h.mean(0) / state.h.shape[0])
        return h, Memory(h)


class OddBatch(Base):
    def step(self, p, state, norm):
        h = torch.tanh(self.sums(p, state) * (state.h.shape[0] ** 0.5))
        return h, Memory(h)


class Constant(Base):
    def __init__(self):
        super().__init__()
        self.table = torch.ones(4, dtype=torch.float64)

    def step(self, p, state, norm):
        h = torch.tanh(self.sums(p, state) * self.table)
        return h, Memory(h)


class RandomMask(Base):
    """Allowed: the mask is drawn in project, for all steps at once."""

    def project(self, x):
        generator = torch.Generator().manual_seed(3)
        mask = torch.rand(*x.shape[:2], self.hidden_size, generator=generator) > 0.3
        return F.linear(x, self.w), mask.to(x.dtype)

    def step(self, p, state, norm):
        z, mask = p
        h = torch.tanh(z + F.linear(state.h, self.u)) * mask
        return h, Memory(h)


class Unused(Base):
    """The state does not matter, and a part of it is handed on as it is."""

    def step(self, p, state, norm):
        return torch.tanh(p * self.b), Memory(state.h)


@pytest.mark.parametrize(
    "kind", [Base, TwoBiases, Unseen, InPlaceOnFresh, MixesLanes, RandomMask, Unused]
)
def test_a_cell_never_seen_before_is_right(agree, kind):
    cell = kind()
    norms = SiteNorms({}, None)
    for window in (
        agree.Window(lanes=5),
        agree.Window(resets=True, padding=True),
        agree.Window(steps=3, lanes=40),
    ):
        assert not agree.difference(cell, norms, window)
    assert not agree.difference(cell, norms, agree.Window(lanes=9), threads=2)


def test_two_parameters_do_not_share_a_gradient(agree):
    cell = TwoBiases()
    found = agree.run(unroll_native, cell, SiteNorms({}, None), agree.Window())
    assert found["d b"].data_ptr() != found["d b2"].data_ptr()


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (InPlaceOnState, "changed in place"),
        (KeepsOnSelf, "keeps something on itself"),
        (AppendsOnSelf, "keeps something on itself"),
        (Branches, "a number is read out"),
        (Random, "draws random numbers"),
        (OddBatch, "number of lanes"),
        (Constant, "neither parameter, buffer nor input"),
    ],
)
def test_what_cannot_be_expressed_is_refused_with_the_reason(agree, kind, reason):
    cell, norms = kind(), SiteNorms({}, None)
    assert reason in str(native_reason(cell, norms))
    with pytest.raises(Unsupported, match=reason):
        agree.run(unroll_native, cell, norms, agree.Window())
    if kind is not InPlaceOnState:  # autograd refuses that one
        agree.run(unroll_eager, kind(), norms, agree.Window())


def test_a_number_changed_on_the_cell_is_seen(agree):
    class Scaled(Base):
        scale = 1.0

        def __init__(self):
            super().__init__()
            self.scale = 1.0

        def step(self, p, state, norm):
            h = torch.tanh(self.sums(p, state) * self.scale)
            return h, Memory(h)

    cell = Scaled()
    for scale in (1.0, 2.0, 0.5):
        cell.scale = scale
        assert not agree.difference(cell, SiteNorms({}, None), agree.Window(lanes=3))


def test_weights_changed_before_backward_are_refused(agree):
    cell = Base()
    masks = agree.Window().masks()
    state = Memory(torch.zeros(7, 4, dtype=torch.float64))
    x = torch.randn(9, 7, 3, dtype=torch.float64)
    out, _ = unroll_native(WindowCall(cell, SiteNorms({}, None), x, state, state, masks, (), True))
    with torch.no_grad():
        cell.u.mul_(2)
    with pytest.raises(RuntimeError, match="inplace"):
        out.sum().backward()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_refused(agree, dtype):
    cell = Base().to(dtype)
    assert "numbers of type" in str(native_reason(cell, SiteNorms({}, None)))


def test_a_strided_input_is_right(agree):
    cell, norms = Base(), SiteNorms({}, None)
    masks = agree.Window().masks()
    state = Memory(torch.zeros(7, 4, dtype=torch.float64))
    x = torch.randn(7, 9, 6, dtype=torch.float64).transpose(0, 1)[..., ::2]
    out, _ = unroll_native(WindowCall(cell, norms, x, state, state, masks, (), True))
    wanted, _ = unroll_eager(WindowCall(cell, norms, x, state, state, masks, (), True))
    torch.testing.assert_close(out, wanted)
