"""Labels of a recording: from a label file of any known layout, or the annotations inside an EDF+ file.

Onsets and durations are seconds from the first sample. A label that reaches past the end or begins before
the start is clipped with a remark (the last scored epoch often overhangs); one that lies outside is left out.
A line that cannot be read is left out too, and then time that no label covers has no class: the lost label
may belong there. Only where nothing is left are the labels of a recording refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

from memcell.errors import DataError
from memcell_data.formats.edf.reading import EdfFile
from memcell_data.formats.measurement_date import started
from memcell_data.formats.reader import SignalFile, signal_file
from memcell_data.labels.files import read_label_file
from memcell_data.labels.hypnogram import Epochs
from memcell_data.labels.label_start import read_aligned
from memcell_data.labels.predicted import was_predicted
from memcell_data.labels.words import CANONICAL, folded, is_scored, is_unscored, same
from memcell_data.recording import Interval, Labels
from memcell_data.tables.label_tables import NOTHING, read_rows
from memcell_data.tables.label_times import Clock

#: Every other label than the positive ones: what ``--data.negative '*'`` stands for.
ALL_OTHERS = "*"
_SLACK = 1e-6


@dataclass(frozen=True, kw_only=True)
class Rule:
    """Which labels mean what.

    Spelling decides nothing: a label is the word that `memcell_data.labels.words.same` takes it for,
    unless it was typed just so.

    Args:
        positive: The class to detect.
        negative: Its absence; empty for every word that is known to be a score (wake, sleep stages, drowsy),
            ``"*"`` for every label but those that say that nobody scored. A label in neither has no class.
        background: The label of time that no interval covers, empty for none.
        mark_duration: Seconds that a mark of the positive class without a duration lasts; 0 for unknown.
    """

    positive: tuple[str, ...]
    negative: tuple[str, ...] = ()
    background: str = ""
    mark_duration: float = 0.0
    _words: dict[str, str] = field(default_factory=dict, init=False, repr=False, compare=False)

    def word(self, label: str) -> str:
        """Return the word that a label stands for: as typed in an option, or of the usual vocabulary."""
        if label not in self._words:
            self._words[label] = self._word(label)
        return self._words[label]

    def _word(self, label: str) -> str:
        typed = [*self.positive, *self.negative, *([self.background] if self.background else [])]
        if label in typed:
            return label
        for spelled in (folded, same):
            key = spelled(label)
            found = next((word for word in typed if spelled(word) == key), None)
            if found is not None:
                return found
        return CANONICAL.get(folded(label), label)

    def class_of(self, label: str) -> str:
        """Return ``"positive"``, ``"negative"`` or nothing for a label as it stands in a file."""
        word = self.word(label)
        if word in self.positive:
            return "positive"
        if word in self.negative or (self.background and word == self.background):
            return "negative"
        if ALL_OTHERS in self.negative:
            return "" if is_unscored(label) else "negative"
        return "negative" if not self.negative and is_scored(label) else ""

    def apply(
        self,
        intervals: Sequence[Interval],
        warnings: Sequence[str] = (),
        *,
        left_out: Sequence[str] = (),
        whole: bool = True,
        outside: tuple[float, float] = (0.0, 0.0),
    ) -> Labels:
        """Return the labels of a recording under this rule.

        Args:
            intervals: As read.
            warnings: What is odd about them.
            left_out: Labels that could not be used, each with its reason.
            whole: No label is missing, so that time that none covers is of the background.
            outside: As `Labels.outside`.
        """
        classes = {i.label: self.class_of(i.label) for i in intervals}
        named = [replace(i, label=self.word(i.label)) for i in intervals]
        if self.mark_duration:
            named = [
                replace(i, duration=self.mark_duration)
                if i.duration == 0 and i.label in self.positive
                else i
                for i in named
            ]
        negative = {self.word(label) for label, found in classes.items() if found == "negative"}
        negative |= {self.background} - {""}
        return Labels(
            intervals=tuple(named),
            background=self.background if self.background and whole else None,
            positive=frozenset(self.positive),
            negative=frozenset((negative | set(self.negative)) - set(self.positive) - {ALL_OTHERS}),
            warnings=tuple(warnings),
            left_out=tuple(left_out),
            outside=outside,
        )


@dataclass(frozen=True, kw_only=True)
class LabelsRead:
    """The labels of a recording as read, before anybody said what they mean.

    Args:
        intervals: Those inside the recording, in order of onset.
        warnings: What is odd, one line each, each naming the file.
        left_out: Labels that could not be used, each with file, place and reason.
        whole: None of those may belong to time that no label covers.
        outside: Seconds by which scored labels reach over the recording's start, and over its end.
        events: Labels that lie over a hypnogram of the same file, and count only where they have a class.
    """

    intervals: tuple[Interval, ...]
    warnings: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    whole: bool = True
    outside: tuple[float, float] = (0.0, 0.0)
    events: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class FileLabels:
    """Labels read when asked for.

    Args:
        recording: The recording; its annotations are the labels where ``source`` is None.
        rule: Which labels mean what.
        source: The label file.
        complete: All of the recording was scored, so that no label at all means background.
        epochs: What a person says of hypnograms.
    """

    recording: Path
    rule: Rule
    source: Path | None = None
    complete: bool = False
    epochs: Epochs | None = None

    def __call__(self) -> Labels | None:
        """Return the labels, or None where the recording has none.

        Raises:
            DataError: None of the labels can be used.
        """
        read = labels_in(self.recording, self.source, self.epochs)
        over = {label for label in read.events if not self.rule.class_of(label)}
        scored = bool(read.intervals) or self.source is not None or self.complete
        if not scored:
            return None
        labels = self.rule.apply(
            [i for i in read.intervals if i.label not in over],
            read.warnings,
            left_out=read.left_out,
            whole=read.whole,
            outside=read.outside,
        )
        holder = self.source or self.recording
        return replace(labels, predicted=holder.name) if was_predicted(holder) else labels


def read_labels(
    recording: Path, source: Path | None = None, epochs: Epochs | None = None
) -> tuple[tuple[Interval, ...], tuple[str, ...]]:
    """Read the labels of a recording: the intervals in order of onset, and all that is odd about them.

    Args and errors as `labels_in`.
    """
    read = labels_in(recording, source, epochs)
    return read.intervals, (*read.warnings, *read.left_out)


def labels_in(
    recording: Path, source: Path | None = None, epochs: Epochs | None = None
) -> LabelsRead:
    """Read the labels of a recording.

    Args:
        recording: The recording.
        source: A label file (`memcell_data.labels.files`), or an EDF+ file with annotations; None for the
            annotations inside the recording.
        epochs: What a person says of a hypnogram.

    Raises:
        DataError: They cannot be read, or none lies inside the recording; names file, line and label.
    """
    file = signal_file(recording)
    if source is None:
        return inside(_numbered(file.annotations()), file, str(recording))
    if source.suffix.lower() in (".edf", ".bdf"):
        annotations, messages = read_aligned(recording, source, file)
        found = inside(_numbered(annotations), file, str(source))
        return replace(found, warnings=(*messages, *found.warnings))
    table = read_label_file(source, clock_of(recording, file), file.gaps(), epochs)
    rows = table.rows
    if table.joined:
        rows = tuple((place, _over_gaps(i, file.gaps())) for place, i in rows)
    found = inside(rows, file, str(source), table.bad)
    # a detector that finds nothing writes no row, and says it in its sidecar
    said = [line for line in table.remarks if line != NOTHING or not was_predicted(source)]
    notes = tuple(f"{source.name}: {line}" for line in said)
    return replace(found, warnings=(*notes, *found.warnings), events=table.events)


def clock_of(recording: Path, file: SignalFile) -> Clock:
    """Return when the first sample of a recording was taken, and how long it is."""
    began, dated = started(recording)
    # a header has whole seconds; the rest stands in the first time stamp
    after = file.times.zero if isinstance(file, EdfFile) else 0.0
    if began is not None:
        began += timedelta(seconds=after)
    return Clock(began=began, dated=dated, seconds=file.declared_duration(), after=after)


def _over_gaps(label: Interval, gaps: Sequence[tuple[float, float]]) -> Interval:
    """Return a label in the recording's time, where its own leaves out the gaps."""
    onset = label.onset
    for at, length in gaps:
        if onset >= at - 1e-6:
            onset += length
    return replace(label, onset=onset)


