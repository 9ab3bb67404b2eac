"""Any recording that MNE reads, as a `memcell_data.recording.Recording`: described now, read when asked.

EDF and BDF go through our own gate (`memcell_data.formats.edf.reading`); everything else through `mne_file`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from memcell_data.content import begins_as_edf, first_bytes, says_simulated
from memcell_data.formats.edf.reading import EdfFile
from memcell_data.formats.fif_parts import is_fif, later_parts
from memcell_data.formats.mne_file import MneFile
from memcell_data.formats.mwt_file import MwtFile
from memcell_data.recording import Block, Channel, Interval, Labels, Recording, Signal
from memcell_data.tables.bids import channel_table_of, described

# What is looked for in a folder. A single file may have any extension that MNE knows.
SUFFIXES = (".edf", ".bdf", ".vhdr", ".set", ".fif", ".fif.gz", ".gdf", ".cnt", ".mff", ".lay")
_COMPANIONS = (".eeg", ".vmrk", ".dat", ".fdt")


class SignalFile(Protocol):
    """A recording's file, whatever its format; `EdfFile` and `MneFile` are such."""

    def channels(self) -> tuple[Channel, ...]:
        """Return what can be read."""

    def duration(self) -> float:
        """Return the seconds from the first sample to the last, gaps included."""

    def declared_duration(self) -> float:
        """Return the seconds that the file once held, where it was cut."""

    def annotations(self) -> tuple[Interval, ...]:
        """Return the annotations inside the file, seconds from the first sample."""

    def format(self) -> str:
        """Return what kind of file it is, in a word or two."""

    def gaps(self) -> tuple[tuple[float, float], ...]:
        """Return onset and length of each interruption, s; a length of 0 where it is not known."""

    def remarks(self) -> tuple[str, ...]:
        """Return what is odd as far as the header tells, one line each, naming the file."""

    def problems(self) -> dict[str, str]:
        """Return why a channel cannot be read, by name, as far as the header tells."""

    def read(self, names: Sequence[str]) -> Signal:
        """Return channels in microvolts."""

    def blocks(
        self, names: Sequence[str], seconds: float, warn: Callable[[str], object]
    ) -> Iterator[Block]:
        """Yield channels in microvolts in blocks of at most ``seconds``."""


@dataclass(frozen=True)
class NoLabels:
    """The labels of a recording that has none."""

    def __call__(self) -> Labels | None:
        """Return None."""
        return None


@dataclass(frozen=True)
class ReadFile:
    """Reads a file anew at each call, so that ten thousand described recordings hold nothing open."""

    path: Path
    unit: str = ""

    def __call__(self, names: Sequence[str]) -> Signal:
        """Return the channels in microvolts; see `memcell_data.formats.edf.reading.EdfFile.read`."""
        file = signal_file(self.path, unit=self.unit)
        signal = file.read(names)
        messages = marked_bad(self.path, file.channels(), signal.channels)
        return replace(signal, warnings=(*signal.warnings, *messages))

    def blocks(
        self, names: Sequence[str], seconds: float, warn: Callable[[str], object]
    ) -> Iterator[Block]:
        """Yield the channels in microvolts; see `memcell_data.formats.edf.reading.EdfFile.blocks`."""
        file = signal_file(self.path, unit=self.unit)
        for line in marked_bad(self.path, file.channels(), names):
            warn(line)
        yield from file.blocks(names, seconds, warn)


def marked_bad(path: Path, channels: Sequence[Channel], names: Sequence[str]) -> list[str]:
    """Return a line for each of some channels that is marked as bad.

    Args:
        path: The recording.
        channels: All of its channels, as its file describes them.
        names: Those that are used.
    """
    table = described(path)
    lines = []
    for name in names:
        at = [c for c in channels if c.name.strip() == name.strip()]
        if table is not None and table.is_bad(name):
            lines.append(f"{path.name}: channel '{name}' is marked bad in {table.path.name}")
        elif any(c.bad for c in at):
            lines.append(f"{path.name}: channel '{name}' is marked bad in the file")
    return lines


