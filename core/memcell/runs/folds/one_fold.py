"""One fold as a task: a whole run folder with its control run, done, gone on with, or found done."""

from __future__ import annotations

import dataclasses
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from memcell.errors import CheckpointError
from memcell.files.atomic import locked, make_folder
from memcell.files.names import file_name
from memcell.jobs import Working
from memcell.plugins import default_registry
from memcell.runs.folds.prepared import prepared_folds
from memcell.runs.own_functions import OwnFunctions
from memcell.runs.predictions import predictions_file
from memcell.runs.run import inspect, train_networks, write_results
from memcell.runs.run_folder import RunFolder, resolve_stored
from memcell.runs.setup import Job, Say, build_app, control_of, device_of
from memcell.runs.tuning.record import read_choice
from memcell.runs.tuning.tune import with_choice
from memcell.settings.run_config import RunConfig, resolve
from memcell.threads import one_thread

SCORES = "scores.json"


@dataclass(frozen=True, kw_only=True)
class FoldTask:
    """One run of a fold.

    Args:
        fold: Who is held out.
        path: Its run folder.
        app: Name of the app.
        sections: The config that asks for folds.
        repeat: 0 for the run's own seed, 1 for the next one ...
        source: File of the trained model that training goes on from; empty where it begins anew.
        own: Python functions that the app is built with.
    """

    fold: str
    path: str
    app: str
    sections: Mapping[str, Any]
    repeat: int = 0
    source: str = ""
    own: OwnFunctions = dataclasses.field(default_factory=OwnFunctions)

    @property
    def id(self) -> str:
        """Who is held out, and which repeat it is."""
        return f"{self.fold}, repeat {self.repeat}" if self.repeat else self.fold


def folder_name(name: str) -> str:
    """Return the name of a fold's folder: what a file system or a shell might take amiss becomes ``_``."""
    return file_name(re.sub(r"[^\w.+-]", "_", name).lstrip(".") or "_")


def finished(path: Path) -> bool:
    """Whether a fold is done; its scores are written last."""
    files = (predictions_file(path), path / SCORES, path / "model.safetensors")
    return all(file.is_file() for file in files)


def fold_config(config: RunConfig, options: Mapping[str, Any], repeat: int = 0) -> RunConfig:
    """Return the config under which a run by itself is this fold."""
    return dataclasses.replace(
        config,
        app_config=dataclasses.replace(config.app_config, **options),
        training=dataclasses.replace(config.training, seed=config.training.seed + repeat),
    )


def do_fold(task: FoldTask, working: Working, say: Say | None = None) -> str:
    """Do a fold, or what is left of it; return its id.

    Args:
        task: The fold.
        working: Asked after each update whether to stop.
        say: Receives lines for the person; nobody unless told otherwise.

    Raises:
        Interrupted: The person asked to stop; the checkpoint is written.
        MemcellError: It cannot be done; what was done is kept.
    """
    path = Path(task.path)
    make_folder(path)
    # a worker that was given up as dead may still be at it
    with locked(path / ".lock"):
        if not finished(path):
            _do(task, path, working, say or _quiet)
    return task.id


def _do(task: FoldTask, path: Path, working: Working, say: Say) -> None:
    registry = task.own.registry(default_registry(), task.app)
    config = resolve(task.app, task.sections, registry)
    if config.init is not None:
        config = dataclasses.replace(
            config, init=dataclasses.replace(config.init, file=Path(task.source))
        )
    fold = next(f for f in prepared_folds(config, registry).folds if f.name == task.fold)
    mine = fold_config(config, fold.options, task.repeat)
    torch.set_num_threads(mine.training.threads)
    begun = os.path.lexists(path / "config.toml")
    if begun and not begun_as(path, mine):
        raise CheckpointError(
            f"'{path}' holds a run with other options: choose another --out, or remove it"
        )
    control = control_of(mine, registry, say)
    with one_thread():
        job = Job(
            config=mine,
            registry=registry,
            app=build_app(mine, registry),
            task=fold.task(),
            path=path,
            device=device_of(mine),
            interrupts=working.stop,
            say=say,
            resume=begun,
        )
        job, scored = train_networks(job, control)
        if task.repeat == 0:
            inspect(job)
        write_results(job, scored, beside=task.repeat == 0)


def begun_as(path: Path, config: RunConfig) -> bool:
    """Whether a fold was begun with a config, or with what was chosen for it since."""
    begun = resolve_stored(RunFolder.open(path), config.app, default_registry())
    same = [config]
    if (chosen := read_choice(path)) is not None:
        same.append(with_choice(config, chosen["options"], default_registry()))
    return _apart(begun.sections()) in [_apart(each.sections()) for each in same]


def _quiet(line: str) -> None:
    """Say nothing: several folds at once would speak in one another."""


def _apart(sections: Mapping[str, Any]) -> Any:
    """Return a config as a file holds it, without the version that wrote it and where its data lies."""
    kept: dict[str, Any] = json.loads(
        json.dumps({k: v for k, v in sections.items() if k != "memcell"})
    )
    kept.get(str(kept.get("app")), {}).pop("data", None)
    return kept
