"""The data set ``sleep-edf-powers``: a day and night of each person as band powers of every 30 s.

The features were made from the EEG of PhysioNet's Sleep-EDF Expanded (Fpz-Cz, Pz-Oz) and lie in one
``.npz`` a night; there is no raw signal. The labels are the experts' own hypnograms. Epochs scored ``?`` or
as movement are missing in the ``.npz``: where they were is found by aligning its stages with the
hypnogram, and memory restarts there. A night whose stages do not agree with its hypnogram is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from memcell.applications.datasets import Card, DataUnavailable
from memcell.errors import DataError
from memcell_data.datasets.configs import SleepPowersConfig
from memcell_data.datasets.fetching import local_copy
from memcell_data.datasets.recognise import SLEEP_POWERS_FILE, sleep_power_files
from memcell_data.datasets.sleep_hypnogram import (
    SLEEP,
    WAKE,
    Hypnogram,
    hypnogram_of,
    read_hypnogram,
)
from memcell_data.datasets.sleep_night import read_night
from memcell_data.formats.reader import fingerprint
from memcell_data.labels.reading import Rule
from memcell_data.recording import Features, Labels, Recording, Signal

_RULE = Rule(positive=SLEEP, negative=WAKE, background="")
_EXPECTED = "expected files like SC4001E0.npz, each with its SC4001EC-Hypnogram.edf beside it"


@dataclass
class SleepPowers:
    """Wake (0) against sleep (1: N1, N2, N3 or REM), a step of 30 s, two nights a person.

    Args:
        config: Where the files are, and what of them is used.
    """

    config: SleepPowersConfig

    @property
    def card(self) -> Card:
        """The card of the data set."""
        return Card(
            name="sleep-edf-powers",
            title="Sleep-EDF Expanded 1.0.0 (sleep cassette), band powers of 30 s; wake against sleep",
            source="PhysioNet, https://physionet.org/content/sleep-edfx/1.0.0/; the powers were made "
            "from its signals and are not published there",
            licence="ODC-BY 1.0 (as stated by PhysioNet; not re-read here)",
            citation="Kemp et al. 2000, doi:10.1109/10.867928; "
            "Goldberger et al. 2000, doi:10.1161/01.CIR.101.23.e215",
            checksum="none for the powers: their stages are compared with the hypnogram, epoch by "
            "epoch; the hypnograms' SHA-1 stand in mne.datasets.sleep_physionet",
        )

    def get(self, folder: Path | None = None) -> Path:
        """Return the folder of the local copy; there is nothing to fetch.

        Raises:
            DataUnavailable: No ``path`` was given.
            DataError: It is not there.
        """
        if not self.config.path:
            raise DataUnavailable(
                "the powers of 'sleep-edf-powers' were made from Sleep-EDF and are published nowhere, so "
                "they cannot be fetched. With a local copy, type --data sleep-edf-powers --data.path "
                f"FOLDER; {_EXPECTED}"
            )
        return local_copy(self.config.path, _EXPECTED)

    def recordings(self) -> Sequence[Recording]:
        """Return the nights, by name.

        Raises:
            DataError: There is none, or one lacks its hypnogram.
        """
        home = self.get()
        files = sleep_power_files(home)
        if not files:
            raise DataError(f"{home}: holds no night; {_EXPECTED}")
        return [open_night(path, self.config) for path in files]


def open_night(path: Path, config: SleepPowersConfig | None = None) -> Recording:
    """Describe a night; its powers are read when ``recording.features`` is called.

    Args:
        path: The ``.npz``.
        config: What of it is used; None for all of it.

    Raises:
        DataError: It is not a file of the set, or its hypnogram is missing or cannot be read.
    """
    path = Path(path)
    match = SLEEP_POWERS_FILE.match(path.name)
    if match is None or not path.is_file():
        raise DataError(f"{path}: is no night of 'sleep-edf-powers'; {_EXPECTED}")
    scored = hypnogram_of(path)
    hypnogram = read_hypnogram(scored)
    return Recording(
        name=path.stem,
        subject=match[1].upper(),
        dataset="sleep-edf-powers",
        simulated=False,
        channels=(),
        duration=hypnogram.end,
        read=_NoSignal(path),
        labels=_NightLabels(hypnogram),
        features=_NightFeatures(path, hypnogram, config or SleepPowersConfig()),
        path=path,
        fingerprint=fingerprint([path, scored]),
    )


@dataclass(frozen=True)
class _NoSignal:
    path: Path

    def __call__(self, names: Sequence[str]) -> Signal:
        raise DataError(f"{self.path}: holds band powers and no signal; there is nothing to filter")


@dataclass(frozen=True)
class _NightLabels:
    hypnogram: Hypnogram

    def __call__(self) -> Labels:
        return _RULE.apply(self.hypnogram.intervals)


@dataclass(frozen=True)
class _NightFeatures:
    path: Path
    hypnogram: Hypnogram
    config: SleepPowersConfig

    def __call__(self) -> Features:
        return read_night(self.path, self.hypnogram, self.config)

    def named(self, names: tuple[str, ...], step_seconds: float) -> Features | None:
        """Return the powers in the form that a model was trained on, whatever the data set's options say."""
        if not 1 <= step_seconds <= 30 or 30 % step_seconds:
            return None
        forms = (
            replace(self.config, powers="relative", relative=False, step=30.0),
            replace(self.config, powers="absolute", relative=False, step=30.0),
            replace(self.config, relative=True, step=step_seconds),
        )
        for form in forms:
            made = read_night(self.path, self.hypnogram, form)
            if made.names == names and made.step_seconds == step_seconds:
                return made
        return None
