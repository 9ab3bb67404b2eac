"""Samples of a channel that are no signal: a dead electrode, an unplugged box, an amplifier at its limit.

With x the channel in uV and d its differences from sample to sample, a sample is

- *flat* where it lies in a window of `FLAT` s in which nothing moves (the values span at most 1 pV), or the
  values span at most `QUIET` uV (the noise of an open input; no scalp is that quiet), or they are at most
  three neighbouring steps of the converter that span at most `DITHER` uV (a stuck value
  that dithers), or d takes at most two neighbouring steps (a ramp: interpolated samples, an open input);
- *saturated* where it lies in a run of equal values of `SATURATED` s at the highest or lowest value that the
  channel has had so far (a limit of the converter or of the file), while its steps are too fine for a signal
  to rest there by chance.

An EEG has a few equal samples in a row, and more where it is stored in coarse steps; a window in which steps
of more than `DITHER` uV are crossed, be it a single bit's, is never flat.

Whether a sample lies in such a window is known `FLAT` s later at most, and so long are samples held back.
What is found does not depend on how the samples are cut.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memcell_data.native.library import address, functions, has_rows, is_row

Row = NDArray[np.float64]
Marks = NDArray[np.int8]

FLAT = 1.0  # s
SATURATED = 0.1  # s
DITHER = 2.5  # uV
QUIET = 1.0  # uV
#: Steps between the lowest and the highest value from which on a rest at one of them is no chance.
LEVELS = 512
#: Samples that a saturated run has at least, however slow the channel.
FEWEST = 5
GOOD, IS_FLAT, IS_SATURATED = 0, 1, 2
#: What computing leaves of samples that do not move, uV; of a straight line, relative to its size.
_NOTHING, _ROUNDING = 1e-6, 1e-6


class StillSamples:
    """Marks the flat and the saturated samples of one channel.

    Args:
        rate: Samples a second, Hz.
        dither: Look for values that dither and for ramps too; False for channels that are nearly still
            between two beats or contractions (ECG, EMG).

    Attributes:
        window: Samples within which a flat segment is told from signal.
        largest: The largest difference of two neighbours so far, uV.
    """

    def __init__(self, rate: float, dither: bool = True) -> None:
        self.window = max(2 * FEWEST, round(FLAT * rate))
        self._short = min(self.window, max(FEWEST, round(SATURATED * rate)))
        self._dither = dither
        # Of the samples before those that are held:
        self._low, self._high, self._step = np.inf, -np.inf, np.inf
        self._fine = False
        self.largest = 0.0
        # Held, for a window may begin with them:
        self._row: Row = np.empty(0)
        self._marks: Marks = np.empty(0, dtype=np.int8)

    def push(self, row: Row) -> Marks:
        """Take the next samples of a segment and return the marks of those that are decided, in order.

        Args:
            row: ``[n]`` uV; a sample that is not finite is neither flat nor saturated.

        Returns:
            `GOOD`, `IS_FLAT` or `IS_SATURATED` for all but the last ``window - 1`` samples of the segment.
        """
        native = functions()
        if native is not None and is_row(row):
            whole = bool(native.finite(address(row), len(row)))
        else:
            native, whole = None, bool(np.isfinite(row.sum()))
        x = np.concatenate([self._row, row if whole else np.where(np.isfinite(row), row, np.inf)])
        marks = np.concatenate([self._marks, np.zeros(len(row), dtype=np.int8)])
        decided = max(0, len(x) - self.window + 1)
        still = True
        if native is not None and native.finite(address(x), len(x)):
            rules = (self.window // 2, *self.rules)
            still = bool(native.still(address(x), len(x), *rules, self.rest))
        if not still and self._settled:
            self._low, self._high = _extremes(x[:decided], self._low, self._high)
            self._row, self._marks = x[decided:].copy(), marks[decided:].copy()
            return marks[:decided]
        with np.errstate(invalid="ignore"):
            padded = np.zeros(len(x))  # one more, so that it has rows as the samples have
            d = np.subtract(x[1:], x[:-1], out=padded[: max(0, len(x) - 1)])
            if not whole or not np.isfinite(x[: len(x) - len(row)].sum()):
                d[np.isnan(d)] = np.inf
            if still:
                self._find_flat(x, padded, marks)
                self._find_saturated(x, d, marks)
        self._learn(x[:decided], d[:decided])
        self._row, self._marks = x[decided:].copy(), marks[decided:].copy()
        return marks[:decided]

    @property
    def _settled(self) -> bool:
        """Whether `_learn` has no more use for differences."""
        return self._fine and self.largest > QUIET

    @property
    def rules(self) -> tuple[float, bool]:
        """What half a window spans at most where a window may be still, uV, and whether steps count too."""
        return (DITHER if self._dither else _NOTHING), self._dither

    @property
    def rest(self) -> int:
        """Differences of which a run of equal values of a saturated channel has a whole stretch."""
        return max(1, (self._short - 1) // 2)

    @property
    def pending(self) -> Marks:
        """Marks of the samples that are held, as far as they are known: `GOOD` may yet change."""
        return self._marks

    @property
    def held(self) -> Row | None:
        """The samples that are held, where a look at stretches says all there is to say of the next.

        None where it does not: before the channel is known, and with samples marked or missing.
        """
        known = self._settled and not self._marks.any() and bool(np.isfinite(self._row).all())
        return self._row if known else None

    def nothing_still(self, held: Row, low: float, high: float) -> None:
        """Take samples in none of which a stretch is still.

        Args:
            held: The last ones, ``window - 1`` at most, which are looked at again.
            low: The lowest of those before.
            high: The highest.
        """
        self._row, self._marks = held, good(len(held))
        self._low, self._high = min(self._low, low), max(self._high, high)

    def end(self) -> Marks:
        """Return the marks of the samples that are held; the segment is over."""
        marks = self._marks
        with np.errstate(invalid="ignore"):
            self._learn(self._row, np.diff(self._row))
        self._row, self._marks = np.empty(0), np.empty(0, dtype=np.int8)
        return marks

    def _find_flat(self, x: Row, padded: Row, marks: Marks) -> None:
        n, d = self.window, padded[:-1]
        if len(x) < n:
            return
        # A window holds a whole half of one wherever it begins, and only where a half hardly moves is it
        # worth looking closer.
        half = n // 2
        parts = len(x) // half
        values = x[: parts * half].reshape(parts, half)
        near = values.max(axis=1) - values.min(axis=1) <= (DITHER if self._dither else _NOTHING)
        if self._dither:
            steps = padded[: parts * half].reshape(parts, half)[:, : half - 1]
            near |= steps.max(axis=1) - steps.min(axis=1) <= DITHER
            near[near] = _still_in_itself(values[near], steps[near])
        for first, stop in runs(near):
            a, b = max(0, first * half - n), min(len(x), stop * half + n)
            if b - a < n:
                continue
            for i, j in runs(still_windows(x[a:b], d[a : b - 1], n, self._dither)):
                part = marks[a + i : a + j + n - 1]
                part[part == GOOD] = IS_FLAT

    def _find_saturated(self, x: Row, d: Row, marks: Marks) -> None:
        n = self._short
        same = d == 0
        half = self.rest
        parts = len(same) // half
        if not parts or not same[: parts * half].reshape(parts, half).all(axis=1).any():
            return
        for first, stop in runs(same):
            if stop - first + 1 >= n and self._at_limit(x, d, first):
                marks[first : stop + 1] = IS_SATURATED

    def _at_limit(self, x: Row, d: Row, at: int) -> bool:
        """Whether a sample lies at the channel's limit, as far as the samples up to it tell."""
        low, high = _extremes(x[: at + 1], self._low, self._high)
        if not low < high or low < x[at] < high:
            return False
        return self._fine or _least(d[:at], self._step) * LEVELS <= high - low

    def _learn(self, x: Row, d: Row) -> None:
        if not self.largest > QUIET and len(d):
            moves = np.abs(d)
            self.largest = max(
                self.largest, float(np.max(moves, where=np.isfinite(moves), initial=0))
            )
        self._low, self._high = _extremes(x, self._low, self._high)
        if not self._fine:
            self._step = _least(d, self._step)
            self._fine = self._step * LEVELS <= self._high - self._low


