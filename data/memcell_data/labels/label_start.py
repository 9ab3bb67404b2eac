"""Labels in an EDF+ file of their own, brought from that file's clock to their recording's.

By EDF+ an onset counts from the start of the file that holds it. A hypnogram that begins ten minutes after
its recording says so in its header, and nowhere else. What the two headers say, and what follows:

| label file against recording | labels are |
|---|---|
| the same start | as they stand |
| another start on dates that are meant, or on the same date | moved by the difference |
| a date was taken out (1st of January), both have a time of day | moved by the difference of those |
| one has no start at all (1st of January, 00:00:00) | as they stand: nobody knows better |
| so far apart that no label lies inside | refused |

Every case but the first is said. A FIF recording is in universal time and its labels may not be: what differs
by whole quarters of an hour there is a time zone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from memcell.errors import DataError
from memcell_data.formats.edf.header import read_header
from memcell_data.formats.edf.reading import EdfFile
from memcell_data.formats.edf.times import read_times
from memcell_data.formats.fif_parts import is_fif
from memcell_data.formats.measurement_date import started
from memcell_data.formats.reader import SignalFile
from memcell_data.recording import Interval

DAY = 86400.0
_ZONE = 900.0
_SAME = 1e-3


def read_aligned(
    recording: Path, source: Path, file: SignalFile
) -> tuple[tuple[Interval, ...], tuple[str, ...]]:
    """Read the annotations of a label file as seconds from the recording's first sample.

    Args:
        recording: The recording.
        source: An EDF+ or BDF+ file with annotations.
        file: The recording, opened.

    Returns:
        The labels, some perhaps outside the recording, and what must be said.

    Raises:
        DataError: The label file cannot be read, or begins so far from its recording that no label lies
            inside.
    """
    times = read_times(read_header(source, labels_only=True))
    shift, basis = _shift(recording, source)
    if shift is None:
        return times.annotations, (f"{source.name}: {basis}",)
    shift += times.zero - (file.times.zero if isinstance(file, EdfFile) else 0.0)
    if abs(shift) < _SAME:
        return times.annotations, ()
    moved = tuple(replace(i, onset=i.onset + shift) for i in times.annotations)
    offset = f"{abs(shift):.10g} s {'after' if shift > 0 else 'before'} its recording"
    if moved and not _any_inside(moved, file.declared_duration()):
        raise DataError(
            f"{source}: begins {offset} ({recording.name}) by {basis}, so that none of its labels lies "
            "inside: it is the label file of another recording, or a header is wrong; write the same start "
            "into both, or give a csv of onset,duration,description with seconds from the recording's start"
        )
    return moved, (f"{source.name}: begins {offset} by {basis}: its labels are moved accordingly",)


def _shift(recording: Path, source: Path) -> tuple[float | None, str]:
    """Return the seconds from the recording's start to the label file's, and by what they are known.

    None where one of them does not say; then why.
    """
    (ours, our_date), (theirs, their_date) = started(recording), started(source)
    if ours == theirs and ours is not None:
        return 0.0, ""
    for which, start in (("the label file", theirs), ("the recording", ours)):
        if _is_unset(start):
            return None, (
                f"{which} does not say when it starts, so onsets are counted from the recording's start"
            )
    assert ours is not None
    assert theirs is not None
    apart = (theirs.replace(tzinfo=None) - ours.replace(tzinfo=None)).total_seconds()
    if (our_date and their_date) or ours.date() == theirs.date():
        by = "the start in both headers"
    else:
        apart = (apart + DAY / 2) % DAY - DAY / 2
        by = "the time of day in both headers (a date was taken out)"
    if is_fif(recording) and apart and apart % _ZONE == 0:
        return None, (
            f"begins {apart:g} s from its recording, a FIF file in universal time: taken for a "
            "difference of time zones, so onsets are counted from the recording's start"
        )
    return apart, by


def _is_unset(start: datetime | None) -> bool:
    """Whether a start says nothing: what programs write who know none."""
    if start is None:
        return True
    return (start.month, start.day, start.hour, start.minute, start.second) == (1, 1, 0, 0, 0)


def _any_inside(labels: Sequence[Interval], end: float) -> bool:
    return any(i.onset < end and i.onset + i.duration >= 0 for i in labels)
