"""A recording to a sequence: signal, features and targets, each segment by itself.

No signal crosses a gap: filters and windows start anew after it, only the scale of the normalization stays,
and the sequence's ``breaks`` say where it is. With ``phase`` "causal" the features of a step need no sample
after the step's end, the signal in them is late by `Pipeline.delay`, and a recording is read by blocks, so
that memory does not grow with its signal. With ``phase`` "zero" a segment is held whole.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, fields, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memcell.errors import DataError
from memcell.sequences.time_series import UNLABELLED, TimeSeries
from memcell_data.recording import Recording
from memcell_eeg.config import EegConfig
from memcell_eeg.features import context, normalize, scale
from memcell_eeg.features.chunks import joined, signal_chunks
from memcell_eeg.features.extractors import extractors
from memcell_eeg.features.windows import WindowedFeatures
from memcell_eeg.signal import filters, resample
from memcell_eeg.signal.channels import ChannelChoice, locate, native_rate
from memcell_eeg.signal.clean import SignalSettings, located
from memcell_eeg.targets.grid import timing
from memcell_eeg.targets.labels import LabelRules, targets

#: Hz; beta ends at 30 Hz, and half of the rate must lie within it.
SLOWEST = 40.0
#: Hz.
THETA = 6.0
#: Seconds of signal without which nothing is said of a rhythm.
SHORTEST = 1.5


@dataclass(frozen=True, kw_only=True)
class Pipeline(SignalSettings):
    """How a recording becomes a sequence; made once a run, stored with it.

    Args:
        step: This and all below as in `memcell_eeg.config.EegConfig`.
        window, features, normalization, normalization_memory: Likewise.
        filled: Likewise; models that were stored without it wait for the whole window.
        context: Time constants of the means of features that are features too, s.
        centre: Mean of each feature that is normalized over the training split's labelled steps; empty until
            `fitted`.
        spread: Standard deviation, likewise.
    """

    step: float
    window: float
    features: tuple[str, ...]
    normalization: str
    normalization_memory: float
    filled: float = 1.0
    context: tuple[float, ...] = ()
    centre: tuple[float, ...] = ()
    spread: tuple[float, ...] = ()

    @classmethod
    def of(cls, config: EegConfig, choice: ChannelChoice, native: float) -> Pipeline:
        """Return the pipeline of a run.

        Args:
            config: The options; a step that follows the labels is that of data without any.
            choice: The channels.
            native: The lowest rate among the recordings, Hz.

        Raises:
            DataError: A recording is too slow for the bands of the EEG.
        """
        if native < SLOWEST:
            raise DataError(
                f"a recording has {native:g} Hz, and the bands of the EEG need {SLOWEST:g} Hz at least; "
                "leave it out, or choose faster channels with --channels."
            )
        config = timing(config).applied(config)
        shared = {name: getattr(config, name) for name in _SHARED}
        shared["features"] = config.feature_kinds
        if config.normalization == "auto":
            shared["normalization"] = "training"
        return cls(
            channels=choice.names,
            eeg=choice.eeg,
            rate=min(config.rate, native),
            context=config.context_seconds(),
            **shared,
        )

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any]) -> Pipeline:
        """Return the pipeline that was stored by `facts`.

        Raises:
            DataError: Something is missing: the run is not of this version of the app.
        """
        missing = [f.name for f in fields(cls) if f.name not in facts and f.default is MISSING]
        if missing:
            raise DataError(
                f"the run's facts lack {', '.join(missing)} of the pipeline; "
                "predict with the version of memcell that trained it."
            )
        values = {f.name: facts[f.name] for f in fields(cls) if f.name in facts}
        for name in _LISTS & values.keys():
            values[name] = tuple(values[name])
        return cls(**values)

    def facts(self) -> dict[str, Any]:
        """Return what `from_facts` needs, as JSON holds it."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the features of a step, in order."""
        made = extractors(self)
        means = context.names([n for e in made if e.normalized for n in e.names], self.context)
        return (*(name for e in made for name in e.names), *means)

    @property
    def normalized(self) -> NDArray[np.bool_]:
        """``[F]``: the normalization applies to the feature; of these there are means, if there are any."""
        now = [e.normalized for e in extractors(self) for _ in e.names]
        return np.array(now + [True] * (sum(now) * len(self.context)))

    @property
    def unscaled(self) -> Pipeline:
        """The pipeline without what the training split decides: what features are kept for."""
        if self.normalization != "training":
            return self
        return replace(self, normalization="none", centre=(), spread=())

    def fitted(self, train: Sequence[TimeSeries], blind: BlindSteps) -> Pipeline:
        """Return the pipeline with the scale of the training split, where that is what is wanted.

        Args:
            train: Sequences that this made before it was fitted.
            blind: Of these sequences.
        """
        columns = self.normalized
        if self.normalization != "training" or not columns.any():
            return self
        parts = (s.features[s.labelled & ~blind.of(s)][:, columns] for s in train)
        centre, spread = scale.moments(parts)
        return replace(self, centre=centre, spread=spread)

    def scaled(
        self,
        values: NDArray[np.float32],
        blind: NDArray[np.bool_],
        columns: NDArray[np.bool_] | None = None,
    ) -> NDArray[np.float32]:
        """Return ``[n, F]`` at the training split's scale; as they are where this is not `fitted`.

        Args:
            values: Features of steps.
            blind: ``[n]``: too little of the step's window is filled; normalized features are 0 there.
            columns: `normalized`, for who has it at hand.
        """
        if not self.centre:
            return values
        columns = self.normalized if columns is None else columns
        by = (self.centre, self.spread)
        out = values.copy()
        out[:, columns] = scale.scaled(values[:, columns], by, scale.OF_A_SIGNAL)
        out[np.ix_(blind, columns)] = 0.0
        return out

    def scaled_sequences(
        self, sequences: Sequence[TimeSeries], blind: BlindSteps
    ) -> tuple[TimeSeries, ...]:
        """Return sequences that were made before the split was known at the training split's scale."""
        if not self.centre:
            return tuple(sequences)
        columns = self.normalized
        return tuple(
            replace(s, features=self.scaled(s.features, blind.of(s), columns)) for s in sequences
        )

    def at(self, native: float, where: str, warn: Callable[[str], object] = str) -> Pipeline:
        """Return the pipeline for a recording of a rate.

        That is this one, but where the recording is slower and its features mean the same at other rates (an
        extractor's ``slowest``): then it works at the recording's.

        Args:
            native: Of the recording, Hz.
            where: The recording, for messages.
            warn: Told that features are made at another rate.

        Raises:
            DataError: It is too slow for features of this kind.
        """
        lowest = max(getattr(e, "slowest", self.rate) for e in extractors(self))
        if native >= self.rate or lowest == self.rate:
            return self
        if native < lowest:
            raise DataError(
                f"{where} has {native:g} Hz and the run works at {self.rate:g} Hz; its features need "
                f"{math.ceil(lowest)} Hz or more: use such a recording, or train with --rate {native:g}."
            )
        warn(
            f"{where} has {native:g} Hz and the model works at {self.rate:g} Hz: its features are made at "
            f"{native:g} Hz, of what lies below {0.45 * native:g} Hz"
        )
        return replace(self, rate=native)

    def windows(self) -> WindowedFeatures:
        """Return what makes the features of one segment from its clean signal, not normalized."""
        return WindowedFeatures(
            extractors(self), len(self.channels), self.rate, self.step, self.window
        )

    def delay(self, native: float, rhythm: float = THETA) -> float:
        """Return by how many seconds the causal filters hold back a rhythm.

        Args:
            native: The recording's rate, Hz.
            rhythm: Its frequency, Hz.
        """
        if self.phase == "zero":
            return 0.0
        sections = filters.band_pass(self.low, self.high, self.rate)
        return resample.delay(native, self.rate) + filters.delay(sections, rhythm, self.rate)

    def onset_delay(self, native: float, rhythm: float = THETA) -> float:
        """Return how long after a rhythm has begun its power in the features is half of what it will be, s.

        What the filters hold back, and the delay of the slowest extractor: half of the window where its
        taper is symmetric. To the end of the step in which this is so it takes half a step more in the mean.

        Args:
            native: The recording's rate, Hz.
            rhythm: Its frequency, Hz.
        """
        return self.delay(native, rhythm) + self.extraction_delay

    @property
    def extraction_delay(self) -> float:
        """Seconds until the slowest of its extractors shows half of an event."""
        return max(e.delay for e in extractors(self))

    def blind(self, native: float) -> float:
        """Return for how many seconds after a start or a gap a step's features do not count.

        Until enough of the window is filled (`filled`, and `SHORTEST` at least; all of it for a causal
        normalization), and before it what the resampler looks back.

        Args:
            native: The recording's rate, Hz.
        """
        smear = resample.delay(native, self.rate)
        filled = 1.0 if self.normalization == "causal" else self.filled
        needed = min(self.window, max(filled * self.window, SHORTEST))
        return needed + (smear if self.phase == "zero" else 2 * smear)

    def blind_steps(self, native: float) -> int:
        """Return the steps of a segment that end before `blind` seconds have passed."""
        return max(0, int(np.ceil(self.blind(native) / self.step - 1e-6)) - 1)

    def partial_steps(self, native: float) -> int:
        """Return the steps of a segment whose window is not full, the blind ones included.

        They have features, and no part in the means of the past, which keep what enters them for minutes, nor
        in the scale of a causal normalization.
        """
        return replace(self, filled=1.0).blind_steps(native)

    def sequence(
        self,
        recording: Recording,
        rules: LabelRules | None = None,
        warn: Callable[[str], object] = str,
    ) -> TimeSeries:
        """Read a recording and return its sequence.

        Args:
            recording: What to read.
            rules: How labels become targets; None leaves every step unlabelled.
            warn: Told each line of what is odd about the recording; by default nobody is.

        Raises:
            DataError: It lacks a channel, is slower than the pipeline's rate, shorter than a
                window, flat, or holds values that are not numbers; names recording and channel.
        """
        made = joined(signal_chunks(self, recording, warn))
        if made is None:
            raise DataError(
                f"recording '{recording.name}' has no segment as long as a step ({self.step:g} s)."
            )
        values, times, breaks = made
        if self.normalization == "recording":
            columns = self.normalized
            known = np.ones(len(values), dtype=np.bool_)
            blind = self.blind_steps(located(self, recording)[0].rate)
            for begin, end in pairwise([0, *breaks, len(values)]):
                known[begin : min(begin + blind, end)] = False
            if known.any():
                part = values[np.ix_(known, columns)].astype(np.float64)
                values[np.ix_(known, columns)] = normalize.by_recording(part)
            values[np.ix_(~known, columns)] = 0.0
        labels = recording.labels() if rules is not None else None
        if labels is None or rules is None:
            y = np.full(len(values), UNLABELLED, dtype=np.int64)
        else:
            y = targets(labels, times, self.step, rules)
        return TimeSeries(
            name=recording.name,
            subject=recording.subject,
            features=values,
            targets=y,
            breaks=breaks,
            start_time=float(times[0]),
            step_seconds=self.step,
            step_times=times,
        )


