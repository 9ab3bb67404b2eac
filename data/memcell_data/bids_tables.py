"""The tables beside BIDS recordings: who took part, and what each channel is."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from memcell.errors import DataError
from memcell_data.recording import Channel

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
    """What a ``channels.tsv`` says.

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

    def apply(self, channels: tuple[Channel, ...]) -> tuple[Channel, ...]:
        """Return channels with the kinds of the table; those it does not name keep theirs."""
        return tuple(
            Channel(
                name=c.name, kind=self.kinds.get(c.name.strip(), c.kind), rate=c.rate, unit=c.unit
            )
            for c in channels
        )


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
    """Return the participants (``sub-01``) that ``participants.tsv`` lists; none where it is not there.

    Nothing else that stands there about them is read.

    Raises:
        DataError: It cannot be read, or has no column 'participant_id'.
    """
    path = root / "participants.tsv"
    if not path.is_file():
        return ()
    return tuple(row["participant_id"] for row in _rows(path, ("participant_id",)))


def _rows(path: Path, needed: tuple[str, ...]) -> Iterator[dict[str, str]]:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read as a table in UTF-8: {error}") from error
    reader = csv.DictReader(lines, delimiter="\t")
    missing = [name for name in needed if name not in (reader.fieldnames or ())]
    if missing:
        raise DataError(f"{path}: lacks the column {', '.join(missing)} (separated by tabs)")
    for row in reader:
        yield {key: (value or "").strip() for key, value in row.items() if isinstance(value, str)}
