"""Label tables as laboratories have them: BIDS ``.tsv``, csv of MNE and EDFbrowser, Excel's, annotation text.

The separator is found from the header, which may stand behind a ``#``. Columns go by many names; a unit in
the name counts (``onset_ms``). What cannot be read right is refused with its line and what to write instead.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from memcell.errors import DataError
from memcell_data.content import first_bytes
from memcell_data.recording import Interval
from memcell_data.tables.label_times import DAY, Clock, Time, Unreadable, from_start, time_of

ONSETS = ("onset", "start", "start time", "starttime", "begin", "begin time", "begintime", "beginning",
          "from", "time", "timestamp",
          "beginn", "anfang", "von", "startzeit", "anfangszeit", "beginnzeit", "zeit")  # fmt: skip
DURATIONS = ("duration", "length", "dur", "dauer", "länge", "laenge")
ENDS = ("end", "stop", "end time", "endtime", "stop time", "to", "offset",
        "ende", "bis", "endzeit", "stopp")  # fmt: skip
LABELS = ("trial type", "description", "label", "value", "annotation", "annotations", "event", "stage",
          "sleep stage", "class", "category", "marker", "state", "comment", "text", "type",
          "name", "beschreibung", "bezeichnung", "ereignis", "ereignisse", "annotationen", "markierung",
          "stadium", "schlafstadium", "klasse", "kategorie", "kommentar", "bemerkung",
          "typ")  # fmt: skip
_SEPARATORS = ("\t", ";", ",", "|")
_UNITS = (
    r"s|secs?|seconds?|sek|sekunden?|ms|msecs?|milliseconds?|millisekunden?|min|minutes?|minuten?"
    r"|samples?|abtastwerte?|hh:mm:ss(?:\.\w+)?"
)
_UNIT = re.compile(rf"^(.+?)[\s_]*[\[(\s_]\s*({_UNITS})\s*[\])]?$")
_MISSING = ("", "n/a", "nan", "none", "null", "na", "-")
_SAME = 1e-3
#: What is said of a table that has a header and no row.
NOTHING = (
    "holds a header and no label: taken as 'nothing happened', so that all its time is --data.background; if "
    "nobody scored the recording, take the file away"
)
_WRITE = "write a first line onset,duration,description with seconds from the first sample"


@dataclass(frozen=True, kw_only=True)
class TableRead:
    """A label table as read.

    Args:
        rows: Where each label stands (``"line 2"``), and the label; a duration of 0 is none.
        bad: Lines that cannot be read, each with its reason.
        remarks: How it was read, where that is not plain.
        events: Labels that lie over those of a hypnogram in the same file, and say nothing of its stages.
        joined: Onsets leave out the recording's gaps.
    """

    rows: tuple[tuple[str, Interval], ...]
    bad: tuple[str, ...]
    remarks: tuple[str, ...]
    events: frozenset[str] = frozenset()
    joined: bool = False


def text_of(path: Path) -> str:
    """Return a text file's content: UTF-8, UTF-16, else latin-1, which many programs write.

    Raises:
        DataError: It cannot be read, is empty of text, or its content was not fetched.
    """
    head = first_bytes(path, 64) if path.is_symlink() or path.stat().st_size else b""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return raw.decode("utf-16", errors="replace")
    if b"\0" in head:
        wide = "utf-16-le" if head[1:2] == b"\0" else "utf-16-be"
        if head.count(b"\0") < len(head) // 3:
            raise DataError(f"{path}: is no text: {_WRITE}")
        return raw.decode(wide, errors="replace")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def is_table(path: Path) -> bool:
    """Whether a text file has a header of labels, so that it is no note that somebody wrote."""
    try:
        _header(path, text_of(path).splitlines())
    except DataError:
        return False
    return True


def read_rows(path: Path, clock: Clock | None = None) -> TableRead:
    """Read a label table.

    Args:
        path: The file.
        clock: What times of day and dates count from; None where there is no recording.

    Raises:
        DataError: It has no header that is understood, a column is in samples, or its times count from
            nobody knows where; says what to write.
    """
    lines = text_of(path).splitlines()
    header = _header(path, lines)
    times: list[tuple[str, Time, float | None, str]] = []
    bad: list[str] = []
    reader = csv.reader(lines[header.line :], delimiter=header.separator, skipinitialspace=True)
    for cells in reader:
        if not any(c.strip() for c in cells) or cells[0].lstrip().startswith("#"):
            continue
        place = f"line {header.line + reader.line_num}"
        try:
            onset, seconds, word = header.parts(cells)
            times.append((place, onset, seconds, word))
        except Unreadable as error:
            bad.append(f"{place}: {error}")
    kinds = [t.kind for _, t, _, _ in times]
    usual = max(set(kinds), key=kinds.count) if kinds else "seconds"
    bad += [
        f"{place}: onset is written another way than in most lines"
        for place, t, _, _ in times
        if t.kind != usual
    ]
    kept = [row for row in times if row[1].kind == usual]
    try:
        onsets, message = from_start([t for _, t, _, _ in kept], clock or Clock())
    except Unreadable as error:
        raise DataError(f"{path}: {error}") from None
    shift, moved = header.shift(clock)
    rows = [
        (place, Interval(onset=onset + shift, duration=seconds or 0.0, label=word))
        for (place, _, seconds, word), onset in zip(kept, onsets, strict=True)
    ]
    empty = "" if times or bad else NOTHING
    remarks = tuple(line for line in (message, moved, empty) if line)
    return TableRead(rows=tuple(rows), bad=tuple(bad), remarks=remarks)


@dataclass(frozen=True, kw_only=True)
class _Header:
    """The header of a table: where its columns are."""

    names: tuple[str, ...]
    line: int
    separator: str
    onset: int
    duration: int | None
    end: int | None
    label: int
    factors: tuple[float, ...]
    joined: bool
    origin: str

    def parts(self, cells: Sequence[str]) -> tuple[Time, float | None, str]:
        """Return onset, duration and label of a row; no duration is None.

        Raises:
            Unreadable: Says what is wrong with it.
        """
        n = len(self.names)
        if len(cells) > n and self.joined:
            cells = [*cells[: n - 1], self.separator.join(cells[n - 1 :])]
        if len(cells) < n and len(cells) <= max(self._columns):
            raise Unreadable(f"has {len(cells)} columns, the header {n}")
        if any(c.strip() for c in cells[n:]):
            raise Unreadable(
                f"has {len(cells)} columns, the header {n}: where a comma is the decimal sign, separate by "
                "semicolons; a label with a separator in it needs quotes"
            )
        onset = self._time(cells, self.onset, "onset")
        word = " ".join(cells[self.label].split())
        if self.duration is not None and not _missing(cells[self.duration]):
            length = self._time(cells, self.duration, "duration")
            if length.kind == "date":
                raise Unreadable(f"duration is '{cells[self.duration].strip()}', expected seconds")
            if length.value < 0:
                raise Unreadable(
                    f"label '{word}' has a negative duration ({length.value:g} s): write n/a for none"
                )
            return onset, length.value, word
        if self.end is not None and not _missing(cells[self.end]):
            end = self._time(cells, self.end, "end")
            if end.kind != onset.kind:
                raise Unreadable("onset and end are written in two ways")
            seconds = end.value - onset.value
            if seconds < 0 and end.kind == "clock":
                seconds += DAY  # over midnight
            if seconds < 0:
                raise Unreadable(f"label '{word}' ends before it begins (a negative duration)")
            return onset, seconds, word
        return onset, None, word

    @property
    def _columns(self) -> list[int]:
        return [c for c in (self.onset, self.duration, self.end, self.label) if c is not None]

    def _time(self, cells: Sequence[str], column: int, what: str) -> Time:
        try:
            found = time_of(cells[column], comma=self.separator != ",")
        except Unreadable as error:
            raise Unreadable(f"{what} is {error}") from None
        factor = self.factors[column]
        return found if factor == 1 else Time(kind=found.kind, value=found.value * factor)

    def shift(self, clock: Clock | None) -> tuple[float, str]:
        """Return what onsets have to be moved by, for MNE names a date, and a remark."""
        if not self.origin or clock is None or clock.began is None:
            return 0.0, ""
        try:
            seconds = (
                time_of(self.origin, comma=False).value - clock.began.timestamp() + clock.after
            )
        except Unreadable:
            seconds = math.inf
        if abs(seconds) < _SAME:
            return 0.0, ""
        if abs(seconds) < DAY:
            side = "after" if seconds > 0 else "before"
            return seconds, (
                f"its orig_time is {abs(seconds):.10g} s {side} the recording's start: labels are moved "
                "accordingly"
            )
        return (
            0.0,
            "its orig_time is not when the recording began; onsets are counted from the recording's start",
        )


def _header(path: Path, lines: Sequence[str]) -> _Header:
    """Find the header among the first lines.

    Raises:
        DataError: There is none that is understood.
    """
    mne, origin = False, ""
    first = ""
    separators: tuple[str, ...] = _SEPARATORS
    if path.suffix.lower() == ".csv":
        separators = (",", ";", "\t", "|")
    for number, line in enumerate(lines[:50], start=1):
        text = line.strip()
        mne = mne or text.lower().startswith("# mne-annotations")
        if text.lower().startswith("sep="):  # Excel's own first line
            separators = (text[4:5] or "\t",)
            continue
        if text.lower().startswith("# orig_time"):
            origin = text.partition(":")[2].strip()
            continue
        if not text:
            continue
        bare = text.lstrip("#").strip() if text.startswith("#") else line
        for separator in separators:
            made = _columns_of(path, number, bare, separator, mne, origin)
            if made is not None:
                return made
        if text.startswith("#"):
            continue
        first = first or text
        break
    shown = ", ".join(c.strip() for c in re.split(r"[\t;,|]", first)[:8])
    raise DataError(
        f"{path}: line 1: expected the columns onset, duration and description (or trial_type); got "
        f"{shown[:120] or 'nothing'}: {_WRITE}"
    )


def _columns_of(
    path: Path, number: int, line: str, separator: str, mne: bool, origin: str
) -> _Header | None:
    cells = next(csv.reader([line], delimiter=separator, skipinitialspace=True), [])
    names, factors = [], []
    for cell in cells:
        name = " ".join(cell.strip().casefold().replace("_", " ").split())
        united = _UNIT.match(name)
        unit = united[2] if united and not _known(name) else ""
        names.append(united[1].strip() if united and unit else name)
        factors.append(1e-3 if unit.startswith(("ms", "mil")) else 60.0 if unit.startswith("min")
                       else 0.0 if unit.startswith(("sample", "abtast")) else 1.0)  # fmt: skip
    onset, label = _first(names, ONSETS), _first(names, LABELS)
    if onset is None or label is None or label == onset:
        return None
    duration, end = _first(names, DURATIONS), _first(names, ENDS)
    if duration is None and end is None and names[onset] != "onset":
        return None  # onsets alone are marks; a column called "time" may be anything
    used = [c for c in (onset, duration, end) if c is not None]
    for column in used:
        if factors[column] == 0:
            raise DataError(
                f"{path}: line {number}: column '{cells[column].strip()}' counts samples: {_WRITE}"
            )
    return _Header(
        names=tuple(names),
        line=number,
        separator=separator,
        onset=onset,
        duration=duration,
        end=end,
        label=label,
        factors=tuple(factors),
        joined=mne and label == len(names) - 1,
        origin=origin,
    )


def _known(name: str) -> bool:
    return name in (*ONSETS, *DURATIONS, *ENDS, *LABELS)


def _first(names: Sequence[str], candidates: Sequence[str]) -> int | None:
    return next((names.index(w) for w in candidates if w in names), None)


def _missing(text: str) -> bool:
    return text.strip().casefold() in _MISSING
