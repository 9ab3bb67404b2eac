"""All folds of a run, each once, wherever they run; then what they say together.

::

    OUT/config.toml, environment.json    what all folds share
    OUT/folds.json                       who is held out, in order, and the folder of each
    OUT/folds/SUBJECT/                   a whole run with its control run
    OUT/folds/SUBJECT/repeat-1/ …        the same under the next seed, without baselines
    OUT/scores.tsv, scores.json …        pooled over who was held out, as a run folder has them
    OUT/final/                           one network on everybody (`memcell.runs.folds.final`)
    OUT/seeds.tsv                        with repeats: the scores of each seed by itself
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from memcell.applications.app import App, Fold, Folding, Row, Task
from memcell.errors import MemcellError, UsageError
from memcell.escape import Lines
from memcell.files.atomic import locked, make_folder, write_atomic
from memcell.files.reading import read_object, refusing
from memcell.inference.overflow import OVERFLOWED
from memcell.interrupt import Interrupts
from memcell.jobs import Mode, Outcome, Working, run_tasks
from memcell.plugins import Registry, default_registry
from memcell.progress import progress
from memcell.runs.answer import answer
from memcell.runs.by_subject import differences
from memcell.runs.compatibility import check
from memcell.runs.folds.final import everybody, train_final
from memcell.runs.folds.one_fold import (
    SCORES,
    FoldTask,
    do_fold,
    finished,
    fold_config,
    folder_name,
)
from memcell.runs.folds.pool import pooled_rows, seeds_tsv
from memcell.runs.folds.prepared import PreparedFolds, forget_folds, prepared_folds
from memcell.runs.intervals_text import (
    beside_recordings,
    by_subject,
    of_differences,
    with_intervals,
)
from memcell.runs.own_functions import OwnFunctions
from memcell.runs.reporting import try_report
from memcell.runs.robustness import lines_of, write_table
from memcell.runs.run import Concerns, describe, no_concerns, train, write_tables
from memcell.runs.run_folder import FOLDS, RunFolder
from memcell.runs.scoring import pooled_intervals, write_scores
from memcell.runs.setup import Job, Say, build_app, control_of, device_of, resumable
from memcell.runs.source import check_folds, check_form, found
from memcell.runs.tuning.cost import SearchCost
from memcell.runs.tuning.tune import cost_of
from memcell.settings.run_config import RunConfig
from memcell.training.processes import Processes

#: Seeds of one fold; a file that says more is no file of a run.
_MOST_REPEATS = 10_000


@dataclass(frozen=True, kw_only=True)
class FoldOptions:
    """Options of how folds are run.

    Args:
        mode: Where.
        repeats: Seeds of each fold: the run's own and those after it. 0 for what the folder says, else 1.
        final: Train one network on everybody after them; False for what the folder says.
    """

    mode: Mode = field(default_factory=Mode)
    repeats: int = 0
    final: bool = False


def train_any(
    config: RunConfig,
    registry: Registry,
    path: Path,
    say: Say,
    resume: bool = False,
    options: FoldOptions | None = None,
    concerns: Concerns = no_concerns,
) -> None:
    """Do a run, or every fold of it where the app's options ask for folds.

    Args:
        config: What to do.
        registry: What is installed.
        path: The run folder.
        say: Receives lines for the person.
        resume: Go on with the run in ``path``.
        options: How folds are run.
        concerns: Looks into the parts of the run before it begins.

    Raises:
        UsageError: ``options`` ask for what only folds have, and there are none.
        MemcellError: It cannot be done; what was done is kept.
    """
    options = options or FoldOptions()
    config = found(config, registry)
    app: App = build_app(config, registry)
    if isinstance(app, Folding) and app.folded:
        train_folds(config, registry, path, say, resume, options, concerns)
        return
    if not options.mode.serial or options.repeats or options.final:
        raise UsageError(
            "--jobs, --scheduler, --repeats and --final are for folds, and this run has none: leave them "
            "out, or ask for folds (microsleep: --split loso); 'memcell compare' repeats other runs"
        )
    train(config, registry, path, say, resume, concerns)


@dataclass(frozen=True, kw_only=True)
class FoldRuns:
    """A fold with the folder of each of its runs.

    Args:
        fold: The fold.
        paths: The run's own seed first, then the repeats.
    """

    fold: Fold
    paths: tuple[Path, ...]


def train_folds(
    config: RunConfig,
    registry: Registry,
    path: Path,
    say: Say,
    resume: bool,
    options: FoldOptions,
    concerns: Concerns = no_concerns,
) -> None:
    """Do every fold that is not done yet, then pool them; see `train_any`.

    Raises:
        Interrupted: The person asked to stop; ``--resume`` goes on.
    """
    check(config, registry)
    if options.final:
        everybody(config, build_app(config, registry))
    for line in concerns(config, registry):
        say(line)
    if Processes.started(device_of(config)).count > 1:
        raise UsageError("folds are runs of one process each: leave out torchrun, or --split loso")
    if not resume:
        RunFolder.check_free(path)
    began = time.monotonic()
    with progress("reading recordings", None) as bar:
        prepared = prepared_folds(config, registry, bar)
    if config.init is not None:
        first = prepared.folds[0].task()
        check_folds((fold.name for fold in prepared.folds), config)
        check_form(config, registry, build_app(config, registry), first)
    if resume:
        folder = RunFolder.open(path)
    else:
        folder = RunFolder.create(path, config, registry, str(device_of(config)))
    busy = f"another process is at work in '{path}': wait for it, or stop it"
    try:
        with locked(path / ".lock", busy):
            folds, final = _folders(folder, prepared, options)
            write_tables(path, prepared.folds[0].tables)
            for line in prepared.folds[0].preview:
                say(line)
            own = OwnFunctions.in_registry(registry, config.app)
            _do_all(config, folds, path, own, say, options.mode)
            control = control_of(config, registry, _nobody)
            policy = "" if control is None else control.choices["policy"].name
            pooled = _pool(config, prepared.app, folds, path, say, policy)
            if final:
                forget_folds()
                say("")
                train_final(config, registry, path, pooled.row, pooled.scores, say)
    finally:
        forget_folds()
    say(f"run: {path}  ({time.monotonic() - began:.0f} s)")
    say(pooled.answer)
    try_report(path, config.app, registry, say)


def _folders(
    folder: RunFolder, prepared: PreparedFolds, options: FoldOptions
) -> tuple[list[FoldRuns], bool]:
    """Return each fold with its folders, and whether a network is trained on everybody after them.

    As written down when the run began; repeats may become more, and that network be asked for.
    """
    names = [fold.name for fold in prepared.folds]
    folders = [folder_name(name) for name in names]
    if len(set(folders)) < len(folders):
        folders = [f"{i:03d}-{name}" for i, name in enumerate(folders)]
    made: dict[str, Any] = {"folds": names, "folders": [f"{FOLDS}/{name}" for name in folders]}
    begun = read_object(folder.folds) if os.path.lexists(folder.folds) else made
    with refusing(folder.folds):
        before = list(map(str, begun["folds"]))
        repeated = begun.get("repeats", 1)
        if type(repeated) is not int or not 1 <= repeated <= _MOST_REPEATS:
            raise ValueError(f"its repeats are {str(repeated)[:40]}")
    if before != names:
        raise MemcellError(
            f"'{folder.path}' was begun with the subjects {', '.join(before)}, and the data "
            f"has {', '.join(names)}: begin anew with another --out"
        )
    made["repeats"] = max(options.repeats, repeated)
    if final := options.final or begun.get("final") is True:
        made["final"] = True
    make_folder(folder.below(FOLDS))
    for name in folders:
        folder.below(f"{FOLDS}/{name}")
    write_atomic(folder.folds, json.dumps(made, indent=2) + "\n")
    out = []
    for fold, name in zip(prepared.folds, folders, strict=True):
        first = folder.path / FOLDS / name
        more = [first / f"repeat-{k}" for k in range(1, made["repeats"])]
        out.append(FoldRuns(fold=fold, paths=(first, *more)))
    return out, final


def _do_all(
    config: RunConfig,
    folds: list[FoldRuns],
    path: Path,
    own: OwnFunctions,
    say: Say,
    mode: Mode,
) -> None:
    complete = [runs for runs in folds if all(finished(p) for p in runs.paths)]
    seeds = len(folds[0].paths)
    times = f" with {seeds} seeds each" if seeds > 1 else ""
    done = f"; {len(complete)} are done" if complete else ""
    say(f"{len(folds)} folds, one for each held-out subject{times}{done}")
    tasks = [
        FoldTask(
            fold=runs.fold.name,
            path=str(below.absolute()),
            app=config.app,
            sections=config.sections(),
            repeat=k,
            source=str(path.absolute() / RunFolder(path).source.name) if config.init else "",
            own=own,
        )
        for k in range(seeds)
        for runs in folds
        if not finished(below := runs.paths[k])
    ]
    if tasks:
        name = tasks[0].fold
        shown_first = next(runs.fold for runs in folds if runs.fold.name == name).task()
        # who is who was said of all folds
        first = dataclasses.replace(shown_first, preview=())
        describe(first, lambda line: say(f"fold {name}: {line}"))
        if first.inner:
            options = next(runs.fold.options for runs in folds if runs.fold.name == name)
            cost = _cost_of_choice(fold_config(config, options), first, path)
            say(
                "each fold first chooses settings and length by cross-validation inside its training people "
                f"(--tune none: without): {cost.line(len(tasks))}"
            )
    failures: list[str] = []
    warned: set[str] = set()

    def ended(task: FoldTask, outcome: Outcome[str]) -> None:
        for text in outcome.warnings:
            if text not in warned:
                say(f"note: {text}")
        warned.update(outcome.warnings)
        if outcome.error is not None:
            failures.append(f"fold {task.id}: {outcome.error}")
        say(f"fold {task.id}: {'failed' if outcome.error else 'done'}")

    with resumable(config.app, path), progress("folds", len(tasks)) as bar:
        run_tasks(perform, tasks, mode, ended, bar)
    if failures:
        more = f" (and {len(failures) - 1} more)" if len(failures) > 1 else ""
        raise MemcellError(
            f"{failures[0]}{more}. What is done is kept; try again with: memcell train {config.app} "
            f"--resume {path}"
        )


def _cost_of_choice(config: RunConfig, task: Task, path: Path) -> SearchCost:
    """Return what the choice of one fold costs."""
    registry = default_registry()
    with Interrupts() as interrupts:
        return cost_of(
            Job(
                config=config,
                registry=registry,
                app=build_app(config, registry),
                task=task,
                path=path,
                device=device_of(config),
                interrupts=interrupts,
                say=_nobody,
            )
        )


def _nobody(line: str) -> None:
    """Say nothing: it is said when it is done."""


def perform(task: FoldTask, working: Working) -> str:
    """Do a fold; found by name on a worker."""
    return do_fold(task, working)


class _Pooled(NamedTuple):
    """What all folds say together.

    Args:
        answer: In a sentence.
        row: Of the run's own network.
        scores: Those of it that are shown, each with its interval over people (NaN where there is none).
    """

    answer: str
    row: Row
    scores: Mapping[str, tuple[float, float, float]]


def _pool(
    config: RunConfig, app: Folding, folds: list[FoldRuns], path: Path, say: Say, control: str
) -> _Pooled:
    """Write and say what all folds say together; ``control`` is the control runs' policy, empty for none."""
    paths = [runs.paths for runs in folds]
    rows, lacking = pooled_rows(app, paths)
    task = folds[0].fold.task()
    main, names = task.main_score, task.shown_scores or (task.main_score,)
    notes = _shared_notes(folds)
    repeats = len(paths[0])
    if repeats > 1:
        seeds = [config.training.seed + k for k in range(repeats)]
        networks = [row.name for row in rows if row.kind == "network"]
        write_atomic(path / "seeds.tsv", seeds_tsv(app, paths, seeds, main, networks))
    write_scores(path, rows, main, notes, app, task.protocol)
    write_table(app, [below[0] for below in paths], path)
    made = differences(rows, main)
    say("")
    between = pooled_intervals(rows, app)
    say(Lines(with_intervals(rows, names, between)))
    for name in names[:2]:
        say("")
        say(Lines(by_subject(rows, name)))
        say("")
        say(Lines(of_differences(made, name)))
    say("")
    times = f", {repeats} seeds together" if repeats > 1 else ""
    say(
        f"pooled over {len(folds)} held-out subjects{times}, each under its own fold's decisions; 95 % "
        "intervals over subjects"
    )
    for name in lacking:
        say(
            f"note: {name}: not in every run of every fold, so left out (one that diverged has none)"
        )
    names_of_some = [*(row.name for row in rows), *lacking]
    if control and not any(f", trained with {control}, " in name for name in names_of_some):
        say(f"note: trained with {control} instead: no run of any fold has scores, each diverged")
    for row in rows:
        if OVERFLOWED in row.note:
            say(f"note: {row.name}: {row.note}")
    for note in notes:
        say(f"note: {note}")
    for line in (*beside_recordings(rows[0], names, app), *lines_of(path, config.app)):
        say(line)
    own, nowhere = between.get(rows[0].name, {}), (math.nan, math.nan)
    of_card = {
        name: (float(rows[0].scores[name]), *own.get(name, nowhere))
        for name in names
        if name in rows[0].scores
    }
    return _Pooled(answer(rows, main), rows[0], of_card)


def _shared_notes(folds: list[FoldRuns]) -> list[str]:
    """Return the notes that every fold has under what was chosen for it, in the first one's order."""
    notes = []
    for runs in folds:
        path = runs.paths[0] / SCORES
        found = read_object(path)
        with refusing(path):
            notes.append([str(note) for note in found["notes"]])
    return [note for note in notes[0] if all(note in other for other in notes[1:])]
