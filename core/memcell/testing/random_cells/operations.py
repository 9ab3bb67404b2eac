"""What a random step is put together from: every kind of operation that tracing knows."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

from memcell.plugins import default_registry
from memcell.testing.random_cells.arrays import array

if TYPE_CHECKING:
    from memcell.testing.random_cells.drawing import _Drawing

#: Without hardsigmoid and hardswish, whose gradients torch's own kernels give in float32's precision.
_NAME = re.compile(r"\{(\w+)\}")
_UNARY = """
torch.tanh({a}) ; torch.sigmoid({a}) ; torch.relu({a}) ; torch.sin({a}) ; torch.cos({a}) ; {a}.abs()
-{a} ; torch.sign({a}) ; torch.erf({a}) ; torch.exp(-{a} * {a}) ; torch.log(1.1 + {a} * {a})
torch.log1p({a} * {a}) ; torch.expm1(torch.tanh({a})) ; torch.sqrt({a} * {a} + 0.1)
torch.rsqrt({a}.square() + 0.3) ; torch.reciprocal(1 + {a} * {a}) ; ({a} * {a} + 0.5) ** 1.5 ; {a} ** 3
F.softplus({a}) ; F.gelu({a}) ; F.gelu({a}, approximate="tanh") ; F.silu({a}) ; F.elu({a}) ; F.celu({a})
F.selu({a}) ; F.leaky_relu({a}, 0.1) ; F.hardtanh({a}) ; F.mish({a})
F.logsigmoid({a}) ; F.threshold({a}, 0.1, -0.2) ; {a}.clamp(-0.7, 0.9) ; {a}.clamp(min=-0.2)
{a}.clamp_max(0.4) ; F.softsign({a}) ; F.relu6({a}) ; F.tanhshrink({a}) ; {a}.square() ; 0.5 * {a} + 0.1
1 - {a} ; {a} / 3 ; 1 / (2 + {a} * {a}) ; torch.softmax({a}, -1) ; torch.log_softmax({a}, -1)
{a} - {a}.mean(-1, keepdim=True) ; F.layer_norm({a}, ({w},)) ; {a} / (0.5 + {a}.norm(dim=-1, keepdim=True))
{a} * torch.rsqrt({a}.square().mean(-1, keepdim=True) + 0.1) ; {a} - {a}.amax(-1, keepdim=True)
{a} * {a}.sum(-1, keepdim=True) ; {a} / (1 + {a}.var(-1, keepdim=True, unbiased=False))
{a}.detach() * {a} ; {a}.clone() ; {a}.reshape(-1, {w}) ; {a}.unsqueeze(1).squeeze(1) ; {a}.contiguous()
({a} > 0).to({a}.dtype) ; torch.where({a} > 0.1, {a}, 0.3 * {a}) ; {a}.masked_fill({a} < -0.5, 0.2)
torch.full_like({a}, 0.3) + {a} ; torch.ones_like({a}) - {a} ; torch.nan_to_num({a})
"""
_BINARY = """
{a} + {b} ; {a} - {b} ; {a} * {b} ; {a} / (1 + {b} * {b}) ; torch.maximum({a}, {b}) ; torch.minimum({a}, {b})
torch.where({a} > {b}, {a}, 0.5 * {b}) ; torch.lerp({a}, {b}, 0.3) ; torch.addcmul({a}, {a}, {b})
torch.sigmoid({a}) * {a} + (1 - torch.sigmoid({a})) * {b} ; ({a} >= {b}) * {a} ; ({a} < {b}).double() * {b}
torch.where(({a} > 0) & ({b} > 0), {a}, {b}) ; torch.where(({a} > 0) | ~({b} <= 0.2), {b}, {a} * {b})
torch.sub({a}, {b}, alpha=0.5) ; torch.add({a}, {b}, alpha=-2) ; {a} * {b} + {a} ; ({a} * {b}).tanh() - {b}
torch.where(({a} == {a}) & ({b} != 0), {b}, {a}) ; F.glu(torch.cat([{a}, {b}], -1), -1)
"""
_LANES = """
{a} - {a}.mean(0) ; {a} - {a}.mean(0, keepdim=True) ; {a} * {a}.sum(0)
({a} - {a}.mean(0)) / ({a}.var(0, unbiased=False) + 0.5).sqrt() ; {a} + {a}.mean()
"""


def names_in(code: str) -> set[str]:
    """Return the variables of a line's code."""
    return set(_NAME.findall(code))


def plain(code: str) -> str:
    """Return a line's code as Python."""
    return _NAME.sub(r"\1", code)


@cache
def normalizers() -> list[str]:
    """Return the names of all installed normalizers."""
    return default_registry().names("normalizer")


@cache
def _table(text: str) -> list[str]:
    return [code.strip() for row in text.strip().splitlines() for code in row.split(" ; ")]


def _filled(code: str, **names: str) -> str:
    for key, name in names.items():
        code = code.replace(f"{{{key}}}", name)
    return code


def _unary(d: _Drawing) -> tuple[str, int]:
    a = d.any()
    return _filled(d.rng.choice(_table(_UNARY)), a=f"{{{a}}}", w=str(d.widths[a])), d.widths[a]


def _binary(d: _Drawing) -> tuple[str, int]:
    a = d.any()
    b = a if d.rng.random() < 0.1 else d.any(d.widths[a])
    return _filled(d.rng.choice(_table(_BINARY)), a=f"{{{a}}}", b=f"{{{b}}}"), d.widths[a]


