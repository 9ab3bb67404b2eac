"""From a signal to the features of each step, each made of the window of past signal behind the step.

Step k of a segment ends before sample ``round(k step rate)``. The samples of one segment come in chunks of
any size, and the features have the same bits whatever the chunks are: a step's window is always worked on in
the same row of a block of the same shape, for what a library does to a row (vector instructions, the order
of a sum) may depend on both; but for extractors that vouch for their rows (`by_rows`). The steps of a segment
whose window is not full yet come one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

#: Most windows, and most samples of all channels, that are worked on at once.
MOST_ROWS, MOST_SAMPLES = 32, 1 << 17
#: Most blocks of `MOST_ROWS` windows that an extractor gets together that says it takes them apart itself.
_BLOCKS = 4
#: Most rows of those that are independent of each other.
_INDEPENDENT = 512


@dataclass(frozen=True, kw_only=True)
class SignalWindow:
    """The signal that a feature extractor is built for: cleaned, referenced, resampled and band-passed.

    Args:
        channels: Names, in order.
        rate: Samples a second, Hz.
        window: Seconds of past signal behind a step.
        high: Upper edge of the band-pass, Hz.
    """

    channels: tuple[str, ...]
    rate: float
    window: float
    high: float

    @property
    def width(self) -> int:
        """Samples of a window."""
        return width_of(self.window, self.rate)


class FeatureExtractor(Protocol):
    """What turns the window of past signal behind each step into features: ``factory(signal, config)``.

    ``signal`` is a `SignalWindow` and ``config`` the dataclass of its own options. It keeps nothing from
    one call to the next, so that features have the same bits however a signal is cut. One with
    ``by_blocks = True`` gets up to 4 blocks of `MOST_ROWS` rows together, and gives each the bits that it
    has in a block by itself. One with ``by_rows = True`` gets up to 512 rows, a view of windows that overlap
    where their ends are evenly apart, and gives each the bits that it has alone.
    """

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the features of a step, in order, each once."""

    @property
    def normalized(self) -> bool:
        """Whether the run's normalization applies to them."""

    @property
    def delay(self) -> float:
        """Seconds from the start of an event until half of it shows: half the window for a mean over it."""

    def __call__(self, samples: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return ``[k, F]``, each row from its own ``[C, w]`` uV of ``samples [k, C, w]`` alone.

        ``w`` is the window's width, or less for the first steps of a segment.
        """


def width_of(window: float, rate: float) -> int:
    """Return the samples of a window of ``window`` seconds at ``rate`` Hz."""
    return max(2, round(window * rate))


def count_steps(n_samples: int, rate: float, step: float) -> int:
    """Return how many steps of ``step`` seconds are whole after ``n_samples`` samples at ``rate`` Hz."""
    n_steps = int(n_samples / (rate * step) + 1e-6)
    while n_steps and ends_of(n_steps - 1, n_steps, rate, step)[0] > n_samples:
        n_steps -= 1
    return n_steps


def ends_of(first: int, stop: int, rate: float, step: float) -> NDArray[np.int64]:
    """Return ``[stop - first]``: the sample before which each of the steps ``first .. stop-1`` ends."""
    ends: NDArray[np.int64] = np.rint(np.arange(first + 1, stop + 1) * step * rate).astype(np.int64)
    return ends


def edges(n_samples: int, rate: float, step: float) -> NDArray[np.int64]:
    """Return ``[n_steps]``: the sample before which each whole step of a segment ends.

    Args:
        n_samples: Samples of the segment.
        rate: Samples a second, Hz.
        step: Seconds.

    >>> edges(50, rate=100, step=0.2)
    array([20, 40])
    """
    return ends_of(0, count_steps(n_samples, rate, step), rate, step)


class WindowedFeatures:
    """Makes the features of one segment whose signal comes in chunks; chunks change no bit.

    Args:
        extractors: In the order of the columns.
        channels: C.
        rate: Samples a second, Hz.
        step: Seconds of a step.
        window: Seconds of past signal behind a step.
    """

    def __init__(
        self,
        extractors: Sequence[FeatureExtractor],
        channels: int,
        rate: float,
        step: float,
        window: float,
    ) -> None:
        self.extractors = extractors
        self.rate = rate
        self.step = step
        self.width = width_of(window, rate)
        #: Steps that are done.
        self.done = 0
        #: Features of a step.
        self.n_features = sum(len(e.names) for e in extractors)
        #: Steps whose window is not full.
        self._short = int(
            np.searchsorted(edges(self.width + round(rate * step), rate, step), self.width)
        )
        rows = max(1, min(MOST_ROWS, MOST_SAMPLES // (channels * self.width)))
        self._block = np.zeros((rows, channels, self.width), dtype=np.float32)
        #: Most blocks that are handed over together.
        self._most = _BLOCKS if rows == MOST_ROWS else 1
        self._past = np.empty((channels, 0), dtype=np.float32)
        self._first = 0  # the sample of the segment that `_past` begins with
        stops = np.cumsum([len(e.names) for e in extractors]).tolist()
        #: Extractors with their columns: those that are handed blocks, and those that vouch for each row.
        self._by: tuple[list[tuple[FeatureExtractor, slice]], ...] = ([], [])
        for extract, stop in zip(extractors, stops, strict=True):
            columns = slice(stop - len(extract.names), stop)
            self._by[bool(getattr(extract, "by_rows", False))].append((extract, columns))

    def push(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return ``[k, F]`` of the steps that the next ``[C, n]`` samples complete."""
        joined = np.empty((len(values), self._past.shape[1] + values.shape[1]), dtype=np.float32)
        joined[:, : self._past.shape[1]] = self._past
        joined[:, self._past.shape[1] :] = values
        stop = count_steps(self._first + joined.shape[1], self.rate, self.step)
        out = np.empty((stop - self.done, self.n_features))
        ends = ends_of(self.done, stop + 1, self.rate, self.step) - self._first
        at = min(max(0, self._short - self.done), len(out))
        for i in range(at):
            self._make(joined[None, :, : ends[i]], out[i : i + 1], both=True)
        if at < len(out):
            self._whole(joined, ends[at:-1], out[at:], self.done + at - self._short)
        self.done = stop
        # Where the next step's window begins, which may not have come yet.
        keep = min(max(0, int(ends[-1]) - self.width), joined.shape[1])
        self._past = joined[:, keep:].copy()
        self._first += keep
        return out

    def _whole(
        self,
        joined: NDArray[np.float32],
        ends: NDArray[np.int64],
        out: NDArray[np.float64],
        before: int,
    ) -> None:
        """Write the features of steps whose window is full; ``before`` of them are done already."""
        strided = np.lib.stride_tricks.sliding_window_view(joined, self.width, axis=1)
        begins = ends - self.width
        if self._by[1]:
            hop = int(begins[1] - begins[0]) if len(begins) > 1 else 1
            even = bool((np.diff(begins) == hop).all())
            for i in range(0, len(out), _INDEPENDENT):
                some = begins[i : i + _INDEPENDENT]
                which = slice(int(some[0]), int(some[-1]) + 1, hop) if even else some
                windows = strided[:, which].swapaxes(0, 1)
                for extract, columns in self._by[1]:
                    out[i : i + _INDEPENDENT, columns] = extract(windows)
        if not self._by[0]:
            return
        at, height = 0, len(self._block)
        while at < len(out):
            row = (before + at) % height
            whole = (len(out) - at) // height if row == 0 else 0
            if whole > 1 and self._most > 1:
                rows = height * min(whole, self._most)
                here = strided[:, begins[at : at + rows]].swapaxes(0, 1)
                self._make(np.ascontiguousarray(here), out[at : at + rows])
            else:
                rows = min(height - row, len(out) - at)
                here = strided[:, begins[at : at + rows]]
                self._block[row : row + rows] = here.swapaxes(0, 1)
                made = np.empty((height, self.n_features))
                self._make(self._block, made)
                for _, columns in self._by[0]:
                    out[at : at + rows, columns] = made[row : row + rows, columns]
            at += rows

    def _make(
        self, samples: NDArray[np.float32], out: NDArray[np.float64], both: bool = False
    ) -> None:
        """Write what the extractors that are handed blocks make of some, or all extractors of a window."""
        n = len(self._block)
        for extract, columns in [*self._by[0], *(self._by[1] if both else [])]:
            if len(samples) <= n or getattr(extract, "by_blocks", False):
                out[:, columns] = extract(samples)
            else:
                for i in range(0, len(samples), n):
                    out[i : i + n, columns] = extract(samples[i : i + n])
