"""Counts over the samples of one channel that comes in blocks: amplitudes and clipping.

Each holds little, for a night has millions of samples. Blocks change no count; where a number is not exact it
is said.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memcell_data.native.library import address, functions, has_rows, is_row

Row = NDArray[np.float64]

#: Samples a value from which on a signal counts as held, on average; steps that its moves have at least.
HELD, _HELD_STEPS = 3, 4

#: At most three times as many seconds are looked at closely: every one of the first, then every third of all,
#: every ninth ...
KEPT = 1 << 9


class Amplitudes:
    """Middle and spread, extremes, and how many samples are far from the middle of their second.

    Middle and spread are medians over at most 3 * `KEPT` seconds, evenly chosen, of the median and the median
    absolute deviation of each. What drifts slowly, or steps from one electrode offset to another, is not far.

    Args:
        limit: Samples further than this from the median of their second are far away.
        length: Samples of a second.
    """

    def __init__(self, limit: float, length: int) -> None:
        self.limit, self.length = limit, max(1, length)
        self.n = 0
        self.low, self.high = np.inf, -np.inf
        self.outside = 0
        self.farthest = 0.0
        self._rest: Row = np.empty(0)
        self._least, self._most = np.inf, -np.inf
        self._seconds = 0
        self._every = 1
        self._kept: list[NDArray[np.float64]] = []  # [2, n]: medians and deviations
        self._n_kept = 0

    def push(self, row: Row, low: float, high: float) -> None:
        """Look at the next samples, at least one, whose extremes are known."""
        self.n += len(row)
        self.low, self.high = min(self.low, low), max(self.high, high)
        # of these samples and those of the second that they go on with
        self._least, self._most = min(self._least, low), max(self._most, high)
        x = np.concatenate([self._rest, row]) if len(self._rest) else row
        whole = len(x) // self.length
        self._rest = x[whole * self.length :].copy()
        if whole:
            wide = self._most - self._least > self.limit
            self._look(x[: whole * self.length].reshape(whole, self.length), wide)
            self._least, self._most = (low, high) if len(self._rest) else (np.inf, -np.inf)

    def finish(self) -> None:
        """Look at what is left of the last second; nothing more is pushed."""
        if len(self._rest):
            self._look(self._rest[None], wide=True)
            self._rest = np.empty(0)

    @property
    def middle(self) -> float:
        """The median of the seconds' medians."""
        return float(np.median(np.concatenate(self._kept, axis=1)[0]))

    @property
    def spread(self) -> float:
        """The median of the seconds' median absolute deviations."""
        return float(np.median(np.concatenate(self._kept, axis=1)[1]))

    @property
    def drift(self) -> float:
        """From the lowest to the highest of the seconds' medians."""
        return float(np.ptp(np.concatenate(self._kept, axis=1)[0]))

    def _look(self, seconds: NDArray[np.float64], wide: bool) -> None:
        """Look at whole seconds; without ``wide`` none of them spans more than the limit."""
        if wide and len(far := seconds[_spanning_more(seconds, self.limit)]):
            away = np.abs(far - np.median(far, axis=1, keepdims=True))
            self.outside += int(np.sum(away > self.limit))
            self.farthest = max(self.farthest, float(away.max()))
        chosen = seconds[-self._seconds % self._every :: self._every]
        self._seconds += len(seconds)
        if not len(chosen):
            return
        middle = _medians(chosen)
        spread = _medians(np.abs(chosen - middle[:, None]))
        self._kept.append(np.stack([middle, spread]))
        self._n_kept += len(chosen)
        while self._n_kept > 3 * KEPT:
            self._kept = [np.concatenate(self._kept, axis=1)[:, ::3].copy()]
            self._n_kept = self._kept[0].shape[1]
            self._every *= 3


