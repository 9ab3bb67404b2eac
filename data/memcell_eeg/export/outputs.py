"""Result files of a prediction: events, probabilities, annotations, a sidecar, and a summary.

``NAME_events.tsv`` has the columns of a BIDS events file (``onset``, ``duration`` in seconds from the
recording's first sample, ``trial_type``) and each event's largest and mean probability.
``NAME_probability.tsv`` has a row a step. ``NAME_annot.txt`` is what ``mne.read_annotations`` reads, in the
time of ``mne.io.read_raw``, which leaves out the gaps of an EDF+D.
``NAME_events.json`` describes the columns, as BIDS does, and says which model and which file they come
from; it is written last, so where it stands the others are whole. Every file is written beside its place
and renamed, and its bytes depend on the recording and the model alone. Where they lie is `layout`'s. The
folder is flushed to the disk twice a recording, before the last file and after it: on a disk that takes its
time, ten thousand short recordings are waiting for it.
"""

from __future__ import annotations

import glob
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memcell.errors import DataError, MemcellError
from memcell.escape import table
from memcell.files.atomic import Growing, sync_folder, write_atomic
from memcell.files.reading import read_lines, read_object
from memcell_data.content import begins_as_edf, first_bytes
from memcell_data.formats.reader import signal_file
from memcell_data.labels.files import COUNTED_BY_MNE
from memcell_eeg.export.layout import ResultLayout, layout_of
from memcell_eeg.scores.detector import DetectedEvent

SUMMARY = "summary.tsv"
#: What the name of a sidecar ends in.
SIDECAR = "_events.json"
COLUMNS = (
    "recording",
    "status",
    "events",
    "event_seconds",
    "probability_max",
    "hours",
    "channels",
    "rate",
    "gaps",
    "results",
    "file",
    "reason",
    "note",
    "warnings",
)
_BIDS: dict[str, dict[str, Any]] = {
    "onset": {"Description": "Start of the event from the first sample", "Units": "s"},
    "duration": {"Description": "Length of the event", "Units": "s"},
    "trial_type": {},
    "probability_max": {"Description": "Largest probability of a step of the event"},
    "probability_mean": {"Description": "Mean probability of its steps"},
}
_ABOUT_STEPS = "Probability and decision of each step of the recording"
_STEPS: dict[str, dict[str, Any]] = {
    "onset": {"Description": "Start of the step from the first sample", "Units": "s"},
    "probability": {"Description": "Probability of the event in the step"},
    "state": {"Description": "1 from the threshold on, else 0"},
}
PROBABILITY_HEADER = "onset\tprobability\tstate\n"


def result_path(out: Path, name: str, ending: str) -> Path:
    """Return the path of a recording's result in a folder of either layout (`memcell_eeg.export.layout`)."""
    return layout_of(out).path(name, ending)


def events_path(out: Path, name: str) -> Path:
    """Return the path of a recording's events."""
    return result_path(out, name, "_events.tsv")


def probability_path(out: Path, name: str) -> Path:
    """Return the path of a recording's probabilities."""
    return result_path(out, name, "_probability.tsv")


def annotations_path(out: Path, name: str) -> Path:
    """Return the path of a recording's events in MNE's format."""
    return result_path(out, name, "_annot.txt")


def sidecar_path(out: Path, name: str) -> Path:
    """Return the path of the sidecar, which records the origin of the results."""
    return result_path(out, name, "_events.json")


def write_events(path: Path, events: Sequence[DetectedEvent], label: str) -> None:
    """Write one row per event, of type ``label``."""
    rows = [
        f"{e.onset:.3f}\t{e.duration:.3f}\t{label}\t{e.highest:.6f}\t{e.mean:.6f}" for e in events
    ]
    _write(path, "\t".join(_BIDS), rows)


def write_annotations(
    path: Path,
    events: Sequence[DetectedEvent],
    label: str,
    joined: Sequence[tuple[float, float]] = (),
) -> None:
    """Write the events as MNE writes annotations; onsets count from the first sample as MNE counts.

    Args:
        path: Where.
        events: In the recording's own time.
        label: Their description.
        joined: Onset and length of the gaps that MNE leaves out when it reads the file (EDF+D): what comes
            after them is earlier to it by so much.
    """
    lines = ["# MNE-Annotations"]
    if joined:
        lines.append(f"{COUNTED_BY_MNE}: it joins what lies before and after a gap")
    rows = []
    for e in events:
        lost = sum(length for onset, length in joined if onset <= e.onset + 1e-6)
        rows.append(f"{e.onset - lost:.3f},{e.duration:.3f},{label}")
    _write(path, "\n".join([*lines, "# onset, duration, description"]), rows)


