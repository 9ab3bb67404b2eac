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
    "floor": "m_floor({0})",
    "ceil": "m_ceil({0})",
    "trunc": "m_trunc({0})",
    "round": "m_rint({0})",
    "fmod": "m_fmod({0}, {1})",
    "remainder": "m_remainder({0}, {1})",
    "floor_divide": "m_floor_divide({0}, {1})",
    "tan": "m_tan({0})",
    "asin": "m_asin({0})",
    "acos": "m_acos({0})",
    "atan": "m_atan({0})",
    "atan2": "m_atan2({0}, {1})",
    "sinh": "m_sinh({0})",
    "cosh": "m_cosh({0})",
    "asinh": "m_asinh({0})",
    "acosh": "m_acosh({0})",
    "atanh": "m_atanh({0})",
    "exp2": "m_exp2({0})",
    "log2": "m_log2({0})",
    "log10": "m_log10({0})",
    "erfc": "m_erfc({0})",
    "isnan": "({0} != {0} ? ONE : ZERO)",
    "isinf": "(m_abs({0}) == INFINITY ? ONE : ZERO)",
    "pow": "m_pow({0}, {1})",
    "sigmoid": "m_sigmoid({0})",
    "tanh": "m_tanh({0})",
    "relu": "({0} < 0 ? ZERO : {0})",  # NaN and -0 stay what they are
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
    "log1p expm1 erf sin cos sigmoid tanh relu sign floor ceil trunc fmod remainder tan asin acos "
    "atan atan2 sinh cosh asinh acosh atanh exp2 log2 log10 erfc isnan isinf"
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
            aten.round.default: "round",
            aten.sgn.default: "sign",
            aten.div.Tensor_mode: "floor_divide",
            aten.div.Scalar_mode: "floor_divide",
            aten.pow.Tensor_Scalar: "pow",
            aten.pow.Scalar: "pow",
            aten.pow.Tensor_Tensor: "pow",
            aten.where.self: "where",
            aten.clone.default: "copy",
            aten._to_copy.default: "copy",
            prims.convert_element_type.default: "copy",
            prims.div.default: "div",
            aten.logical_xor.default: "ne",
            aten.bitwise_xor.Tensor: "ne",
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