def _numbered(annotations: Sequence[Interval]) -> list[tuple[str, Interval]]:
    return [(f"annotation {n}", a) for n, a in enumerate(annotations, start=1)]


def read_table(path: Path) -> list[tuple[str, Interval]]:
    """Read a label table; see `memcell_data.tables.label_tables.read_rows`.

    Returns:
        Where each label stands (``"line 2"``), and the label.

    Raises:
        DataError: It has no header that is understood, or a line cannot be read.
    """
    table = read_rows(path)
    if table.bad:
        raise DataError(f"{path}: {table.bad[0]}")
    return list(table.rows)


def inside(
    lines: Iterable[tuple[str, Interval]], file: SignalFile, name: str, bad: Sequence[str] = ()
) -> LabelsRead:
    """Clip labels to the recording, and leave out those outside.

    Where the recording itself was cut, labels of the lost part are left out with a warning.

    Args:
        lines: Where each label stands, and the label.
        file: The recording.
        name: The label file's, for messages.
        bad: Lines that could not be read.

    Raises:
        DataError: There are labels, and none lies inside.
    """
    end, declared = file.duration(), file.declared_duration()
    short = Path(name).name
    kept: list[Interval] = []
    clipped: list[str] = []
    outside: list[str] = []
    lost = scored_in = scored_out = 0
    before = beyond = 0.0
    for place, i in lines:
        stop = i.onset + i.duration
        what = f"{place}: label '{i.label}' ({i.onset:g} s, lasting {i.duration:g} s)"
        scored = not is_unscored(i.label)
        if scored:
            before, beyond = max(before, -i.onset), max(beyond, stop - declared)
        if i.onset > declared + _SLACK or (i.onset >= declared - _SLACK and i.duration > 0):
            outside.append(f"{what} begins and ends beyond the recording ({declared:g} s)")
            scored_out += scored
            continue
        if stop < -_SLACK or (stop <= _SLACK and i.onset < -_SLACK):
            outside.append(f"{what} lies before the recording's start (a negative time)")
            scored_out += scored
            continue
        scored_in += scored
        if declared > end and stop > end:
            lost += 1
        elif stop > end + _SLACK:
            clipped.append(f"{what} is {stop - end:.2g} s too long")
        if i.onset < -_SLACK:
            clipped.append(f"{what} begins before the recording")
        if i.onset < end:
            start = max(0.0, i.onset)
            kept.append(Interval(onset=start, duration=min(stop, end) - start, label=i.label))
    left_out = [f"{name}: {line}" for line in (*bad, *outside)]
    if left_out and not scored_in and (scored_out or bad):
        more = f" (and {len(left_out) - 1} more like it)" if len(left_out) > 1 else ""
        raise DataError(
            f"{left_out[0]}{more}; no label can be used: is it the label file of another recording, or in "
            "another unit than seconds?"
        )
    warnings = [
        f"{short}: {line}; clipped" + (f" (and {len(group) - 1} more)" if len(group) > 1 else "")
        for group in (clipped,)
        for line in group[:1]
    ]
    if lost:
        warnings.append(f"{short}: {lost} labels lie in the part that the file has lost")
    mostly_outside = scored_out > scored_in
    if mostly_outside:
        warnings.append(
            f"{short}: {scored_out} of {scored_in + scored_out} labels lie outside the recording: is it the "
            "label file of another one? Time that no label covers has no class"
        )
    if bad:
        warnings.append(
            f"{short}: {len(bad)} lines cannot be read, so time that no label covers has no class"
        )
    return LabelsRead(
        intervals=tuple(sorted(kept, key=lambda i: i.onset)),
        warnings=tuple(warnings),
        left_out=tuple(left_out),
        whole=not bad and not mostly_outside,
        outside=(before, beyond),
    )
