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
from memcell_eeg.export.edf import Told
from memcell_eeg.features.blocks import Steps, steps_of
from memcell_eeg.prediction.model import Model
from memcell_eeg.scores.detector import EventFinder

_NONE = np.empty((0, 0), dtype=np.float32)


@dataclass(kw_only=True)
class Run:
    """One recording.

    Args:
        model: What is done with it.
        file: Takes a row a step.
        told: Takes the probabilities, where somebody wants them at the end.

    Attributes:
        steps: How many there were.
        stretches: Of how many stretches.
        highest: The largest probability.
    """

    model: Model
    file: Growing
    told: Told | None
    finder: EventFinder = field(init=False)
    steps: int = 0
    stretches: int = 0
    highest: float = 0.0
    _owed: list[Steps] = field(default_factory=list)

    def __post_init__(self) -> None:
        pipeline = self.model.pipeline
        self.finder = EventFinder(self.model.threshold, pipeline.step, self.model.rules)

    def through(self, recording: Recording, infer: Infer, warnings: list[str]) -> None:
        """Run all of it; `finder` then has the events.

        Raises:
            DataError: The recording cannot be used, or the network gave nonsense.
        """
        self.file.write(outputs.PROBABILITY_HEADER)
        stream = infer.begin()
        for steps in steps_of(self.model.pipeline, recording, warnings.append):
            self._owed.append(Steps(features=_NONE, times=steps.times, starts=steps.starts))
            self._take(stream.push(steps.features, steps.starts))
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
        self.finder.push(p, times, starts)
        outputs.add_probabilities(self.file, times, p, self.model.threshold)
        if self.told is not None:
            self.told.push(p, times, starts)
        self.steps += len(p)
        self.stretches += int(starts.sum())
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
        self._owed = [Steps(features=_NONE, times=times[n:], starts=starts[n:])]
        return times[:n], starts[:n]
