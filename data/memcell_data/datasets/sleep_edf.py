"""The data set ``sleep-edf``: a day and night of each person as recorded (PSG), with an expert's hypnogram.

Two files make a recording: ``SC4ssNE0-PSG.edf`` and ``SC4ssNE?-Hypnogram.edf``, paired by their first six
characters; ``ss`` is the person, ``N`` the night. By default wake is the negative and every stage of sleep
the positive class, as in ``sleep-edf-powers``. What is scored ``?`` or as movement has no label.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from memcell.applications.datasets import Card
from memcell.errors import DataError
from memcell.files.places import data_folder
from memcell_data.datasets.configs import SleepEdfConfig
from memcell_data.datasets.fetching import local_copy, require_reachable, unavailable
from memcell_data.datasets.recognise import HYPNOGRAM_FILE, PSG_FILE, psg_files
from memcell_data.datasets.sleep_hypnogram import (
    EPOCH,
    STAGE_WORDS,
    STAGES,
    hypnogram_of,
    read_hypnogram,
)
from memcell_data.formats.reader import open_recording
from memcell_data.recording import Interval, Labels, Recording

_ADDRESS = "https://physionet.org"
_WHAT = "PhysioNet 'Sleep-EDF Database Expanded' 1.0.0 (sleep cassette)"
_INSTEAD = (
    "--data sleep-edf --data.path FOLDER (with SC4001E0-PSG.edf, SC4001EC-Hypnogram.edf, ...)"
)
_EXPECTED = "expected files like SC4001E0-PSG.edf, each with its SC4001EC-Hypnogram.edf beside it"
_MISSING = (39, 68, 69, 78, 79)  # numbers that were never given to a person


@dataclass
class SleepEdf:
    """Sleep-EDF as recorded, two nights a person.

    Args:
        config: Where a local copy is, and which stages are to be told apart.
        problems: Files that could not be used, with the reason; filled by `recordings`.
    """

    config: SleepEdfConfig
    problems: list[str] = field(default_factory=list)

    @property
    def card(self) -> Card:
        """The card of the data set."""
        return Card(
            name="sleep-edf",
            title="Sleep-EDF Expanded 1.0.0 (sleep cassette): EEG, EOG and hypnograms; wake against sleep",
            source="PhysioNet, https://physionet.org/content/sleep-edfx/1.0.0/",
            licence="ODC-BY 1.0 (as stated by PhysioNet; not re-read here)",
            citation="Kemp et al. 2000, doi:10.1109/10.867928; "
            "Goldberger et al. 2000, doi:10.1161/01.CIR.101.23.e215",
            checksum="mne.datasets.sleep_physionet checks the SHA-1 of each file through pooch",
        )

    def get(self, folder: Path | None = None) -> Path:
        """Return the folder of the local copy, fetching what is not there.

        Raises:
            DataUnavailable: PhysioNet cannot be reached.
            DataError: The local copy named by ``path`` is not there.
        """
        if self.config.path:
            return local_copy(self.config.path, _EXPECTED)
        home = folder or data_folder() / "sleep-edf"
        numbers = [n for n in range(83) if n not in _MISSING][: self.config.subjects]
        if not {f"SC4{n:02d}" for n in numbers} <= {p.name[:5] for p in psg_files(home)}:
            _fetch(home, numbers)
        return home

    def recordings(self) -> Sequence[Recording]:
        """Return the nights that can be used, by name; the others are named in ``problems``.

        Raises:
            DataError: There is none.
        """
        home = self.get()
        files = psg_files(home)
        if not files:
            raise DataError(f"{home}: holds no night; {_EXPECTED}")
        self.problems[:] = _alone(home)
        found = []
        for path in files:
            try:
                found.append(
                    open_psg(path, self.config, [p for p in files if p.parent == path.parent])
                )
            except DataError as error:
                self.problems.append(str(error))
        if not found:
            more = f" (and {len(self.problems) - 1} more)" if len(self.problems) > 1 else ""
            raise DataError(f"no night can be used: {self.problems[0]}{more}")
        return found


def open_psg(
    path: Path, config: SleepEdfConfig | None = None, beside: Sequence[Path] = ()
) -> Recording:
    """Describe a night; its samples and labels are read when asked for.

    Args:
        path: The ``*-PSG.edf``.
        config: Which stages are to be told apart; None for the defaults.
        beside: The recordings of its folder, to find two of one night.

    Raises:
        DataError: It is no file of the set, its hypnogram is missing or one of several, or another
            recording of the same night lies beside it.
    """
    path = Path(path)
    match = PSG_FILE.match(path.name)
    if match is None:
        raise DataError(f"{path}: is no night of 'sleep-edf'; {_EXPECTED}")
    same = [p.name for p in beside if p.name[:6].upper() == path.name[:6].upper()]
    if len(same) > 1:
        raise DataError(
            f"{path}: is one of {len(same)} recordings of one night ({', '.join(same)})"
        )
    hypnogram = hypnogram_of(path)
    return open_recording(
        path,
        name=path.name[:8],
        subject=match[1].upper(),
        dataset="sleep-edf",
        labels=NightLabels(path, hypnogram, config or SleepEdfConfig()),
        also=[hypnogram],
    )


@dataclass(frozen=True)
class NightLabels:
    """The stages of a night, clipped at the recording's end.

    Args:
        path: The recording.
        hypnogram: Its hypnogram.
        config: Which stages are to be told apart, and how much wake around the sleep counts.
    """

    path: Path
    hypnogram: Path
    config: SleepEdfConfig

    def __call__(self) -> Labels:
        """Return the labels.

        Raises:
            DataError: The hypnogram cannot be read, or has a stage in no class.
        """
        from memcell_data.formats.reader import signal_file
        from memcell_data.labels.label_start import read_aligned

        file = signal_file(self.path)
        end = file.duration()
        scored = read_hypnogram(self.hypnogram).intervals
        # By EDF+ its onsets count from its own start.
        aligned, messages = read_aligned(self.path, self.hypnogram, file)
        shift = aligned[0].onset - scored[0].onset
        scored = tuple(replace(i, onset=i.onset + shift) for i in scored)
        warnings = list(messages)
        past = [i for i in scored if STAGES[i.label] >= 0 and i.onset + i.duration > end + EPOCH]
        if past:
            warnings.append(
                f"{self.hypnogram.name}: stages are scored past the recording's end ({end:g} s); left out"
            )
        inside = [
            Interval(onset=max(0.0, i.onset), duration=stop - max(0.0, i.onset), label=i.label)
            for i in scored
            if (stop := min(i.onset + i.duration, end)) > max(0.0, i.onset)
        ]
        return Labels(
            intervals=tuple(_kept(inside, 60 * self.config.wake_margin)),
            background=None,
            positive=_words(self.config.positive),
            negative=_words(self.config.negative) - _words(self.config.positive),
            warnings=tuple(warnings),
        )


def _kept(intervals: list[Interval], margin: float) -> list[Interval]:
    """Cut wake that lies further than ``margin`` seconds before the first or after the last sleep."""
    asleep = [i for i in intervals if STAGES[i.label] > 0]
    if not asleep:
        return intervals
    first, last = asleep[0].onset - margin, asleep[-1].onset + asleep[-1].duration + margin
    cut = [(max(i.onset, first), min(i.onset + i.duration, last), i.label) for i in intervals]
    return [Interval(onset=a, duration=b - a, label=label) for a, b, label in cut if b > a]


def _words(stages: Sequence[str]) -> frozenset[str]:
    return frozenset(word for stage in stages for word in STAGE_WORDS[stage])


def _alone(home: Path) -> list[str]:
    """Say which hypnograms have no recording beside them."""
    folder = home if home.is_dir() else home.parent
    found = [p for p in folder.rglob("*") if HYPNOGRAM_FILE.match(p.name)]
    nights = {(p.parent, p.name[:6].upper()) for p in psg_files(folder)}
    return [
        f"{p}: its recording {p.name[:6]}E0-PSG.edf is not beside it"
        for p in sorted(found)
        if home.is_dir() and (p.parent, p.name[:6].upper()) not in nights
    ]


def _fetch(home: Path, numbers: Sequence[int]) -> None:
    require_reachable(_ADDRESS, _WHAT, _INSTEAD)
    from mne.datasets.sleep_physionet import age

    home.mkdir(parents=True, exist_ok=True)
    try:
        age.fetch_data(list(numbers), path=str(home), on_missing="ignore", verbose="error")
    except Exception as error:
        raise unavailable(_WHAT, _ADDRESS, error, _INSTEAD) from error
