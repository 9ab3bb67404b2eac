"""A trained network over any number of recordings.

Each is read, run and written by itself: a broken one is named with its reason and the others go on, and
a rerun does only what is missing, changed or failed. What is needed of the run comes from its facts, so
that a prediction never depends on today's options.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from memcell.app import Infer
from memcell.config import from_mapping
from memcell.errors import DataError, MemcellError, UsageError
from memcell.files import make_folder
from memcell.progress import SILENT, Progress
from memcell_data.recording import Recording
from memcell_microsleep import outputs
from memcell_microsleep.channels import locate
from memcell_microsleep.config import MicrosleepConfig
from memcell_microsleep.events import EventRules, runs
from memcell_microsleep.pipeline import Pipeline
from memcell_microsleep.ready import ReadyFeatures, pipeline_of
from memcell_microsleep.sources import Source, find_sources

Record = Mapping[str, Any]


def predict(
    paths: Sequence[str],
    facts: Mapping[str, Any],
    decision: Mapping[str, float],
    infer: Infer,
    out: Path,
    progress: Progress = SILENT,
) -> list[Record]:
    """Write ``*_events.tsv``, ``*_probability.tsv``, ``*_events.json`` and ``summary.tsv``.

    Args:
        paths: Files, folders and globs.
        facts: Of the run, as `memcell_microsleep.app.Microsleep.task` gave them, and ``model_id``: what
            tells one trained model from another.
        decision: Its ``threshold``.
        infer: The network.
        out: Folder for the results; made where it is not there.
        progress: Advanced by 1 a recording, with its name and how it went.

    Returns:
        A record for each recording, with ``status`` ``"done"``, ``"done before"`` or
        ``"failed"`` (with ``reason``).

    Raises:
        DataError: A path does not exist or holds no recording, or ``out`` holds the results of
            another model.
        UsageError: The facts are not of a microsleep run, or lack ``model_id``.
    """
    model = _Model.of(facts, decision)
    sources = find_sources(paths)
    outputs.check_folder(out, model.model_id)
    make_folder(out)
    records: list[Record] = []
    progress.expect(len(sources))
    for source in sources:
        record = _one(source, model, infer, out)
        records.append(record)
        progress.advance(1, f"{len(records)} of {len(sources)}: {source.name} {record['status']}")
    outputs.write_summary(out, records)
    return records


@dataclass(frozen=True, kw_only=True)
class _Model:
    """What a prediction needs of a run besides the network."""

    model_id: str
    pipeline: Pipeline | ReadyFeatures
    rules: EventRules
    threshold: float
    simulated: bool

    @classmethod
    def of(cls, facts: Mapping[str, Any], decision: Mapping[str, float]) -> _Model:
        wanted = ("model_id", "pipeline", "config")
        missing = [name for name in wanted if not facts.get(name)]
        if missing:
            raise UsageError(
                f"the run's facts lack {', '.join(missing)}; type the --model of a finished "
                "'memcell train microsleep'."
            )
        config = from_mapping(MicrosleepConfig, facts["config"], "the run's config")
        return cls(
            model_id=str(facts["model_id"]),
            pipeline=pipeline_of(facts["pipeline"]),
            rules=EventRules.of(config),
            threshold=float(decision["threshold"]),
            simulated=bool(facts.get("simulated", False)),
        )

    def origin(self, source: Source, recording: Recording) -> dict[str, Any]:
        return {
            "Name": "memcell microsleep",
            "model_id": self.model_id,
            "threshold": self.threshold,
            "trained_on_simulated_data": self.simulated,
            "file": str(source.path.absolute()),
            "fingerprint": recording.fingerprint,
        }


def _one(source: Source, model: _Model, infer: Infer, out: Path) -> Record:
    base = {"recording": source.name, "file": str(source.path)}
    try:
        recording = source.open()
        origin = model.origin(source, recording)
        kept = _kept(source, origin, out)
        if kept is not None:
            return {**kept, **base, "status": "done before"}
        record = {**base, **_run(source, recording, model, infer, out), "status": "done"}
        outputs.write_sidecar(outputs.sidecar_path(out, source.name), origin, record)
    except (MemcellError, OSError) as error:
        return {**base, "status": "failed", "reason": str(error)}
    except Exception as error:
        # One strange file among ten thousand must not lose the others; its kind of error is named.
        return {**base, "status": "failed", "reason": f"{type(error).__name__}: {error}"}
    return record


def _kept(source: Source, origin: Mapping[str, Any], out: Path) -> Record | None:
    """Return the record of results that are there already, or None where they are to be made.

    Raises:
        DataError: The name is taken by the results of another file.
    """
    found = outputs.read_sidecar(outputs.sidecar_path(out, source.name))
    if found is None:
        return None
    before = found["GeneratedBy"]
    if before.get("file") != origin["file"]:
        raise DataError(
            f"{out} already holds the results '{source.name}' of another file "
            f"({before.get('file')}); type another --out, or give both files at once."
        )
    whole = outputs.events_path(out, source.name).is_file()
    whole = whole and outputs.probability_path(out, source.name).is_file()
    return dict(found["Summary"]) if whole and before == origin else None


def _run(
    source: Source, recording: Recording, model: _Model, infer: Infer, out: Path
) -> dict[str, Any]:
    pipeline = model.pipeline
    try:
        if recording.features is not None and isinstance(pipeline, Pipeline):
            raise DataError(f"recording '{recording.name}' has ready-made features and no signal.")
        locate(pipeline.channels, recording)
    except DataError as error:
        raise DataError(
            f"{error} The model was trained on the channels {', '.join(pipeline.channels)}."
        ) from error
    warnings: list[str] = []
    sequence = pipeline.sequence(recording, warn=warnings.append)
    p = np.asarray(infer(sequence)[:, 1], dtype=np.float64)
    if p.shape != (sequence.n_steps,) or not np.isfinite(p).all():
        raise DataError(
            f"the network gave {p.shape[0]} probabilities for {sequence.n_steps} steps, or some "
            "that are not numbers; train it again."
        )
    positive = p >= model.threshold
    events = runs(positive, sequence, model.rules.merge, model.rules.min_duration)
    # A sidecar that speaks of older results must not stand beside newer ones.
    outputs.sidecar_path(out, source.name).unlink(missing_ok=True)
    outputs.write_probability(
        outputs.probability_path(out, source.name), sequence.times, p, model.threshold
    )
    outputs.write_events(outputs.events_path(out, source.name), events, p)
    return {
        "events": len(events),
        "event_seconds": round(sum(e.duration for e in events), 3),
        "probability_max": float(p.max()),
        "warnings": "; ".join(warnings),
        "hours": sequence.n_steps * sequence.step_seconds / 3600,
    }
