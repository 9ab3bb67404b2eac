"""One recording on its way through the network: blocks in, rows and events out, nothing kept whole."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from memcell.applications.prediction import Infer
from memcell.errors import DataError
from memcell.files.atomic import Growing
from memcell_data.recording import Recording
from memcell_eeg.export import outputs
from memcell_eeg.export.edf import StepProbabilities
from memcell_eeg.features.chunks import FeatureChunk
from memcell_eeg.features.precomputed import feature_chunks
from memcell_eeg.prediction.model import DetectionModel
from memcell_eeg.scores.detector import EventDetector

_NONE = np.empty((0, 0), dtype=np.float32)


@dataclass(kw_only=True)
class RecordingRun:
    """One recording.

    Args:
        model: What is done with it.
        file: Takes a row a step.
        probabilities: Takes the probabilities, where somebody wants them at the end.

    Attributes:
        steps: How many there were.
        segments: Of how many segments.
        highest: The largest probability.
    """

    model: DetectionModel
    file: Growing
    probabilities: StepProbabilities | None
    detector: EventDetector = field(init=False)
    steps: int = 0
    segments: int = 0
    highest: float = 0.0
    _owed: list[FeatureChunk] = field(default_factory=list)

    def __post_init__(self) -> None:
        pipeline = self.model.pipeline
        self.detector = EventDetector(self.model.threshold, pipeline.step, self.model.rules)

    def through(self, recording: Recording, infer: Infer, warnings: list[str]) -> None:
        """Run all of it; `detector` then has the events.

        Raises:
            DataError: The recording cannot be used, or the network gave nonsense.
        """
        self.file.write(outputs.PROBABILITY_HEADER)
        stream = infer.begin()
        for chunk in feature_chunks(self.model.pipeline, recording, warnings.append):
            self._owed.append(FeatureChunk(features=_NONE, times=chunk.times, starts=chunk.starts))
            self._take(stream.push(chunk.features, chunk.starts))
        self._take(stream.end())
        owed = sum(len(s.times) for s in self._owed)
        if owed:
            raise DataError(
                f"the network gave {self.steps} probabilities for {self.steps + owed} steps; train it again."
            )

    def _take(self, probabilities: NDArray[np.float32]) -> None:
        p = np.asarray(probabilities[:, 1], dtype=np.float64)
        if len(p) == 0:
            return
        if not np.isfinite(p).all():
            raise DataError("the network gave probabilities that are not numbers; train it again.")
        times, starts = self._next(len(p))
        self.detector.push(p, times, starts)
        outputs.add_probabilities(self.file, times, p, self.model.threshold)
        if self.probabilities is not None:
            self.probabilities.push(p, times, starts)
        self.steps += len(p)
        self.segments += int(starts.sum())
        self.highest = max(self.highest, float(p.max()))

    def _next(self, n: int) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Return times and starts of the next n steps that are owed."""
        if len(self._owed) > 1:
            times = np.concatenate([s.times for s in self._owed])
            starts = np.concatenate([s.starts for s in self._owed])
        else:
            times, starts = self._owed[0].times, self._owed[0].starts
        if n > len(times):
            raise DataError("the network gave more probabilities than there are steps.")
        self._owed = [FeatureChunk(features=_NONE, times=times[n:], starts=starts[n:])]
        return times[:n], starts[:n]
