"""The predictions of models for test sequences, stored beside their scores: ``predictions.npz``.

Tables and a report are made from it long after the recordings are gone. It holds names, subjects, times,
targets and gaps of the test sequences, and of each model its predictions (class probabilities, values) and
its decisions; no features. One part for each decision: one in a run, one for each fold where folds are
pooled.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memcell.applications.app import ModelPredictions, Row
from memcell.errors import RunFolderError
from memcell.files.atomic import write_atomic
from memcell.files.reading import parse_json, read_arrays, refusing
from memcell.runs.tables import with_fields
from memcell.sequences.time_series import TimeSeries

FILE = "predictions.npz"
#: Its name in version 0.1.
OLD_FILE = "judged.npz"
FORMAT = 1


def write_predictions(path: Path, rows: Sequence[Row]) -> None:
    """Write the predictions of rows that have any; sequences that several share are written once.

    Args:
        path: The folder.
        rows: Of its score table.

    Raises:
        MemcellError: It cannot be written.
    """
    rows = [row for row in rows if row.predictions]
    parts = [part for row in rows for part in row.predictions]
    # shared by identity, or by name and subject where folds hand over copies
    known: dict[tuple[str, str], tuple[int, TimeSeries]] = {}
    for part in parts:
        for s in part.sequences:
            known.setdefault((s.name, s.subject), (len(known), s))
    sequences = [s for _, s in known.values()]
    arrays: dict[str, NDArray[Any]] = {
        "times": _joined([s.times for s in sequences], np.float64),
        "targets": _joined([np.asarray(s.targets) for s in sequences], None),
        "starts": _joined([s.starts for s in sequences], np.bool_),
    }
    described = []
    for i, part in enumerate(parts):
        arrays[f"p{i}"] = _joined(list(part.probabilities), np.float32)
        of = [known[s.name, s.subject][0] for s in part.sequences]
        described.append({"sequences": of, "decision": dict(part.decision)})
    numbers = iter(range(len(parts)))
    about = {
        "format": FORMAT,
        "sequences": [
            {"name": s.name, "subject": s.subject, "steps": s.n_steps, "step_seconds": s.step_seconds}
            for s in sequences
        ],
        "parts": described,
        "rows": [
            {"name": r.name, "kind": r.kind, "note": r.note,
             "parts": [next(numbers) for _ in r.predictions],
             "cell": r.cell, "trained_with": r.trained_with, "inferred_with": r.inferred_with,
             "deployable": r.deployable}
            for r in rows
        ],
    }  # fmt: skip
    arrays["about"] = np.frombuffer(json.dumps(about).encode(), dtype=np.uint8)
    buffer = io.BytesIO()
    # numpy's own flag is a keyword too, which no array is called
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    write_atomic(path / FILE, buffer.getvalue())
    with contextlib.suppress(OSError):
        (path / OLD_FILE).unlink()


def predictions_file(path: Path) -> Path:
    """Return where a run's predictions are stored, or would be."""
    old = path / OLD_FILE
    return old if os.path.lexists(old) and not os.path.lexists(path / FILE) else path / FILE


def read_predictions(path: Path) -> list[Row]:
    """Return the rows that `write_predictions` wrote, without scores; sequences have no features ``[n, 0]``.

    Args:
        path: The folder.

    Raises:
        RunFolderError: The file is missing or damaged; says so.
    """
    file = predictions_file(path)
    arrays = read_arrays(file)
    with refusing(file):
        about = parse_json(arrays.pop("about").tobytes(), file)
        if about["format"] != FORMAT:
            raise RunFolderError(f"'{file}' was written by another version of memcell")
        lengths = [int(s["steps"]) for s in about["sequences"]]
        kinds = {"times": ("f",), "targets": ("i", "u", "f4"), "starts": ("b",)}
        cut = {
            name: _split(arrays[name], lengths, kind, name == "targets")
            for name, kind in kinds.items()
        }
        sequences = [
            TimeSeries(
                name=str(s["name"]), subject=str(s["subject"]),
                features=np.empty((n, 0), dtype=np.float32), targets=cut["targets"][i],
                breaks=tuple(b for b in np.flatnonzero(cut["starts"][i]).tolist() if b),
                start_time=float(cut["times"][i][0]), step_seconds=float(s["step_seconds"]),
                step_times=cut["times"][i],
            )
            for i, (s, n) in enumerate(zip(about["sequences"], lengths, strict=True))
        ]  # fmt: skip
        parts = []
        for i, part in enumerate(about["parts"]):
            of = [int(k) for k in part["sequences"]]
            probabilities = _split(arrays[f"p{i}"], [lengths[k] for k in of], ("f",))
            _check_classes([sequences[k] for k in of], probabilities)
            parts.append(
                ModelPredictions(
                    sequences=tuple(sequences[k] for k in of),
                    probabilities=tuple(probabilities),
                    decision={str(k): float(v) for k, v in part["decision"].items()},
                )
            )
        return [
            Row(name=str(r["name"]), kind=str(r["kind"]), note=str(r["note"]), scores={},
                predictions=tuple(parts[k] for k in r["parts"]), cell=str(r["cell"]),
                trained_with=str(r["trained_with"]), inferred_with=str(r["inferred_with"]),
                deployable=r["deployable"] is not False)
            for r in map(with_fields, about["rows"])
        ]  # fmt: skip


def _joined(arrays: list[NDArray[Any]], kind: Any) -> NDArray[Any]:
    joined = np.concatenate(arrays) if arrays else np.empty(0)
    return joined if kind is None else joined.astype(kind)


def _split(
    array: NDArray[Any], lengths: Sequence[int], kinds: tuple[str, ...], gaps: bool = False
) -> list[NDArray[Any]]:
    """Return the parts of an array of finite numbers of certain kinds, as numpy names them."""
    if array.ndim == 0 or sum(lengths) != len(array):
        raise ValueError(f"an array of shape {array.shape} where {sum(lengths)} steps belong")
    # where a step has no value its target is NaN
    numbers = ~np.isinf(array) if gaps else np.isfinite(array)
    if not array.dtype.str[1:].startswith(kinds) or not numbers.all():
        raise ValueError(f"an array of {array.dtype}, or numbers in it that are not finite")
    return np.split(array, np.cumsum(lengths)[:-1]) if lengths else []


def _check_classes(sequences: Sequence[TimeSeries], probabilities: Sequence[NDArray[Any]]) -> None:
    """Refuse what is no probability of each class that the targets name, or no value for each."""
    for s, p in zip(sequences, probabilities, strict=True):
        classes = (
            int(np.max(s.targets, initial=-1)) + 1
            if s.of_classes
            else s.targets.size // len(s.targets)
        )
        if p.ndim != 2 or p.shape[1] < classes:
            raise ValueError(f"probabilities of shape {p.shape} where there are {classes} classes")
        if s.of_values:
            continue
        if classes and not ((p >= 0) & (p <= 1 + 1e-3)).all():
            raise ValueError("probabilities that are not between 0 and 1")
