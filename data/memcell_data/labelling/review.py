"""The review of a prediction: events out to a viewer, a person's corrections back in (`corrections`).

Nothing that was predicted is changed. What a person corrected goes to a folder of its own, as BIDS
``events.tsv`` with a sidecar that says how it differs from the prediction; that folder is what
``--data.labels`` takes. Events that nobody changed are no review, unless a person says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from memcell.applications.labels import LabelOptions, LabelsWritten, ReviewRequest
from memcell.errors import DataError, MemcellError, UsageError
from memcell_data.labelling import mne_browser
from memcell_data.labelling.corrections import data_option, read_back, written
from memcell_data.labelling.found import (
    Found,
    beside,
    corrected_path,
    found_in,
    labels_of,
    typed_path,
)
from memcell_data.labelling.sources import (
    LabelSource,
    SourceLabels,
    read_source,
)
from memcell_data.labels.writing import FORMATS, Placed


def review(request: ReviewRequest) -> Iterator[LabelsWritten]:
    """Do what is asked; see `memcell.applications.labels.LabelTool.review`."""
    found, missing = found_in(request)
    if not found:
        raise UsageError(missing[0] if missing else f"'{request.found}' holds no prediction")
    for reason in missing:
        yield LabelsWritten(source=Path(request.found), refused=reason)
    out = Path(request.out).expanduser() if request.out else beside(request.found, "corrected")
    if request.back:
        yield from read_back(request, found, out)
        return
    using = request.using
    reason = mne_browser.why_not() if using != "edfbrowser" else ""
    if using == "mne" and reason:
        raise UsageError(f"--to mne: {reason}; or type --to edfbrowser")
    if using == "edfbrowser" or reason:
        yield from _to_edfbrowser(request, found, out, reason)
    else:
        yield from _in_browser(request, found, out)


def _shown(found: Found, out: Path, options: LabelOptions) -> tuple[SourceLabels, str]:
    """Return the events to correct: those that were corrected before, where there are some."""
    corrected = corrected_path(found, out)
    if not corrected.is_file():
        return labels_of(found, options), ""
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
        data = data_option(request, found)
        yield written(request, each, after, "MNE's browser", out, said, True, data)


def _to_edfbrowser(
    request: ReviewRequest, found: Sequence[Found], out: Path, reason: str
) -> Iterator[LabelsWritten]:
    kind = FORMATS["edfbrowser-xml"]
    folder = beside(request.found, "review")
    again = f"memcell review {request.found} --from {typed_path(folder)}"
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
            f"{typed_path(path.parent)}, or type --overwrite"
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
