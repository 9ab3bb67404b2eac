"""The options of the application and of its data set; nothing heavy is imported here."""

from __future__ import annotations

from dataclasses import dataclass

from memcell import option
from memcell_eeg.config import AS_LABELLED, EegConfig, changed


@dataclass(frozen=True, kw_only=True)
class SeizureConfig(EegConfig):
    """What every detector of events in EEG has, with a seizure's defaults (SzCORE, Dan et al. 2024)."""

    data: str = changed("data", "spike-wave")
    step: float = changed("step", 1.0)
    window: float = changed("window", 2.0)
    protocol: str = changed(
        "protocol",
        "auto",
        choices=("auto", AS_LABELLED, "ictal", "ictal_vs_all"),
        help="'ictal' leaves the minute after a seizure without a class, 'ictal_vs_all' takes it for none.",
    )
    min_duration: float = changed("min_duration", 10.0)
    merge: float = changed("merge", 5.0)
    max_duration: float = changed("max_duration", 300.0)
    tolerance: float = changed("tolerance", 5.0)


@dataclass(frozen=True, kw_only=True)
class SpikeWaveConfig:
    """Options of ``--data spike-wave``."""

    subjects: int = option(6, help="Number of simulated subjects, one recording each.", low=1)
    minutes: int = option(12, help="Length of a recording.", unit="min", low=4)
    seed: int = option(0, help="The same seed gives the same files.", low=0)
