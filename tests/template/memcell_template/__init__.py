"""A cell, a head, an order of windows and features of EEG for memcell. Specs only: it imports no torch."""

from __future__ import annotations

from collections.abc import Iterator

from memcell import (
    CellSpec,
    FeatureExtractorSpec,
    GradientModeSpec,
    HeadSpec,
    ProbeSpec,
    SamplerSpec,
    hookimpl,
)


@hookimpl
def memcell_cells() -> Iterator[CellSpec]:
    """Recurrent cells."""
    yield CellSpec(
        name="mgu",
        factory="memcell_template.mgu:MGU",
        config="memcell_template.configs:MGUConfig",
        summary="Minimal gated unit: one gate forgets and writes.",
        reference="Zhou et al. 2016, arXiv:1603.09420",
    )


@hookimpl
def memcell_heads() -> Iterator[HeadSpec]:
    """What stands between memory and readout."""
    yield HeadSpec(
        name="leaky_mean",
        factory="memcell_template.leaky_mean:LeakyMean",
        config="memcell_template.configs:LeakyMeanConfig",
        summary="What the memory says, beside a mean of what it said that forgets slowly.",
    )


@hookimpl
def memcell_samplers() -> Iterator[SamplerSpec]:
    """Orders of windows."""
    yield SamplerSpec(
        name="boustrophedon",
        factory="memcell_template.boustrophedon:Boustrophedon",
        summary="Forth in even epochs, back in odd ones.",
    )


@hookimpl
def memcell_gradient_modes() -> Iterator[GradientModeSpec]:
    """Lengths of windows."""
    yield GradientModeSpec(
        name="alternating",
        factory="memcell_template.alternating:Alternating",
        summary="Windows of T steps and of half as many in turn.",
    )


@hookimpl
def memcell_probes() -> Iterator[ProbeSpec]:
    """Measurements during training."""
    yield ProbeSpec(
        name="weight_norms",
        factory="memcell_template.weight_norms:WeightNorms",
        summary="How large the weights are, epoch by epoch.",
    )


@hookimpl
def memcell_feature_extractors() -> Iterator[FeatureExtractorSpec]:
    """What makes features of EEG."""
    yield FeatureExtractorSpec(
        name="hjorth",
        factory="memcell_template.hjorth:Hjorth",
        config="memcell_template.configs:HjorthConfig",
        checks="memcell_eeg.features.checking:CHECKS",
        summary="Activity, mobility and complexity of each channel.",
        reference="Hjorth 1970, Electroencephalography and Clinical Neurophysiology 29",
    )
