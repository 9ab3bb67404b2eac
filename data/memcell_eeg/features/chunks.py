"""The steps of a recording as its signal is read, block by block."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from memcell_data.recording import Recording
from memcell_eeg.features.stream import FeatureStream, StepFeatures
from memcell_eeg.signal.channels import locate, native_rate
from memcell_eeg.signal.checks import SignalCheck, check_features
from memcell_eeg.signal.clean import clean, located

if TYPE_CHECKING:
    from memcell_eeg.features.pipeline import Pipeline


@dataclass(frozen=True, kw_only=True)
class FeatureChunk:
    """Some consecutive steps of a recording.

    Args:
        features: ``[k, F]``, k at least 1.
        times: ``[k]`` start of each step, seconds from the recording's start.
        starts: ``[k]``: steps that are the first of a segment, after a gap or at the recording's start.
    """

    features: NDArray[np.float32]
    times: NDArray[np.float64]
    starts: NDArray[np.bool_]


def signal_chunks(
    pipeline: Pipeline, recording: Recording, warn: Callable[[str], object] = str
) -> Iterator[FeatureChunk]:
    """Yield the steps of a recording in order.

    Under ``phase`` "causal" memory does not grow with the recording; under "zero" its signal is held whole.
    Under ``normalization`` "recording" the features are *not* normalized here: that takes all of them, and
    `memcell_eeg.features.pipeline.Pipeline.sequence` does it.

    Args:
        pipeline: Of the run.
        recording: What to read.
        warn: Told each line of what is odd about the recording, some of them after the last chunk.

    Raises:
        DataError: As `memcell_eeg.features.pipeline.Pipeline.sequence` says. What only the whole signal shows
            is raised after the last chunk: write no result of a recording before all of its chunks came.
    """
    native = native_rate(locate(pipeline.channels, recording), recording)
    pipeline = pipeline.at(native, f"recording '{recording.name}'", warn)
    own = located(pipeline, recording)
    rate, step = own[0].rate, pipeline.step
    check = SignalCheck([c.name for c in own], recording.name, pipeline.window, rate)
    names, causal = pipeline.feature_names, pipeline.phase == "causal"
    plain = pipeline
    if pipeline.normalization == "recording":
        plain = replace(pipeline, normalization="none")
    features_of = FeatureStream(plain, rate) if causal else StepFeatures(plain, rate)
    onset, done = 0.0, 0  # of the segment: where it begins, and its steps
    total, samples = 0, 0  # steps of the recording, samples of the segment
    for block in recording.blocks([c.name for c in own], warn=warn, whole=not causal):
        check.push(block.values)
        if block.begins:
            if samples:
                features_of.after_gap(block.onset - (onset + samples / rate))
            onset, done, samples = block.onset, 0, 0
        samples += block.values.shape[1]
        if isinstance(features_of, FeatureStream):
            features = features_of.push(block.values)
        else:
            features = _all_at_once(plain, features_of, block.values, rate)
        if len(features) == 0:
            continue
        check_features(features, names, recording.name, total)
        times = onset + step * np.arange(done, done + len(features), dtype=np.float64)
        starts = np.zeros(len(times), dtype=np.bool_)
        starts[0] = done == 0
        yield FeatureChunk(features=features, times=times, starts=starts)
        done += len(features)
        total += len(features)
    check.finish()


def joined(
    parts: Iterator[FeatureChunk],
) -> tuple[NDArray[np.float32], NDArray[np.float64], tuple[int, ...]] | None:
    """Return features ``[n, F]``, step starts ``[n]`` and the steps before which there is a gap.

    None where there is no step.
    """
    features: NDArray[np.float32] | None = None
    times: list[NDArray[np.float64]] = []
    breaks: list[int] = []
    n = 0
    for part in parts:
        stop = n + len(part.features)
        if features is None:
            features = np.empty((stop, part.features.shape[1]), dtype=np.float32)
        elif stop > len(features):
            # Made larger where it is: the steps of a night are not held twice.
            features.resize((max(stop, len(features) * 5 // 4), features.shape[1]), refcheck=False)
        features[n:stop] = part.features
        times.append(part.times)
        if part.starts[0] and n:
            breaks.append(n)
        n = stop
    if features is None:
        return None
    features.resize((n, features.shape[1]), refcheck=False)
    return features, np.concatenate(times), tuple(breaks)


def _all_at_once(
    pipeline: Pipeline, features: StepFeatures, values: NDArray[np.float64], rate: float
) -> NDArray[np.float32]:
    """Return the features of a whole segment that is filtered without delay."""
    if values.shape[1] < pipeline.step * rate:
        return np.empty((0, len(pipeline.feature_names)), dtype=np.float32)
    return features.push(clean(pipeline, values, rate))