def joined_by_mne(path: Path | None) -> tuple[tuple[float, float], ...]:
    """Return onset and length of the gaps of a recording that MNE leaves out: those of EDF+D and BDF+D."""
    if path is None or not path.is_file() or not begins_as_edf(first_bytes(path)):
        return ()
    return signal_file(path).gaps()


def add_probabilities(
    file: Growing, times: NDArray[np.float64], p: NDArray[np.float64], threshold: float
) -> None:
    """Add one row per step: onset in seconds, probability, and 1 at the threshold or above."""
    if len(p):
        file.write(probability_rows(times, p, p >= threshold))


def write_sidecar(
    path: Path,
    origin: Mapping[str, Any],
    record: Mapping[str, Any],
    label: str,
    about: str = "",
) -> None:
    """Write the origin of the results, and their row of the summary; ``about`` is a sentence on them."""
    levels = {"Levels": {label: "Detected at every step of the event"}}
    content: dict[str, Any] = {"Description": about} if about else {}
    content |= {**_BIDS, "trial_type": levels, "GeneratedBy": dict(origin), "Summary": dict(record)}
    sync_folder(path.parent)
    write_atomic(path, json.dumps(content, indent=2) + "\n")


def about(event: str) -> str:
    """Return the sentence of a sidecar in a BIDS data set on what it describes."""
    return f"What a trained network found: {event}"


def describe_probabilities(layout: ResultLayout, name: str, origin: Mapping[str, Any]) -> None:
    """Write the sidecar of a recording's probabilities, which a BIDS data set has."""
    content: dict[str, Any] = {"Description": _ABOUT_STEPS, **_STEPS, "GeneratedBy": dict(origin)}
    path = layout.path(name, "_probability.json")
    write_atomic(path, json.dumps(content, indent=2) + "\n", lasting=False)


def read_sidecar(path: Path) -> dict[str, Any] | None:
    """Return what `write_sidecar` wrote, or None if there is no such file or it has another origin."""
    try:
        content = read_object(path)
    except MemcellError:
        return None
    known = all(isinstance(content.get(name), dict) for name in ("GeneratedBy", "Summary"))
    return content if known else None


@dataclass(frozen=True, kw_only=True)
class KnownNames:
    """What predicted recordings are called in a folder, by their files.

    Args:
        recordings: What a person reads.
        results: What their results are called.
    """

    recordings: Mapping[Path, str]
    results: Mapping[Path, str]


def names_known(out: Path, sidecar: str = SIDECAR) -> KnownNames:
    """Return what each predicted recording is called in a folder, and its results."""
    layout = layout_of(out)
    recordings, results = {}, {}
    for path in layout.all(sidecar):
        content = read_sidecar(path)
        if content and isinstance(file := content["GeneratedBy"].get("file"), str):
            results[Path(file)] = layout.name(path, sidecar)
            said = str(content["Summary"].get("recording", ""))
            recordings[Path(file)] = said if _is_name(said) else results[Path(file)]
    return KnownNames(recordings=recordings, results=results)


def place_of(row: Mapping[str, Any]) -> str:
    """Return the name of the results of a row of the summary; empty where it has what is no file's name."""
    recording = str(row.get("recording") or "")
    name = str(row.get("results") or recording)
    return name if _is_name(name) and _is_name(recording) else ""


def _is_name(text: str) -> bool:
    return bool(text) and Path(text).name == text


def write_summary(
    out: Path, records: Sequence[Mapping[str, Any]], columns: Sequence[str] = COLUMNS
) -> None:
    """Write one row per recording, failed ones with the reason; a rerun writes the same bytes.

    Recordings that were predicted into this folder by another call keep their rows, after those of this one;
    where all of these have a row already, each stays in its place. A file has one row, whatever its name was.
    """
    rows = {str(r["recording"]): [_cell(_value(r, c)) for c in columns] for r in records}
    files = {str(r.get("file", "")): str(r["recording"]) for r in records}
    before = {
        name: [_cell(said.get(c, "")) for c in columns]
        for name, said in _earlier(out).items()
        if files.get(said.get("file", ""), name) == name and _stands(out, said)
    }
    order = [*before] if rows.keys() <= before.keys() else dict.fromkeys((*rows, *before))
    merged = {**before, **rows}
    write_atomic(out / SUMMARY, table([columns, *(merged[name] for name in order)]))


