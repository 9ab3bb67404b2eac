"""A seizure detector for memcell. Specs only: this module imports no torch."""

from __future__ import annotations

from collections.abc import Iterator

from memcell import AppSpec, DatasetSpec, hookimpl


@hookimpl
def memcell_apps() -> Iterator[AppSpec]:
    """Applications."""
    yield AppSpec(
        name="seizure",
        factory="memcell_template_seizure.app:Seizures",
        config="memcell_template_seizure.configs:SeizureConfig",
        predict_config="memcell_eeg.prediction.config:PredictConfig",
        stream_config="memcell_eeg.live.options:LiveConfig",
        summary="Detect seizures of 10 s or more.",
        reference="Dan et al. 2024 (SzCORE)",
    )


@hookimpl
def memcell_datasets() -> Iterator[DatasetSpec]:
    """Data sets."""
    yield DatasetSpec(
        name="spike-wave",
        factory="memcell_template_seizure.spike_wave:SpikeWave",
        config="memcell_template_seizure.configs:SpikeWaveConfig",
        summary="Made here from a seed: 3 Hz spikes and waves on pink noise.",
        simulated=True,
    )