def looks_ahead(settings: object) -> tuple[str, str] | None:
    """Return the options by which features look into the future, and what to type instead; None for none.

    Args:
        settings: A pipeline of a signal or of precomputed features.
    """
    ahead = []
    if getattr(settings, "phase", "causal") != "causal":
        ahead.append(("--phase zero", "--phase causal"))
    if getattr(settings, "normalization", "causal") == "recording":
        ahead.append(("--normalization recording", "--normalization causal"))
    if not ahead:
        return None
    used, instead = (" ".join(words) for words in zip(*ahead, strict=True))
    return used, instead


class BlindSteps:
    """Which steps of recordings are blind, looked up by the time when a step begins.

    Args:
        pipeline: Of the sequences.
        recordings: What they were made of.
        sequences: Whole, as the pipeline made them. One that was cut of these may be asked for.
    """

    def __init__(
        self, pipeline: Pipeline, recordings: Sequence[Recording], sequences: Sequence[TimeSeries]
    ) -> None:
        native = {r.name: native_rate(locate(pipeline.channels, r), r) for r in recordings}
        self._times = {}
        for s in sequences:
            at = pipeline.at(native[s.name], f"recording '{s.name}'")
            blind, starts = at.blind_steps(native[s.name]), np.flatnonzero(s.starts)
            nth = np.arange(s.n_steps) - starts[np.cumsum(s.starts) - 1]
            self._times[s.name] = s.times[nth < blind]

    def of(self, sequence: TimeSeries) -> NDArray[np.bool_]:
        """``[n_steps]``: the step is blind."""
        recording = sequence.name.rpartition("@")[0]
        name = sequence.name if sequence.name in self._times else recording
        return np.isin(sequence.times, self._times[name])


#: Fields that are tuples, and lists in JSON.
_LISTS = {"channels", "eeg", "features", "context", "centre", "spread"}
_OWN = ("channels", "eeg", "rate", "context", "centre", "spread")
#: Fields that are options of their own name.
_SHARED = tuple(f.name for f in fields(Pipeline) if f.name not in _OWN)
