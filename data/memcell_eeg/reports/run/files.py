"""Reading the files of a training run that its report needs; missing ones are empty.

A leave-one-subject-out folder is read the same way: its tables are pooled over the held-out subjects, and
what only a single run has (curves, excerpts, facts) comes from its folds.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from memcell.applications.app import ModelPredictions
from memcell.errors import MemcellError
from memcell.files.reading import MOST_CONFIG, parse_toml, read_bytes, subfolders
from memcell.runs.predictions import predictions_file, read_predictions
from memcell.runs.run_folder import CONTROL_PREFIXES
from memcell.runs.tables import with_fields
from memcell.training.checkpoint import read_head
from memcell_eeg.reports.excerpts import Excerpt, read_excerpts
from memcell_eeg.reports.reading import (
    TableRow,
    as_float,
    as_list,
    as_object,
    read_facts,
    read_json,
    read_lines,
    read_tsv,
)
from memcell_eeg.task import EegTask


@dataclass(frozen=True, kw_only=True)
class ScoreRow:
    """A row of the score table.

    Args:
        name: As in every table.
        kind: ``"network"`` or ``"baseline"``.
        scores: NaN where not defined.
        intervals: Score to its 95 % interval over subjects, where there is one.
        note: How it was fitted.
        trained_with: State policy of its training; empty for a baseline.
        inferred_with: Inference policy; empty for a baseline.
        deployable: False for a baseline that knows what nobody knows when it would be used.
    """

    name: str
    kind: str
    scores: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    note: str
    trained_with: str
    inferred_with: str
    deployable: bool

    def get(self, score: str) -> float:
        """Return a score; NaN if missing."""
        return self.scores.get(score, math.nan)


@dataclass(frozen=True, kw_only=True)
class Learning:
    """Losses of one network's training against updates.

    Args:
        name: ``"trained with carry"``.
        fold: Whose fold it is; empty in a single run.
        training: (update, nats) of each epoch.
        validation: The same.
        updates: Updates of the whole training, which may end within an epoch.
    """

    name: str
    fold: str
    training: list[tuple[int, float]]
    validation: list[tuple[int, float]]
    updates: int


@dataclass(frozen=True, kw_only=True)
class RunFiles:
    """The contents of a run's folder.

    Args:
        task: What it detects.
        folder: Where it lies.
        folds: Those of a leave-one-subject-out run; empty in a single run.
        sections: Of config.toml, resolved; tables only.
        config_text: The same as it stands there.
        environment: What it was made with.
        main_score: The score that counts most.
        notes: Notes that every output carries.
        rows: The score table; the run's own network first.
        facts: What was resolved from the data.
        decisions: Inference policy to decision.
        learning: Curves of the run and of its paired control run, of each fold.
        tables: File name without its ending to rows.
        predictions: Row name to the predictions of that model.
        excerpts: Signal of some places, with the fold.
        staleness: Lanes of measurements, each its values.
        seeds: So many stand behind the scores; more than 1 where folds were repeated.
    """

    task: EegTask
    folder: Path
    folds: list[Path]
    sections: dict[str, Any]
    config_text: str
    environment: dict[str, Any]
    main_score: str
    notes: list[str]
    rows: list[ScoreRow]
    facts: dict[str, Any]
    decisions: dict[str, dict[str, float]]
    learning: list[Learning]
    tables: dict[str, list[TableRow]]
    predictions: dict[str, tuple[ModelPredictions, ...]]
    excerpts: list[Excerpt]
    staleness: list[dict[str, float]]
    seeds: int = 1

    @property
    def own(self) -> ScoreRow | None:
        """The run's own network under its own inference policy."""
        return next((r for r in self.rows if r.kind == "network"), None)

    @property
    def other(self) -> ScoreRow | None:
        """The same network under the other inference policy."""
        own = self.own
        return next(
            (r for r in self.rows if own and r.kind == "network" and r.trained_with == own.trained_with
             and r.inferred_with != own.inferred_with), None,
        )  # fmt: skip

    @property
    def simulated(self) -> bool:
        """Whether the recordings are simulated."""
        return bool(self.facts.get("simulated")) or any("simulated data" in n for n in self.notes)

    def source(self, name: str) -> str:
        """Return the name of a file beside the report; empty if missing."""
        return name if (self.folder / name).is_file() else ""

    def table(self, name: str, row: ScoreRow | None = None) -> list[TableRow]:
        """Return a table's rows, of one model if given."""
        rows = self.tables.get(name, [])
        return rows if row is None else [r for r in rows if r.get("name") == row.name]


TABLES = ("scores", "subjects", "intervals", "differences", "confusion", "calibration", "pr",
          "operating", "transitions", "delays", "features", "checks", "robustness",
          "recordings")  # fmt: skip