def _medians(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the median of each row; numpy's own takes several times as long for short ones."""
    ordered = np.sort(rows, axis=1)
    n = ordered.shape[1]
    if n % 2:
        return ordered[:, n // 2].copy()
    found: NDArray[np.float64] = (ordered[:, n // 2 - 1] + ordered[:, n // 2]) / 2
    return found


def _spanning_more(rows: NDArray[np.float64], limit: float) -> NDArray[np.bool_]:
    """Return which rows span more than a limit."""
    native = functions()
    if native is None or not is_row(rows):
        found: NDArray[np.bool_] = rows.max(axis=1) - rows.min(axis=1) > limit
        return found
    wide = np.empty(len(rows), dtype=np.bool_)
    native.wide(address(rows), *rows.shape, limit, address(wide))
    return wide


@dataclass(frozen=True)
class Moves:
    """What the samples of a row span, and how they move.

    Args:
        low: Lowest.
        high: Highest.
        count: Differences from the sample before that are not 0.
        total: The sum of their sizes; how it is rounded depends on who adds.
        least: The least of their sizes; infinite without any.
    """

    low: float
    high: float
    count: int
    total: float
    least: float


def moves_of(values: NDArray[np.float64], last: Row) -> list[Moves]:
    """Return those of each row.

    Args:
        values: ``[C, n]``, at least one sample, all finite.
        last: ``[C]`` the sample before; NaN where there is none. It becomes the last one.
    """
    native = functions()
    if native is not None and has_rows(values):
        found = np.empty((len(values), 5))
        at = int(values.__array_interface__["data"][0])
        native.moves(
            *(at, len(values), values.strides[0] // 8, values.shape[1]),
            *(address(last), address(found)),
        )
        return [
            Moves(low, high, int(n), total, least) for low, high, n, total, least in found.tolist()
        ]
    moves = [_moves(row, float(before)) for row, before in zip(values, last, strict=True)]
    last[:] = values[:, -1]
    return moves


def _moves(row: Row, last: float) -> Moves:
    d = np.diff(row, prepend=last)
    sizes = np.abs(d[(d != 0) & np.isfinite(d)])
    least = float(sizes.min()) if len(sizes) else np.inf
    return Moves(float(row.min()), float(row.max()), len(sizes), float(sizes.sum()), least)


class Clips:
    """The share of samples that stay at the highest or the lowest value of all; exact."""

    def __init__(self) -> None:
        self._n = 0
        self._last = np.nan
        self._high, self._at_high = -np.inf, 0
        self._low, self._at_low = np.inf, 0

    def push(self, row: Row, low: float, high: float) -> None:
        """Look at the next samples, at least one, whose extremes are known."""
        if high > self._high:
            self._high, self._at_high = high, 0
        if low < self._low:
            self._low, self._at_low = low, 0
        if high == self._high:
            self._at_high += self._stays(row, high)
        if low == self._low:
            self._at_low += self._stays(row, low)
        self._n += len(row)
        self._last = float(row[-1])

    def share(self) -> float:
        """Return the share, between 0 and 1."""
        both = self._at_high if self._low == self._high else self._at_high + self._at_low
        return both / max(1, self._n - 1)

    def _stays(self, row: Row, value: float) -> int:
        at = np.flatnonzero(row == value)
        before = np.where(at > 0, row[at - 1], self._last)
        return int(np.sum(before == value))


class Holds:
    """Whether each value is held for several samples, since the signal was sampled more slowly.

    Coarse steps make neighbours equal too, but there a move is a step or two; here moves are large.
    """

    def __init__(self) -> None:
        self._n = self._moves = 0
        self._moved, self._least = 0.0, np.inf

    def push(self, n: int, moves: Moves) -> None:
        """Count the next n samples, at least one, whose `Moves` from the one before them are known."""
        self._n += n
        self._moves += moves.count
        if moves.count:
            self._moved += moves.total
            self._least = min(self._least, moves.least)

    def length(self) -> float:
        """Return for how many samples a value is held on average; 1 where none is."""
        if self._moves == 0 or self._n < HELD * self._moves:
            return 1.0
        return (
            self._n / self._moves if self._moved > _HELD_STEPS * self._least * self._moves else 1.0
        )
