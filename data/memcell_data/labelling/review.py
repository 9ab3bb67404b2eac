"""The review of a prediction: events out to a viewer, a person's corrections back in.

Nothing that was predicted is changed. What a person corrected goes to a folder of its own, as BIDS
``events.tsv`` with a sidecar that says how it differs from the prediction; that folder is what
``--data.labels`` takes. Events that nobody changed are no review, unless a person says so.
"""

from __future__ import annotations

import json
import os
import re
import shlex
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from memcell.applications.labels import LabelOptions, LabelsWritten, ReviewRequest
from memcell.errors import DataError, MemcellError, UsageError, did_you_mean
from memcell.files.atomic import write_atomic
from memcell_data.datasets.finding import below, recordings_in
from memcell_data.formats.reader import stem
from memcell_data.labelling import mne_browser
from memcell_data.labelling.sources import (
    LabelSource,
    SourceLabels,
    find_labels,
    key_of,
    name_of,
    read_source,
)
from memcell_data.labels.predicted import prediction_of
from memcell_data.labels.writing import FORMATS, Placed, write_events
from memcell_data.recording import Interval

SIDECAR = "_events.json"
DESCRIPTION = "dataset_description.json"
REVIEWED = "Reviewed"
#: Onsets and durations of predictions have three decimals, s.
_SAME = 2e-3
#: What an export says of the end of a signal; no event.
_FILLED = "no signal: last value repeated"
_VIEWERS = ("auto", "mne", "edfbrowser")


@dataclass(frozen=True, kw_only=True)
class Found:
    """What was found in one recording.

    Args:
        events: The table of events.
        recording: What they were found in.
        origin: What the sidecar says of the model and the file.
    """

    events: Path
    recording: Path
    origin: dict[str, Any]

    @property
    def name(self) -> str:
        """The recording's name, by which label files are matched."""
        return stem(self.recording)

    @property
    def called(self) -> str:
        """What a screen calls it, where the name of its file is one of BIDS derivatives."""
        return self.name if "_desc-" in self.events.name else ""

    @property
    def app(self) -> str:
        """The application that found them."""
        return str(self.origin.get("Name", "")).removeprefix("memcell ").split(" ")[0] or "APP"


@dataclass(frozen=True, kw_only=True)
class Changes:
    """How corrected events differ from what was predicted."""

    kept: int
    moved: int
    renamed: int
    added: int
    removed: int

    @property
    def any(self) -> bool:
        """Whether anything differs."""
        return bool(self.moved or self.renamed or self.added or self.removed)

    def __str__(self) -> str:
        counts = {name: n for name, n in vars(self).items() if n}
        return ", ".join(f"{n} {name}" for name, n in counts.items()) or "no events"


def review(request: ReviewRequest) -> Iterator[LabelsWritten]:
    """Do what is asked; see `memcell.applications.labels.LabelTool.review`."""
    found, missing = found_in(request)
    if not found:
        raise UsageError(missing[0] if missing else f"'{request.found}' holds no prediction")
    for reason in missing:
        yield LabelsWritten(source=Path(request.found), refused=reason)
    out = Path(request.out).expanduser() if request.out else _beside(request.found, "corrected")
    if request.back:
        yield from _read_back(request, found, out)
        return
    using = request.using
    reason = mne_browser.why_not() if using != "edfbrowser" else ""
    if using == "mne" and reason:
        raise UsageError(f"--to mne: {reason}; or type --to edfbrowser")
    if using == "edfbrowser" or reason:
        yield from _to_edfbrowser(request, found, out, reason)
    else:
        yield from _in_browser(request, found, out)


