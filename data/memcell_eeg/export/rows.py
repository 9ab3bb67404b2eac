"""Rows of numbers as text, all at once: a night has 144,000 of them, one by one 0.2 s of work."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray


def probability_rows(
    times: NDArray[np.float64], p: NDArray[np.float64], positive: NDArray[np.bool_]
) -> bytes:
    r"""Return a line a step: onset in seconds (3 places), probability (6 places), 0 or 1; with tabs between.

    Args:
        times: ``[n]`` from 0 on, ascending.
        p: ``[n]`` from 0 to 1.
        positive: ``[n]``.

    >>> probability_rows(np.array([9.8, 10.0]), np.array([0.25, 1.0]), np.array([False, True]))
    b'9.800\t0.250000\t0\n10.000\t1.000000\t1\n'
    """
    thousandths = np.rint(times * 1e3).astype(np.int64)
    whole = thousandths // 1000
    # lines of one length at a time: where the seconds get one more digit, another matrix begins
    digits = np.maximum(1, np.searchsorted(10 ** np.arange(18), whole, side="right"))
    cuts = [0, *(np.flatnonzero(np.diff(digits)) + 1).tolist(), len(times)]
    millionths = np.rint(p * 1e6).astype(np.int64)
    parts = []
    for a, b in pairwise(cuts):
        if a == b:
            continue
        width = int(digits[a])
        lines = np.empty((b - a, width + 16), dtype=np.uint8)
        lines[:] = np.frombuffer(b"0" * width + b".000\t0.000000\t0\n", dtype=np.uint8)
        _write(lines, whole[a:b], range(width - 1, -1, -1))
        _write(lines, thousandths[a:b] % 1000, range(width + 3, width, -1))
        _write(lines, millionths[a:b] % 1000000, range(width + 12, width + 6, -1))
        lines[:, width + 5] += (millionths[a:b] // 1000000).astype(np.uint8)
        lines[:, width + 14] += positive[a:b]
        parts.append(lines.tobytes())
    return b"".join(parts)


def _write(lines: NDArray[np.uint8], values: NDArray[np.int64], columns: range) -> None:
    """Add the digits of values to columns of zeros, the last digit first."""
    left = values.astype(np.uint32) if values.max() < 2**32 else values
    for column in columns:
        tens = left // 10
        lines[:, column] += (left - 10 * tens).astype(np.uint8)
        left = tens
