"""The features that ``--features`` names, built for a run."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from memcell_eeg.features.bandpower import BandPowers
from memcell_eeg.features.correlation import Correlations
from memcell_eeg.features.raw import Raw
from memcell_eeg.features.stft import Magnitudes
from memcell_eeg.features.windows import Maker

if TYPE_CHECKING:
    from memcell_eeg.features.pipeline import Pipeline


def makers(pipeline: Pipeline) -> list[Maker]:
    """Return what makes the pipeline's features, in the order of their columns."""
    return [_BUILD[name](pipeline) for name in pipeline.features]


def _band_powers(p: Pipeline) -> Maker:
    return BandPowers(p.channels, p.rate, p.window)


def _correlations(p: Pipeline) -> Maker:
    return Correlations(p.channels)


def _magnitudes(p: Pipeline) -> Maker:
    return Magnitudes(p.channels, p.rate, p.window, p.high)


def _raw(p: Pipeline) -> Maker:
    return Raw(p.channels, p.rate, p.window)


_BUILD: dict[str, Callable[[Pipeline], Maker]] = {
    "bandpower": _band_powers,
    "correlation": _correlations,
    "stft": _magnitudes,
    "raw": _raw,
}