class StillChannels:
    """Marks the samples of several channels; where nothing is still, all at once.

    Args:
        channels: Of each what marks it.
    """

    def __init__(self, channels: Sequence[StillSamples | NeverStill]) -> None:
        self._channels = channels
        self._looked = [(i, c) for i, c in enumerate(channels) if isinstance(c, StillSamples)]
        self._most = max((c.window - 1 for _, c in self._looked), default=0)
        self._tails = np.empty((len(channels), self._most))
        self._rules = np.full((len(channels), 2), -1.0)
        for i, c in self._looked:
            self._rules[i] = c.rules
        self._room = np.empty(2 * self._most + 1)
        self._ends = np.empty((2, len(channels)))
        self._held = -1  # samples of each channel in `_tails`; -1 where those of the channels count

    def push(self, values: NDArray[np.float64]) -> tuple[list[Marks], bool]:
        """Return the marks of each channel, and whether all samples are known to be finite.

        Args:
            values: ``[C, n]`` uV.
        """
        native = functions()
        if native is None or not has_rows(values) or not self._quiet(native, values):
            self._held = -1
            return [c.push(row) for c, row in zip(self._channels, values, strict=True)], False
        n = values.shape[1]
        left = min(self._held + n, self._most)
        decided, self._held = self._held + n - left, left
        low, high = self._ends.tolist()
        for i, channel in self._looked:
            channel.nothing_still(self._tails[i, self._most - left :], low[i], high[i])
        looked = {i for i, _ in self._looked}
        return [good(decided if i in looked else n) for i in range(len(values))], True

    def end(self) -> list[Marks]:
        """Return the marks of the samples that are held; the segment is over."""
        self._held = -1
        return [c.end() for c in self._channels]

    def _quiet(self, native: Any, values: NDArray[np.float64]) -> bool:
        """Whether all samples are finite and none can be still; then these are the last of `_tails`."""
        if not self._looked:
            return False
        if self._held < 0:
            rows = [c.held for _, c in self._looked]
            found = [row for row in rows if row is not None]
            if len(found) < len(rows) or len({len(row) for row in found}) > 1:
                return False
            self._held = len(found[0])
            for (i, _), row in zip(self._looked, found, strict=True):
                self._tails[i, self._most - self._held :] = row
        first = self._looked[0][1]
        return bool(
            native.quiet(
                int(values.__array_interface__["data"][0]),
                len(values),
                values.strides[0] // 8,
                values.shape[1],
                address(self._tails),
                *(self._held, self._most, first.window // 2, address(self._rules), first.rest),
                *(address(self._room), address(self._ends[0]), address(self._ends[1])),
            )
        )


class NeverStill:
    """Marks nothing, for channels that are no voltage of a body and may rest as long as they like."""

    largest = 0.0

    def push(self, row: Row) -> Marks:
        """Return a mark of each sample."""
        return np.zeros(len(row), dtype=np.int8)

    def end(self) -> Marks:
        """Return nothing: no sample is held."""
        return np.empty(0, dtype=np.int8)


def still_windows(x: Row, d: Row, n: int, dither: bool = True) -> NDArray[np.bool_]:
    """Return ``[len(x) - n + 1]``: in the window of n samples that begins here nothing moves.

    Args:
        x: Samples, uV; infinite where one is missing.
        d: Their differences.
        n: At least 4 and at most ``len(x)``.
        dither: Values that dither, and ramps, are still too.
    """
    with np.errstate(invalid="ignore"):
        span = _highest(x, n) - _lowest(x, n)
        still: NDArray[np.bool_] = span <= _NOTHING
        if not dither:
            return still
        moves = np.abs(d)
        moves[moves == 0] = np.inf
        # One move alone is the way into the window or out of it; noise moves all the time.
        n_moves = _counted(np.isfinite(moves), n - 1)
        still |= (span <= QUIET) & (n_moves > (n - 1) // 2)
        still |= (n_moves > 1) & (span <= DITHER) & (span <= 2.001 * _lowest(moves, n - 1))
        size = np.where(np.isfinite(x), np.abs(x), 0.0)
        turns = np.abs(np.diff(d))
        turns[~(turns > _ROUNDING * 1e-3 * size[1:-1])] = np.inf
        bend = _highest(d, n - 1) - _lowest(d, n - 1)
        straight = bend <= _ROUNDING * _highest(size, n)
        turned = _counted(np.isfinite(turns), n - 2) > 1
        straight |= turned & (bend <= DITHER) & (bend <= 1.001 * _lowest(turns, n - 2))
        still |= straight & np.isfinite(span)
    return still


def _still_in_itself(values: Row, steps: Row) -> NDArray[np.bool_]:
    """Return for each row of samples and their differences what `still_windows` says of a window like it."""
    span = values.max(axis=1) - values.min(axis=1)
    moves = np.abs(steps)
    least = np.min(moves, axis=1, where=moves > 0, initial=np.inf)
    size = np.abs(values).max(axis=1)
    turns = np.abs(np.diff(steps, axis=1))
    turn = np.min(turns, axis=1, where=turns > _ROUNDING * 1e-3 * size[:, None], initial=np.inf)
    bend = steps.max(axis=1) - steps.min(axis=1)
    still: NDArray[np.bool_] = span <= np.maximum(2.001 * least, _NOTHING)
    still |= bend <= np.maximum(1.001 * turn, _ROUNDING * size)
    still |= span <= QUIET
    return still


def good(n: int) -> Marks:
    """Return the marks of so many samples that are signal; to be read only."""
    return _good(1 << (n - 1).bit_length())[:n] if n else _good(1)[:0]


@lru_cache(maxsize=32)
def _good(n: int) -> Marks:
    marks = np.full(n, GOOD, dtype=np.int8)
    marks.flags.writeable = False
    return marks


def runs(true: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return where runs of True begin and stop."""
    edges = np.flatnonzero(np.diff(true.astype(np.int8), prepend=0, append=0))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def _highest(values: Row, n: int) -> Row:
    # Imported only where a channel may be still: to describe recordings needs no scipy.
    from scipy.ndimage import maximum_filter1d

    found: Row = maximum_filter1d(values, n)[n // 2 : n // 2 + len(values) - n + 1]
    return found


def _lowest(values: Row, n: int) -> Row:
    from scipy.ndimage import minimum_filter1d

    found: Row = minimum_filter1d(values, n)[n // 2 : n // 2 + len(values) - n + 1]
    return found


def _counted(true: NDArray[np.bool_], n: int) -> NDArray[np.int64]:
    """Return ``[len(true) - n + 1]``: how many are True in each window of n."""
    total = np.concatenate([[0], np.cumsum(true)])
    found: NDArray[np.int64] = total[n:] - total[:-n]
    return found


def _extremes(x: Row, low: float, high: float) -> tuple[float, float]:
    if len(x) == 0:
        return low, high
    least, most = float(x.min()), float(x.max())
    if not np.isfinite(most):
        finite = x[np.isfinite(x)]
        if len(finite) == 0:
            return low, high
        least, most = float(finite.min()), float(finite.max())
    return min(low, least), max(high, most)


def _least(d: Row, least: float) -> float:
    moves = np.abs(d)
    return min(least, float(np.min(moves, where=moves > 0, initial=np.inf)))
