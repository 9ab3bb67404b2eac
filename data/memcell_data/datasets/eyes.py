"""The data set ``eyes``: one minute with the eyes open and one with the eyes closed, for each person.

Runs 1 (open) and 2 (closed) of the PhysioNet EEG Motor Movement/Imagery set. The state stands in the file
name only, and holds for the time that the file's own annotation covers: the last .8 s lie past it
and are unlabelled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from memcell.applications.datasets import Card
from memcell.errors import DataError
from memcell.files.places import data_folder
from memcell_data.datasets.configs import EyesConfig
from memcell_data.datasets.fetching import local_copy, require_reachable, unavailable
from memcell_data.datasets.recognise import EYES_FILE
from memcell_data.formats.reader import open_recording, signal_file
from memcell_data.labels.reading import Rule
from memcell_data.recording import Interval, Labels, Recording

_STATES = {1: "open", 2: "closed"}
_ADDRESS = "https://physionet.org"
_WHAT = "PhysioNet 'EEG Motor Movement/Imagery Dataset' 1.0.0 (eegmmidb), runs 1 and 2"
_INSTEAD = "--data eyes --data.path FOLDER (with S001R01.edf, S001R02.edf, ...)"
_RULE = Rule(positive=("closed",), negative=("open",), background="")


@dataclass
class Eyes:
    """Baseline recordings with the eyes open and closed.

    Args:
        config: Where a local copy is, or how many subjects to fetch.
        problems: Files that could not be used, with the reason; filled by `recordings`.
    """

    config: EyesConfig
    problems: list[str] = field(default_factory=list)

    @property
    def card(self) -> Card:
        """The card of the data set."""
        return Card(
            name="eyes",
            title="EEG Motor Movement/Imagery Dataset 1.0.0, baseline runs",
            source="PhysioNet, https://physionet.org/content/eegmmidb/1.0.0/",
            licence="ODC-BY 1.0 (as stated by PhysioNet; not re-read here)",
            citation="Schalk et al. 2004, doi:10.1109/TBME.2004.827072; "
            "Goldberger et al. 2000, doi:10.1161/01.CIR.101.23.e215",
            checksum="mne.datasets.eegbci checks the SHA-256 of each file through pooch",
        )

    def get(self, folder: Path | None = None) -> Path:
        """Return the folder of the local copy, fetching what is not there.

        Raises:
            DataUnavailable: PhysioNet cannot be reached.
            DataError: The local copy named by ``path`` is not there.
        """
        if self.config.path:
            return local_copy(self.config.path, "expected files like S001R01.edf")
        home = folder or data_folder() / "eyes"
        expected = {(s, r) for s in range(1, self.config.subjects + 1) for r in _STATES}
        if not expected <= {(_subject(p), _run(p)) for p in _files(home)}:
            self._fetch(home)
        return home

    def recordings(self) -> Sequence[Recording]:
        """Return the recordings, two a subject."""
        home = self.get()
        files = _files(home)
        if not self.config.path:
            files = [p for p in files if _subject(p) <= self.config.subjects]
        if not files:
            raise DataError(f"{home}: expected files like S001R01.edf and S001R02.edf, found none")
        self.problems.clear()
        found = []
        for path in files:
            try:
                found.append(
                    open_recording(
                        path, subject=path.stem[:4].upper(), dataset="eyes", labels=RunLabels(path)
                    )
                )
            except DataError as error:
                self.problems.append(str(error))
        if not found:
            raise DataError(f"{home}: no file can be used; the first: {self.problems[0]}")
        return found

    def _fetch(self, home: Path) -> None:
        require_reachable(_ADDRESS, _WHAT, _INSTEAD)
        from mne.datasets import eegbci

        home.mkdir(parents=True, exist_ok=True)
        try:
            eegbci.load_data(
                list(range(1, self.config.subjects + 1)),
                list(_STATES),
                path=str(home),
                update_path=False,
                verbose="error",
            )
        except Exception as error:
            raise unavailable(_WHAT, _ADDRESS, error, _INSTEAD) from error


@dataclass(frozen=True)
class RunLabels:
    """The state of a run, over the time that its annotations cover (or all of it without any)."""

    path: Path

    def __call__(self) -> Labels:
        """Return one interval."""
        file = signal_file(self.path)
        covered = [a.onset + a.duration for a in file.annotations() if a.duration > 0]
        end = min(max(covered), file.duration()) if covered else file.duration()
        return _RULE.apply([Interval(onset=0.0, duration=end, label=_STATES[_run(self.path)])])


def _files(home: Path) -> list[Path]:
    if home.is_file():
        return [home] if EYES_FILE.match(home.name) else []
    return sorted((p for p in home.rglob("*") if EYES_FILE.match(p.name)), key=lambda p: p.name)


def _subject(path: Path) -> int:
    return int(path.name[1:4])


def _run(path: Path) -> int:
    return int(path.name[5:7])
