"""One run of a comparison, as a task: begun, gone on with, or found done; it leaves a record."""

from __future__ import annotations

import math
import os
import shutil
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from memcell.applications.app import Task
from memcell.compare.prepared import data_name, prepared
from memcell.compare.records import OtherVersionError, RunRecord
from memcell.compare.work import SECOND, Work
from memcell.errors import CheckpointError, Diverged, MemcellError, UsageError
from memcell.files.atomic import locked, make_folder, write_atomic
from memcell.files.reading import check_inside, read_json_lines
from memcell.inference.inference import mean_loss
from memcell.interrupt import Interrupted
from memcell.jobs import Working
from memcell.plugins import default_registry
from memcell.runs.own_functions import OwnFunctions
from memcell.runs.run_folder import RunFolder
from memcell.runs.scoring import ScoredNetwork, score, write_scores
from memcell.runs.setup import device_of, make_trainer, own_inference
from memcell.settings.options import EVAL_POLICIES
from memcell.settings.run_config import RunConfig, resolve
from memcell.training.trainer import Trainer

RECORD = "record.json"


@dataclass(frozen=True, kw_only=True)
class RunTask:
    """One run.

    Args:
        id: Name of its folder.
        path: The folder.
        app: Name of the app.
        sections: Its config, as in ``config.toml``.
        setting: Axis name to value.
        seed: Its seed, also in ``sections``.
        own: Python functions that the app is built with.
        both: Each epoch is validated under both inference policies.
    """

    id: str
    path: str
    app: str
    sections: Mapping[str, Any]
    setting: Mapping[str, str]
    seed: int
    own: OwnFunctions = field(default_factory=OwnFunctions)
    both: bool = True

    @property
    def data(self) -> str:
        """Its data, which a process prepares once for tasks in a row (`memcell.jobs.tasks.data_of`)."""
        return data_name(self.app, self.sections)


def finished(path: Path) -> RunRecord | None:
    """Return the record of a run that is not to be repeated: done or diverged.

    Raises:
        OtherVersionError: A newer memcell did it.
    """
    try:
        record = RunRecord.read(path / RECORD)
    except OtherVersionError:
        raise
    except MemcellError:
        return None
    return record if record.status in ("done", "diverged") else None


def do_run(task: RunTask, working: Working) -> RunRecord:
    """Do a run, or what is left of it, and write its record.

    Raises:
        Interrupted: The person asked to stop; the checkpoint is written.
        CannotPrepare: The data cannot be used; no record is written.
    """
    path = Path(task.path)
    check_inside(path, path.parent.parent)
    make_folder(path)
    # a worker that was given up as dead may still be at it
    with locked(path / ".lock"):
        record = finished(path)
        if record is None:
            record = _run(task, path, working)
            record.write(path / RECORD)
    return record


def _run(task: RunTask, path: Path, working: Working) -> RunRecord:
    registry = default_registry()
    config = resolve(task.app, task.sections, registry)
    data = prepared(config, task.own)
    torch.set_num_threads(config.training.threads)
    work = Work(path, working.progress)
    facts: dict[str, Any] = {
        "id": task.id,
        "setting": dict(task.setting),
        "seed": task.seed,
        "notes": data.task.notes,
        "own": own_inference(config, registry),
    }
    try:
        trainer = _trainer(config, path, data.app, data.task)
        if task.both:
            others = (policy for policy in EVAL_POLICIES if policy != trainer.eval_policy)
            trainer.also_under = next(others, "")
        reason = _train(trainer, work, working)
        facts["updates"] = trainer.at.update
        if trainer.observer is not None:
            trainer.observer.end()  # writes the summaries
        if not reason:
            scored = score(trainer, config, data.app, RunFolder(path))
            write_scores(
                path,
                scored.rows,
                data.task.main_score,
                data.task.notes,
                data.app,
                data.task.protocol,
            )
            facts |= {"scores": _numbers(scored), "subjects": scored.subjects}
            facts |= _validated(trainer, scored.valid)
        status = "diverged" if reason else "done"
    except Interrupted:
        work.write()
        raise
    except Exception as error:
        # one run that cannot be done must not end the others
        prefix = "" if isinstance(error, MemcellError) else f"{type(error).__name__}: "
        write_atomic(path / "failure.txt", traceback.format_exc())
        status, reason = "failed", prefix + " ".join(str(error).split())
    work.write()
    facts |= read_curves(path)
    return RunRecord(**facts, status=status, reason=reason, cpu_seconds=work.cpu_seconds)