def _scalar(d: _Drawing) -> tuple[str, int]:
    """One column for all."""
    a, b = d.any(), d.fitted(1)
    return d.rng.choice(["{%s} * {%s}", "{%s} + {%s}", "{%s} - {%s}"]) % (a, b), d.widths[a]


def _vector(d: _Drawing) -> tuple[str, int]:
    """A parameter or a constant for all lanes."""
    a = d.any()
    w = d.tensor(d.rng.choice(["weight", "numbers"]), d.rng.choice([d.widths[a], 1]))
    how = [
        "{%s} + %s",
        "{%s} * %s",
        "{%s} - torch.tanh(%s)",
        "{%s} * torch.sigmoid(%s)",
        "%s * {%s}",
    ]
    code = d.rng.choice(how)
    return code % ((a, w) if code[0] == "{" else (w, a)), d.widths[a]


def _product(d: _Drawing) -> tuple[str, int]:
    a = d.any()
    have = d.widths[a]
    width = d.rng.choice([have, have, 2 * have if have < 17 else have, d.rng.choice([1, 2, 4, 6])])
    kind = d.rng.random()
    if kind < 0.15:
        return f"{{{a}}} @ {d.tensor('weight', have, width)}", width
    if kind < 0.3:  # a part of a wider weight
        weight = d.tensor("weight", width + 2, have + 1)
        return f"F.linear({{{a}}}, {weight}[1:{width + 1}, :{have}])", width
    weight = d.tensor("weight", width, have)
    if kind < 0.4:
        return f"F.linear({{{a}}}, {weight}, {d.tensor('weight', width)})", width
    if kind < 0.45 and width == have:  # the same weight both ways
        return f"F.linear({{{a}}} @ {weight}, {weight})", width
    return f"F.linear({{{a}}}, {weight})", width


def _products(d: _Drawing) -> tuple[str, int]:
    """Several products of one factor, or of several in one sum."""
    a, width = d.any(), d.rng.choice([2, 4])
    b = a if d.rng.random() < 0.5 else d.any()
    first, second = (d.tensor("weight", width, d.widths[n]) for n in (a, b))
    sign = d.rng.choice(["+", "-", "*"])
    return f"F.linear({{{a}}}, {first}) {sign} F.linear({{{b}}}, {second})", width


def _join(d: _Drawing) -> tuple[str, int]:
    names = [d.any() for _ in range(d.rng.choice([2, 2, 3]))]
    width = sum(d.widths[n] for n in names)
    if width > 200:
        return _unary(d)
    return f"torch.cat([{', '.join(f'{{{n}}}' for n in names)}], -1)", width


def _piece(d: _Drawing) -> tuple[str, int]:
    a = d.any()
    w = d.widths[a]
    if w == 1:
        return f"{{{a}}}.expand(-1, 3)", 3
    kind = d.rng.random()
    if w % 2 == 0 and kind < 0.5:
        return f"{{{a}}}.chunk(2, -1)[{d.rng.randint(0, 1)}]", w // 2
    if w % 2 == 0 and kind < 0.7:
        return f"torch.cat({{{a}}}.chunk(2, -1)[::-1], -1)", w
    width = d.rng.randint(1, w - 1)
    if kind < 0.8:
        return f"{{{a}}}.split([{width}, {w - width}], -1)[1]", w - width
    start = d.rng.randint(0, w - width)
    return f"{{{a}}}[:, {start}:{start + width}]", width


def _reduction(d: _Drawing) -> tuple[str, int]:
    how = ["mean(-1, keepdim=True)", "sum(-1, keepdim=True)", "amax(-1, keepdim=True)"]
    how += ["amin(1, True)", "norm(dim=-1, keepdim=True)", "square().mean(1, True)"]
    return f"{{{d.any()}}}.{d.rng.choice(how)}", 1


def _site(d: _Drawing) -> tuple[str, int]:
    if len(d.sites) == 3:
        return _unary(d)
    a = d.any()
    site = f"site{len(d.sites)}"
    d.sites[site] = d.widths[a]
    return f'norm("{site}", {{{a}}})', d.widths[a]


def _lanes(d: _Drawing) -> tuple[str, int]:
    a = d.any()
    return _filled(d.rng.choice(_table(_LANES)), a=f"{{{a}}}"), d.widths[a]


def _repeat(d: _Drawing) -> tuple[str, int]:
    a = d.any()
    if d.widths[a] > 32:
        return _unary(d)
    return f"{{{a}}}.repeat(1, 2)", 2 * d.widths[a]


_KINDS: list[tuple[int, Callable[[_Drawing], tuple[str, int]]]] = [
    (24, _unary),
    (22, _binary),
    (4, _scalar),
    (8, _vector),
    (18, _product),
    (5, _products),
    (9, _join),
    (9, _piece),
    (3, _reduction),
    (5, _site),
    (1, _lanes),
    (2, _repeat),
]


def add_line(d: _Drawing, arrays: bool = False) -> str:
    """Add a line to a step, and return its variable.

    Args:
        d: The step.
        arrays: With more dimensions inside, too.
    """
    weights, kinds = zip(*_KINDS, *([(40, array)] if arrays else []), strict=True)
    (kind,) = d.rng.choices(kinds, weights)
    return d.add(*kind(d))
