"""Labels of a recording: from a BIDS ``events.tsv``, a csv, or the annotations inside an EDF+ file.

Onsets and durations are seconds from the first sample. A label must lie inside its recording: one that
does not belongs to another file or another clock, and is refused with its line. The last label may
reach past the end by up to 1.5 s (a rounded record) and is clipped with a warning.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from memcell.errors import DataError
from memcell_data.edf_header import read_header
from memcell_data.edf_times import read_times
from memcell_data.reader import SignalFile, signal_file
from memcell_data.recording import Interval, Labels

PAST_THE_END = 1.5
_LABEL_COLUMNS = ("trial_type", "description", "label", "value")
_BAD = "bad"


@dataclass(frozen=True, kw_only=True)
class Rule:
    """Which labels mean what.

    Args:
        positive: The class to detect.
        negative: Its absence; empty for every other label but those beginning with ``BAD``.
        background: The label of time that no interval covers, empty for none.
    """

    positive: tuple[str, ...]
    negative: tuple[str, ...] = ()
    background: str = ""

    def apply(self, intervals: Sequence[Interval], warnings: Sequence[str] = ()) -> Labels:
        """Return the labels of a recording under this rule."""
        found = {i.label for i in intervals}
        others = {label for label in found if not label.casefold().startswith(_BAD)}
        negative = set(self.negative) or others | {self.background} - {""}
        return Labels(
            intervals=tuple(intervals),
            background=self.background or None,
            positive=frozenset(self.positive),
            negative=frozenset(negative - set(self.positive)),
            warnings=tuple(warnings),
        )


@dataclass(frozen=True, kw_only=True)
class FileLabels:
    """Labels read when asked for.

    Args:
        recording: The recording; its annotations are the labels where ``source`` is None.
        rule: Which labels mean what.
        source: The label file.
        complete: All of the recording was scored, so that no label at all means background.
    """

    recording: Path
    rule: Rule
    source: Path | None = None
    complete: bool = False

    def __call__(self) -> Labels | None:
        """Return the labels, or None where the recording has none.

        Raises:
            DataError: A label cannot be read or lies outside the recording.
        """
        intervals, warnings = read_labels(self.recording, self.source)
        scored = bool(intervals) or self.source is not None or self.complete
        return self.rule.apply(intervals, warnings) if scored else None


def read_labels(
    recording: Path, source: Path | None = None
) -> tuple[tuple[Interval, ...], tuple[str, ...]]:
    """Read the labels of a recording.

    Args:
        recording: The recording.
        source: A ``.tsv``, a ``.csv``, or an EDF+ file with annotations; None for the annotations
            inside the recording.

    Returns:
        The intervals in order of onset, and warnings.

    Raises:
        DataError: A label cannot be read or lies outside the recording; names file, line and label.
    """
    file = signal_file(recording)
    if source is None:
        return inside(_numbered(file.annotations()), file, str(recording))
    if source.suffix.lower() in (".edf", ".bdf"):
        annotations = read_times(read_header(source, labels_only=True)).annotations
        return inside(_numbered(annotations), file, str(source))
    return inside(read_table(source), file, str(source))


def _numbered(annotations: Sequence[Interval]) -> list[tuple[str, Interval]]:
    return [(f"annotation {n}", a) for n, a in enumerate(annotations, start=1)]


def read_table(path: Path) -> list[tuple[str, Interval]]:
    """Read a label table: tab-separated where the name ends in ``.tsv``, else by commas.

    It needs the columns ``onset``, ``duration`` and one of ``trial_type``, ``description``, ``label``,
    ``value``. A duration of ``n/a`` (BIDS) is 0.

    Returns:
        Where each label stands (``"line 2"``), and the label.

    Raises:
        DataError: A column is missing or a value is not a number.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        text = path.read_text(encoding="latin-1")
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    separator = "\t" if path.suffix.lower() == ".tsv" else ","
    rows = csv.reader(text.splitlines(), delimiter=separator)
    header = [cell.strip().casefold() for cell in next(rows, [])]
    label = next((c for c in _LABEL_COLUMNS if c in header), None)
    if "onset" not in header or "duration" not in header or label is None:
        raise DataError(
            f"{path}: line 1: expected the columns onset, duration and description (or trial_type), "
            f"separated by {'tabs' if separator == chr(9) else 'commas'}; got "
            f"{', '.join(header) or 'nothing'}"
        )
    columns = [header.index(c) for c in ("onset", "duration", label)]
    found = []
    for cells in rows:
        place = f"line {rows.line_num}"
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) <= max(columns):
            raise DataError(f"{path}: {place}: has {len(cells)} columns, the header {len(header)}")
        onset, duration, word = (cells[c].strip() for c in columns)
        seconds = (
            0.0 if duration.casefold() == "n/a" else _number(path, place, "duration", duration)
        )
        interval = Interval(
            onset=_number(path, place, "onset", onset), duration=seconds, label=word
        )
        found.append((place, interval))
    return found


def inside(
    lines: Iterable[tuple[str, Interval]], file: SignalFile, name: str
) -> tuple[tuple[Interval, ...], tuple[str, ...]]:
    """Check that labels lie inside the recording, and clip what reaches just past its end.

    Where the recording itself was cut, labels of the lost part are left out with a warning.

    Raises:
        DataError: A label begins before 0, ends before it begins, or lies beyond the end.
    """
    end, declared = file.duration(), file.declared_duration()
    kept, warnings = [], []
    lost = 0
    for place, i in lines:
        where = f"{name}: {place}: label '{i.label}' ({i.onset:g} s, lasting {i.duration:g} s)"
        if i.onset < 0 or i.duration < 0:
            raise DataError(f"{where} has a negative time; onsets count from the first sample")
        if i.onset > declared + PAST_THE_END or i.onset + i.duration > declared + PAST_THE_END:
            raise DataError(
                f"{where} ends beyond the recording ({declared:g} s); is it the label file of another "
                "recording, or in another unit than seconds?"
            )
        if declared > end and i.onset + i.duration > end:
            lost += 1
        elif i.onset + i.duration > end + 1e-6:
            over = i.onset + i.duration - end
            warnings.append(
                f"{Path(name).name}: {place}: '{i.label}' is {over:.2g} s too long; clipped"
            )
        if i.onset < end:
            kept.append(
                Interval(onset=i.onset, duration=min(i.duration, end - i.onset), label=i.label)
            )
    if lost:
        warnings.append(f"{Path(name).name}: {lost} labels lie in the part that the file has lost")
    return tuple(sorted(kept, key=lambda i: i.onset)), tuple(warnings)


def _number(path: Path, place: str, column: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise DataError(f"{path}: {place}: {column} is '{text}', expected seconds as a number")
    return value