def read_run(folder: Path, task: EegTask) -> RunFiles:
    """Read a run's folder, finished or not."""
    folds = [p for p in subfolders(folder, "folds/*") if (p / "config.toml").is_file()]
    parts = folds or [folder]
    text = next(filter(None, (_text(p / "config.toml") for p in (folder, *folds))), "")
    scores = read_json(folder / "scores.json")
    model = next(filter(None, map(_model, parts)), {})
    environment = next(
        filter(None, (read_json(p / "environment.json") for p in (folder, *folds))), {}
    )
    return RunFiles(
        task=task, folder=folder, folds=folds, config_text=text, environment=environment,
        sections={k: v for k, v in _toml(text).items() if isinstance(v, dict)},
        main_score=str(scores.get("main_score") or "balanced_accuracy"),
        notes=[str(n) for n in as_list(scores.get("notes")) or as_list(model.get("notes"))],
        rows=[_scored(r) for r in as_list(scores.get("rows")) if isinstance(r, dict)],
        facts=read_facts(model.get("task")),
        decisions={str(k): _numbers(v) for k, v in as_object(model.get("decisions")).items()},
        learning=[c for p in parts for c in _learning(p, p.name if folds else "")],
        tables={name: read_tsv(folder / f"{name}.tsv") for name in TABLES},
        predictions=_predictions(folder, folds),
        excerpts=[e for p in parts for e in read_excerpts(p)],
        staleness=[v for p in parts for v in _staleness(p / "probes.jsonl")],
        seeds=int(np.nan_to_num(as_float(read_json(folder / "folds.json").get("repeats")), nan=1.0)),
    )  # fmt: skip


def _predictions(folder: Path, folds: list[Path]) -> dict[str, tuple[ModelPredictions, ...]]:
    found: dict[str, tuple[ModelPredictions, ...]] = {}
    for path in [folder] if predictions_file(folder).is_file() else folds:
        try:
            for row in read_predictions(path):
                found[row.name] = (*found.get(row.name, ()), *row.predictions)
        except MemcellError:
            continue
    return found


def _model(path: Path) -> dict[str, Any]:
    """Return the facts of a trained model without reading its weights."""
    try:
        found = read_head(path / "model.safetensors").meta.get("facts")
    except MemcellError:
        return {}
    return as_object(found)


def _numbers(found: Any) -> dict[str, float]:
    """Return the finite numbers of an object."""
    numbers = {str(k): as_float(v) for k, v in as_object(found).items()}
    return {k: v for k, v in numbers.items() if math.isfinite(v)}


def _scored(found: dict[str, Any]) -> ScoreRow:
    row = with_fields(found)
    intervals = {
        str(k): (as_float(v[0]), as_float(v[1]))
        for k, v in as_object(row.get("intervals")).items()
        if isinstance(v, list) and len(v) == 2
    }
    return ScoreRow(
        name=str(row.get("name", "")), kind=str(row.get("kind", "")), note=str(row.get("note", "")),
        scores={str(k): as_float(v) for k, v in as_object(row.get("scores")).items()}, intervals=intervals,
        trained_with=str(row["trained_with"]), inferred_with=str(row["inferred_with"]),
        deployable=row["deployable"] is not False,
    )  # fmt: skip


def _learning(path: Path, fold: str) -> Iterable[Learning]:
    policy = as_object(_toml(_text(path / "config.toml")).get("policy")).get("name", "")
    controls = [
        (folder, folder.name.removeprefix(prefix))
        for prefix in CONTROL_PREFIXES
        for folder in subfolders(path, f"{prefix}*")
    ]
    for where, name in [(path, str(policy)), *controls]:
        lines = list(read_lines(where / "metrics.jsonl"))
        epochs = [e for e in lines if "train_loss" in e or "valid_loss" in e]
        numbers = (as_float(e.get("update")) for e in lines)
        updates = max((int(n) for n in numbers if math.isfinite(n)), default=0)
        pairs = {
            k: [(int(as_float(e.get("update")) or 0), as_float(e.get(k))) for e in epochs
                if math.isfinite(as_float(e.get(k))) and math.isfinite(as_float(e.get("update")))]
            for k in ("train_loss", "valid_loss")
        }  # fmt: skip
        if pairs["train_loss"] or pairs["valid_loss"]:
            yield Learning(
                name=f"trained with {name}", fold=fold, training=pairs["train_loss"],
                validation=pairs["valid_loss"], updates=updates,
            )  # fmt: skip


def _staleness(path: Path) -> Iterable[dict[str, float]]:
    """Yield the lanes of each measurement, each with the values of the whole batch."""
    for line in read_lines(path):
        values = line.get("values")
        if line.get("probe") != "staleness" or not isinstance(values, dict) or "summary" in line:
            continue
        n = max((len(v) for v in values.values() if isinstance(v, list)), default=1)
        for i in range(n):
            lane = {"update": as_float(line.get("update"))}
            for name, value in values.items():
                one = value[i] if isinstance(value, list) and i < len(value) else value
                if math.isfinite(as_float(one)):
                    lane[str(name)] = as_float(one)
            yield lane


def _text(path: Path) -> str:
    try:
        return read_bytes(path, MOST_CONFIG).decode("utf-8", errors="replace")
    except MemcellError:
        return ""


def _toml(text: str) -> dict[str, Any]:
    try:
        return parse_toml(text.encode(), Path("config.toml"))
    except MemcellError:
        return {}
