"""Signals of a night in a few megabytes: one pass over its blocks, and a size that is never exceeded.

A waveform is resampled to the finest of `RATES` that leaves `BITS` a sample, and coded by the minute in steps
that are as fine as the size allows: what is large (a movement) gets coarser steps than quiet sleep. Beside
it stand an envelope and a spectrogram for the views that show more than a screen has points. What was not
recorded is known as such everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, lfilter, lfilter_zi, resample_poly

from memcell.reports.viewer.coding import LARGEST, STEPS, pack_integers, pack_samples, step_codes

Array = NDArray[np.float64]

#: Bytes of all waveforms of a recording; a page holds 4/3 of them, as base64.
BUDGET = 2_650_000
#: Hz of a waveform; and bits that a sample needs so that its steps are not seen.
RATES = (128, 100, 64, 50, 40, 32, 25, 20)
BITS = 2.85
#: Seconds that are coded together, and those of them that share a step.
CHUNK, BLOCK = 60, 10
#: Channels of one view.
MOST_CHANNELS = 8
#: Most points in time of envelope and spectrogram, and their lengths in seconds.
MOST_BINS, MOST_COLUMNS = 28_800, 1_440
LENGTHS = (1, 2, 3, 5, 6, 10, 12, 15, 20, 30, 60, 120, 300, 600)
#: A longer recording has no view: 20 days.
LONGEST = MOST_BINS * 60.0
#: Of the spectrogram, Hz; its windows are 2 s long, and not known is `UNKNOWN`.
HIGHEST, WINDOW, UNKNOWN = 30.0, 2, -100
#: Slower than this is a drift of electrodes, Hz.
SLOWEST = 0.3


@dataclass(frozen=True, kw_only=True)
class PackedSignals:
    """The signals of a recording as bytes.

    Args:
        channels: Names.
        unit: Of their samples.
        duration: Seconds from the recording's start to its end.
        native: Hz that it was recorded with.
        rate: Hz of the waveform.
        chunks: A minute each; empty where nothing was recorded or the size did not allow it.
        steps: The finest step, the middle one, and the largest.
        bin_seconds: Of the envelope.
        envelope: ``[2 C, bins]`` lowest value and height, in ``envelope_steps``; a height of -1 is unknown.
        envelope_steps: ``[C]``.
        column_seconds: Of the spectrogram.
        spectrogram: A channel each, ``[frequencies, columns]`` in dB of unit^2/Hz.
        frequencies: So many, 1 / `WINDOW` Hz apart from 0 on.
        apart: What rows of channels are apart by, in the unit.
        recorded: (from, to) of the stretches that were recorded, s.
        note: What is shown and what is not, in a sentence.
    """

    channels: tuple[str, ...]
    unit: str
    duration: float
    native: float
    rate: int
    chunks: tuple[bytes, ...]
    steps: tuple[float, float, float]
    bin_seconds: int
    envelope: bytes
    envelope_steps: tuple[float, ...]
    column_seconds: int
    spectrogram: tuple[bytes, ...]
    frequencies: int
    apart: float
    recorded: tuple[tuple[float, float], ...]
    note: str = ""


def rate_for(native: float, channels: int, duration: float, budget: int = BUDGET) -> int:
    """Return the Hz of a waveform within a budget of bytes; 0 where none fits.

    >>> rate_for(200, 4, 8 * 3600), rate_for(200, 1, 20), rate_for(200, 64, 14 * 24 * 3600)
    (64, 128, 0)
    """
    rates = {rate for rate in RATES if rate <= native}
    if native == int(native) and native <= RATES[0]:
        rates.add(int(native))
    for rate in sorted(rates, reverse=True):
        if budget * 8 >= BITS * rate * channels * max(duration, CHUNK):
            return rate
    return 0


class SignalPacker:
    """Takes the blocks of a recording one after the other; `end` gives what was made of them.

    Args:
        channels: Names, `MOST_CHANNELS` at most.
        unit: Of the samples.
        native: Hz of the samples.
        duration: Seconds of the recording, gaps included.
        budget: Bytes of all waveforms.
        finest: The smallest step, in the unit.

    Raises:
        ValueError: The recording is too long, too slow, or has too many channels.
    """

    def __init__(
        self, channels: Sequence[str], unit: str, native: float, duration: float, budget: int = BUDGET,
        finest: float = 0.25,
    ) -> None:  # fmt: skip
        if not 1 <= len(channels) <= MOST_CHANNELS:
            raise ValueError(f"a view has 1 to {MOST_CHANNELS} channels, not {len(channels)}")
        if not 0 < duration <= LONGEST:
            raise ValueError(
                f"it lasts {duration:g} s, and a view holds {LONGEST / 86400:g} days at most"
            )
        if native < 4:
            raise ValueError(f"{native:g} Hz is no waveform")
        self.channels, self.unit, self.native = tuple(channels), unit, native
        self.duration, self.budget, self.finest = duration, budget, finest
        wave = rate_for(native, len(channels), duration, budget)
        self.rate = wave or min(RATES[-1], int(native))
        self._has_waveform = wave > 0
        ratio = Fraction(self.rate / native).limit_denominator(1000)
        self._resampling = _Resampling(ratio.numerator, ratio.denominator, native)
        n = len(channels)
        self._n_chunks = math.ceil(duration / CHUNK)
        self._chunk = _Chunk(
            np.zeros((n, CHUNK * self.rate)), np.zeros(CHUNK * self.rate, dtype=bool)
        )
        self._chunks = [b""] * self._n_chunks
        self._used = 0
        self._steps: list[float] = []
        self._segment: _FilteredSegment | None = None
        self._recorded: list[tuple[float, float]] = []
        self.bin_seconds = _length(duration, MOST_BINS)
        bins = math.ceil(duration / self.bin_seconds)
        self._low, self._high = np.full((n, bins), np.inf), np.full((n, bins), -np.inf)
        self.column_seconds = _length(duration, MOST_COLUMNS)
        self.frequencies = int(min(HIGHEST, 0.45 * self.rate)) * WINDOW + 1
        columns = math.ceil(duration / self.column_seconds)
        self._power = np.zeros((n, self.frequencies, columns), dtype=np.float32)
        self._counts = np.zeros(columns, dtype=np.int64)

    def push(self, values: Array, onset: float, begins: bool) -> None:
        """Take ``[C, n]`` samples, the first at ``onset`` seconds; ``begins`` where a gap is before them."""
        values = np.nan_to_num(np.asarray(values, dtype=np.float64))
        if self._segment is None or begins:
            self._end_segment()
            self._segment = _FilteredSegment(values[:, :1], onset, self.native)
            self._recorded.append((onset, onset))
        self._segment.push(values)
        self._recorded[-1] = (self._recorded[-1][0], onset + values.shape[1] / self.native)
        for y, at in self._segment.ready(self._resampling, last=False):
            self._place(y, at)

    def end(self, note: str = "") -> PackedSignals:
        """Return everything, with a sentence on what is shown."""
        self._end_segment()
        self._flush()
        height = np.where(self._high >= self._low, self._high - self._low, -1.0)
        known = [h[h >= 0] for h in height]
        steps = [
            max(self.finest, float(np.median(h)) / 48 if len(h) else 1, _peak(self._low[c]) / 2**20)
            for c, h in enumerate(known)
        ]
        scale = np.array(steps)[:, None]
        low = np.where(height < 0, 0, np.rint(np.where(height < 0, 0, self._low) / scale))
        tall = np.where(height < 0, -1, np.rint(height / scale))
        envelope = np.stack([low, tall], axis=1).reshape(2 * len(steps), -1).astype(np.int64)
        typical = [float(np.quantile(h, 0.75)) for h in known if len(h)]
        used = self._steps or [0.0]
        return PackedSignals(
            channels=self.channels, unit=self.unit, duration=self.duration, native=self.native,
            rate=self.rate, chunks=tuple(self._chunks), bin_seconds=self.bin_seconds,
            steps=(float(min(used)), float(np.median(used)), float(max(used))),
            envelope=pack_integers(envelope), envelope_steps=tuple(steps),
            column_seconds=self.column_seconds, spectrogram=tuple(self._spectrogram()),
            frequencies=self.frequencies, apart=_rounded(float(np.median(typical)) if typical else 1.0),
            recorded=tuple(self._recorded), note=note,
        )  # fmt: skip

    def _end_segment(self) -> None:
        if self._segment is not None:
            for y, at in self._segment.ready(self._resampling, last=True):
                self._place(y, at)
            self._segment = None

    def _place(self, y: Array, at: float) -> None:
        """Put resampled samples where they belong, chunk by chunk."""
        first = round(at * self.rate)
        size = CHUNK * self.rate
        while y.shape[1]:
            if first // size > self._chunk.index:
                self._flush()
                self._chunk.index = first // size
            within = first - self._chunk.index * size
            if within < 0:  # an overlap of two segments: the first stays
                y, first = y[:, -within:], first - within
                continue
            part = y[:, : size - within]
            self._chunk.values[:, within : within + part.shape[1]] = part
            self._chunk.known[within : within + part.shape[1]] = True
            y, first = y[:, part.shape[1] :], first + part.shape[1]

    def _flush(self) -> None:
        chunk = self._chunk
        if chunk.known.any() and chunk.index < self._n_chunks:
            self._add_envelope(chunk)
            self._add_spectrum(chunk)
            if self._has_waveform:
                self._chunks[chunk.index] = self._coded(chunk)
                self._used += len(self._chunks[chunk.index])
        chunk.values[:] = 0
        chunk.known[:] = False

    def _coded(self, chunk: _Chunk) -> bytes:
        """Return a chunk in the finest steps that its share of the budget allows."""
        share = self.budget * (chunk.index + 1) // self._n_chunks - self._used
        last = int(np.flatnonzero(chunk.known)[-1]) + 1
        values, block = chunk.values[:, :last], BLOCK * self.rate
        bits = 8 * share / values.size - 0.5
        edges = np.arange(0, last, block)
        spread = np.full((len(values), len(edges)), np.inf)
        for k in range(3):
            rest = np.diff(values, k, axis=1, prepend=0)
            power = np.add.reduceat(rest**2, edges, axis=1) / np.diff(np.append(edges, last))
            spread = np.minimum(spread, np.sqrt(power))
        floor = np.maximum(
            self.finest, np.maximum.reduceat(np.abs(values), edges, axis=1) / LARGEST
        )
        steps = np.maximum(floor, spread * 2.0 ** (2.05 - bits))
        for _ in range(40):
            coded = pack_samples(values, steps, block)
            if len(coded) <= share:
                self._steps += STEPS[step_codes(steps)].ravel().tolist()
                return coded
            steps = steps * 1.26
        return b""

    def _add_envelope(self, chunk: _Chunk) -> None:
        seconds = (chunk.index * CHUNK + np.arange(CHUNK))[
            : math.ceil(self.duration) - chunk.index * CHUNK
        ]
        known = chunk.known.reshape(CHUNK, -1)[: len(seconds)]
        values = chunk.values.reshape(len(chunk.values), CHUNK, -1)[:, : len(seconds)]
        bins = seconds // self.bin_seconds
        low = np.where(known, values, np.inf).min(axis=2)
        high = np.where(known, values, -np.inf).max(axis=2)
        for c in range(len(values)):
            np.minimum.at(self._low[c], bins, low[c])
            np.maximum.at(self._high[c], bins, high[c])

    def _add_spectrum(self, chunk: _Chunk) -> None:
        n = WINDOW * self.rate
        starts = self.rate * np.arange(CHUNK - WINDOW + 1)
        whole = starts[[bool(chunk.known[s : s + n].all()) for s in starts]]
        if not len(whole):
            return
        window = np.hanning(n + 1)[:-1]
        frames = chunk.values[:, whole[:, None] + np.arange(n)]
        spectrum = np.fft.rfft(frames * window, axis=2)[..., : self.frequencies]
        power = 2 * np.abs(spectrum) ** 2 / (self.rate * np.sum(window**2))
        centres = chunk.index * CHUNK + whole / self.rate + WINDOW / 2
        columns = np.minimum(centres // self.column_seconds, self._power.shape[2] - 1).astype(
            np.int64
        )
        for k in np.unique(columns).tolist():
            self._power[:, :, k] += power[:, columns == k].sum(axis=1)
            self._counts[k] += int(np.sum(columns == k))

    def _spectrogram(self) -> list[bytes]:
        mean = self._power / np.maximum(self._counts, 1)
        db = np.rint(10 * np.log10(np.maximum(mean, 1e-6)))
        db = np.where(self._counts > 0, np.clip(db, -60, 80), UNKNOWN).astype(np.int64)
        return [pack_integers(channel) for channel in db]


@dataclass(kw_only=False)
class _Chunk:
    """The minute that is being filled: ``[C, n]`` samples, and which of them were recorded."""

    values: Array
    known: NDArray[np.bool_]
    index: int = 0


@dataclass(frozen=True)
class _Resampling:
    """A ratio of rates, and how many samples are resampled at once, so that pieces fit without a seam."""

    up: int
    down: int
    native: float

    @property
    def piece(self) -> int:
        """Samples that are resampled at once."""
        return self.down * math.ceil(CHUNK * self.native / self.down)

    @property
    def margin(self) -> int:
        reach = 10 * max(self.up, self.down) / self.up + 1
        return self.down * math.ceil(reach / self.down)


@dataclass
class _FilteredSegment:
    """Samples without a break, high-passed as they come, resampled a piece at a time."""

    first: Array
    onset: float
    native: float
    _waiting: Array = field(init=False)
    _before: Array | None = None
    _done: int = 0

    def __post_init__(self) -> None:
        self._filter = butter(1, SLOWEST, "high", fs=self.native)
        self._state = lfilter_zi(*self._filter) * self.first
        self._waiting = np.empty((len(self.first), 0))

    def push(self, values: Array) -> None:
        filtered, self._state = lfilter(*self._filter, values, axis=1, zi=self._state)
        self._waiting = np.concatenate([self._waiting, filtered], axis=1)

    def ready(self, how: _Resampling, last: bool) -> list[tuple[Array, float]]:
        """Return (samples, seconds of the first) of all pieces whose neighbours are known."""
        out = []
        while self._waiting.shape[1] >= how.piece + how.margin or (last and self._waiting.shape[1]):
            n = min(how.piece, self._waiting.shape[1])
            body = self._waiting[:, : n + how.margin]
            before = (
                np.repeat(body[:, :1], how.margin, axis=1) if self._before is None else self._before
            )
            lacking = n + how.margin - body.shape[1]
            after = np.repeat(body[:, -1:], lacking, axis=1)
            joined = np.concatenate([before, body, after], axis=1)
            if how.up == how.down:
                y = joined[:, how.margin : how.margin + n]
            else:
                y = resample_poly(joined, how.up, how.down, axis=1)
                first = how.margin * how.up // how.down
                y = y[:, first : first + max(1, n * how.up // how.down)]
            out.append((y, self.onset + self._done / self.native))
            self._before = joined[:, n : n + how.margin]
            self._waiting, self._done = self._waiting[:, n:], self._done + n
        return out


def _length(duration: float, most: int) -> int:
    """Return the smallest length in seconds of which at most so many last as long as the recording."""
    return next((s for s in LENGTHS if duration <= s * most), LENGTHS[-1])


def _peak(values: Array) -> float:
    known = values[np.isfinite(values)]
    return float(np.abs(known).max(initial=0.0))


def _rounded(value: float) -> float:
    """Return the next of 1, 2, 5 times a power of ten.

    >>> _rounded(37.0), _rounded(1.2)
    (50.0, 2.0)
    """
    power = 10.0 ** math.floor(math.log10(max(value, 1e-9)))
    return next(k * power for k in (1, 2, 5, 10) if k * power >= value * 0.999)
