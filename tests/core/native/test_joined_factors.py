"""Products whose left factor is joined out of what a step does not compute itself.

Such a join is filled by copies, which must stand before the product, forward and backward.
"""

from __future__ import annotations

from typing import NamedTuple

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from memcell.recurrent.cell import Cell
from memcell.recurrent.norms import SiteNorms

H = 4


class One(NamedTuple):
    h: torch.Tensor


class Two(NamedTuple):
    a: torch.Tensor
    b: torch.Tensor


class Joined(Cell):
    """A cell of one function ``(p, state, weights) -> (output, state)``."""

    def __init__(self, function, state_type, shapes):
        super().__init__(H, H)
        self.function, self.state_type = function, state_type
        g = torch.Generator().manual_seed(3)
        draw = [torch.randn(*s, generator=g, dtype=torch.float64) * 0.4 for s in shapes]
        self.w = nn.ParameterList([nn.Parameter(d) for d in draw])
        self.register_buffer("constant", torch.linspace(-1, 1, H, dtype=torch.float64))

    @property
    def state_spec(self):
        return dict.fromkeys(self.state_type._fields, (H,))

    def project(self, x):
        return x

    def step(self, p, state, norm):
        return self.function(self, p, state, self.w)


def textbook(cell, p, s, w):
    h = torch.tanh(F.linear(torch.cat([p, s.h], -1), w[0]))
    return h, One(h)


def state_before_input(cell, p, s, w):
    h = torch.tanh(F.linear(torch.cat([s.h, p], -1), w[0]))
    return h, One(h)


def halves_turned_round(cell, p, s, w):
    first, second = s.h.chunk(2, -1)
    h = torch.tanh(p + F.linear(torch.cat([second, first], -1), w[0]))
    return h, One(h)


def part_of_the_state(cell, p, s, w):
    h = torch.tanh(p + F.linear(s.h[:, 1:3], w[0]))
    return h, One(h)


def with_a_constant(cell, p, s, w):
    joined = torch.cat([s.h, cell.constant.expand_as(s.h), torch.ones_like(p)], -1)
    h = torch.tanh(p + F.linear(joined, w[0]))
    return h, One(h)


def with_a_product(cell, p, s, w):
    h = torch.tanh(F.linear(torch.cat([F.linear(s.h, w[1]), p], -1), w[0]))
    return h, One(h)


def of_product_halves(cell, p, s, w):
    first, second = F.linear(s.h, w[1]).chunk(2, -1)
    h = torch.tanh(p + F.linear(torch.cat([second, first], -1), w[0]))
    return h, One(h)


def half_of_a_product(cell, p, s, w):
    _, second = F.linear(s.h, w[1]).chunk(2, -1)
    h = torch.tanh(p + F.linear(second, w[0]))
    return h, One(h)


def output_and_state_halves(cell, p, s, w):
    o, h = F.linear(torch.tanh(p + s.h), w[0]).chunk(2, -1)
    return o, One(h)


def shift_register(cell, p, s, w):
    h = torch.tanh(F.linear(torch.cat([p, s.a, s.b], -1), w[0]))
    return h, Two(h, s.a)


def states_change_places(cell, p, s, w):
    y = torch.tanh(F.linear(torch.cat([s.b, s.a, p], -1), w[0]))
    return y, Two(s.b, y)


def coupled_oscillators(cell, p, s, w):
    z = s.b + 0.1 * (torch.tanh(F.linear(torch.cat([s.a, s.b, p], -1), w[0])) - s.a - 0.5 * s.b)
    y = s.a + 0.1 * z
    return y, Two(y, z)


def product_of_a_weight_alone(cell, p, s, w):
    row = F.linear(w[1], w[0])
    h = torch.tanh(p + s.h * row)
    return h, One(h)


def join_read_twice(cell, p, s, w):
    joined = torch.cat([p, s.h], -1)
    h = torch.sigmoid(F.linear(joined, w[0])) * torch.tanh(F.linear(joined, w[1]))
    return h, One(h)


def join_that_is_the_output(cell, p, s, w):
    joined = torch.cat([p, s.h], -1)
    return joined, One(torch.tanh(F.linear(joined, w[0])))


CELLS = [
    (textbook, One, [(H, 2 * H)]),
    (state_before_input, One, [(H, 2 * H)]),
    (halves_turned_round, One, [(H, H)]),
    (part_of_the_state, One, [(H, 2)]),
    (with_a_constant, One, [(H, 3 * H)]),
    (with_a_product, One, [(H, 2 * H), (H, H)]),
    (of_product_halves, One, [(H, H), (H, H)]),
    (half_of_a_product, One, [(H, H // 2), (H, H)]),
    (output_and_state_halves, One, [(2 * H, H)]),
    (shift_register, Two, [(H, 3 * H)]),
    (states_change_places, Two, [(H, 3 * H)]),
    (coupled_oscillators, Two, [(H, 3 * H)]),
    (join_read_twice, One, [(H, 2 * H), (H, 2 * H)]),
    (join_that_is_the_output, One, [(H, 2 * H)]),
]


@pytest.mark.parametrize(
    ("function", "state", "shapes"), CELLS, ids=lambda v: getattr(v, "__name__", "")
)
def test_joined_factor_equals_the_eager_loop(agree, function, state, shapes):
    cell, norms = Joined(function, state, shapes), SiteNorms({}, None)
    assert not agree.difference(cell, norms, agree.Window(lanes=5))
    assert not agree.difference(cell, norms, agree.Window(resets=True, padding=True), threads=2)


def test_product_without_lanes_is_made_before_the_loop(agree):
    cell = Joined(product_of_a_weight_alone, One, [(H, H), (H,)])
    assert not agree.difference(cell, SiteNorms({}, None), agree.Window(resets=True, padding=True))
