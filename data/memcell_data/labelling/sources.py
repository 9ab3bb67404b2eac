"""The label files that a typed path stands for, the recording of each, and the labels in it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from memcell.applications.labels import LabelOptions
from memcell.errors import DataError, UsageError
from memcell_data.content import begins_as_edf, first_bytes
from memcell_data.datasets.finding import below, chosen, is_label_file, recordings_in
from memcell_data.formats.edf.header import read_header
from memcell_data.formats.edf.times import read_times
from memcell_data.formats.measurement_date import started
from memcell_data.formats.reader import is_recording, signal_file, stem
from memcell_data.labels.files import is_label_text, read_label_file
from memcell_data.labels.hypnogram import Epochs
from memcell_data.labels.predicted import predicted_of, prediction_of, was_predicted
from memcell_data.labels.reading import clock_of, labels_in
from memcell_data.recording import Interval
from memcell_data.tables.label_times import Clock

_TEXTS = (".tsv", ".csv", ".txt", ".xml")
#: Words behind a recording's name that say what a file is, and what no label file ends in.
_WORD = re.compile(
    r"[-_.](?:events|annotations?|annot|hypnogram|hypno|hyp|labels|scoring|stages|nsrr|profusion|detected)$",
    re.IGNORECASE,
)
_NO_LABELS = ("_probability.tsv", "summary.tsv", "left_out.tsv")
#: Whichever of several files of one recording is read.
_FIRST = ("_events.tsv", ".tsv", ".csv", ".txt", ".xml", ".edf", ".bdf")


@dataclass(frozen=True, kw_only=True)
class LabelSource:
    """A label file, and the recording that it is of.

    Args:
        path: The file; the recording itself, where annotations inside it are the labels.
        recording: None where it was not found.
        called: The recording's name, where it is none of both files'.
    """

    path: Path
    recording: Path | None = None
    called: str = ""

    @property
    def name(self) -> str:
        """The recording's name."""
        if self.called:
            return self.called
        return stem(self.recording) if self.recording is not None else name_of(self.path)


@dataclass(frozen=True, kw_only=True)
class SourceLabels:
    """What a label file says.

    Args:
        labels: Seconds from the first sample, in order.
        notes: What is odd, one line each.
        clock: When the recording began, and how long it is; unknown without it.
        gaps: Of an EDF+D, which MNE leaves out.
    """

    labels: tuple[Interval, ...]
    notes: tuple[str, ...]
    clock: Clock
    gaps: tuple[tuple[float, float], ...]


def name_of(path: Path) -> str:
    """Return the name of the recording that a label file is of, by its own.

    BIDS derivatives of memcell have names of their own, and say which recording they are of.
    """
    recording = predicted_of(path) if "_desc-" in path.name else None
    return _WORD.sub("", stem(path)) if recording is None else stem(recording)


def key_of(name: str) -> str:
    """Return a name as it is compared: without BIDS' last word, a derivative's ``desc``, and case."""
    return re.sub(r"_(?:eeg|ieeg)$|_desc-[^_]+", "", name).casefold()


def find_labels(typed: str, options: LabelOptions) -> tuple[list[LabelSource], list[str]]:
    """Return the label files of a file or folder, one a recording, and what must be said of others.

    A recording of the folder without a label file is its own where it has annotations inside.

    Raises:
        UsageError: There is none; says what was looked for.
    """
    given = Path(typed).expanduser()
    if given.is_file():
        return [_with_recording(given, options, alone=True)], []
    if not given.is_dir():
        raise UsageError(f"'{typed}' is not there; type a label file, or a folder of them")
    found: dict[str, list[Path]] = {}
    for path in sorted(below(given)):
        if path.is_file() and _holds_labels(path):
            found.setdefault(key_of(name_of(path)), []).append(path)
    found = _two_of_a_name(found)
    own = [p for p in recordings_in(given) if key_of(stem(p)) not in found and _has_inside(p)]
    inside = [LabelSource(path=p, recording=p) for p in own]
    if not found and inside:
        return inside, []
    if not found:
        raise UsageError(
            f"'{typed}' holds no label file; looked for tables with onset, duration and description, XML, "
            "hypnogram text, EDF+ with annotations alone, and annotations inside recordings"
        )
    sources, notes = [], []
    for called, paths in found.items():
        # what somebody corrected before what a detector wrote
        paths.sort(key=lambda p: (was_predicted(p), _rank(p), p.name))
        alike = key_of(name_of(paths[0])) != called
        named = _WORD.sub("", stem(paths[0])) if alike else ""
        sources.append(_with_recording(paths[0], options, called=named))
        if len(paths) > 1 and prediction_of(paths[0]) is None:
            others = ", ".join(p.name for p in paths[1:3])
            notes.append(
                f"several label files of one recording: read {paths[0].name}, not {others}"
            )
    return sorted((*sources, *inside), key=lambda s: key_of(s.name)), notes


