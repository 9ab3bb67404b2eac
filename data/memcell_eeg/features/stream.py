"""One segment of signal to the features of its steps, causally and in chunks of any size.

The whole causal path in order: single outliers replaced, reference, resampling, band-pass, windows, features,
their means over the past, normalization. Each part carries what it needs of the past, so that the features
have the same bits whatever the chunks are: a file read by blocks, a night at once and a live stream of single
samples give one result.

After a gap a segment begins (`FeatureStream.after_gap`): outlier filter, resampler, band-pass and windows
start anew, for nothing may be made up between samples that do not follow each other. The means and the
*scale* of a running normalization stay, and fade with the length of the gap (`memcell_eeg.features.context`,
`memcell_eeg.features.normalize`). Until enough of the window is filled by signal of the segment itself
(`Pipeline.blind`), a step's features would be those of a far shorter window and of the filters' beginning:
normalized ones are 0 there, the middle of their scale. Neither the means nor a running scale learn from a
step before its whole window is filled.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from memcell.errors import DataError, UsageError
from memcell_eeg.features.context import ContextMeans
from memcell_eeg.features.normalize import CausalNormalizer
from memcell_eeg.signal.clean import CleanSignal

if TYPE_CHECKING:
    from memcell_eeg.features.pipeline import Pipeline

#: Gaps are counted in steps, rounded up from this part of one on: no gap of whole samples lies at the edge,
#: where the rounding of its ends would decide.
_ROUND_UP = 0.49937


class StepFeatures:
    """The features of a recording's steps from its clean signal, in chunks of any size.

    Args:
        pipeline: Of the run; its ``normalization`` is applied where it is causal, or fitted to the training
            split.
        native_rate: Samples a second of the recording, Hz; the pipeline's where nothing is resampled.
    """

    def __init__(self, pipeline: Pipeline, native_rate: float | None = None) -> None:
        self._pipeline = pipeline
        self._windows = pipeline.windows()
        self._columns = pipeline.normalized
        n_now = self._windows.n_features
        self._of_context = self._columns[:n_now]
        self._context: ContextMeans | None = None
        if pipeline.context and self._of_context.any():
            self._context = ContextMeans(pipeline.context, pipeline.step)
        self._partial = pipeline.partial_steps(native_rate or pipeline.rate)
        self._blind = pipeline.blind_steps(native_rate or pipeline.rate)
        self._normalizer: CausalNormalizer | None = None
        if pipeline.normalization == "causal" and self._columns.any():
            self._normalizer = CausalNormalizer(pipeline.normalization_memory / pipeline.step)

    def after_gap(self, seconds: float) -> None:
        """Begin a segment; means and scale stay, and fade.

        Args:
            seconds: Between the last sample and the next one, less one sample.
        """
        self._windows = self._pipeline.windows()
        steps = np.floor(seconds / self._pipeline.step + 1 - _ROUND_UP)
        if self._context is not None:
            self._context.gap(steps)
        if self._normalizer is not None:
            self._normalizer.gap(steps)

    @property
    def done(self) -> int:
        """Steps that are done."""
        return self._windows.done

    def push(self, clean: NDArray[np.float64]) -> NDArray[np.float32]:
        """Return ``[k, F]`` of the steps that the next ``[C, n]`` uV at the pipeline's rate complete."""
        before = self._windows.done
        features = self._windows.push(clean)
        blind = min(max(0, self._blind - before), len(features))
        if self._context is not None:
            partial = min(max(0, self._partial - before), len(features))
            means = self._context.push(features[:, self._of_context], partial)
            features = np.concatenate([features, means], axis=1)
        if self._normalizer is not None:
            if self._columns.all():
                features[blind:] = self._normalizer.push(features[blind:])
                features[:blind] = 0.0
            else:
                scaled = self._normalizer.push(features[blind:, self._columns])
                features[blind:, self._columns] = scaled
                features[:blind, self._columns] = 0.0
        single = features.astype(np.float32)
        return self._pipeline.scaled(single, np.arange(len(single)) < blind, self._columns)


class FeatureStream:
    """The features of a recording's steps, causally and in chunks of any size.

    Args:
        pipeline: Of the run.
        native_rate: Samples a second of what is pushed, Hz; not below the pipeline's rate.

    Raises:
        UsageError: The pipeline looks into the future (``phase`` "zero", ``normalization`` "recording").
        DataError: The signal is slower than the pipeline.
    """

    def __init__(self, pipeline: Pipeline, native_rate: float) -> None:
        if pipeline.phase != "causal" or pipeline.normalization == "recording":
            which = "--phase zero" if pipeline.phase != "causal" else "--normalization recording"
            raise UsageError(
                f"the run was made with {which}, which looks into the future: its features cannot be made "
                "while the signal comes in; train with --phase causal --normalization causal."
            )
        if native_rate < pipeline.rate:
            raise DataError(
                f"the signal has {native_rate:g} Hz and the run works at {pipeline.rate:g} Hz; use a "
                f"signal of {pipeline.rate:g} Hz or more, or train with --rate {native_rate:g}."
            )
        self.pipeline = pipeline
        self._native_rate = native_rate
        self.signal = CleanSignal(pipeline, native_rate)
        self._features = StepFeatures(pipeline, native_rate)

    def after_gap(self, seconds: float) -> None:
        """Begin a segment: filters and windows start anew, means and scale stay, and fade.

        Args:
            seconds: That are missing; below 0 where a clock went back, which counts as none.
        """
        self.signal = CleanSignal(self.pipeline, self._native_rate)
        self._features.after_gap(max(0.0, seconds))

    @property
    def steps(self) -> int:
        """Steps of the segment that are done; step k begins ``k * pipeline.step`` seconds into it."""
        return self._features.done

    def push(self, values: NDArray[np.float64]) -> NDArray[np.float32]:
        """Return ``[k, F]`` of the steps that the next samples complete; k may be 0.

        Args:
            values: ``[C, n]`` uV, the channels in the pipeline's order, any n; finite numbers, for one that
                is not stays in the filters: cut it out, and say `after_gap`.

        Raises:
            DataError: They are not as many channels as the pipeline has.
        """
        if np.ndim(values) != 2 or len(values) != len(self.pipeline.channels):
            raise DataError(
                f"got samples of shape {list(np.shape(values))}, expected "
                f"[{len(self.pipeline.channels)}, n]: a row for each of {', '.join(self.pipeline.channels)}."
            )
        return self._features.push(self.signal.push(np.asarray(values, dtype=np.float64)))
