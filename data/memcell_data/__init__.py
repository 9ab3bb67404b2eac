"""Data sets by name, and the reading of recordings.

This module only registers the data sets. Recordings are read through `memcell_data.formats.reader`; what a
recording is stands in `memcell_data.recording`.
"""

from __future__ import annotations

from collections.abc import Iterable

from memcell import DatasetSpec, hookimpl

__all__ = ["memcell_datasets"]


@hookimpl
def memcell_datasets() -> Iterable[DatasetSpec]:
    """Return the data sets that come with memcell."""
    return [
        DatasetSpec(
            name="simulated",
            factory="memcell_data.datasets.simulated:Simulated",
            config="memcell_data.datasets.configs:SimulatedConfig",
            summary="Made here from a seed: EEG and EOG with microsleeps, gaps and artefacts.",
            reference="memcell_data.datasets.simulation",
            simulated=True,
        ),
        DatasetSpec(
            name="eye-state",
            factory="memcell_data.datasets.eye_state:EyeState",
            config="memcell_data.datasets.configs:EyeStateConfig",
            summary="One person opening and closing the eyes for 117 s, 14 EEG channels.",
            reference="Roesler 2013, UCI EEG Eye State",
            recognise="memcell_data.datasets.recognise:is_eye_state",
        ),
        DatasetSpec(
            name="eyes",
            factory="memcell_data.datasets.eyes:Eyes",
            config="memcell_data.datasets.configs:EyesConfig",
            summary="One minute eyes open and one minute eyes closed a person, 64 EEG channels.",
            reference="Schalk et al. 2004, PhysioNet EEG Motor Movement/Imagery",
            recognise="memcell_data.datasets.recognise:is_eyes",
        ),
        DatasetSpec(
            name="sleep-edf-powers",
            factory="memcell_data.datasets.sleep_powers:SleepPowers",
            config="memcell_data.datasets.configs:SleepPowersConfig",
            summary="Wake against sleep: band powers of each 30 s of a day and night, 8 people.",
            reference="Kemp et al. 2000, PhysioNet Sleep-EDF Expanded",
            recognise="memcell_data.datasets.recognise:is_sleep_powers",
        ),
        DatasetSpec(
            name="sleep-edf",
            factory="memcell_data.datasets.sleep_edf:SleepEdf",
            config="memcell_data.datasets.configs:SleepEdfConfig",
            summary="Wake against sleep: EEG and EOG of a day and night with hypnograms, 78 people.",
            reference="Kemp et al. 2000, PhysioNet Sleep-EDF Expanded",
            recognise="memcell_data.datasets.recognise:is_sleep_edf",
        ),
        DatasetSpec(
            name="mwt",
            factory="memcell_data.datasets.mwt:Mwt",
            config="memcell_data.datasets.configs:MwtConfig",
            summary="Maintenance-of-wakefulness tests of 76 patients, microsleeps scored by experts.",
            reference="Malafeev et al. 2021, Zenodo 3251716",
            recognise="memcell_data.datasets.recognise:is_mwt",
        ),
        DatasetSpec(
            name="bids",
            factory="memcell_data.datasets.bids:Bids",
            config="memcell_data.datasets.configs:BidsConfig",
            summary="A BIDS folder of EEG, through mne-bids where that is installed.",
            reference="Pernet et al. 2019",
            recognise="memcell_data.datasets.recognise:is_bids",
        ),
        DatasetSpec(
            name="own",
            factory="memcell_data.datasets.user_recordings:UserRecordings",
            config="memcell_data.datasets.configs:UserRecordingsConfig",
            summary="Your own recordings: a file, a folder, a glob or a BIDS data set.",
            fallback=True,
            checker="memcell_data.checks.check:Check",
            labels="memcell_data.labelling.tool:Labelling",
        ),
    ]
