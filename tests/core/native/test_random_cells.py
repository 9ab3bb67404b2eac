"""Cells put together at random from the operations that the fast unroll says it knows."""

from __future__ import annotations

from typing import NamedTuple

import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from memcell.recurrent.cell import Cell
from memcell.unroll.norms import SiteNorms

H = 4
UNARY = {
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "relu": torch.relu,
    "softplus": F.softplus,
    "sin": torch.sin,
    "square": lambda a: a * a,
    "bounded exp": lambda a: torch.exp(-a * a),
    "abs": torch.abs,
    "centre": lambda a: a - a.mean(-1, keepdim=True),
    "rms": lambda a: a * torch.rsqrt((a * a).mean(-1, keepdim=True) + 0.1),
    "softmax": lambda a: torch.softmax(a, -1),
    "halves": lambda a: torch.cat(a.chunk(2, -1)[::-1], -1),
    "over lanes": lambda a: a - a.mean(0),
    "clamp": lambda a: a.clamp(-0.7, 0.9),
    "gelu": F.gelu,
}
BINARY = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "blend": lambda a, b: torch.sigmoid(a) * a + (1 - torch.sigmoid(a)) * b,
    "where": lambda a, b: torch.where(a > b, a, 0.5 * b),
    "divide": lambda a, b: a / (1 + b * b),
    "maximum": torch.maximum,
}
STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(sorted(UNARY)), st.integers(0, 9), st.just(0)),
        st.tuples(st.sampled_from(sorted(BINARY)), st.integers(0, 9), st.integers(0, 9)),
        st.tuples(st.just("matrix"), st.integers(0, 9), st.integers(0, 1)),
        st.tuples(st.just("bias"), st.integers(0, 9), st.integers(0, 1)),
    ),
    min_size=2,
    max_size=9,
)


class Memory(NamedTuple):
    h: torch.Tensor
    c: torch.Tensor


class Drawn(Cell):
    state_type = Memory

    def __init__(self, steps, ends):
        super().__init__(3, H)
        self.steps, self.ends = tuple(steps), ends
        torch.manual_seed(1)
        draw = lambda *shape: nn.Parameter(torch.randn(*shape, dtype=torch.float64) * 0.4)  # noqa: E731
        self.w = draw(H, 3)
        self.m = nn.ParameterList([draw(H, H), draw(H, H)])
        self.b = nn.ParameterList([draw(H), draw(H)])

    @property
    def state_spec(self):
        return {"h": (H,), "c": (H,)}

    def project(self, x):
        return F.linear(x, self.w)

    def step(self, p, state, norm):
        known = [p, state.h, state.c]
        for name, i, j in self.steps:
            a, b = known[i % len(known)], known[j % len(known)]
            if name == "matrix":
                known.append(F.linear(a, self.m[j]))
            elif name == "bias":
                known.append(a + self.b[j] * torch.sigmoid(self.b[1 - j]))
            else:
                known.append(UNARY[name](a) if name in UNARY else BINARY[name](a, b))
        ends = [torch.tanh(known[-1 - e % len(known)]) for e in self.ends]
        return ends[0], Memory(ends[1], ends[2])


@settings(
    max_examples=8,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=STEPS, ends=st.tuples(*[st.integers(0, 4)] * 3))
def test_a_drawn_cell_is_right(agree, steps, ends):
    cell, norms = Drawn(steps, ends), SiteNorms({}, None)
    agree(cell, norms, agree.Window(lanes=5), limit=1e-9)
    agree(cell, norms, agree.Window(restarts=True, padding=True), limit=1e-9, threads=2)
