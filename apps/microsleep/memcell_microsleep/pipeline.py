"""A recording to a sequence: signal, features and targets, each stretch by itself.

Nothing crosses a gap: filters, windows and the normalization start anew after it, and the sequence's
``breaks`` say where it is. With ``phase`` "causal" the features of a step need no sample after the
step's end; the signal in them is late by `Pipeline.delay`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memcell.errors import ConfigError, DataError
from memcell.sequences.sequence import UNLABELLED, Sequence
from memcell_data.recording import Recording, Signal
from memcell_microsleep import bandpower, correlation, filters, normalize, resample
from memcell_microsleep.channels import Choice, locate, native_rate
from memcell_microsleep.checks import check_features, check_signal
from memcell_microsleep.config import MicrosleepConfig
from memcell_microsleep.labels import LabelRules, targets
from memcell_microsleep.outliers import OutlierFilter
from memcell_microsleep.windows import edges

#: Samples that are filtered at once; changes no result.
CHUNK = 1 << 14


@dataclass(frozen=True, kw_only=True)
class Pipeline:
    """Everything that turns a recording into a sequence; made once a run, stored with it.

    Args:
        channels: Names, in the order of the features.
        eeg: Those of them that are EEG.
        rate: Hz after resampling.
        reference: This and all below as in `memcell_microsleep.config.MicrosleepConfig`.
    """

    channels: tuple[str, ...]
    eeg: tuple[str, ...]
    rate: float
    reference: str
    outlier: float
    low: float
    high: float
    phase: str
    step: float
    window: float
    features: tuple[str, ...]
    normalization: str
    normalization_memory: float

    @classmethod
    def of(cls, config: MicrosleepConfig, choice: Choice, native: float) -> Pipeline:
        """Return the pipeline of a run.

        Args:
            config: The options.
            choice: The channels.
            native: The lowest rate among the recordings, Hz.

        Raises:
            ConfigError: The normalization is for ready-made features.
        """
        if config.normalization == "training":
            raise ConfigError(
                "'normalization' got 'training', which is for data sets whose features come ready-made; "
                "for a signal type causal, recording or none."
            )
        shared = {name: getattr(config, name) for name in _SHARED}
        if config.normalization == "auto":
            shared["normalization"] = "causal"
        return cls(channels=choice.names, eeg=choice.eeg, rate=min(config.rate, native), **shared)

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any]) -> Pipeline:
        """Return the pipeline that was stored by `facts`.

        Raises:
            DataError: Something is missing: the run is not of this version of the app.
        """
        missing = [f.name for f in fields(cls) if f.name not in facts]
        if missing:
            raise DataError(
                f"the run's facts lack {', '.join(missing)} of the microsleep pipeline; "
                "predict with the version of memcell that trained it."
            )
        values = {f.name: facts[f.name] for f in fields(cls)}
        for name in ("channels", "eeg", "features"):
            values[name] = tuple(values[name])
        return cls(**values)

    def facts(self) -> dict[str, Any]:
        """Return what `from_facts` needs, as JSON holds it."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the features of a step, in order."""
        makers = {"bandpower": bandpower.names, "correlation": correlation.names}
        return tuple(name for f in self.features for name in makers[f](self.channels))

    def delay(self, native: float) -> float:
        """Return by how many seconds the causal filters hold back a rhythm of 6 Hz (theta).

        Args:
            native: The recording's rate, Hz.
        """
        if self.phase == "zero":
            return 0.0
        sections = filters.band_pass(self.low, self.high, self.rate)
        return resample.delay(native, self.rate) + filters.delay(sections, 6.0, self.rate)

    def sequence(
        self,
        recording: Recording,
        rules: LabelRules | None = None,
        warn: Callable[[str], object] = str,
    ) -> Sequence:
        """Read a recording and return its sequence.

        Args:
            recording: What to read.
            rules: How labels become targets; None leaves every step unlabelled.
            warn: Told each line of what is odd about the recording; by default nobody is.

        Raises:
            DataError: It lacks a channel, is slower than the pipeline's rate, shorter than a
                window, flat, or holds values that are not numbers; names recording and channel.
        """
        own = locate(self.channels, recording)
        native = native_rate(own, recording)
        if native < self.rate:
            raise DataError(
                f"recording '{recording.name}' has {native:g} Hz and the run works at "
                f"{self.rate:g} Hz; use recordings of {self.rate:g} Hz or more, or train with "
                f"--rate {native:g}."
            )
        signal = recording.read([c.name for c in own])
        for line in signal.warnings:
            warn(line)
        check_signal(signal, self.channels, recording.name, self.window)
        values, times, starts = self._stretches(signal)
        if len(values) == 0:
            raise DataError(
                f"recording '{recording.name}' has no stretch as long as a step ({self.step:g} s)."
            )
        labels = recording.labels() if rules is not None else None
        if labels is None or rules is None:
            y = np.full(len(values), UNLABELLED, dtype=np.int64)
        else:
            y = targets(labels, times, self.step, rules)
        check_features(values, self.feature_names, recording.name)
        return Sequence(
            name=recording.name,
            subject=recording.subject,
            features=values.astype(np.float32),
            targets=y,
            breaks=tuple(starts[1:]),
            start_time=float(times[0]),
            step_seconds=self.step,
            step_times=times,
        )

    def signal_of(self, values: NDArray[np.float64], native: float) -> NDArray[np.float64]:
        """Return one stretch ``[C, n]`` uV cleaned, referenced, resampled and band-passed.

        Args:
            values: ``[C, m]`` uV at the native rate.
            native: Hz.
        """
        sections = filters.band_pass(self.low, self.high, self.rate)
        outliers = OutlierFilter(self.outlier)
        if self.phase == "zero":
            values = self._referenced(outliers.push(values))
            values = resample.zero_phase(values, native, self.rate)
            return filters.zero_phase(sections, values)
        # In chunks: the same bits as at once, and a night needs no copies of itself.
        resampler = resample.CausalResampler(native, self.rate)
        causal = filters.CausalFilter(sections)
        parts = []
        for start in range(0, values.shape[1], CHUNK):
            part = self._referenced(outliers.push(values[:, start : start + CHUNK]))
            parts.append(causal.push(resampler.push(part)))
        return np.concatenate(parts, axis=1)

    def _referenced(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        eeg = np.array([c in self.eeg for c in self.channels])
        if self.reference == "none" or not eeg.any():
            return values
        return np.where(eeg[:, None], values - values[eeg].mean(axis=0), values)

    def _stretches(
        self, signal: Signal
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], list[int]]:
        """Return features ``[n, F]``, step starts ``[n]`` and each stretch's first step."""
        blocks, times, starts, n = [], [], [], 0
        for stretch in signal.stretches:
            raw = signal.values[:, stretch.start : stretch.stop]
            if raw.shape[1] < self.step * signal.rate:
                continue
            values = self.signal_of(raw, signal.rate)
            ends = edges(values.shape[1], self.rate, self.step)
            if len(ends) == 0:
                continue
            parts = []
            if "bandpower" in self.features:
                parts.append(bandpower.band_powers(values, ends, self.rate, self.window))
            if "correlation" in self.features:
                parts.append(correlation.correlations(values, ends, self.rate, self.window))
            block = np.concatenate(parts, axis=1)
            if self.normalization == "causal":
                block = normalize.CausalNormalizer(self.normalization_memory / self.step).push(
                    block
                )
            blocks.append(block)
            times.append(stretch.onset + self.step * np.arange(len(ends)))
            starts.append(n)
            n += len(ends)
        if not blocks:
            return np.empty((0, len(self.feature_names))), np.empty(0), []
        features = np.concatenate(blocks)
        if self.normalization == "recording":
            features = normalize.by_recording(features)
        return features, np.concatenate(times), starts


_SHARED = tuple(f.name for f in fields(Pipeline) if f.name not in ("channels", "eeg", "rate"))
