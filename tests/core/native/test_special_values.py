"""Zeros of both signs, infinities, NaN, the least and the largest numbers: as torch has them."""

from __future__ import annotations

import ctypes
import math
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from memcell.backends.eager import unroll_eager
from memcell.recurrent.cell import Cell
from memcell.recurrent.norms import SiteNorms
from memcell.recurrent.step_masks import StepMasks
from memcell.recurrent.window_call import WindowCall
from memcell_compiler.build.target import TARGETS, available
from memcell_compiler.build.unit import load
from memcell_compiler.ir.elementwise import C_SOURCE
from memcell_compiler.runtime.unroll import unroll_native

#: Roundings (of the result) that a function may differ by from torch or numpy.
ULPS = 4
BEST = available()[0]
DTYPES = [torch.float32, torch.float64]
#: Where the result is a difference from 1: a rounding of 1.
ABSOLUTE = {"tanh": 1.0}
#: Functions that torch calls otherwise, or that are operators.
OTHER = {
    "copy": lambda a: a,
    "where": torch.where,
    "and": torch.logical_and,
    "or": torch.logical_or,
    "not": torch.logical_not,
}
#: Functions of numpy, which are the C library's: torch's vector code gives NaN for the remainder of a large
#: number, infinity for sinh just below the overflow, and 0 for atan2 of two large numbers.
NUMPY = {n: n for n in ("sinh", "cosh", "fmod", "remainder", "floor_divide")} | {"atan2": "arctan2"}


@pytest.fixture(autouse=True)
def flushed():
    """Torch drops subnormal numbers as generated loops do."""
    torch.set_flush_denormal(True)
    yield
    torch.set_flush_denormal(False)


def special(dtype):
    """Numbers at which functions have an edge; none is subnormal."""
    info = torch.finfo(dtype)
    largest = math.log(info.max)  # exp overflows behind it
    found = [0, math.inf, math.nan, info.tiny, 4 * info.tiny, info.max, info.max / 2, info.eps]
    found += [1 - info.eps / 2, 1 + info.eps, 0.1, 0.5, 0.7, 1, 1.5, 2, 2.5, 3, 3.5, 5.5, 20, 100]
    found += [
        1 / info.eps,
        0.5 / info.eps + 0.5,
        info.max**0.5,
        info.tiny**0.5,
        -math.log(info.eps),
    ]
    found += [largest * (1 - 4 * info.eps), largest * (1 + 4 * info.eps), largest + 1]
    least = -math.log(info.tiny)
    found += [least - 0.01, least + 0.01, 2 * least]
    numbers = torch.tensor(found, dtype=dtype)
    return torch.cat([numbers, -numbers])


def kinds(x, tiny):
    """Infinity, NaN, zero (nothing above a rounding of the least normal number) or a number."""
    kind = torch.where(x.abs() <= tiny, 0.0, 2.0)
    kind = torch.where(x.isinf(), 5 * x.sign(), kind)
    return torch.where(x.isnan(), 9.0, kind).double()


def agrees(got, wanted, absolute=0.0, least=1.001):
    """Where two agree: of one kind, and within roundings; what is at most `least` normal numbers is zero."""
    info = torch.finfo(got.dtype)
    least *= info.tiny
    near = (got.double() - wanted.double()).abs() <= (
        ULPS * info.eps * wanted.double().abs() + absolute
    )
    kind = kinds(got, least)
    return ((kind == kinds(wanted, least)) & (near | (kind != 2.0))) | (near & got.isfinite())


def arguments(name):
    return sum(f"{{{i}}}" in C_SOURCE[name] for i in range(3))


def compiled(dtype, isa):
    """Return every function as a loop in vector code, and as one of single numbers."""
    lines = ['#include "base.h"', '#include "functions.h"']
    for name, source in C_SOURCE.items():
        places = [f"x{i}" for i in range(arguments(name))]
        taken = ", ".join(f"const real *restrict {p}" for p in places)
        value = source.format(*(f"{p}[j]" for p in places))
        for kind, before, after in (
            ("vector", "#pragma omp simd\n", ""),
            ("single", "", '__asm__ volatile("" ::: "memory");'),
        ):
            lines.append(
                f"void {kind}_{name}({taken}, real *restrict y, long n) {{\n{before}"
                f"for (long j = 0; j < n; j++) {{ y[j] = {value}; {after} }} }}"
            )
    return load("\n".join(lines), dtype, TARGETS[isa])


