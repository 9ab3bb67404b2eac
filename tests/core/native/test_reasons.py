"""A refusal names the author's line, what on it is not supported, and what to write instead."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from core.native.cells_of_papers import Paper, Vector, W
from memcell.backends import BackendWarning, Layer, StepMasks
from memcell.recurrent.norms import SiteNorms
from memcell_compiler.runtime.unroll import native_reason

NONE = SiteNorms({}, None)
#: What only someone who knows torch's inside or ours has heard of.
INSIDE = re.compile(
    r"aten|prims|given_|OpOverload|\.default|\bint\b|placeholder|constant_\d|fast unroll"
)


class Sums(Paper):
    def step(self, p, s, norm):
        h = torch.tanh(p + torch.cumsum(s.h, -1))
        return h, Vector(h)


class Chooses(Paper):
    def step(self, p, s, norm):
        if s.h.sum() > 0:
            p = p + 1
        return p, Vector(p)


class Sorts(Paper):
    def step(self, p, s, norm):
        h = s.h.sort(-1).values + p
        return h, Vector(h)


class Largest(Paper):
    def step(self, p, s, norm):
        h = s.h.max(-1).values[:, None] + p
        return h, Vector(h)


class Drops(Paper):
    def step(self, p, s, norm):
        h = F.dropout(s.h, 0.5) + p
        return h, Vector(h)


class OtherLanes(Paper):
    def step(self, p, s, norm):
        h = s.h.flip(0) + p
        return h, Vector(h)


class Writes(Paper):
    def step(self, p, s, norm):
        h = p * 2
        h[:, 0] = s.h[:, 1]
        return h, Vector(h)


class Picks(Paper):
    def step(self, p, s, norm):
        h = p + s.h[torch.arange(s.h.shape[0]), s.h.argmax(-1)].unsqueeze(-1)
        return h, Vector(h)


class Exponential(Paper):
    shapes = {"w": (W, W)}  # noqa: RUF012

    def step(self, p, s, norm):
        h = torch.tanh(p + s.h @ torch.matrix_exp(self.w - self.w.t()))
        return h, Vector(h)


CASES = [
    (Sums, "torch.cumsum(s.h, -1)", "triangular matrix"),
    (Chooses, "if s.h.sum() > 0:", "torch.where"),
    (Sorts, "s.h.sort(-1)", "torch.amax"),
    (Largest, "s.h.max(-1)", "torch.amax"),
    (Drops, "F.dropout(s.h, 0.5)", "`project`"),
    (OtherLanes, "s.h.flip(0)", "its own lane only"),
    (Writes, "h[:, 0] = s.h[:, 1]", "torch.cat"),
    (Picks, "s.h.argmax(-1)", "self.places"),
    (Exponential, "torch.matrix_exp", "reflections"),
]


@pytest.mark.parametrize(("kind", "line", "advice"), CASES, ids=[c[0].__name__ for c in CASES])
def test_a_refusal_names_the_line_and_what_to_write(kind, line, advice):
    reason = native_reason(kind(), NONE)
    assert reason is not None
    assert re.match(r"test_reasons\.py, line \d+: `", reason)
    assert line in reason
    assert advice in reason
    assert not INSIDE.search(reason.split("`", 2)[2])
    number = int(re.search(r"line (\d+)", reason)[1])
    with Path(__file__).open() as source:
        assert line in source.readlines()[number - 1]


def test_a_cell_without_a_file_is_refused_without_a_line():
    space = {"Paper": Paper, "Vector": Vector, "torch": torch, "__name__": "notebook"}
    exec(
        "class Made(Paper):\n"
        "    def step(self, p, s, norm):\n"
        "        h = p + torch.cumsum(s.h, -1)\n"
        "        return h, Vector(h)\n",
        space,
    )
    reason = native_reason(space["Made"](), NONE)
    assert reason.startswith("torch.cumsum is not supported")
    assert not INSIDE.search(reason)


def test_the_warning_and_the_way_say_the_same():
    layer = Layer(Sums(), None)
    x = torch.zeros(4, 2, 3, dtype=torch.float64)
    no = torch.zeros(4, 2, dtype=torch.bool)
    masks = StepMasks.of(no, ~no, torch.zeros(2, dtype=torch.int64))
    state = layer.cell.initial_state(2, dtype=torch.float64)
    with pytest.warns(BackendWarning, match=r"test_reasons\.py, line \d+: `h = torch.tanh") as said:
        layer(x, state, state, masks, (), False)
    assert not INSIDE.search(str(said[0].message))
    assert "torch.cumsum(s.h, -1)" in layer.runs
