"""The data set ``mwt``: maintenance-of-wakefulness tests of 76 patients, every sample scored.

What a file holds and how its codes become classes stands in `memcell_data.formats.mwt_file`. The labels of a
recording cover all of it and are described by exactly these words: ``"wake"``, ``"drowsy"``, ``"candidate"``,
``"one-sided"``, ``"microsleep"``. By themselves they count as in the protocol ``sure``: microsleep is
positive, wake is negative, and the rest has no label; a protocol of the application may say otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from memcell.applications.datasets import Card
from memcell.errors import DataError
from memcell.files.places import data_folder
from memcell_data.datasets.configs import MwtConfig
from memcell_data.datasets.fetching import local_copy, require_reachable, unavailable
from memcell_data.datasets.mwt_splits import FILE_SETS, FILES, SPLITS, read_file_sets
from memcell_data.datasets.recognise import mwt_files
from memcell_data.formats.mwt_file import MwtFile, channels_of, intervals
from memcell_data.formats.reader import fingerprint
from memcell_data.labels.reading import Rule
from memcell_data.recording import Labels, Recording, Signal

_ADDRESS = "https://zenodo.org"
_DOI = "10.5281/zenodo.3251716"
_WHAT = f"Zenodo record 3251716 (doi:{_DOI}), {len(FILES)} .mat files"
_INSTEAD = "--data mwt --data.path FOLDER (with 0ncr.mat, 5bSg.mat, ...)"
RULE = Rule(positive=("microsleep",), negative=("wake",), background="")


@dataclass
class Mwt:
    """Maintenance-of-wakefulness tests, one recording a patient.

    Args:
        config: Where a local copy is, and which published split marks the recordings.
        problems: Files that could not be used, with the reason; filled by `recordings`.
    """

    config: MwtConfig
    problems: list[str] = field(default_factory=list)

    @property
    def card(self) -> Card:
        """The card of the data set."""
        return Card(
            name="mwt",
            title="Microsleep episodes in the maintenance of wakefulness test, 76 patients",
            source=f"Zenodo, https://zenodo.org/record/3251716 (doi:{_DOI})",
            licence="as the Zenodo record states (not re-read here)",
            citation="Malafeev et al. 2021, doi:10.3389/fnins.2021.564098; "
            "Hertig-Godeschalk et al. 2020, doi:10.1093/sleep/zsz163",
            checksum="pooch checks each file against the checksum that Zenodo publishes",
        )

    def get(self, folder: Path | None = None) -> Path:
        """Return the folder of the local copy, fetching what is not there.

        Raises:
            DataUnavailable: Zenodo cannot be reached, or the download broke off.
            DataError: The local copy named by ``path`` is not there.
        """
        if self.config.path:
            return local_copy(self.config.path, "expected files like 0ncr.mat")
        home = folder or data_folder() / "mwt"
        if not set(FILES) <= {p.stem for p in home.glob("*.mat")}:
            _fetch(home)
        return home

    def recordings(self) -> Sequence[Recording]:
        """Return the recordings that can be used; the others are named in ``problems``.

        Raises:
            DataError: There is none.
        """
        home = self.get()
        files = mwt_files(home)
        if not files:
            raise DataError(
                f"{home}: holds no file of 'mwt'; expected .mat files with a struct 'Data', like 0ncr.mat"
            )
        parts = self._parts(home if home.is_dir() else home.parent)
        self.problems.clear()
        found = []
        for path in files:
            try:
                found.append(open_mwt(path, part=parts.get(path.stem, "")))
            except DataError as error:
                self.problems.append(str(error))
        if not found:
            more = f" (and {len(self.problems) - 1} more)" if len(self.problems) > 1 else ""
            raise DataError(f"no recording can be used: {self.problems[0]}{more}")
        return found

    def _parts(self, home: Path) -> Mapping[str, str]:
        beside = [p for p in (home / FILE_SETS, home.parent / FILE_SETS) if p.is_file()]
        if self.config.published_split == "malafeev" and beside:
            return read_file_sets(beside[0])
        return SPLITS[self.config.published_split]


def open_mwt(path: Path, *, name: str | None = None, part: str = "") -> Recording:
    """Describe a file; its samples and labels are read when asked for.

    Args:
        path: The ``.mat``.
        name: What the recording is called; None for the file's name without extension.
        part: See `memcell_data.recording.Recording`.

    Raises:
        DataError: It is no file of the set; names the file, the field and the place.
    """
    path = Path(path)
    content = MwtFile(path).content()
    return Recording(
        name=name or path.stem,
        subject=path.stem,
        dataset="mwt",
        simulated=False,
        channels=channels_of(content),
        duration=content.signals.shape[1] / content.rate,
        read=_MwtSignal(path),
        labels=_MwtLabels(path),
        path=path,
        part=part,
        fingerprint=fingerprint([path]),
    )


@dataclass(frozen=True)
class _MwtSignal:
    path: Path

    def __call__(self, names: Sequence[str]) -> Signal:
        return MwtFile(self.path).read(names)


@dataclass(frozen=True)
class _MwtLabels:
    path: Path

    def __call__(self) -> Labels:
        return RULE.apply(intervals(MwtFile(self.path).content()))


def _fetch(home: Path) -> None:
    require_reachable(_ADDRESS, _WHAT, _INSTEAD)
    import pooch

    home.mkdir(parents=True, exist_ok=True)
    try:
        record = pooch.create(path=home, base_url=f"doi:{_DOI}")
        record.load_registry_from_doi()
        for name in record.registry:
            if name.endswith(".mat"):
                record.fetch(name)
    except Exception as error:
        raise unavailable(_WHAT, _ADDRESS, error, _INSTEAD) from error