def _numbers(scored: ScoredNetwork) -> dict[str, dict[str, float]]:
    return {policy: dict(scores) for policy, scores in scored.scores.items()}


def _validated(trainer: Trainer, valid: Mapping[str, list[Any]]) -> dict[str, Any]:
    """Return the validation loss of the network that was kept, under each inference policy and by subject.

    Args:
        trainer: Done with training.
        valid: Inference policy to predictions of the validation split.
    """
    if not trainer.validates:
        return {}
    task = trainer.task
    chosen: dict[str, float] = {}
    subjects: dict[str, dict[str, float]] = {}
    for policy, found in valid.items():
        loss = partial(mean_loss, class_weights=task.class_weights, target=task.target)
        chosen[policy] = loss(found, task.valid)
        of = {
            s.subject: [k for k, o in enumerate(task.valid) if o.subject == s.subject]
            for s in task.valid
        }
        subjects[policy] = {
            name: loss([found[k] for k in rows], [task.valid[k] for k in rows])
            for name, rows in sorted(of.items())
        }
    return {"chosen": chosen, "valid_subjects": subjects}


def _trainer(config: RunConfig, path: Path, app: Any, task: Task) -> Trainer:
    registry = default_registry()
    begun = os.path.lexists(path / "config.toml")
    try:
        if begun and _begun_with(path, config.app) != _without_version(config.sections()):
            raise CheckpointError("it was begun with other options")
        return make_trainer(config, registry, app, task, path, device_of(config), resume=True)
    except CheckpointError:
        # what cannot be gone on with is begun again
        for entry in path.iterdir():
            if entry.name != ".lock":
                folder = entry.is_dir() and not entry.is_symlink()
                shutil.rmtree(entry) if folder else entry.unlink()
        return make_trainer(config, registry, app, task, path, device_of(config), resume=False)


def _begun_with(path: Path, app: str) -> dict[str, Any]:
    """Return the options of a begun run, with today's defaults for those that it did not know."""
    try:
        begun = resolve(app, RunFolder.open(path).sections(), default_registry())
    except UsageError as error:
        raise CheckpointError(f"it was begun with options that are not known: {error}") from None
    return _without_version(begun.sections())


def _without_version(sections: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in sections.items() if k != "memcell"}


def _train(trainer: Trainer, work: Work, working: Working) -> str:
    """Train to the end; return why the run diverged, or nothing where it did not."""
    trainer.progress = work
    work.expect(trainer.total_updates)
    work.begin_training(trainer.at.update)
    try:
        trainer.train(working.stop)
    except Diverged as error:
        return str(error)
    finally:
        work.now[SECOND] = round(trainer.also_seconds, 3)
        work.end_training()
    return _not_finite(trainer)


def _not_finite(trainer: Trainer) -> str:
    """Say why a run that came to its end diverged all the same: the last update broke its weights."""
    broken = not all(bool(torch.isfinite(p).all()) for p in trainer.network.parameters())
    epochs = [r for r in _metrics(trainer.folder.checkpoint.parent) if "train_loss" in r]
    last = epochs[-1].get("valid_loss") if epochs and trainer.validates else None
    if last is not None and not math.isfinite(last):
        return f"the validation loss is {last} at the end (update {trainer.at.update})"
    return f"weights are not finite at the end (update {trainer.at.update})" if broken else ""


def read_curves(path: Path) -> dict[str, Any]:
    """Return the losses of each epoch from ``metrics.jsonl``; what is no finite number is left out."""
    records = _metrics(path)
    epochs = [r for r in records if "train_loss" in r]

    def curve(name: str, policy: str = "") -> tuple[tuple[int, float], ...]:
        pairs = [
            (int(r["update"]), r.get(name, {}).get(policy) if policy else r.get(name))
            for r in epochs
        ]
        return tuple((u, float(v)) for u, v in pairs if v is not None and np.isfinite(v))

    under = {policy for r in epochs for policy in r.get("valid_losses", ())}

    looks = [
        (int(r["update"]), r.get("look", r.get("valid_loss")))
        for r in records
        if "look" in r or ("valid_loss" in r and "train_loss" not in r)
    ]
    seen = tuple((u, float(v)) for u, v in looks if v is not None and np.isfinite(v))
    return {
        "training": curve("train_loss"),
        "validation": curve("valid_loss"),
        "validations": {policy: curve("valid_losses", policy) for policy in sorted(under)},
        "looks": seen,
    }


def _metrics(path: Path) -> list[dict[str, Any]]:
    try:
        return list(read_json_lines(path / "metrics.jsonl", strict=True))
    except MemcellError:
        return []
