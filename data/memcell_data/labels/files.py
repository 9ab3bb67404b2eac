"""Label files of every layout that can be read, told by content: a table, XML, or a hypnogram's lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from memcell.errors import DataError
from memcell_data.labels.annotation_xml import is_known_xml, read_xml
from memcell_data.labels.hypnogram import Epochs, is_hypnogram, read_hypnogram
from memcell_data.tables.label_tables import TableRead, is_table, read_rows, text_of
from memcell_data.tables.label_times import Clock

#: Stands in a table of annotations whose onsets leave out the gaps of an EDF+D, as MNE does in reading one.
COUNTED_BY_MNE = "# seconds as MNE counts them"


def is_label_text(path: Path) -> bool:
    """Whether a text file holds labels, and is no note that somebody wrote."""
    try:
        text = text_of(path)
    except DataError:
        return False
    if _is_xml(text):
        return is_known_xml(path)
    return is_table(path) or is_hypnogram(text.splitlines())


def read_label_file(
    path: Path,
    clock: Clock | None = None,
    gaps: Sequence[tuple[float, float]] = (),
    said: Epochs | None = None,
) -> TableRead:
    """Read labels that are no EDF.

    Args:
        path: The file.
        clock: What times of day and dates count from, and how long the recording is; None without one.
        gaps: Onset and length of the recording's interruptions, s.
        said: What a person says of a hypnogram.

    Raises:
        DataError: It is none of the layouts, or something in it is open; says what was seen and what to type.
    """
    text = text_of(path)
    clock = clock or Clock()
    if not text.strip():
        raise DataError(
            f"{path}: is empty; expected labels: a table with onset,duration,description"
        )
    if _is_xml(text):
        return read_xml(path, clock, said)
    lines = text.splitlines()
    if not is_table(path) and is_hypnogram(lines):
        return read_hypnogram(path, lines, clock, gaps, said)
    table = read_rows(path, clock)
    if COUNTED_BY_MNE in text:
        return replace(table, joined=True)
    if gaps and "# mne-annotations" in text[:4096].casefold():
        after = sum(i.onset > gaps[0][0] for _, i in table.rows)
        if after:
            line = (
                f"it is of MNE, which leaves out the gaps of an EDF+D, and {after} labels lie after the "
                f"first gap ({gaps[0][0]:g} s): they are read as they stand; where MNE counted them, write "
                f"the line '{COUNTED_BY_MNE}' into it"
            )
            return replace(table, remarks=(*table.remarks, line))
    return table


def _is_xml(text: str) -> bool:
    return text.lstrip("\ufeff \t\r\n").startswith("<")
