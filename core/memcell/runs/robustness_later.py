"""A network under other conditions after its run is done: ``memcell evaluate APP RUN --robustness``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from memcell.applications.app import App, Task
from memcell.applications.conditions import Disturbing
from memcell.errors import UsageError
from memcell.escape import Lines
from memcell.files.reading import read_object, refusing
from memcell.inference.overflow import probabilities_without_overflow
from memcell.interrupt import Interrupts
from memcell.plugins import Registry
from memcell.progress import progress
from memcell.runs.evaluate import check_same_people
from memcell.runs.folds.prepared import forget_folds, prepared_folds
from memcell.runs.model import load_model
from memcell.runs.predictions import read_predictions
from memcell.runs.reporting import try_report
from memcell.runs.robustness import ConditionScore, as_text, lines_of, measure, write_table
from memcell.runs.robustness_out_of_fold import measure_out_of_fold
from memcell.runs.run_folder import RunFolder, open_run, resolve_stored
from memcell.runs.setup import Job, Say, build_app, inference_device
from memcell.runs.source import gone_on
from memcell.runs.tuning.record import read_tuned
from memcell.settings.run_config import RunConfig
from memcell.threads import one_thread


def robustness(app: str, path: Path, registry: Registry, say: Say) -> None:
    """Score a run's network, or those of all its folds, under other conditions; write and say it.

    Args:
        app: Name of the app.
        path: The run folder.
        registry: What is installed.
        say: Receives lines for the person.

    Raises:
        UsageError: The app's recordings are read in one way, or nobody is left to test on.
        CheckpointError: The run is not finished.
    """
    folder = RunFolder.open(path)
    outcomes = (
        _of_folds(app, folder, registry)
        if folder.folds.is_file()
        else _of_run(app, path, registry, say)
    )
    if not outcomes:
        reason = next(iter(lines_of(path, app)), "").partition(", ")[2].rpartition(": memcell")[0]
        raise UsageError(f"there is nothing to score under other conditions: {reason}")
    say(Lines(as_text(outcomes)))
    for line in lines_of(path, app):
        say(line)
    try_report(path, app, registry, say)


def _of_run(app: str, path: Path, registry: Registry, say: Say) -> list[ConditionScore]:
    folder, config = open_run(app, path, registry)
    with refusing(folder.config):
        built = build_app(config, registry)
    _check(app, built)
    with progress("reading recordings", None) as bar:
        task = gone_on(built.task(bar), config)
    if not task.test:
        return _of_everybody(folder, config, registry, built, task, say)
    return _measured(folder, config, registry, built, task)


def _of_everybody(
    folder: RunFolder, config: RunConfig, registry: Registry, app: App, task: Task, say: Say
) -> list[ConditionScore]:
    """Score the networks of the inner folds of a run that is trained on everybody."""
    tuned = read_tuned(folder.path, task.inner)
    if tuned is None or not folder.model.is_file():
        raise UsageError(
            f"run '{folder.path}' is not finished: memcell train {config.app} --resume {folder.path}"
        )
    torch.set_num_threads(config.training.threads)
    with Interrupts() as interrupts, one_thread():
        job = Job(
            config=config,
            registry=registry,
            app=app,
            task=task,
            path=folder.path,
            device=inference_device(config),
            interrupts=interrupts,
            say=say,
            tuned=tuned,
        )
        return measure_out_of_fold(job, read_predictions(folder.path), required=True)


def _of_folds(app: str, folder: RunFolder, registry: Registry) -> list[ConditionScore]:
    sections = folder.sections()
    if sections.get("app") != app:
        raise UsageError(f"run '{folder.path}' is of app '{sections.get('app')}', not '{app}'")
    config = resolve_stored(folder, app, registry)
    try:
        with progress("reading recordings", None) as bar:
            prepared = prepared_folds(config, registry, bar)
        _check(app, prepared.app)
        below = _folders(folder, [fold.name for fold in prepared.folds])
        for fold, path in zip(prepared.folds, below, strict=True):
            own = resolve_stored(RunFolder.open(path), app, registry)
            built = build_app(own, registry)
            _measured(RunFolder.open(path), own, registry, built, fold.task())
        return write_table(prepared.app, below, folder.path)
    finally:
        forget_folds()


def _folders(folder: RunFolder, names: Sequence[str]) -> list[Path]:
    """Return where each fold lies, as it was written down when the run began.

    Raises:
        UsageError: The data have other people by now.
    """
    found = read_object(folder.folds)
    with refusing(folder.folds):
        of = dict(zip(map(str, found["folds"]), map(str, found["folders"]), strict=True))
    if sorted(of) != sorted(names):
        raise UsageError(
            f"run '{folder.path}' was made of {', '.join(of)}, and the data have {', '.join(names)}: give "
            "back its recordings"
        )
    return [folder.below(of[name]) for name in names]


def _check(app: str, built: object) -> None:
    if not isinstance(built, Disturbing):
        raise UsageError(f"app '{app}' has no recordings that could be read in another way")


def _measured(
    folder: RunFolder, config: RunConfig, registry: Registry, app: App, task: Task
) -> list[ConditionScore]:
    """Score one network, as it was scored when it was trained, under other conditions."""
    torch.set_num_threads(config.training.threads)
    network, facts = load_model(folder, config, registry, app)
    network.to(inference_device(config))
    check_same_people(facts.task, task.facts)
    rows = read_predictions(folder.path)
    own = next(r for r in rows if r.kind == "network" and r.inferred_with == facts.eval_policy)
    return measure(
        *(app, task, own, rows),
        lambda sequences: probabilities_without_overflow(
            network, sequences, facts.eval_policy, config.training.time_steps
        )[0],
        folder.path,
        required=True,
    )
