"""Steps of a stretch and the window of past signal behind each of them.

Step k of a stretch covers ``[k step, (k+1) step)`` seconds from the stretch's start and ends before
sample ``edge[k] = round((k+1) step rate)``; its window is the ``window`` seconds before that sample.
Nothing later is seen, so a step's features are known when the step is over. The first steps of a
stretch have shorter windows: what there is since the stretch began. A tail shorter than a step is
left out.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

#: Windows that are worked on at once: bounds the memory, changes no result.
BLOCK = 256


def edges(n_samples: int, rate: float, step: float) -> NDArray[np.int64]:
    """Return ``[n_steps]``: the sample before which each whole step ends.

    Args:
        n_samples: Samples of the stretch.
        rate: Samples a second, Hz.
        step: Seconds.

    >>> edges(50, rate=100, step=0.2)
    array([20, 40])
    """
    n_steps = int(n_samples / (rate * step) + 1e-6)
    ends = np.rint(np.arange(1, n_steps + 1) * step * rate).astype(np.int64)
    return np.asarray(ends[ends <= n_samples])


def windows(
    values: NDArray[np.float64], ends: NDArray[np.int64], width: int
) -> Iterator[tuple[slice, NDArray[np.float64]]]:
    """Yield blocks of windows: which steps, and ``[k, C, w]`` samples ending at their edges.

    ``w`` is ``width`` except for the first steps, which come one by one with what there is.

    Args:
        values: ``[C, n]``.
        ends: ``[n_steps]`` as `edges` gives them.
        width: Samples of a full window.
    """
    short = int(np.searchsorted(ends, width))
    for k in range(short):
        yield slice(k, k + 1), values[None, :, : ends[k]]
    if short == len(ends):
        return
    strided = np.lib.stride_tricks.sliding_window_view(values, width, axis=1)  # [C, n-width+1, w]
    for first in range(short, len(ends), BLOCK):
        block = slice(first, min(first + BLOCK, len(ends)))
        yield block, strided[:, ends[block] - width].swapaxes(0, 1)