def dense(dtype):
    """Many numbers beside the special ones: all that exp does not flush, and all sizes."""
    largest = math.log(torch.finfo(dtype).max) * 1.01
    line = torch.linspace(-largest, largest, 20_011, dtype=torch.float64)
    sizes = (line / 1.02).exp().to(dtype)
    found = torch.cat([special(dtype), line.to(dtype), (line / 80).to(dtype), sizes])
    return found * 1  # without subnormal numbers, which some library may have given


@pytest.mark.parametrize("dtype", DTYPES, ids=["float32", "float64"])
@pytest.mark.parametrize(
    "isa", [pytest.param(i, marks=() if i == BEST else pytest.mark.slow) for i in available()]
)
def test_every_function_has_the_values_of_torch(dtype, isa):
    library = compiled(dtype, isa)
    each = special(dtype)
    one, few = dense(dtype), each[torch.arange(0, len(each), 3)]
    wrong = []
    for name in C_SOURCE:
        count = arguments(name)
        x = (
            [one]
            if count == 1
            else [a.contiguous() for a in torch.meshgrid([each] * 2, indexing="ij")]
        )
        if count == 3:
            x = [
                t.contiguous()
                for t in torch.meshgrid(
                    [torch.tensor([0.0, 1.0]).to(dtype), few, few], indexing="ij"
                )
            ]
        bools = [t != 0 for t in x] if name in ("and", "or", "not") else x
        bools = [x[0] != 0, *x[1:]] if name == "where" else bools
        function = OTHER.get(name) or getattr(torch, name)
        oracles = [function(*bools).to(dtype)]
        if count == 1 and name not in OTHER:
            oracles.append(function(*(t.double() for t in x)).to(dtype))
        if name in NUMPY:
            with np.errstate(all="ignore"):
                oracles.append(torch.from_numpy(getattr(np, NUMPY[name])(*(t.numpy() for t in x))))
        slack = ABSOLUTE.get(name, 0.0) * torch.finfo(dtype).eps
        for kind in ("vector", "single"):
            y = torch.full_like(x[0], 7.0)
            at = [ctypes.c_void_p(t.data_ptr()) for t in (*x, y)]
            getattr(library, f"{kind}_{name}")(*at, ctypes.c_long(y.numel()))
            right = torch.stack([agrees(y, o, slack) for o in oracles]).any(0)
            signs = torch.stack([torch.signbit(o) == torch.signbit(y) for o in oracles]).any(0)
            # of a remainder that is 0, numpy has the sign of the divisor, torch of what is divided
            right &= signs | (y != 0) | (name == "remainder")
            wrong += [
                (kind, name, [float(t.flatten()[i]) for t in x], float(y.flatten()[i]))
                for i in (~right).flatten().nonzero()[:3, 0].tolist()
            ]
    assert not wrong, wrong[:20]


class Nothing(NamedTuple):
    h: torch.Tensor


