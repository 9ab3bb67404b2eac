"""Preprocessing of a signal: outlier removal, re-referencing, resampling and band-pass filtering.

Causally and in chunks of any size (`CleanSignal`), or a whole segment at once (`clean`), without delay where
the settings say so.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memcell.errors import DataError
from memcell_data.recording import Channel, Recording
from memcell_eeg.signal import filters, resample
from memcell_eeg.signal.channels import locate, native_rate
from memcell_eeg.signal.outliers import OutlierFilter


@dataclass(frozen=True, kw_only=True)
class SignalSettings:
    """Settings of the preprocessing, resolved for a run.

    Args:
        channels: Names, in order.
        eeg: Those of them that are EEG.
        rate: Hz after resampling.
        reference: This and all below as in `memcell_eeg.config.EegConfig`.
        outlier, low, high, phase: Likewise.
    """

    channels: tuple[str, ...]
    eeg: tuple[str, ...]
    rate: float
    reference: str
    outlier: float
    low: float
    high: float
    phase: str


def located(settings: SignalSettings, recording: Recording) -> tuple[Channel, ...]:
    """Return the recording's channels for the pipeline's, in their order.

    Raises:
        DataError: It lacks one, or is slower than the pipeline's rate; names both.
    """
    own = locate(settings.channels, recording)
    native = native_rate(own, recording)
    if native < settings.rate:
        raise DataError(
            f"recording '{recording.name}' has {native:g} Hz and the run works at "
            f"{settings.rate:g} Hz; use recordings of {settings.rate:g} Hz or more, or train with "
            f"--rate {native:g}."
        )
    return own


#: Samples that are cleaned at once, so that they stay in the processor's cache; changes no result.
CHUNK = 1 << 13


class CleanSignal:
    """One segment cleaned, referenced, resampled and band-passed, causally and in chunks of any size.

    Args:
        settings: What to do.
        native_rate: Samples a second of what is pushed, Hz.
    """

    def __init__(self, settings: SignalSettings, native_rate: float) -> None:
        self.settings = settings
        self._outliers = OutlierFilter(settings.outlier, native_rate)
        self._resampler = resample.CausalResampler(native_rate, settings.rate)
        self._filter = filters.CausalFilter(
            filters.band_pass(settings.low, settings.high, settings.rate)
        )

    def push(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return ``[C, m]`` uV at the rate of the settings, for the next ``[C, n]`` uV of the segment."""
        parts = [
            self._filter.push(
                self._resampler.push(
                    referenced(self.settings, self._outliers.push(values[:, at : at + CHUNK]))
                )
            )
            for at in range(0, values.shape[1], CHUNK)
        ]
        return np.concatenate(parts, axis=1) if parts else values


def clean(
    settings: SignalSettings, values: NDArray[np.float64], native: float
) -> NDArray[np.float64]:
    """Return one segment ``[C, n]`` uV cleaned, referenced, resampled and band-passed.

    Args:
        settings: What to do.
        values: ``[C, m]`` uV at the native rate.
        native: Hz.
    """
    if settings.phase == "causal":
        return CleanSignal(settings, native).push(values)
    cleaned = OutlierFilter(settings.outlier, native).push(values)
    if cleaned.shape[1]:  # none of a segment that is too short to tell outliers
        values = cleaned
    values = referenced(settings, values)
    values = resample.zero_phase(values, native, settings.rate)
    return filters.zero_phase(filters.band_pass(settings.low, settings.high, settings.rate), values)


def referenced(settings: SignalSettings, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ``[C, n]`` uV re-referenced, sample by sample."""
    eeg = [i for i, c in enumerate(settings.channels) if c in settings.eeg]
    if settings.reference == "none" or not eeg:
        return values
    # Added in this order whatever n is, which numpy's own mean does not promise.
    mean = values[eeg[0]].copy()
    for i in eeg[1:]:
        mean += values[i]
    mean /= len(eeg)
    out = values.copy()
    out[eeg] -= mean
    return out