def found_in(request: ReviewRequest) -> tuple[list[Found], list[str]]:
    """Return what was found in each recording, and why some cannot be reviewed.

    Raises:
        UsageError: What was typed is no prediction, or a name of ``--only`` is not among them.
    """
    given = Path(request.found).expanduser()
    if given.is_file():
        tables = [given]
    elif given.is_dir():
        tables = sorted(
            table
            for path in below(given)
            if path.name.endswith(SIDECAR) and (table := path.with_suffix(".tsv")).is_file()
        )
    else:
        raise UsageError(
            f"'{request.found}' is not there; type the folder of 'memcell predict --out'"
        )
    found, missing = [], []
    for table in tables:
        origin = prediction_of(table)
        if origin is None:
            continue
        recording = _recording(Path(str(origin.get("file", ""))), request.options)
        if recording is None:
            missing.append(
                f"{table.name}: its recording '{origin.get('file')}' is not there: say where it lies now "
                "with --recordings"
            )
        else:
            found.append(Found(events=table, recording=recording, origin=origin))
    if not found and not missing:
        raise UsageError(
            f"'{request.found}' holds no prediction of memcell (NAME_events.tsv with its NAME{SIDECAR}); "
            "type the folder of 'memcell predict --out'"
        )
    names = [f.name for f in found]
    for name in request.only:
        if name not in names:
            raise UsageError(f"--only: there is no '{name}'.{did_you_mean(name, names)}")
    found = [f for f in found if not request.only or f.name in request.only]
    twice = next((n for n, count in Counter(f.name for f in found).items() if count > 1), None)
    if twice is not None:
        raise UsageError(
            f"two recordings are called '{twice}', and labels go by that name: review the events of one, by "
            "its file, with an --out of its own"
        )
    return found, missing


def changes(before: Sequence[Interval], after: Sequence[Interval]) -> Changes:
    """Return how labels differ: kept, moved or renamed where they overlap, added, removed."""
    left = list(before)
    rest: list[Interval] = []
    kept = moved = renamed = 0
    for label in after:
        same = next((b for b in left if _equal(b, label)), None)
        if same is None:
            rest.append(label)
        else:
            left.remove(same)
            kept += 1
    added = 0
    for label in rest:
        near = next((b for b in left if _overlap(b, label)), None)
        if near is None:
            added += 1
            continue
        left.remove(near)
        renamed += near.label != label.label
        moved += near.label == label.label
    return Changes(kept=kept, moved=moved, renamed=renamed, added=added, removed=len(left))


def _equal(a: Interval, b: Interval) -> bool:
    near = abs(a.onset - b.onset) < _SAME and abs(a.duration - b.duration) < _SAME
    return near and a.label == b.label


def _overlap(a: Interval, b: Interval) -> bool:
    return a.onset < b.onset + b.duration and b.onset < a.onset + a.duration


def _recording(path: Path, options: LabelOptions) -> Path | None:
    """Return a recording where it was, or where a person says that it lies now."""
    if not options.recordings:
        return path if path.exists() else None
    where = Path(options.recordings).expanduser()
    if not where.exists():
        raise UsageError(f"--recordings '{options.recordings}' is not there")
    candidates = [where] if where.is_file() else recordings_in(where)
    same = [p for p in candidates if p.name == path.name] or [
        p for p in candidates if key_of(stem(p)) == key_of(stem(path))
    ]
    return same[0] if len(same) == 1 else None


def _beside(found: str, word: str) -> Path:
    given = Path(found).expanduser()
    folder = given.parent if given.is_file() else given
    if given.is_file():  # of BIDS derivatives the folder of the data set, not that of a subject
        above = (p for p in given.absolute().parents[:4] if (p / DESCRIPTION).is_file())
        folder = next(above, folder)
    if folder.name in ("", ".."):
        folder = folder.resolve()
    return folder.parent / f"{folder.name}-{word}"


def _corrected(found: Found, out: Path) -> Path:
    """Return where the corrected labels of a recording go: by its name, as BIDS has it."""
    return out / f"{re.sub(r'_(?:eeg|ieeg)$', '', found.name)}_events.tsv"


def _labels(found: Found, options: LabelOptions) -> SourceLabels:
    return read_source(LabelSource(path=found.events, recording=found.recording), options)


def _shown(found: Found, out: Path, options: LabelOptions) -> tuple[SourceLabels, str]:
    """Return the events to correct: those that were corrected before, where there are some."""
    corrected = _corrected(found, out)
    if not corrected.is_file():
        return _labels(found, options), ""
    read = read_source(LabelSource(path=corrected, recording=found.recording), options)
    return read, f"{found.name}: shown as corrected before ({corrected})"