KINKS = [
    *(torch.exp, torch.log, torch.sqrt, torch.abs, torch.sign, torch.relu, torch.round, F.softplus),
    *(lambda x: x.clamp(-1, 2), lambda x: x**0.5, lambda x: x**-2, lambda x: x / 0.0),
    *(
        lambda x: torch.where(x > 0, x.log(), 0.0 * x),
        lambda x: torch.amax(x, -1, True) * (0 * x + 2),
    ),
]
UNARY = [
    *(
        torch.log1p,
        torch.expm1,
        torch.rsqrt,
        torch.reciprocal,
        torch.sigmoid,
        torch.tanh,
        torch.square,
    ),
    *(torch.nan_to_num, torch.floor, torch.ceil, torch.trunc, torch.frac, F.logsigmoid),
    *(lambda x: x.clamp(min=0.5), lambda x: F.leaky_relu(x, 0.1), lambda x: torch.softmax(x, -1)),
    *(lambda x, k=k: x**k for k in (0, 1, 2, 3, 4, -0.5, -1, -3, 2.5, math.inf)),
    *(lambda x: 2.0**x, lambda x: 0.0**x, lambda x: 0.0 / x, lambda x: 1 / (0 * x)),
    lambda x: torch.where(torch.isnan(x), 1.0, x),
    *(
        lambda x: torch.remainder(x.clamp(-50, 50), -0.7),
        lambda x: torch.fmod(x.clamp(-50, 50), 2.0),
    ),
]
BINARY = [
    *(torch.maximum, torch.minimum, torch.pow, torch.div, torch.mul, torch.sub),
    *(lambda a, b: torch.clamp(a, min=b), lambda a, b: torch.clamp(a, b, b + 1)),
    *(lambda a, b: torch.where(a >= b, a, 2 * b), lambda a, b: torch.where(a != b, a, 2 * b)),
]


class Functions(Cell):
    """Its output is functions of its input, side by side; functions of two have it in two halves."""

    state_type = Nothing

    def __init__(self, functions, arguments, width):
        super().__init__(len(functions) * arguments * width, 1)
        self.functions, self.count, self.width = functions, arguments, width

    @property
    def state_spec(self):
        return {"h": (1,)}

    @property
    def output_size(self):
        return len(self.functions) * self.width

    def project(self, x):
        return x

    def step(self, p, state, norm):
        parts = [part.split(self.width, -1) for part in p.split(self.count * self.width, -1)]
        found = [f(*xs) for f, xs in zip(self.functions, parts, strict=True)]
        return torch.cat(found, -1), Nothing(state.h * 0.5)


@pytest.mark.parametrize("dtype", DTYPES, ids=["float32", "float64"])
@pytest.mark.parametrize(
    ("functions", "count"),
    [pytest.param(UNARY, 1, marks=pytest.mark.slow), (KINKS, 1), (BINARY, 2)],
    ids=["of one", "of one with kinks", "of two"],
)
def test_cells_have_the_values_and_gradients_of_the_eager_loop(functions, count, dtype):
    """At kinks, ties and bounds too: torch's choice among the subgradients."""
    each = special(dtype)
    width = len(each)
    shifts = range(0, width, 1 if count == 2 else 20)
    one = torch.stack([each.roll(i) for i in shifts])
    halves = [one] if count == 1 else [each.expand(len(one), width), one]
    values = torch.cat(halves * len(functions), -1)[None]
    cell = Functions(functions, count, width).to(dtype)
    norms = SiteNorms(cell.norm_sites, None)
    lanes = len(one)
    no = torch.zeros(1, lanes, dtype=torch.bool)
    masks = StepMasks.of(no, ~no, torch.zeros(lanes, dtype=torch.int64))
    state = Nothing(torch.zeros(lanes, 1, dtype=dtype))
    found = []
    for unroll in (unroll_native, unroll_eager):
        x = values.clone().requires_grad_()
        y, _ = unroll(WindowCall(cell, norms, x, state, state, masks, (1,), False))
        (dx,) = torch.autograd.grad(y, x, torch.ones_like(y))
        found.append((y.detach(), dx))
    got, wanted = found
    eps = torch.finfo(dtype).eps
    # a value or gradient that is a difference from 1 has that one's rounding, and functions are made of
    # exp, which torch has flushed or not where it is a few least normal numbers
    right = [
        agrees(a, b, slack, 4.0) for a, b, slack in zip(got, wanted, (eps, 8 * eps), strict=True)
    ]
    for what, a, b, ok in zip(("value", "gradient"), got, wanted, right, strict=True):
        wide = width * (1 if what == "value" else count)
        wrong = [
            (what, i // wide, float(one[r, i % width]), float(a[0, r, i]), float(b[0, r, i]))
            for r, i in (~ok[0]).nonzero()[:10].tolist()
        ]
        assert not wrong, wrong
