"""A recording's features, block after block: a long recording needs no more memory than a short one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memcell.errors import DataError
from memcell_data.recording import Recording
from memcell_eeg.features.pipeline import Pipeline
from memcell_eeg.features.precomputed import ReadyFeatures
from memcell_eeg.features.segments import pieces


@dataclass(frozen=True, kw_only=True)
class Steps:
    """Some consecutive steps.

    Args:
        features: ``[k, F]``.
        times: ``[k]`` starts of the steps, seconds from the recording's first sample.
        starts: ``[k]``: steps before which the recording was interrupted; the recording's first is one.
    """

    features: NDArray[np.float32]
    times: NDArray[np.float64]
    starts: NDArray[np.bool_]


def steps_of(
    pipeline: Pipeline | ReadyFeatures, recording: Recording, warn: Callable[[str], object]
) -> Iterator[Steps]:
    """Yield the recording's steps in order.

    Raises:
        DataError: As `Pipeline.sequence` does.
    """
    if isinstance(pipeline, Pipeline) and pipeline.normalization != "recording":
        some = False
        for piece in pieces(pipeline, recording, warn):
            starts = np.zeros(len(piece.times), dtype=np.bool_)
            starts[0] = piece.begins
            yield Steps(features=piece.features, times=piece.times, starts=starts)
            some = True
        if not some:
            raise DataError(
                f"recording '{recording.name}' has no stretch as long as a step ({pipeline.step:g} s)."
            )
        return
    sequence = pipeline.sequence(recording, warn=warn)
    yield Steps(features=sequence.features, times=sequence.times, starts=sequence.starts)