def _in_browser(
    request: ReviewRequest, found: Sequence[Found], out: Path
) -> Iterator[LabelsWritten]:
    for each in found:
        read, note = _shown(each, out, request.options)
        after = mne_browser.edit(
            each.recording, read.labels, read.gaps, f"{each.name}: correct, then close"
        )
        said = (note,) if note else ()
        data = _data(request, found)
        yield _written(request, each, after, "MNE's browser", out, said, True, data)


def _to_edfbrowser(
    request: ReviewRequest, found: Sequence[Found], out: Path, reason: str
) -> Iterator[LabelsWritten]:
    kind = FORMATS["edfbrowser-xml"]
    folder = _beside(request.found, "review")
    again = f"memcell review {request.found} --from {_relative(folder)}"
    steps = (
        "in EDFbrowser: open the recording; Tools > Import annotations > XML; correct;",
        "  Tools > Export annotations > XML, over the same file. Then:",
        f"  {again}",
    )
    notes = [f"{reason}, so files for EDFbrowser are written"] if reason else []
    for each in found:
        path = folder / f"{each.name}{kind.ending}"
        try:
            yield _exported(each, path, request, out, notes, steps)
        except MemcellError as error:
            yield LabelsWritten(
                source=each.events, called=each.called, refused=error.text, notes=tuple(notes)
            )
        notes = []


