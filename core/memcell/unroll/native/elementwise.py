"""The elementwise functions: their ATen operations and how they are written in C."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch

aten, prims = torch.ops.aten, torch.ops.prims


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


#: C of each function; ``{0}`` … are its arguments. What begins with ``m_`` is in c/functions.h.
C_SOURCE: dict[str, str] = {
    "add": "({0} + {1})",
    "sub": "({0} - {1})",
    "mul": "({0} * {1})",
    "div": "({0} / {1})",
    "neg": "(-{0})",
    "copy": "{0}",
    "abs": "m_abs({0})",
    "sqrt": "m_sqrt({0})",
    "rsqrt": "(1 / m_sqrt({0}))",
    "reciprocal": "(1 / {0})",
    "exp": "m_exp({0})",
    "log": "m_log({0})",
    "log1p": "m_log1p({0})",
    "expm1": "m_expm1({0})",
    "erf": "m_erf({0})",
    "sin": "m_sin({0})",
    "cos": "m_cos({0})",
    "pow": "m_pow({0}, {1})",
    "sigmoid": "m_sigmoid({0})",
    "tanh": "m_tanh({0})",
    "relu": "({0} > 0 ? {0} : ({0} != {0} ? {0} : 0))",
    "sign": "(real)(({0} > 0) - ({0} < 0))",
    "maximum": "m_max({0}, {1})",
    "minimum": "m_min({0}, {1})",
    "where": "({0} != 0 ? {1} : {2})",
    "gt": "({0} > {1} ? ONE : ZERO)",
    "ge": "({0} >= {1} ? ONE : ZERO)",
    "lt": "({0} < {1} ? ONE : ZERO)",
    "le": "({0} <= {1} ? ONE : ZERO)",
    "eq": "({0} == {1} ? ONE : ZERO)",
    "ne": "({0} != {1} ? ONE : ZERO)",
    "and": "({0} != 0 && {1} != 0 ? ONE : ZERO)",
    "or": "({0} != 0 || {1} != 0 ? ONE : ZERO)",
    "not": "({0} != 0 ? ZERO : ONE)",
}

#: Functions that cost less than storing their result and reading it again.
CHEAP = _words(
    "add sub mul neg copy abs maximum minimum where relu sign not and or gt ge lt le eq ne"
)

_BY_NAME = _words(
    "add sub mul div maximum minimum gt ge lt le eq ne neg abs sqrt rsqrt reciprocal exp log "
    "log1p expm1 erf sin cos sigmoid tanh relu sign"
)


def _table() -> dict[object, str]:
    found: dict[object, str] = {}
    for name in _BY_NAME:
        packet = getattr(aten, name)
        for overload in packet.overloads():
            if overload in ("default", "Tensor", "Scalar"):
                found[getattr(packet, overload)] = name
    found.update(
        {
            aten.pow.Tensor_Scalar: "pow",
            aten.pow.Tensor_Tensor: "pow",
            aten.where.self: "where",
            aten.clone.default: "copy",
            aten._to_copy.default: "copy",
            prims.convert_element_type.default: "copy",
            prims.div.default: "div",
            aten.logical_and.default: "and",
            aten.logical_or.default: "or",
            aten.logical_not.default: "not",
            aten.bitwise_and.Tensor: "and",
            aten.bitwise_or.Tensor: "or",
            aten.bitwise_not.default: "not",
        }
    )
    return found


#: ATen operation -> function.
ELEMENTWISE = _table()

_FOLD: dict[str, Callable[[float, float], float]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b if b else math.copysign(math.inf, a) if a else math.nan,
    "eq": lambda a, b: float(a == b),
    "ne": lambda a, b: float(a != b),
}


def folded(name: str, numbers: list[float]) -> float | None:
    """Return the function of constants, where it is known here."""
    if name == "copy":
        return numbers[0]
    if name == "neg":
        return -numbers[0]
    if name == "where":
        return numbers[1] if numbers[0] else numbers[2]
    if name in _FOLD:
        return _FOLD[name](numbers[0], numbers[1])
    return None
