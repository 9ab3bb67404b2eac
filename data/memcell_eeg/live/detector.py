"""From samples to probabilities: the causal pipeline and the network, one step at a time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memcell.applications.streaming import LiveNetwork
from memcell_eeg.features.optional import columns_left_out
from memcell_eeg.features.pipeline import Pipeline
from memcell_eeg.features.stream import FeatureStream
from memcell_eeg.features.windows import count_steps, ends_of
from memcell_eeg.live.channels import LiveChannels
from memcell_eeg.signal.checks import check_features
from memcell_eeg.signal.resample import ratio


@dataclass(frozen=True, kw_only=True)
class StepFound:
    """The result of a step.

    Args:
        start: Seconds from the segment's beginning by nominal rates, plus the segment's onset.
        probability: Of an event; of a network of values, its value.
    """

    start: float
    probability: float


class Detector:
    """Runs a trained model on samples as they come.

    The result does not depend on how the samples are cut into chunks; for a recording it equals that of
    ``memcell predict --causal`` bit for bit (if the network's ``reason`` is empty).

    Args:
        pipeline: The pipeline of the run.
        rate: Samples a second of what is pushed, Hz.
        network: The trained network; it belongs to this detector alone.
        channels: Which rows are the model's channels, and which of these are left out; None where a row
            comes for each.

    Raises:
        UsageError: The pipeline looks into the future.
        DataError: The signal is slower than the pipeline.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        rate: float,
        network: LiveNetwork,
        channels: LiveChannels | None = None,
    ) -> None:
        self.pipeline, self.rate, self._network = pipeline, rate, network
        self._names = pipeline.feature_names
        self._rows: list[int] | None = None
        if channels is not None and channels.left_out:
            self._rows = list(channels.rows)
            self._left_out = columns_left_out(pipeline, channels.left_out)
        self._ratio = ratio(rate, pipeline.rate)
        self._warm()

    def begin(self, onset: float, missing: float | None = None) -> None:
        """Begin a segment: filters and memory are reset.

        Args:
            onset: Seconds of its first sample.
            missing: Seconds between the segment before and this one, over which the scale of the
                normalization decays; None to reset that too.
        """
        if missing is None:
            self._flow = FeatureStream(self.pipeline, self.rate)
        else:
            self._flow.after_gap(missing)
        self._onset, self._done = onset, 0
        self._waiting: list[NDArray[np.float64]] = []
        self._samples, self._needed = 0, self.samples_for(0)
        self._network.restart()

    def push(self, values: NDArray[np.float64], offset: float = 0.0) -> list[StepFound]:
        """Return the steps that the next samples ``[C, n]`` uV complete.

        Args:
            values: The samples.
            offset: Seconds by which the source's clock has moved since the segment began.

        Raises:
            DataError: A feature is not a number; names it.
        """
        self._waiting.append(values.copy())
        self._samples += values.shape[1]
        if self._samples < self._needed:
            return []  # each part of the path costs as much for a few samples as for many
        samples = np.concatenate(self._waiting, axis=1)
        self._waiting.clear()
        features = self._flow.push(samples if self._rows is None else samples[self._rows])
        check_features(features, self._names, "live", self._done)
        if self._rows is not None:
            features = np.where(self._left_out, np.float32(0.0), features)
        found = []
        for row in features:
            p = self._network.step(row)
            start = self._onset + self.pipeline.step * self._done + offset
            found.append(StepFound(start=start, probability=float(p[-1])))
            self._done += 1
        self._needed = self.samples_for(self._done)
        return found

    def _warm(self) -> None:
        """Run a few steps on noise: one-time initialization of libraries would delay the first real ones."""
        seconds = self.pipeline.window + 3 * self.pipeline.step
        rows = self.pipeline.channels if self._rows is None else set(self._rows)
        noise = np.random.default_rng(0).normal(
            scale=10.0, size=(len(rows), round(seconds * self.rate))
        )
        self.begin(0.0)
        self.push(noise)
        self._network.begin()
        self.begin(0.0)

    def samples_for(self, step: int) -> int:
        """Return how many samples of a segment complete its step of this number.

        n samples at the native rate make ``ceil(n up / down)`` at the pipeline's.
        """
        p = self.pipeline
        up, down = self._ratio
        end = int(ends_of(step, step + 1, p.rate, p.step)[0])
        while count_steps(end, p.rate, p.step) <= step:
            end += 1
        return (end - 1) * down // up + 1
