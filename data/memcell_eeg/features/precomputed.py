"""Recordings whose features are precomputed from the data set: no signal, no filters, no windows.

Beside `memcell_eeg.features.pipeline.Pipeline`, for data sets such as ``sleep-edf-powers``. What is left to
do is means over the past (`memcell_eeg.features.context`) and the scale: `normalization` "auto" means
"training", the mean and spread of the training split's steps, fixed once and stored with the run. The causal
and the recording's own normalization are as for a signal. None of the options of the signal applies, and
`ignored` says which of them were given in vain.
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
from memcell_data.recording import NamedFeatures, Recording
from memcell_eeg.config import EegConfig
from memcell_eeg.features import context, normalize, scale
from memcell_eeg.features.chunks import FeatureChunk, signal_chunks
from memcell_eeg.features.pipeline import Pipeline
from memcell_eeg.signal.checks import check_features
from memcell_eeg.targets.labels import LabelRules, targets

#: Options that concern a signal and the features made of it.
OF_A_SIGNAL = (
    "channels", "reference", "outlier", "rate", "low", "high", "phase", "step", "window", "features",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class PrecomputedFeatures:
    """What turns a recording with precomputed features into a sequence; stored with the run.

    Args:
        feature_names: Those of a step in the data, in order; every recording must have the same.
        step: Length of a step, s.
        normalization: ``"training"``, ``"causal"``, ``"recording"`` or ``"none"``.
        normalization_memory: Of the causal one, s.
        centre: Mean of each feature over the training steps; empty until `fitted`.
        spread: Standard deviation, likewise.
        context: Time constants of the means of features that are features too, s.
    """

    feature_names: tuple[str, ...]
    step: float
    normalization: str
    normalization_memory: float
    centre: tuple[float, ...] = ()
    spread: tuple[float, ...] = ()
    context: tuple[float, ...] = ()

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
        normalization = config.normalization
        return cls(
            feature_names=found[0].names,
            step=found[0].step_seconds,
            normalization="training" if normalization == "auto" else normalization,
            normalization_memory=config.normalization_memory,
            context=config.context_seconds(found[0].step_seconds),
        )

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any]) -> PrecomputedFeatures:
        """Return what was stored by `facts`."""
        # The context came later than the rest: a run that does not speak of it has none.
        values: dict[str, Any] = {
            "context": (),
            **{f.name: facts[f.name] for f in fields(cls) if f.name in facts},
        }
        for name in ("feature_names", "centre", "spread", "context"):
            values[name] = tuple(values[name])
        return cls(**values)

    @property
    def column_names(self) -> tuple[str, ...]:
        """Names of the features of a step in a sequence, in order: those in the data, then their means."""
        return (*self.feature_names, *context.names(self.feature_names, self.context))

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
        own = (self.feature_names, self.step)
        if (made.names, made.step_seconds) != own and isinstance(recording.features, NamedFeatures):
            made = recording.features.named(*own) or made
        if (made.names, made.step_seconds) != own:
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
            features=self._scaled(
                self._with_means(made.values, made.breaks, made.times), made.breaks, made.times
            ),
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
        centre, spread = scale.moments(s.features[s.labelled] for s in train)
        return replace(self, centre=centre, spread=spread)

    def scaled(self, sequences: Sequence[TimeSeries]) -> tuple[TimeSeries, ...]:
        """Return sequences that were made before the split was known with the training split's scale."""
        if not self.centre:
            return tuple(sequences)
        return tuple(
            replace(s, features=self._scaled(s.features, s.breaks, s.times)) for s in sequences
        )

    def _with_means(
        self, values: NDArray[Any], breaks: tuple[int, ...], times: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        # Sequences are float32 before the split is known: the same numbers whichever way they come.
        x = np.asarray(values, dtype=np.float32).astype(np.float64)
        if not self.context:
            return x
        means, parts = context.ContextMeans(self.context, self.step), []
        for part, lost in self._segments(x, breaks, times):
            if lost is not None:
                means.gap(lost)
            parts.append(np.concatenate([part, means.push(part)], axis=1))
        return np.concatenate(parts)

    def _scaled(
        self, values: NDArray[Any], breaks: tuple[int, ...], times: NDArray[np.float64]
    ) -> NDArray[np.float32]:
        x = np.asarray(values, dtype=np.float32)
        if self.centre:
            return scale.scaled(x, (self.centre, self.spread), scale.OF_PRECOMPUTED)
        if self.normalization == "recording":
            return normalize.by_recording(x.astype(np.float64)).astype(np.float32)
        if self.normalization == "causal":
            memory = self.normalization_memory / self.step
            normalizer, parts = normalize.CausalNormalizer(memory), []
            for part, lost in self._segments(x.astype(np.float64), breaks, times):
                if lost is not None:
                    normalizer.gap(lost)
                parts.append(normalizer.push(part))
            return np.concatenate(parts).astype(np.float32)
        return x

    def _segments(
        self, values: NDArray[np.float64], breaks: tuple[int, ...], times: NDArray[np.float64]
    ) -> Iterator[tuple[NDArray[np.float64], float | None]]:
        """Yield the parts between gaps, and how many steps are missing before each; None before the first."""
        for first, stop in pairwise([0, *breaks, len(values)]):
            lost = times[first] - times[first - 1] - self.step if first else None
            yield (
                values[first:stop],
                None if lost is None else float(np.floor(lost / self.step + 0.5)),
            )


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
    names = pipeline.feature_names if isinstance(pipeline, Pipeline) else pipeline.column_names
    made, trained = len(names), len(facts.get("feature_names") or ())
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
