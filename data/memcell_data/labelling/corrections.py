"""A person's corrections of a prediction: read back, compared with it, and written as labels to train on."""

from __future__ import annotations

import json
import os
import shlex
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from memcell.applications.labels import LabelsWritten, ReviewRequest
from memcell.errors import DataError, UsageError
from memcell.files.atomic import write_atomic
from memcell_data.labelling.found import (
    DESCRIPTION,
    Found,
    corrected_path,
    labels_of,
    typed_path,
)
from memcell_data.labelling.sources import (
    LabelSource,
    find_labels,
    key_of,
    name_of,
    read_source,
)
from memcell_data.labels.writing import Placed, write_events
from memcell_data.recording import Interval

REVIEWED = "Reviewed"
#: Onsets and durations of predictions have three decimals, s.
_SAME = 2e-3
#: What an export says of the end of a signal; no event.
_FILLED = "no signal: last value repeated"


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


def read_back(request: ReviewRequest, found: Sequence[Found], out: Path) -> Iterator[LabelsWritten]:
    """Read corrected files and write what they hold as labels, recording by recording.

    Args:
        request: Where they are, and how they are read.
        found: What was found in each recording.
        out: Where corrected labels go.

    Raises:
        UsageError: There is no such file, or none of a recording of the prediction.
    """
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
        yield written(
            request, each, labels, path.name, out, said, False, data_option(request, found)
        )
        notes = []


def written(
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
    before = labels_of(found, request.options).labels
    made = changes(before, labels)
    path = corrected_path(found, out)
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
    labels = f" --data.labels {typed_path(out)}"
    return (
        "train on them, going on from the model that found them:",
        f"  memcell train {found.app} {data}{labels}{positive} --init {_model(found)} "
        "--split none --control none --out RUN",
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
            return shlex.quote(typed_path(Path(run)))
    return "MODEL"


def data_option(request: ReviewRequest, found: Sequence[Found]) -> str:
    """Return what is typed for the recordings: their folder; a BIDS data set as own recordings."""
    if request.options.recordings:
        return f"--data {request.options.recordings}"
    where = Path(os.path.commonpath([f.recording.absolute().parent for f in found]))
    for folder in (where, *where.parents[:4]):
        if (folder / DESCRIPTION).is_file():
            return f"--data own --data.path {typed_path(folder)}"
    return f"--data {typed_path(where)}"


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
