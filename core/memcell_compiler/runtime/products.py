"""What the products of a window multiply: its own numbers, or bfloat16 under torch's autocast.

Autocast asks for it, as it does everywhere in torch: ``with torch.autocast("cpu", torch.bfloat16)``. Weights,
and what they are multiplied with, are then rounded to bfloat16; in backward too, for a window remembers it.
Sums, states, pointwise work, statistics, what is saved and gradients stay float32. Within, autocast is off:
what is traced, and what torch computes before the loop, is in the window's own numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import torch

from memcell.recurrent.refusals import UnsupportedWindow
from memcell.recurrent.state import map_state
from memcell.recurrent.window_call import WindowCall
from memcell_compiler.build.bfloat16 import without_bfloat16

_P = ParamSpec("_P")
_R = TypeVar("_R")


def products_for(dtype: torch.dtype) -> torch.dtype:
    """Return what products of a type multiply: under autocast bfloat16, where this CPU is faster so.

    Autocast leaves float64 alone, and so does this.

    Raises:
        UnsupportedWindow: Autocast asks for another type.
    """
    if not torch.is_autocast_enabled("cpu") or dtype is not torch.float32:
        return dtype
    wanted = torch.get_autocast_dtype("cpu")
    if wanted is not torch.bfloat16:
        raise UnsupportedWindow(
            f"autocast to {wanted}: generated code multiplies float32 or bfloat16 numbers"
        )
    return dtype if without_bfloat16() else torch.bfloat16


def in_own_precision(call: WindowCall) -> WindowCall:
    """Return a window whose input and states have the type of the weights: autocast lets them differ."""
    weight = next(call.cell.parameters(), None)
    dtype = torch.float32 if weight is None else weight.dtype
    if not torch.is_autocast_enabled("cpu") or dtype is not torch.float32:
        return call
    x = call.x.to(dtype) if call.x.dtype is torch.bfloat16 else call.x
    states = (
        map_state(lambda part: part.to(dtype) if part.dtype is torch.bfloat16 else part, state)
        for state in (call.state, call.initial_state)
    )
    state, initial_state = states
    return call._replace(x=x, state=state, initial_state=initial_state)


def without_autocast(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Let a function run as if autocast were off."""

    @wraps(function)
    def run(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        if not torch.is_autocast_enabled("cpu"):
            return function(*args, **kwargs)
        with torch.autocast("cpu", enabled=False):
            return function(*args, **kwargs)

    return run
