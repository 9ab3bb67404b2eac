"""Predicted seconds of recordings: ``NAME_seconds.tsv`` with its sidecar, and ``summary.tsv``.

A row a step: ``onset``, when the step begins, and ``seconds``, the predicted time from the step's end to the
next sleep onset. A broken recording is named and the others go on; what is done already is not done again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memcell.applications.prediction import Infer, PredictionRequest
from memcell.errors import DataError
from memcell.files.atomic import growing, write_atomic
from memcell_data.recording import Recording
from memcell_eeg.features.optional import columns_left_out
from memcell_eeg.features.pipeline import Pipeline
from memcell_eeg.features.precomputed import feature_chunks
from memcell_eeg.prediction.each import EachRecording
from memcell_eeg.prediction.model import DetectionModel
from memcell_eeg.prediction.sources import RecordingFile
from memcell_eeg.signal.absent import with_absent
from memcell_eeg.signal.channels import otherwise_measured
from memcell_eeg.signal.stand_in import with_stand_ins
from memcell_eeg.task import EegTask

HEADER = "onset\tseconds\n"
#: What the name of a sidecar ends in.
SIDECAR = "_seconds.json"
#: Columns of the summary.
COLUMNS = (
    "recording", "status", "steps", "shortest_seconds", "at", "hours", "channels", "gaps", "file", "reason",
    "note", "warnings",
)  # fmt: skip


def seconds_row(onset: float, seconds: float) -> str:
    """Return the row of a step."""
    return f"{onset:.3f}\t{seconds:.3f}\n"


def seconds_path(out: Path, name: str) -> Path:
    """Return the path of a recording's predictions."""
    return out / f"{name}_seconds.tsv"


def sidecar_path(out: Path, name: str) -> Path:
    """Return the path of the sidecar, which says what made them."""
    return out / f"{name}{SIDECAR}"


class SecondsPredictor(EachRecording):
    """Writes the seconds of each recording.

    Args:
        request: The trained network, its facts and the options.
        task: Of the application.

    Raises:
        UsageError: The facts are not of a run of the application, or ``causal`` is asked for and its features
            look into the future.
    """

    columns = COLUMNS
    sidecar = SIDECAR

    def __init__(self, request: PredictionRequest, task: EegTask) -> None:
        # nothing is decided, so there is no threshold: the model of a detector has one
        model = DetectionModel.of(replace(request, decision={"threshold": 0.0}), task)
        super().__init__(request, model)

    def _origin(self, item: RecordingFile, fingerprint: str) -> dict[str, Any]:
        found = super()._origin(item, fingerprint)
        return {name: value for name, value in found.items() if name != "threshold"}

    def _files(self, name: str) -> list[Path]:
        return [seconds_path(self._out, name)]

    def _run(self, item: RecordingFile, recording: Recording, infer: Infer) -> dict[str, Any]:
        model, pipeline = self._model, self._model.pipeline
        warnings: list[str] = []

        def through(
            recording: Recording, absent: Sequence[str] = ()
        ) -> tuple[NDArray[np.float64], NDArray[np.float32], int]:
            warnings[:] = model.unit.messages(item.path, model.channels_of(recording))
            times, outputs, starts = [], [], 0
            stream = infer.begin()
            left_out = np.zeros(1, dtype=np.bool_)
            if isinstance(pipeline, Pipeline):
                left_out = columns_left_out(pipeline, absent)
            for chunk in feature_chunks(pipeline, recording, warnings.append):
                times.append(chunk.times)
                starts += int(chunk.starts.sum())
                features = np.where(left_out, np.float32(0.0), chunk.features)
                outputs.append(stream.push(features, chunk.starts))
            outputs.append(stream.end())
            return np.concatenate(times), np.concatenate(outputs), starts

        if model.optional and isinstance(pipeline, Pipeline):
            found = with_absent(recording, model.references, through)
        else:
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
            file.write("".join(seconds_row(t, s) for t, s in zip(onset, seconds, strict=True)))
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
        self, path: Path, origin: Mapping[str, Any], record: Mapping[str, Any]
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
        write_atomic(path, json.dumps(content, indent=2) + "\n")
