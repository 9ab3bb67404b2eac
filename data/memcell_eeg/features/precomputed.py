"""Recordings whose features are precomputed from the data set: no signal, no filters, no windows.

Beside `memcell_eeg.features.pipeline.Pipeline`, for data sets such as ``sleep-edf-powers``. What is left
to do is the scale: `normalization` "auto" means "training" here, the mean and spread of the training
split's steps, fixed once and stored with the run. The causal and the recording's own normalization are as
for a signal. None of the options of the signal applies, and `ignored` says which of them were given in
vain.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from memcell.errors import DataError, UsageError
from memcell.sequences.time_series import UNLABELLED, TimeSeries
from memcell_data.recording import Recording
from memcell_eeg.config import EegConfig
from memcell_eeg.features import normalize
from memcell_eeg.features.chunks import FeatureChunk, signal_chunks
from memcell_eeg.features.pipeline import Pipeline
from memcell_eeg.signal.checks import check_features
from memcell_eeg.targets.labels import LabelRules, targets

#: Spreads of the training split beyond which a value is cut.
FARTHEST = 10.0

#: Options that concern a signal and the features made of it.
OF_A_SIGNAL = (
    "channels", "reference", "outlier", "rate", "low", "high", "phase", "step", "window", "features",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class PrecomputedFeatures:
    """What turns a recording with precomputed features into a sequence; stored with the run.

    Args:
        feature_names: Of a step, in order; every recording must have the same.
        step: Length of a step, s.
        normalization: ``"training"``, ``"causal"``, ``"recording"`` or ``"none"``.
        normalization_memory: Of the causal one, s.
        centre: Mean of each feature over the training steps; empty until `fitted`.
        spread: Standard deviation, likewise.
    """

    feature_names: tuple[str, ...]
    step: float
    normalization: str
    normalization_memory: float
    centre: tuple[float, ...] = ()
    spread: tuple[float, ...] = ()

    #: A recording of this kind has no channel to look for.
    channels: ClassVar[tuple[str, ...]] = ()
    eeg: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def of(cls, config: EegConfig, recordings: Sequence[Recording]) -> PrecomputedFeatures:
        """Return what the options ask for.

        Raises:
            DataError: A recording has a signal instead, or other features or steps than the first.
        """
        mixed = next((r for r in recordings if r.features is None), None)
        if mixed is not None:
            raise DataError(
                f"recording '{mixed.name}' has a signal and others have precomputed features; use one "
                "kind at a time."
            )
        found = [r.features() for r in recordings if r.features is not None]
        for r, f in zip(recordings, found, strict=True):
            if f.names != found[0].names or f.step_seconds != found[0].step_seconds:
                raise DataError(
                    f"recording '{r.name}' has {len(f.names)} features in steps of "
                    f"{f.step_seconds:g} s, '{recordings[0].name}' {len(found[0].names)} in steps of "
                    f"{found[0].step_seconds:g} s; they cannot be trained on together."
                )
        wanted = config.normalization
        return cls(
            feature_names=found[0].names,
            step=found[0].step_seconds,
            normalization="training" if wanted == "auto" else wanted,
            normalization_memory=config.normalization_memory,
        )

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any]) -> PrecomputedFeatures:
        """Return what was stored by `facts`."""
        values: dict[str, Any] = {f.name: facts[f.name] for f in fields(cls)}
        for name in ("feature_names", "centre", "spread"):
            values[name] = tuple(values[name])
        return cls(**values)

    def facts(self) -> dict[str, Any]:
        """Return what `from_facts` needs, as JSON holds it."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}

    def sequence(
        self,
        recording: Recording,
        rules: LabelRules | None = None,
        warn: Callable[[str], object] = str,
    ) -> TimeSeries:
        """Return a recording's sequence; scaled once `fitted`.

        Args:
            recording: One with precomputed features.
            rules: How labels become targets; None leaves every step unlabelled.
            warn: Told each line of what is odd about the recording.

        Raises:
            DataError: It has no precomputed features, or others than the run's.
        """
        if recording.features is None:
            raise DataError(
                f"recording '{recording.name}' has a signal, and the model was trained on precomputed "
                f"features ({', '.join(self.feature_names[:3])}, …); train one on signals."
            )
        made = recording.features()
        if made.names != self.feature_names or made.step_seconds != self.step:
            raise DataError(
                f"recording '{recording.name}' has other features or steps than the run "
                f"({len(self.feature_names)} features in steps of {self.step:g} s)."
            )
        for line in made.warnings:
            warn(line)
        check_features(made.values, made.names, recording.name)
        labels = recording.labels() if rules is not None else None
        if labels is None or rules is None:
            y = np.full(len(made.values), UNLABELLED, dtype=np.int64)
        else:
            y = targets(labels, made.times, self.step, rules)
        return TimeSeries(
            name=recording.name,
            subject=recording.subject,
            features=self._scaled(made.values, made.breaks, made.times).astype(np.float32),
            targets=y,
            breaks=made.breaks,
            start_time=float(made.times[0]),
            step_seconds=self.step,
            step_times=made.times,
        )

    def fitted(self, train: Sequence[TimeSeries]) -> PrecomputedFeatures:
        """Return this with mean and spread of the training steps, where they are what is wanted."""
        if self.normalization != "training":
            return self
        x = np.concatenate([np.asarray(s.features, dtype=np.float64) for s in train])
        spread = np.maximum(x.std(axis=0), normalize.SMALLEST)
        return replace(self, centre=tuple(x.mean(axis=0).tolist()), spread=tuple(spread.tolist()))

    def scaled(self, sequences: Sequence[TimeSeries]) -> tuple[TimeSeries, ...]:
        """Return sequences that were made before the split was known with the training split's scale."""
        if not self.centre:
            return tuple(sequences)
        return tuple(
            replace(s, features=self._scaled(s.features, s.breaks, s.times).astype(np.float32))
            for s in sequences
        )

    def _scaled(
        self, values: NDArray[Any], breaks: tuple[int, ...], times: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        # Sequences are float32 before the split is known: the same numbers whichever way they come.
        x = np.asarray(values, dtype=np.float32).astype(np.float64)
        if self.centre:
            # A feature far outside of what training saw must not drive a cell into saturation.
            x = (x - np.array(self.centre)) / np.array(self.spread)
            return np.asarray(np.clip(x, -FARTHEST, FARTHEST))
        if self.normalization == "recording":
            return normalize.by_recording(x)
        if self.normalization == "causal":
            memory = self.normalization_memory / self.step
            normalizer, parts = normalize.CausalNormalizer(memory), []
            for first, stop in pairwise([0, *breaks, len(x)]):
                if first:
                    lost = times[first] - times[first - 1] - self.step
                    normalizer.gap(np.floor(lost / self.step + 0.5))
                parts.append(normalizer.push(x[first:stop]))
            return np.concatenate(parts)
        return x


def is_precomputed(facts: Mapping[str, Any]) -> bool:
    """Return whether a run's facts under ``pipeline`` are those of precomputed features."""
    return bool(facts.get("precomputed") or facts.get("ready"))  # "ready" in version 0.1


def pipeline_of(facts: Mapping[str, Any]) -> Pipeline | PrecomputedFeatures:
    """Return what a run's facts hold under ``pipeline``: for a signal or for precomputed features."""
    if is_precomputed(facts):
        return PrecomputedFeatures.from_facts(facts)
    return Pipeline.from_facts(facts)


def feature_chunks(
    pipeline: Pipeline | PrecomputedFeatures, recording: Recording, warn: Callable[[str], object]
) -> Iterator[FeatureChunk]:
    """Yield a recording's steps in order, in little memory where the pipeline is causal.

    Raises:
        DataError: As `Pipeline.sequence` does.
    """
    if isinstance(pipeline, Pipeline) and pipeline.normalization != "recording":
        some = False
        for chunk in signal_chunks(pipeline, recording, warn):
            yield chunk
            some = True
        if not some:
            raise DataError(
                f"recording '{recording.name}' has no segment as long as a step ({pipeline.step:g} s)."
            )
        return
    sequence = pipeline.sequence(recording, warn=warn)
    yield FeatureChunk(features=sequence.features, times=sequence.times, starts=sequence.starts)


def check_features_of_run(
    pipeline: Pipeline | PrecomputedFeatures, facts: Mapping[str, Any]
) -> None:
    """Refuse a run whose network was trained on other features than its options make today.

    Raises:
        UsageError: It was; says what to do.
    """
    made, trained = len(pipeline.feature_names), len(facts.get("feature_names") or ())
    if trained and made != trained:
        raise UsageError(
            f"the run was trained on {trained} features, and this version makes {made} under its options; "
            "train it again, or use the version of memcell that trained it."
        )


def ignored(config: EegConfig) -> tuple[str, ...]:
    """Return the options of the signal that differ from their defaults and do nothing here."""
    plain = type(config)()
    changed = (n for n in OF_A_SIGNAL if getattr(config, n) != getattr(plain, n))
    return tuple("--" + n.replace("_", "-") for n in changed)