def _exported(
    found: Found,
    path: Path,
    request: ReviewRequest,
    out: Path,
    notes: Sequence[str],
    steps: tuple[str, ...],
) -> LabelsWritten:
    if path.exists() and not request.options.overwrite:
        raise UsageError(
            f"'{path}' is there, and may be corrected already: read it back with --from "
            f"{_relative(path.parent)}, or type --overwrite"
        )
    if found.recording.suffix.lower() not in (".edf", ".bdf"):
        raise DataError(
            f"{found.recording}: EDFbrowser opens EDF and BDF alone: type 'memcell predict {found.app} "
            f"{found.recording} --export edf ...' and correct NAME_detected.edf, or --to mne"
        )
    read, note = _shown(found, out, request.options)
    if read.gaps:
        note = "; ".join(
            part
            for part in (
                note,
                f"{found.recording.name} has gaps (EDF+D), and EDFbrowser opens it only after its Tools > "
                "Convert EDF+D to EDF+C: MNE's browser is easier (--to mne)",
            )
            if part
        )
    labels = Placed(labels=read.labels, clock=read.clock, gaps=read.gaps, predicted=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    FORMATS["edfbrowser-xml"].write(path, labels)
    said = (*notes, *read.notes, *([note] if note else []))
    return LabelsWritten(
        source=found.events,
        called=found.called,
        path=path,
        labels=len(read.labels),
        notes=said,
        next=steps,
    )


def _read_back(
    request: ReviewRequest, found: Sequence[Found], out: Path
) -> Iterator[LabelsWritten]:
    given = Path(request.back).expanduser()
    files: dict[str, Path] = {}
    if given.is_dir():
        sources, notes = find_labels(request.back, replace(request.options, recordings=""))
        files = {key_of(s.name): s.path for s in sources}
    elif given.is_file():
        notes = []
        own = next((f for f in found if key_of(f.name) == key_of(name_of(given))), None)
        if own is None and len(found) > 1:
            raise UsageError(
                f"'{request.back}' may be of any of {len(found)} recordings: name it like one of them, or "
                "say which with --only NAME"
            )
        files = {key_of((own or found[0]).name): given}
    else:
        raise UsageError(
            f"--from '{request.back}' is not there; type the corrected file, or their folder"
        )
    known = {key_of(f.name) for f in found}
    notes += [
        f"{path.name}: nothing was found in a recording of that name"
        for key, path in files.items()
        if key not in known
    ]
    if not known & set(files):
        raise UsageError(
            f"--from '{request.back}' holds no file named like a recording of the prediction "
            f"({found[0].name}, ...)"
        )
    for each in found:
        path = files.get(key_of(each.name))
        if path is None:
            continue
        try:
            source = LabelSource(path=path, recording=each.recording)
            read = read_source(source, request.options)
        except DataError as error:
            yield LabelsWritten(source=path, refused=str(error), notes=tuple(notes))
            notes = []
            continue
        labels = tuple(i for i in read.labels if i.label != _FILLED)
        said = (*notes, *read.notes)
        yield _written(request, each, labels, path.name, out, said, False, _data(request, found))
        notes = []


def _written(
    request: ReviewRequest,
    found: Found,
    labels: tuple[Interval, ...],
    source: str,
    out: Path,
    notes: tuple[str, ...],
    shown_before: bool,
    data: str,
) -> LabelsWritten:
    """Write corrected labels with what changed, where something did."""
    before = _labels(found, request.options).labels
    made = changes(before, labels)
    path = _corrected(found, out)
    if not made.any and not request.unchanged:
        summary = "as predicted, so not taken as reviewed (--unchanged takes it)"
        return LabelsWritten(source=found.events, called=found.called, summary=summary, notes=notes)
    if path.exists() and not (request.options.overwrite or shown_before):
        reason = f"'{path}' is there from an earlier review; type --overwrite, or another --out"
        return LabelsWritten(source=found.events, called=found.called, refused=reason, notes=notes)
    marks = sum(i.duration == 0 for i in labels)
    if marks and not any(b.duration == 0 for b in before):
        notes = (
            *notes,
            f"{source}: {marks} labels have no duration; in EDFbrowser export with 'include event duration'",
        )
    out.mkdir(parents=True, exist_ok=True)
    write_events(path, Placed(labels=labels))
    _write_sidecar(path.with_suffix(".json"), found, made, source)
    words = Counter(i.label for i in labels)
    listed = ", ".join(f"{n} {word}" for word, n in words.most_common(4))
    return LabelsWritten(
        source=found.events,
        called=found.called,
        path=path,
        labels=len(labels),
        summary=f"{made} ({listed})" if listed else str(made),
        notes=notes,
        next=_next(found, data, out, before),
    )


def _next(found: Found, data: str, out: Path, before: Sequence[Interval]) -> tuple[str, ...]:
    words = {i.label for i in before} - {"microsleep"}
    positive = f" --data.positive {min(words)}" if words else ""
    labels = f" --data.labels {_relative(out)}"
    return (
        "train on them, going on from the model that found them:",
        f"  memcell train {found.app} {data}{labels}{positive} --init {_model(found)} --out RUN",
    )


def _model(found: Found) -> str:
    """Return the run that found the events, as it was typed; MODEL where nobody knows or it is not there."""
    for folder in found.events.absolute().parents[:4]:
        try:
            run = json.loads((folder / "prediction.json").read_text(encoding="utf-8")).get("run")
        except (OSError, ValueError, AttributeError):
            continue
        if isinstance(run, str) and Path(run).is_dir():
            if Path(run).parent.name == "models":  # one that comes along has a name
                return Path(run).name
            return shlex.quote(_relative(Path(run)))
    return "MODEL"


def _data(request: ReviewRequest, found: Sequence[Found]) -> str:
    """Return what is typed for the recordings: their folder; a BIDS data set as own recordings."""
    if request.options.recordings:
        return f"--data {request.options.recordings}"
    where = Path(os.path.commonpath([f.recording.absolute().parent for f in found]))
    for folder in (where, *where.parents[:4]):
        if (folder / DESCRIPTION).is_file():
            return f"--data own --data.path {_relative(folder)}"
    return f"--data {_relative(where)}"


def _write_sidecar(path: Path, found: Found, made: Changes, source: str) -> None:
    content = {
        "onset": {"Description": "Start of the event from the first sample", "Units": "s"},
        "duration": {"Description": "Length of the event", "Units": "s"},
        "trial_type": {"Description": "As a person corrected it"},
        REVIEWED: {
            "recording": found.recording.name,
            "from": source,
            "predicted_by": found.origin.get("model_id", ""),
            **vars(made),
        },
    }
    write_atomic(path, json.dumps(content, indent=2) + "\n")


def _relative(path: Path) -> str:
    """Return a path as a person would type it here."""
    try:
        return str(path.absolute().relative_to(Path.cwd()))
    except ValueError:
        return str(path)
