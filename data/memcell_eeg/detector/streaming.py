"""A detector along blocks of samples that a program hands over as they come."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from memcell.applications.streaming import LiveNetwork
from memcell.errors import DataError
from memcell_data.renaming import NOTHING, Renaming
from memcell_eeg.features.pipeline import Pipeline
from memcell_eeg.live.alarm import AlarmLogic, AlarmRules
from memcell_eeg.live.channels import LiveChannels
from memcell_eeg.live.detector import Detector
from memcell_eeg.live.gaps import GapFinder
from memcell_eeg.live.matching import match
from memcell_eeg.live.still import StillWatch
from memcell_eeg.signal.references import References

#: What a stamp may differ by from its time, s: here they are computed, so nothing does.
_JITTER = 0.2


class StreamedStep(NamedTuple):
    """What was found at a step.

    Args:
        probability: Of an event.
        alarm: Whether an alarm is on: from the step that raises it to its end.
    """

    probability: float
    alarm: bool


class BlockStream:
    """The state of a stream: filters, memory of the network, alarm.

    Args:
        pipeline: The pipeline of the run.
        network: The trained network; it belongs to this stream alone.
        rules: Conditions of an alarm.
        rate: Samples a second, Hz.
        channels: Names of the rows of a block.
        unit: What the numbers are.
        renaming: Other names for the rows.
        optional: Of a model that was trained to do without some of its channels; None for one that needs all.

    Raises:
        DataError: A channel is missing, or the signal is too slow.
        UsageError: ``unit`` is no voltage.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        network: LiveNetwork,
        rules: AlarmRules,
        rate: float,
        channels: Sequence[str],
        unit: str,
        renaming: Renaming = NOTHING,
        optional: References | None = None,
    ) -> None:
        found = match("blocks", rate, channels, None, pipeline, unit, renaming, optional)
        self._matched, self.rate, self.channels = found, rate, tuple(channels)
        own = LiveChannels.of(pipeline.channels, found.names, found.left_out)
        self._detector = Detector(pipeline.at(rate, "stream 'blocks'"), rate, network, own)
        self._alarm = AlarmLogic(rules)
        self._gaps = GapFinder(rate, _JITTER)
        # a channel that is dead gives no step, as in `memcell stream`
        self._still = StillWatch(self._matched.names, rate)
        self._samples, self._segments = 0, 0

    def push(self, block: NDArray[Any]) -> Iterator[StreamedStep]:
        """Yield the steps that the next samples complete.

        Args:
            block: ``[channels, n]``; NaN where a sample is missing, which is a gap.

        Raises:
            DataError: It has another number of rows than there are channels.
        """
        values = np.asarray(block, dtype=np.float64)
        if values.ndim != 2 or len(values) != len(self.channels):
            raise DataError(
                f"a block has shape {list(values.shape)}; expected [{len(self.channels)}, samples], a row "
                f"each of {', '.join(self.channels)}"
            )
        if not values.shape[1]:
            return
        own = values[list(self._matched.rows)] * self._matched.microvolts[:, None]
        stamps = (self._samples + np.arange(own.shape[1])) / self.rate
        self._samples += own.shape[1]
        passed = self._still.push(own, stamps)
        if not passed.values.shape[1]:
            return
        for part in self._gaps.push(passed.values, passed.stamps):
            if part.begins:
                self._detector.begin(part.onset, part.missing if self._segments else None)
                self._alarm.gap(part.missing)
                self._segments += 1
            for step in self._detector.push(part.values, self._gaps.offset):
                self._alarm.step(step.start, step.probability)
                yield StreamedStep(step.probability, self._alarm.on is not None)
