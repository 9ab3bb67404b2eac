"""Predicted seconds of recordings: ``NAME_seconds.tsv`` with its sidecar, and ``summary.tsv``.

A row a step: ``onset``, when the step begins, and ``seconds``, the predicted time from the step's end to the
next sleep onset. A broken recording is named and the others go on; what is done already is not done again.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memcell.applications.prediction import Infer, PredictionRequest, Record
from memcell.errors import DataError, DiskError, MemcellError
from memcell.escape import table
from memcell.files.atomic import growing, write_atomic
from memcell.files.reading import read_object
from memcell.interrupt import Interrupted
from memcell_data.recording import Recording
from memcell_eeg.features.pipeline import Pipeline
from memcell_eeg.features.precomputed import feature_chunks
from memcell_eeg.prediction.model import DetectionModel
from memcell_eeg.prediction.sources import RecordingFile, find_sources
from memcell_eeg.signal.channels import otherwise_measured
from memcell_eeg.signal.stand_in import with_stand_ins
from memcell_eeg.task import EegTask

HEADER = "onset\tseconds\n"
SUMMARY = "summary.tsv"
#: Columns of the summary.
COLUMNS = (
    "recording", "status", "steps", "shortest_seconds", "at", "hours", "channels", "gaps", "file", "reason",
    "note", "warnings",
)  # fmt: skip


def seconds_path(out: Path, name: str) -> Path:
    """Return the path of a recording's predictions."""
    return out / f"{name}_seconds.tsv"


def sidecar_path(out: Path, name: str) -> Path:
    """Return the path of the sidecar, which says what made them."""
    return out / f"{name}_seconds.json"


