"""``running.c``: running statistics folded in one pass, where there is a C compiler."""

from __future__ import annotations

import ctypes
from functools import cache
from importlib import resources
from typing import Any

import torch
from torch import Tensor

from memcell.errors import Unsupported
from memcell.recurrent.reference import transforming
from memcell_compiler.build.target import chosen
from memcell_compiler.build.unit import load, symbol

#: Columns that torch sums row by row, whatever its vectors: four of the widest.
WHOLE = 64
_LONG, _POINTER = ctypes.c_long, ctypes.c_void_p


def fold_line(
    running: tuple[Tensor, Tensor, Tensor],
    first: int,
    lanes: int,
    trusted: int,
    mean: Tensor,
    variance: Tensor,
    momentum: float | None,
) -> bool:
    """Fold a line of ages as `RunningStatistics.accumulate_line` does, to the bit; False: nothing is done.

    Beside a window of a small network some twenty-five calls of torch a normalizer are what costs.

    Args:
        running: Mean, variance and count of each age and of the row behind them.
        first: Age at the first step, clamped.
        lanes: Lanes at each step.
        trusted: Counts below this are too few to normalize with.
        mean: ``[T, W]`` each step's mean.
        variance: ``[T, W]`` each step's biased variance.
        momentum: Rate of the moving average; None for the plain average.
    """
    old_mean, old_variance, count = running
    numbers, dtype = (mean, variance, old_mean, old_variance), mean.dtype
    for t in numbers:
        if type(t) is not Tensor or t.dtype is not dtype or not (t.is_cpu and t.is_contiguous()):
            return False
    if not count.is_contiguous() or transforming(*numbers):
        return False
    fold = _compiled(dtype)
    if fold is None or not len(mean):
        return False
    steps, width = mean.shape
    room = torch.empty(6, width, dtype=mean.dtype)
    alone = min(steps, len(count) - 2 - first)
    apart = width % WHOLE != 0 and steps - alone > 1
    if apart:  # torch sums what is left over of a row in another order
        late = mean[alone:]
        torch.mean(late, 0, out=room[4])
        torch.mean((late - room[4]).square_().add_(variance[alone:]), 0, out=room[5])
    at = first * width * mean.itemsize
    fold(
        steps,
        len(count) - 1 - first,
        width,
        mean.data_ptr(),
        variance.data_ptr(),
        lanes,
        -1.0 if momentum is None else momentum,
        trusted,
        old_mean.data_ptr() + at,
        old_variance.data_ptr() + at,
        count.data_ptr() + first * count.itemsize,
        room.data_ptr(),
        apart,
    )
    torch.autograd.graph.increment_version(running)
    return True


@cache
def _compiled(dtype: torch.dtype) -> Any:
    """Return the C function for numbers of a type, None where there is none."""
    if dtype not in (torch.float32, torch.float64):
        return None
    source = resources.files(__package__).joinpath("running.c").read_text(encoding="utf-8")
    try:
        unit = load(f'#include "base.h"\n{source}', dtype, chosen(), ("-ffp-contract=off",))
        function = symbol(unit, "memcell_running")
    except Unsupported:
        return None
    sizes, arrays = [_LONG] * 3, [_POINTER] * 2
    rest = [_LONG, ctypes.c_double, _LONG, *[_POINTER] * 4, _LONG]
    function.restype, function.argtypes = None, [*sizes, *arrays, *rest]
    return function
