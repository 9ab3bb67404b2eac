"""The tables beside BIDS recordings: who took part, and what each channel is."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from memcell.errors import DataError
from memcell_data.channels import is_reference, plain
from memcell_data.recording import Channel
from memcell_data.tables.label_tables import text_of

# https://bids-specification.readthedocs.io, electroencephalography, channels.tsv
_KINDS = {
    "EEG": "eeg",
    "EOG": "eog",
    "HEOG": "eog",
    "VEOG": "eog",
    "EMG": "emg",
    "ECG": "ecg",
    "SEEG": "eeg",
    "ECOG": "eeg",
    "DBS": "eeg",
}


@dataclass(frozen=True, kw_only=True)
class ChannelTable:
    """The content of a ``channels.tsv``.

    Args:
        path: The file.
        kinds: Kind by channel name.
        units: Unit by channel name.
        bad: Channels that were marked as bad.
    """

    path: Path
    kinds: dict[str, str]
    units: dict[str, str]
    bad: frozenset[str]

    def is_bad(self, name: str) -> bool:
        """Whether a channel is marked as bad, whatever case its name has in the table."""
        return plain(name) in {plain(bad) for bad in self.bad}

    def apply(self, channels: tuple[Channel, ...]) -> tuple[Channel, ...]:
        """Return channels with the kinds and marks of the table; those it does not name keep theirs."""
        return tuple(
            replace(c, kind=self._kind(c), bad=c.bad or self.is_bad(c.name)) for c in channels
        )

    def _kind(self, channel: Channel) -> str:
        kind = self.kinds.get(channel.name.strip(), channel.kind)
        # Tables call mastoids EEG, for they were recorded as EEG is.
        return channel.kind if kind == "eeg" and is_reference(channel.name) else kind


# sub-01_ses-1_task-rest_eeg.edf: entities, then what kind of file it is
_NAMED = re.compile(r"^(sub-[^_]+(?:_[A-Za-z]+-[^_]+)*)_(?:eeg|ieeg|meg)\.")
_DESCRIPTION = "dataset_description.json"
#: Folders between a recording and its data set's: sub-, ses-, eeg and one to spare.
_DEEPEST = 4


def sidecar_of(recording: Path, ending: str) -> Path | None:
    """Return the table that belongs to a recording by BIDS, or None.

    Beside it, or in a folder above it within the data set: the nearest one whose entities all are the
    recording's, of several the one with the most (the standard's inheritance principle). One of another run,
    acquisition or session never is; mne-bids takes one with entities that the recording has not.

    Args:
        recording: Its path.
        ending: ``"channels.tsv"`` or ``"events.tsv"``.
    """
    named = _NAMED.match(recording.name)
    if named is None:
        return None
    entities = set(named[1].split("_"))
    folder = recording.absolute().parent
    for _ in range(_DEEPEST):
        found = [
            (len(own), table)
            for table in sorted(folder.glob(f"*{ending}"))
            if (own := set(table.name.removesuffix(ending).rstrip("_").split("_")) - {""})
            <= entities
        ]
        if found:
            return max(found, key=lambda pair: pair[0])[1]
        if (folder / _DESCRIPTION).is_file() or folder.parent == folder:
            return None
        folder = folder.parent
    return None


def is_data_set(folder: Path) -> bool:
    """Whether a folder is a BIDS data set."""
    return (folder / _DESCRIPTION).is_file()


def entities_of(recording: Path) -> dict[str, str] | None:
    """Return the BIDS entities in a recording's name, in order; None where it is no BIDS name.

    >>> entities_of(Path("sub-01_task-rest_run-2_eeg.edf"))
    {'sub': '01', 'task': 'rest', 'run': '2'}
    """
    found = _NAMED.match(recording.name)
    if found is None:
        return None
    return dict(part.split("-", 1) for part in found[1].split("_"))


def channel_table_of(recording: Path) -> Path | None:
    """Return the ``channels.tsv`` that belongs to a recording by BIDS, or None; see `sidecar_of`."""
    return sidecar_of(recording, "channels.tsv")


def described(recording: Path) -> ChannelTable | None:
    """Return what BIDS says of a recording's channels; None where it says nothing that can be read."""
    path = channel_table_of(recording)
    if path is None:
        return None
    try:
        return read_channels(path)
    except DataError:
        return None


def read_channels(path: Path) -> ChannelTable:
    """Read a ``channels.tsv``.

    Raises:
        DataError: It cannot be read, or has no column 'name' or 'type'; names the file.
    """
    rows = list(_rows(path, ("name", "type")))
    return ChannelTable(
        path=path,
        kinds={row["name"]: _KINDS.get(row["type"].upper(), "misc") for row in rows},
        units={row["name"]: row["units"] for row in rows if row.get("units", "n/a") != "n/a"},
        bad=frozenset(row["name"] for row in rows if row.get("status", "").casefold() == "bad"),
    )


def read_participants(root: Path) -> tuple[str, ...]:
    """Return the participants (``sub-01``, also of ``01``) that ``participants.tsv`` lists; none without it.

    Nothing else that stands there about them is read.

    Raises:
        DataError: It cannot be read, or has no column 'participant_id'.
    """
    path = root / "participants.tsv"
    if not path.is_file():
        return ()
    listed = (row["participant_id"] for row in _rows(path, ("participant_id",)))
    return tuple(
        name if name.startswith("sub-") else f"sub-{name}"
        for name in listed
        if name and name.casefold() != "n/a"
    )


def _rows(path: Path, needed: tuple[str, ...]) -> Iterator[dict[str, str]]:
    lines = text_of(path).splitlines()
    reader = csv.DictReader(lines, delimiter="\t")
    missing = [name for name in needed if name not in (reader.fieldnames or ())]
    if missing:
        raise DataError(f"{path}: lacks the column {', '.join(missing)} (separated by tabs)")
    for row in reader:
        yield {key: (value or "").strip() for key, value in row.items() if isinstance(value, str)}
