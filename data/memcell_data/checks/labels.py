"""The check of a recording's labels: how many of each description, and whether they can be used."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from memcell.errors import DataError
from memcell_data.checks.alignment import LabelCover
from memcell_data.datasets.finding import label_file_beside
from memcell_data.formats.reader import SignalFile
from memcell_data.labels.reading import labels_in
from memcell_data.labels.words import is_scored
from memcell_data.recording import Interval

MOST_NAMED = 5


@dataclass(frozen=True, kw_only=True)
class LabelsSeen:
    """The labels of a recording, and what was found about them.

    Args:
        descriptions: One a label, as read.
        findings: What is wrong, one line each, with its consequence.
        cover: Where they lie in the recording; None where there are none.
    """

    descriptions: tuple[str, ...]
    findings: tuple[str, ...]
    cover: LabelCover | None = None


def labels_of(path: Path, file: SignalFile, labels: str = "") -> LabelsSeen:
    """Look into the label file of a recording, or the annotations inside it.

    Args:
        path: The recording.
        file: The same, opened.
        labels: A label file, or a folder of them; empty looks beside the recording.
    """
    source = None
    try:
        source = _source(path, labels)
        read = labels_in(path, source)
    except DataError as error:
        held = file.annotations() if source is None else ()
        line = str(error).removeprefix(f"{path}: ")
        return LabelsSeen(
            descriptions=tuple(i.label for i in held),
            findings=(f"the labels cannot be used, though the recording can be predicted: {line}",),
        )
    findings = [line.removeprefix(f"{path.name}: ") for line in read.warnings]
    findings += [
        f"left out: {line.removeprefix(f'{path}: ')}" for line in read.left_out[:MOST_NAMED]
    ]
    if len(read.left_out) > MOST_NAMED:
        findings.append(f"left out: {len(read.left_out) - MOST_NAMED} more labels")
    findings += [*_overlaps(read.intervals), *_marks(read.intervals)]
    return LabelsSeen(
        descriptions=tuple(i.label for i in read.intervals),
        findings=tuple(findings),
        cover=LabelCover.of(path.name, file.duration(), read.intervals, read.outside),
    )


def _marks(intervals: Sequence[Interval]) -> list[str]:
    """Say which words of a scoring have no duration."""
    marks = Counter(i.label for i in intervals if i.duration == 0 and is_scored(i.label))
    return [
        f"{n} labels '{label}' have no duration: they can be the class to detect only with "
        "--data.mark-duration"
        for label, n in marks.most_common(MOST_NAMED)
    ]


def _source(path: Path, labels: str) -> Path | None:
    if not labels:
        return label_file_beside(path, path.parent)
    given = Path(labels).expanduser()
    if given.is_dir():
        return label_file_beside(path, given)
    if not given.is_file():
        raise DataError(f"{given}: there is no such label file (--labels)")
    return given


def _overlaps(intervals: Sequence[Interval]) -> list[str]:
    """Say how many labels begin before an earlier one of another description has ended."""
    count, first = 0, ""
    latest: Interval | None = None
    for i in intervals:
        if latest and i.label != latest.label and i.onset < latest.onset + latest.duration - 1e-9:
            count += 1
            first = first or f"'{latest.label}' and '{i.label}' at {i.onset:g} s"
        if latest is None or i.onset + i.duration > latest.onset + latest.duration:
            latest = i
    if not count:
        return []
    return [
        f"{count} label{'s overlap' if count > 1 else ' overlaps'} another ({first}): there the "
        "positive label counts, then one without a class"
    ]