def _earlier(out: Path) -> dict[str, dict[str, str]]:
    """Return the rows of an earlier summary by recording."""
    try:
        head, *lines = read_lines(out / SUMMARY)
    except (MemcellError, ValueError):
        return {}
    rows = [line.split("\t") for line in lines]
    heads = head.split("\t")
    if heads[0] != "recording":
        return {}
    return {row[0]: dict(zip(heads, row, strict=True)) for row in rows if len(row) == len(heads)}


def _stands(out: Path, said: Mapping[str, str]) -> bool:
    """Whether what an earlier row says is still so: results lie there, or a file that failed does."""
    if said.get("status") == "failed":
        return Path(said.get("file", "")).is_file()
    name, layout = place_of(said), layout_of(out)
    if not name:
        return False
    where, label = layout.path(name, "").parent, f"desc-{layout.desc}_" if layout.desc else ""
    rests = [p.stem[len(name) + 1 :] for p in where.glob(f"{glob.escape(name)}_*.json")]
    return any("_" not in rest.removeprefix(label) for rest in rests)


def check_folder(out: Path, model_id: str, sidecar: str = SIDECAR) -> None:
    """Refuse a folder that holds the results of another model.

    Args:
        out: The folder.
        model_id: Of this model.
        sidecar: What the name of a sidecar ends in.

    Raises:
        DataError: It does, or it is no folder; says what to type.
    """
    if out.exists() and not out.is_dir():
        raise DataError(f"--out '{out}' is a file; type the name of a folder.")
    for path in layout_of(out).all(sidecar):
        found = read_sidecar(path)
        other = found and found["GeneratedBy"].get("model_id")
        if other and other != model_id:
            raise DataError(
                f"--out '{out}' holds results of another model ({path.name}: {other}; now "
                f"{model_id}); type another --out."
            )


def _value(record: Mapping[str, Any], column: str) -> Any:
    value = record.get(column, "")
    if column == "results" and record.get("status") == "failed":
        return ""  # there are none
    return "done" if column == "status" and value == "done before" else value


def _cell(value: Any) -> str:
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return " ".join(text.split())


def _write(path: Path, header: str, rows: Sequence[str]) -> None:
    write_atomic(path, "\n".join([header, *rows]) + "\n", lasting=False)


def probability_rows(
    times: NDArray[np.float64], p: NDArray[np.float64], positive: NDArray[np.bool_]
) -> bytes:
    r"""Return a tab-separated line per step: onset (s, 3 decimals), probability (6 decimals), 0 or 1.

    All at once: a night has 144,000 steps, one by one 0.2 s of work.

    Args:
        times: ``[n]`` from 0 on, ascending.
        p: ``[n]`` from 0 to 1.
        positive: ``[n]``.

    >>> probability_rows(np.array([9.8, 10.0]), np.array([0.25, 1.0]), np.array([False, True]))
    b'9.800\t0.250000\t0\n10.000\t1.000000\t1\n'
    """
    thousandths = np.rint(times * 1e3).astype(np.int64)
    whole = thousandths // 1000
    # lines of one length at a time: where the seconds get one more digit, another matrix begins
    digits = np.maximum(1, np.searchsorted(10 ** np.arange(18), whole, side="right"))
    cuts = [0, *(np.flatnonzero(np.diff(digits)) + 1).tolist(), len(times)]
    millionths = np.rint(p * 1e6).astype(np.int64)
    parts = []
    for a, b in pairwise(cuts):
        if a == b:
            continue
        width = int(digits[a])
        lines = np.empty((b - a, width + 16), dtype=np.uint8)
        lines[:] = np.frombuffer(b"0" * width + b".000\t0.000000\t0\n", dtype=np.uint8)
        _add_digits(lines, whole[a:b], range(width - 1, -1, -1))
        _add_digits(lines, thousandths[a:b] % 1000, range(width + 3, width, -1))
        _add_digits(lines, millionths[a:b] % 1000000, range(width + 12, width + 6, -1))
        lines[:, width + 5] += (millionths[a:b] // 1000000).astype(np.uint8)
        lines[:, width + 14] += positive[a:b]
        parts.append(lines.tobytes())
    return b"".join(parts)


def _add_digits(lines: NDArray[np.uint8], values: NDArray[np.int64], columns: range) -> None:
    """Write the decimal digits of values into columns, the last digit first."""
    left = values.astype(np.uint32) if values.max() < 2**32 else values
    for column in columns:
        tens = left // 10
        lines[:, column] += (left - 10 * tens).astype(np.uint8)
        left = tens