def _has_inside(recording: Path) -> bool:
    """Whether a recording has annotations inside; one that cannot be read has none."""
    try:
        return bool(signal_file(recording).annotations())
    except DataError:
        return False


def _two_of_a_name(found: dict[str, list[Path]]) -> dict[str, list[Path]]:
    """Return label files by recording; those of two recordings of one name by the names of their own."""
    split: dict[str, list[Path]] = {}
    for key, paths in found.items():
        of = {path: predicted_of(path) for path in paths if "_desc-" in path.name}
        if len({recording for recording in of.values() if recording is not None}) < 2:
            split[key] = paths
            continue
        for path in paths:
            split.setdefault(key_of(_WORD.sub("", stem(path))), []).append(path)
    return split


def read_source(source: LabelSource, options: LabelOptions) -> SourceLabels:
    """Read a label file.

    Raises:
        DataError: It cannot be read.
    """
    epochs = Epochs(seconds=options.epoch, numbers=options.hypnogram)
    if source.recording is not None:
        file = signal_file(source.recording)
        own = None if source.path == source.recording else source.path
        read = labels_in(source.recording, own, epochs)
        edf = source.recording.suffix.lower() in (".edf", ".bdf")
        return SourceLabels(
            labels=read.intervals,
            notes=(*read.warnings, *read.left_out),
            clock=clock_of(source.recording, file),
            gaps=file.gaps() if edf else (),
        )
    if source.path.suffix.lower() in (".edf", ".bdf"):
        times = read_times(read_header(source.path, labels_only=True))
        # what it counts from is the recording's start only where both headers say the same
        note = (
            f"{source.path.name}: its recording is not at hand, so onsets count from the start in its own "
            "header (--recordings says where it is)"
        )
        began, dated = started(source.path)
        return SourceLabels(
            labels=times.annotations, notes=(note,), clock=Clock(began=began, dated=dated), gaps=()
        )
    table = read_label_file(source.path, said=epochs)
    labels = tuple(sorted((i for _, i in table.rows), key=lambda i: i.onset))
    remarks = (*table.remarks, *(f"left out: {line}" for line in table.bad))
    negative = sum(i.onset < 0 for i in labels)
    if negative:
        remarks = (
            *remarks,
            f"{negative} labels begin before the recording's start (a negative onset)",
        )
    return SourceLabels(
        labels=labels,
        notes=tuple(f"{source.path.name}: {line}" for line in remarks),
        clock=Clock(),
        gaps=(),
    )


def is_predicted(source: LabelSource) -> bool:
    """Whether a detector made the labels and nobody has looked at them."""
    return was_predicted(source.path)


def _rank(path: Path) -> int:
    return next((k for k, end in enumerate(_FIRST) if path.name.lower().endswith(end)), len(_FIRST))


def _holds_labels(path: Path) -> bool:
    ending = path.suffix.lower()
    if ending in _TEXTS:
        return not path.name.endswith(_NO_LABELS) and is_label_text(path)
    return ending in (".edf", ".bdf") and _only_annotations(path)


def _only_annotations(path: Path) -> bool:
    if is_label_file(path):
        return True
    try:
        if not begins_as_edf(first_bytes(path)):
            return False
        return not read_header(path, labels_only=True).signals
    except DataError:
        return False


def _with_recording(
    path: Path, options: LabelOptions, alone: bool = False, called: str = ""
) -> LabelSource:
    """Return a label file with its recording, as far as it is found.

    Args:
        path: The label file.
        options: Where recordings lie.
        alone: It was typed, and is none of many.
        called: The recording's name, where it is none of both files'.

    Raises:
        UsageError: What was typed as the recordings is not there.
    """
    if path.suffix.lower() not in _TEXTS and is_recording(path) and not _only_annotations(path):
        return LabelSource(path=path, recording=path)
    where = Path(options.recordings).expanduser() if options.recordings else path.parent
    if options.recordings and not where.exists():
        raise UsageError(f"--recordings '{options.recordings}' is not there")
    if where.is_file():
        candidates: Sequence[Path] = [where]
        if alone:
            return LabelSource(path=path, recording=where)
    elif options.recordings:
        candidates = recordings_in(where)
    else:
        beside = (p for p in path.parent.iterdir() if is_recording(p) and not _only_annotations(p))
        candidates = chosen(beside)
    own = predicted_of(path)
    if own is not None and (own in candidates or (not options.recordings and own.is_file())):
        return LabelSource(path=path, recording=own, called=called or name_of(path))
    key = key_of(name_of(path))
    same = [p for p in candidates if key_of(stem(p)) == key and p != path]
    return LabelSource(path=path, recording=same[0] if len(same) == 1 else None)
