"""Recordings that hold the same signal under two names: padded, cut, shifted or scaled copies too.

Two recordings are held against each other at every lag, by the correlation of their features over the time
that they share (each feature less its median, over its spread), which must be half of the shorter one at
least:

1. coarsely, over means of some seconds, all lags at once by a Fourier transform; only pairs that correlate by
   `LIKELY` are looked at further;
2. step by step at the lags around the best one, by how the features change over a second, since nights of
   different people share their slow course. From `SAME` on they are one signal.

Log powers only move when a signal is scaled, and a running normalization forgets how it began, so that
neither hides a copy (correlation .9 to 1, half a step of shift included). A signal against another reference,
or with as much noise added as it has itself, is another signal to this check.

All this takes short steps whose windows overlap: in long ones, a copy that is shifted by part of a step has
other samples in each window. Then recordings are held against each other by short steps that are made for
this alone (`short_steps`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from memcell.sequences.time_series import TimeSeries
from memcell_eeg.features.pipeline import Pipeline

#: Seconds: steps up to the first tell copies; where they are longer, steps and windows of the others do.
LONGEST_STEP, STEP, WINDOW = 0.25, 0.2, 1.0
LIKELY, SAME = 0.45, 0.8
#: Features that are looked at, coarse values of a recording at most, and steps that are compared finely.
COLUMNS, COARSE, FINE = 6, 4096, 20_000
#: Spreads beyond which a value counts as one there: padding must not set the scale.
FARTHEST = 4.0
#: Coarse values that two recordings must share.
FEWEST = 20


@dataclass(frozen=True)
class Series:
    """The features of a recording on a grid of steps without gaps.

    Args:
        sequence: Whose they are.
        columns: Of its features.
        size: Steps of a coarse value.
    """

    sequence: TimeSeries
    columns: NDArray[np.int64]
    size: int

    @cached_property
    def fine(self) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """``[n, K]`` features less their median over their spread, 0 in gaps; and ``[n]`` where they are."""
        s = self.sequence
        at = np.rint((s.times - s.times[0]) / s.step_seconds).astype(np.int64)
        x = np.asarray(s.features[:, self.columns], dtype=np.float64)
        x -= np.median(x, axis=0)
        spread = 1.4826 * np.median(np.abs(x), axis=0)
        spread = np.where(spread > 1e-9, spread, x.std(axis=0))
        x = np.clip(x / np.maximum(spread, 1e-9), -FARTHEST, FARTHEST)
        out = np.zeros((int(at[-1]) + 1, len(self.columns)), dtype=np.float32)
        known = np.zeros(len(out), dtype=np.bool_)
        out[at], known[at] = x, True
        return out, known

    @cached_property
    def coarse(self) -> NDArray[np.float64]:
        """``[m, K]`` means over `size` steps."""
        x, _ = self.fine
        m = len(x) // self.size
        parts = x[: m * self.size].reshape(m, self.size, -1)
        return np.asarray(parts.mean(axis=1, dtype=np.float64), dtype=np.float64)

    @cached_property
    def energy(self) -> NDArray[np.float64]:
        """``[m + 1]`` sums of the squares of the coarse values before each."""
        return np.concatenate([[0.0], np.cumsum((self.coarse**2).sum(axis=1))])

    def transformed(self, length: int) -> NDArray[np.complex128]:
        """Return the Fourier transform ``[length / 2 + 1, K]`` of the coarse values."""
        return np.asarray(np.fft.rfft(self.coarse, length, axis=0))


def short_steps(pipeline: Pipeline) -> Pipeline | None:
    """Return what makes the sequences that copies are looked for among; None where a run's own will do.

    Band powers of its first channel, causally: a second of computing for a day and a night.

    Args:
        pipeline: Of the run.
    """
    if pipeline.step <= LONGEST_STEP:
        return None
    first = pipeline.channels[:1]
    return replace(
        pipeline,
        channels=first,
        eeg=tuple(name for name in pipeline.eeg if name in first),
        reference="none",
        phase="causal",
        step=STEP,
        window=WINDOW,
        features=("bandpower",),
        normalization="none",
        context=(),
        centre=(),
        spread=(),
    )


def copied_names(sequences: Sequence[TimeSeries]) -> frozenset[tuple[str, str]]:
    """Return the names of the pairs of recordings that hold the same signal."""
    return frozenset((sequences[i].name, sequences[j].name) for i, j in find_copies(sequences))


def find_copies(sequences: Sequence[TimeSeries]) -> Iterator[tuple[int, int]]:
    """Yield the pairs of sequences (i, j) that hold the same signal.

    Args:
        sequences: Of one pipeline.
    """
    groups: dict[tuple[int, float], list[int]] = {}
    for i, s in enumerate(sequences):
        groups.setdefault((s.n_features, s.step_seconds), []).append(i)
    for (width, step), own in groups.items():
        if len(own) < 2:
            continue
        longest = max(float(np.ptp(sequences[i].times)) / step + 1 for i in own)
        size = max(1, round(1 / step), round(longest / COARSE))
        columns = np.unique(np.linspace(0, width - 1, COLUMNS).round().astype(np.int64))
        series = {i: Series(sequences[i], columns, size) for i in own}
        length = 1 << int(np.ceil(np.log2(2 * max(len(s.coarse) for s in series.values()) + 2)))
        lines = {i: s.transformed(length) for i, s in series.items()}
        for n, i in enumerate(own):
            for j in own[n + 1 :]:
                lag = _likely_lag(series[i], series[j], lines[i], lines[j], length)
                if lag is not None and _same(series[i], series[j], lag):
                    yield i, j


def _likely_lag(
    a: Series,
    b: Series,
    of_a: NDArray[np.complex128],
    of_b: NDArray[np.complex128],
    length: int,
) -> int | None:
    """Return the coarse lag (b at t + lag is a at t) of the largest correlation, where it is likely."""
    n, m = len(a.coarse), len(b.coarse)
    least = max(FEWEST, min(n, m) // 2)
    if min(n, m) < least:
        return None
    product = np.fft.irfft((np.conj(of_a) * of_b).sum(axis=1), length)
    lags = np.arange(-(n - least), m - least + 1)
    first, stop = np.maximum(0, -lags), np.minimum(n, m - lags)
    energy_a = a.energy[stop] - a.energy[first]
    energy_b = b.energy[stop + lags] - b.energy[first + lags]
    found = product[lags % length] / np.sqrt(np.maximum(energy_a * energy_b, 1e-12))
    best = int(np.argmax(found))
    return int(lags[best]) if found[best] >= LIKELY else None


def _same(a: Series, b: Series, lag: int) -> bool:
    """Return whether two recordings correlate by `SAME` at a step near a coarse lag."""
    (x, in_x), (y, in_y) = a.fine, b.fine
    for shift in range((lag - 1) * a.size, (lag + 1) * a.size + 1):
        first, stop = max(0, -shift), min(len(x), len(y) - shift)
        if stop - first > FINE:  # the middle of it
            first = (first + stop - FINE) // 2
            stop = first + FINE
        if stop <= first:
            continue
        both = in_x[first:stop] & in_y[first + shift : stop + shift]
        apart = max(1, round(1 / a.sequence.step_seconds))
        u, v = x[first:stop], y[first + shift : stop + shift]
        both = both[apart:] & both[:-apart]
        u, v = (u[apart:] - u[:-apart])[both], (v[apart:] - v[:-apart])[both]
        if len(u) < FEWEST:
            continue
        size = float(np.sqrt((u**2).sum() * (v**2).sum()))
        if size > 0 and float((u * v).sum()) >= SAME * size:
            return True
    return False