def signal_file(path: Path, *, unit: str = "") -> SignalFile:
    """Return the reader for a file, chosen by its first bytes and its extension.

    Args:
        path: The recording.
        unit: The unit of EDF or BDF channels whose own is blank or unknown (``"uV"``, ``"mV"``); empty takes
            that of a BIDS ``channels.tsv``. ``"all:mV"`` holds for all channels whatever the file says.

    Raises:
        DataError: There is no such file, or nothing in it.
    """
    if path.is_dir():  # .mff and a few others are folders
        return MneFile(path, unit)
    head = first_bytes(path)
    if begins_as_edf(head) or path.suffix.lower() in (".edf", ".bdf"):
        return EdfFile(path, unit, described(path))
    if path.suffix.lower() == ".mat":
        return MwtFile(path)
    for companion in (path.with_suffix(suffix) for suffix in _COMPANIONS):
        if companion.is_symlink() and not companion.exists():
            first_bytes(companion)  # says that its content was not fetched
    return MneFile(path, unit)


def is_recording(path: Path) -> bool:
    """Whether a name ends as a recording's does (hidden files never do)."""
    name = path.name.lower()
    return not name.startswith(".") and name.endswith(SUFFIXES)


def open_recording(
    path: Path | str,
    *,
    name: str | None = None,
    subject: str | None = None,
    dataset: str = "own",
    simulated: bool = False,
    labels: Callable[[], Labels | None] | None = None,
    unit: str = "",
    also: Sequence[Path] = (),
) -> Recording:
    """Describe a recording; its samples are read when ``recording.read`` is called.

    Args:
        path: The file.
        name: Unique within the data set; None for the file's name without extension.
        subject: Who was recorded; None for ``name``.
        dataset: The data set's name.
        simulated: Made by a program; also where the file itself says so.
        labels: Gives the labels; None for a recording without.
        unit: See `signal_file`.
        also: Further files whose change changes the fingerprint (label files).

    Raises:
        DataError: The file is not a recording; names the file and the reason.
    """
    path = Path(path)
    file = signal_file(path, unit=unit)
    called = name or stem(path)
    table, channels = channel_table_of(path), file.channels()
    if (sidecar := described(path)) is not None:
        channels = sidecar.apply(channels)
    beside = [*companions(path), *([table] if table else [])]
    return Recording(
        name=called,
        subject=subject or called,
        dataset=dataset,
        simulated=simulated or _simulated(path),
        channels=channels,
        duration=file.duration(),
        read=ReadFile(path, unit),
        labels=labels or NoLabels(),
        path=path,
        fingerprint=fingerprint([path, *beside, *also], unit),
    )


def _simulated(path: Path) -> bool:
    if path.is_dir():
        return False
    head = first_bytes(path)
    return begins_as_edf(head) and says_simulated(head)


def stem(path: Path) -> str:
    """Return the name without its extension, ``.fif.gz`` being one."""
    name = path.name.removesuffix(".gz")
    return name[: name.rindex(".")] if "." in name[1:] else name


def is_file(path: Path) -> bool:
    """Whether a file is there; a name longer than any file's can be is none."""
    try:
        return path.is_file()
    except OSError:
        return False


def companions(path: Path) -> list[Path]:
    """Return the files that hold the samples of a header (``.vhdr``, ``.set``) or go on with a first part."""
    if is_fif(path):
        return later_parts(path)
    return [c for suffix in _COMPANIONS if (c := path.with_suffix(suffix)) != path and is_file(c)]


def fingerprint(paths: Sequence[Path], *more: str) -> str:
    """Return a digest of the sizes and times of files; no name and no content goes into it."""
    # a label file may be a link whose content was not fetched
    found = [p.stat() if p.exists() else p.lstat() for p in paths]
    facts = [f"{s.st_size}:{s.st_mtime_ns}" for s in found]
    return hashlib.sha256("|".join([*facts, *more]).encode()).hexdigest()[:16]