class SecondsPredictor:
    """Writes the seconds of each recording.

    Args:
        request: The trained network, its facts and the options.
        task: Of the application.

    Raises:
        UsageError: The facts are not of a run of the application, or ``causal`` is asked for and its features
            look into the future.
    """

    imports: tuple[str, ...] = ("mne.io", "mne.io.edf.edf")

    def __init__(self, request: PredictionRequest, task: EegTask) -> None:
        # nothing is decided, so there is no threshold: the model of a detector has one
        self._model = DetectionModel.of(replace(request, decision={"threshold": 0.0}), task)
        self._out = request.out
        if request.causal:
            self._model.check_causal()

    def find(self, paths: Sequence[str]) -> list[RecordingFile]:
        """Return the recordings.

        Raises:
            DataError: A path does not exist or holds no recording, or the folder holds the results of
                another model.
        """
        sources = find_sources(paths, but_not_in=self._out)
        if self._out.exists() and not self._out.is_dir():
            raise DataError(f"--out '{self._out}' is a file; type the name of a folder.")
        for path in sorted(self._out.glob("*_seconds.json")):
            other = _sidecar(path).get("GeneratedBy", {}).get("model_id")
            if other and other != self._model.model_id:
                raise DataError(
                    f"--out '{self._out}' holds results of another model ({path.name}: {other}; now "
                    f"{self._model.model_id}); type another --out."
                )
        return sources

    def one(self, item: RecordingFile, infer: Infer) -> Record:
        """Predict one recording, or return the record of existing results."""
        base = {"recording": item.name, "file": str(item.path)}
        try:
            recording = item.open(self._model.unit.name)
            origin = self._origin(item, recording)
            kept = self._kept(item, origin)
            if kept is not None:
                return {**kept, **base, "status": "done before"}
            record = {**base, **self._run(item, recording, infer), "status": "done"}
            self._write_sidecar(item, origin, record)
        except (DiskError, Interrupted):
            raise
        except (MemcellError, OSError) as error:
            return {**base, "status": "failed", "reason": str(error)}
        except Exception as error:
            # one strange file among many must not lose the others; its kind of error is named
            return {**base, "status": "failed", "reason": f"{type(error).__name__}: {error}"}
        return record

    def finish(self, records: Sequence[Record]) -> None:
        """Write the summary."""
        rows = [[_cell(r, c) for c in COLUMNS] for r in records]
        write_atomic(self._out / SUMMARY, table([COLUMNS, *rows]))

    def _origin(self, item: RecordingFile, recording: Recording) -> dict[str, Any]:
        found = self._model.origin(item, recording)
        return {name: value for name, value in found.items() if name != "threshold"}

    def _kept(self, item: RecordingFile, origin: Mapping[str, Any]) -> Record | None:
        found = _sidecar(sidecar_path(self._out, item.name))
        before = found.get("GeneratedBy", {})
        if before and before.get("file") != origin["file"]:
            raise DataError(
                f"{self._out} already holds the results '{item.name}' of another file "
                f"({before.get('file')}); type another --out, or give both files at once."
            )
        whole = seconds_path(self._out, item.name).is_file() and before == origin
        return dict(found["Summary"]) if whole else None

    def _run(self, item: RecordingFile, recording: Recording, infer: Infer) -> dict[str, Any]:
        model, pipeline = self._model, self._model.pipeline
        warnings: list[str] = []

        def through(recording: Recording) -> tuple[NDArray[np.float64], NDArray[np.float32], int]:
            warnings[:] = model.unit.messages(item.path, model.channels_of(recording))
            times, said, starts = [], [], 0
            stream = infer.begin()
            for chunk in feature_chunks(pipeline, recording, warnings.append):
                times.append(chunk.times)
                starts += int(chunk.starts.sum())
                said.append(stream.push(chunk.features, chunk.starts))
            said.append(stream.end())
            return np.concatenate(times), np.concatenate(said), starts

        found = with_stand_ins(recording, pipeline.channels, through)
        recording, own = found.recording, found.channels
        onset, made, starts = found.made
        seconds = made[:, 0].astype(np.float64)
        if len(onset) != len(seconds) or not np.isfinite(seconds).all():
            raise DataError(
                f"the network gave {len(seconds)} numbers for {len(onset)} steps, or such that are none; "
                "train it again."
            )
        with growing(seconds_path(self._out, item.name)) as file:
            file.write(HEADER)
            file.write("".join(f"{t:.3f}\t{s:.3f}\n" for t, s in zip(onset, seconds, strict=True)))
            sidecar_path(self._out, item.name).unlink(missing_ok=True)
        notes = (
            otherwise_measured(pipeline.channels, recording)
            if isinstance(pipeline, Pipeline)
            else []
        ) + list(found.lines)
        least = int(seconds.argmin())
        return {
            "steps": len(onset),
            "shortest_seconds": round(float(seconds[least]), 3),
            "at": round(float(onset[least]), 3),
            "hours": len(onset) * pipeline.step / 3600,
            "channels": ",".join(c.name for c in own),
            "gaps": starts - 1,
            "warnings": "; ".join(warnings),
            **({"note": "; ".join(notes)} if notes else {}),
        }

    def _write_sidecar(
        self, item: RecordingFile, origin: Mapping[str, Any], record: Mapping[str, Any]
    ) -> None:
        content = {
            "onset": {"Description": "Start of the step from the first sample", "Units": "s"},
            "seconds": {
                "Description": "Predicted time from the step's end to the next sleep onset",
                "Units": "s",
            },
            "GeneratedBy": dict(origin),
            "Summary": dict(record),
        }
        write_atomic(sidecar_path(self._out, item.name), json.dumps(content, indent=2) + "\n")


def _sidecar(path: Path) -> dict[str, Any]:
    """Return what a sidecar says; empty where there is none that can be read."""
    try:
        content = read_object(path)
    except MemcellError:
        return {}
    known = all(isinstance(content.get(name), dict) for name in ("GeneratedBy", "Summary"))
    return content if known else {}


def _cell(record: Mapping[str, Any], column: str) -> str:
    value = record.get(column, "")
    if column == "status" and value == "done before":
        value = "done"
    if isinstance(value, float):
        return "n/a" if math.isnan(value) else f"{value:.6g}"
    return " ".join(str(value).split())
