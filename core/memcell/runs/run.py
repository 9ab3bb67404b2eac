"""A whole run: prepare, train, train its control run, score both, hold baselines beside them, draw."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from memcell.applications.app import Explaining, Picturing, Row, Task
from memcell.backends.precision import mixed_if_faster, mixed_precision
from memcell.errors import Diverged
from memcell.escape import Lines
from memcell.files.atomic import write_atomic
from memcell.inference.overflow import OVERFLOWED
from memcell.interrupt import Interrupts
from memcell.plugins import Registry
from memcell.progress import SILENT, progress
from memcell.reports.numbers import counted
from memcell.runs.answer import answer
from memcell.runs.compatibility import check
from memcell.runs.intervals_text import beside_recordings, with_intervals
from memcell.runs.reporting import try_report
from memcell.runs.robustness import lines_of, measure
from memcell.runs.robustness_out_of_fold import measure_out_of_fold
from memcell.runs.run_folder import RunFolder
from memcell.runs.scoring import ScoredNetwork, label_of, pooled_intervals, score, write_scores
from memcell.runs.setup import (
    Job,
    Say,
    build_app,
    control_of,
    device_of,
    make_trainer,
    resumable,
    spread,
)
from memcell.runs.source import check_form, gone_on, nobody_new
from memcell.runs.tables import as_text
from memcell.runs.tuning.out_of_fold import baselines_out_of_fold
from memcell.runs.tuning.tune import cross_validated, for_control
from memcell.sequences.targets import Classes, Values
from memcell.sequences.time_series import TimeSeries
from memcell.settings.run_config import RunConfig
from memcell.training.processes import Processes

#: Returns lines on the parts of a run that do not keep their contract (`memcell.testing.concerns`).
Concerns = Callable[[RunConfig, Registry], Sequence[str]]


def no_concerns(config: RunConfig, registry: Registry) -> Sequence[str]:
    """Return nothing: nobody looks into the parts of the run."""
    return ()


def train(
    config: RunConfig,
    registry: Registry,
    path: Path,
    say: Say,
    resume: bool = False,
    concerns: Concerns = no_concerns,
) -> None:
    """Do a whole run, or go on with one.

    Args:
        config: What to do.
        registry: What is installed.
        path: The run folder.
        say: Receives lines for the person.
        resume: Go on with the run in ``path``.
        concerns: Looks into the parts of the run before it begins.

    Raises:
        MemcellError: It cannot be done; what was done is kept.
    """
    check(config, registry)
    device = device_of(config)
    processes = Processes.started(device)
    if not processes.main:
        say = _silent
    elif not resume:
        RunFolder.check_free(path)
    if processes.count > 1:
        say(f"{processes.count} processes, each with its share of the lanes")
        config = spread(config, registry, say)
    torch.set_num_threads(config.training.threads)
    control = control_of(config, registry, say)
    began = time.monotonic()
    app = build_app(config, registry)
    with progress("reading recordings", None) as bar:
        task = gone_on(app.task(bar), config)
    for each in (config, *([control] if control is not None else [])):
        check_form(each, registry, app, task)
    describe(task, say)
    warn_of_few_updates(config, task, say)
    if processes.main:
        for line in concerns(config, registry):
            say(line)
    with Interrupts() as interrupts:
        job = Job(
            config=config,
            registry=registry,
            app=app,
            task=task,
            path=path,
            device=device,
            interrupts=interrupts,
            say=say,
            resume=resume,
            processes=processes,
        )
        with resumable(config.app, path):
            job, scored = train_networks(job, control)
            task = job.task
    processes.end()
    if not processes.main:
        return
    rows = write_results(job, scored)
    lines = inspect(job)
    for note in task.notes:
        say(f"note: {note}")
    for one in scored:
        for row in one.rows:
            if row.note and (row is one.rows[0] or OVERFLOWED in row.note):
                say(f"note: {row.name}: {row.note}")
    for line in lines:
        say(f"note: {line}")
    if len(scored) > 1:
        say(
            "note: one seed shows no difference between policies; it is an example, not a comparison"
        )
    say("")
    say(Lines(as_text(rows, task.main_score, task.shown_scores)))
    between = pooled_intervals(rows, app)
    if between:
        say("")
        say(f"95 % intervals over {len(rows[0].subjects)} test subjects")
        say(Lines(with_intervals(rows, task.shown_scores, between)))
    say("")
    for line in (
        *beside_recordings(rows[0], task.shown_scores, app),
        *lines_of(path, config.app),
    ):
        say(line)
    if isinstance(app, Picturing):
        say(f"picture: {path / 'timeline.png'}")
    threads = counted(config.training.threads, "thread")
    say(f"run: {path}  ({time.monotonic() - began:.0f} s, {threads})")
    say(" ".join(filter(None, (answer(rows, task.main_score), nobody_new(task)))))
    try_report(path, config.app, registry, say)


def train_networks(job: Job, control: RunConfig | None) -> tuple[Job, list[ScoredNetwork]]:
    """Train and score a network and its control run; what is trained already is scored only.

    Returns:
        The job under the settings that were chosen for it where they were (`memcell.runs.tuning`), and the
        networks: the first alone where the control run diverged.

    Raises:
        Interrupted: The person asked to stop; the checkpoint is written.
    """
    job = cross_validated(job)
    messages: set[str] = set()
    scored = [_train_one(job, messages)]
    if control is not None:
        policy = control.choices["policy"]
        mine = dataclasses.replace(job.config, choices={**job.config.choices, "policy": policy})
        below = RunFolder(job.path).control(policy.name)
        other = dataclasses.replace(job, config=mine, path=below)
        other = other if job.tuned is None else for_control(other)
        try:
            scored.append(_train_one(other, messages))
        except Diverged as error:  # the network that was asked for has its scores all the same
            job.say(f"note: trained with {policy.name} instead it has no scores: {error}")
    return job, scored


def write_results(job: Job, scored: Sequence[ScoredNetwork], beside: bool = True) -> list[Row]:
    """Hold the baselines beside the networks, and write tables and picture; return the rows.

    Args:
        job: The run.
        scored: Its networks.
        beside: False where the baselines of the same task stand elsewhere already, and what the network is
            under other conditions.
    """
    rows = [row for s in scored for row in s.rows]
    task = job.task
    if beside and (task.test or job.tuned is None):
        rows += job.app.baselines(task)
    elif beside:
        rows += baselines_out_of_fold(job.app, task)
    if job.tuned is not None and not task.test:
        task = dataclasses.replace(task, test=job.tuned.out_of_fold.sequences)
    if isinstance(job.app, Picturing):
        pictured = {s.label: s.picked for s in scored}
        job.app.picture(task, pictured, scored[0].decision, job.path / "timeline.png")
    if beside and job.tuned is not None and not job.task.test:
        measure_out_of_fold(job, rows)
    elif beside:
        own = scored[0]
        measure(
            *(job.app, job.task, own.rows[0], rows, own.predict, job.path),
            stop=lambda: job.interrupts.requested,
        )
    write_scores(job.path, rows, job.task.main_score, job.task.notes, job.app, job.task.protocol)
    return rows


def write_tables(path: Path, tables: Mapping[str, str], before: str = "") -> None:
    """Write an app's tables about its data into a folder (`memcell.applications.app.Task.tables`)."""
    for name, content in tables.items():
        write_atomic(path / f"{before}{name}", content)


def inspect(job: Job) -> list[str]:
    """Write what an app finds in the data of a task beside its scores, and return lines on it."""
    if not isinstance(job.app, Explaining):
        return []
    files, lines = job.app.inspected(job.task)
    for name, content in files.items():
        write_atomic(job.path / name, content)
    return list(lines)


def _silent(line: str) -> None:
    """Say nothing: another process speaks."""


def describe(task: Task, say: Say) -> None:
    """Say who is in which part of a task."""
    for name, sequences in (("train", task.train), ("valid", task.valid), ("test", task.test)):
        subjects = sorted({s.subject for s in sequences})
        steps = sum(s.n_steps for s in sequences)
        share = _share(task, sequences)
        listed = ", ".join(subjects[:6]) + (", …" if len(subjects) > 6 else "")
        say(f"{name}: {len(sequences)} sequences, {steps} steps{share} ({listed or 'none'})")
    for line in (*task.preview, *task.remarks):
        say(line)


def _share(task: Task, sequences: Sequence[TimeSeries]) -> str:
    """Return what share of the labelled steps is positive, or what their values are like."""
    known = sum(int(s.labelled.sum()) for s in sequences)
    if known and task.target == Classes(2):
        positive = sum(int((np.asarray(s.targets) == 1).sum()) for s in sequences)
        return f", {100 * positive / known:.1f} % positive"
    if known and isinstance(task.target, Values) and task.target.n_outputs == 1:
        y = np.concatenate([s.targets[s.labelled].ravel() for s in sequences])
        low, middle, high = np.quantile(y, [0.05, 0.5, 0.95])
        return (
            f", {known} with a target: {task.target.names[0]} {middle:.4g} in the middle, 90 % from "
            f"{low:.4g} to {high:.4g}"
        )
    return ""


def warn_of_few_updates(config: RunConfig, task: Task, say: Say) -> None:
    """Say so where an epoch has hardly any update."""
    steps, lanes = config.training.time_steps, config.training.batch_size
    windows = sum(-(-s.n_steps // steps) for s in task.train)
    if windows < 4 * lanes:
        say(
            f"note: {windows} training windows of {steps} steps on {lanes} lanes make only about "
            f"{-(-windows // lanes)} update(s) an epoch: a smaller --batch-size or "
            f"--time-steps gives the optimizer more to do"
        )


def _train_one(job: Job, messages: set[str]) -> ScoredNetwork:
    """Train and score a network.

    Args:
        job: What it takes.
        messages: What has been said of a network before it, and is not said again; is added to.
    """
    config, say = job.config, job.say

    def say_once(line: str, before: str = "") -> None:
        if line not in messages:
            messages.add(line)
            say(f"{before}{line}")

    trainer = make_trainer(
        config,
        job.registry,
        job.app,
        job.task,
        job.path,
        job.device,
        job.resume,
        job.processes,
        length=None if job.tuned is None else job.tuned.length,
    )
    if job.processes.main:
        write_tables(job.path, job.task.tables)
    if job.resume and trainer.at.update:
        say(f"going on after update {trainer.at.update} in '{job.path}'")
    epochs = config.training.epochs
    if job.tuned is None and trainer.epochs > epochs and not trainer.at.finished:
        say_once(
            f"note: --epochs {epochs} would be {trainer.total_updates * epochs // trainer.epochs} updates, "
            f"fewer than --min-updates {config.training.min_updates}: training goes on to epoch "
            f"{trainer.epochs}; type --min-updates 0 for {counted(epochs, 'epoch')}"
        )
    label = label_of(config)
    if around := config.around():
        say_once(", ".join(f"{kind} '{name}'" for kind, name in around.items()), f"{label}: ")
    mixed = config.training.mixed_precision
    mixed = mixed_if_faster(job.device, mixed, "this run is", say_once)
    with mixed_precision(job.device, mixed):
        say_once(f"time loop {trainer.network.recurrent.announce()}", f"{label}: ")
    with progress(label, trainer.total_updates) as bar:
        trainer.progress = bar if job.processes.main else SILENT
        trainer.say = lambda line: say(f"{label}: {line}")
        trainer.train(job.interrupts)
    say(f"{label}: {trainer.at.update} updates, {trainer.at.reason}")
    counts = [f"{name} {value:g}" for name, value in trainer.parts.policy.counts().items()]
    if counts:
        say(f"{label}: in the last epoch {', '.join(counts)}")
    if trainer.observer is not None:
        for line in trainer.observer.end():
            say(f"{label}: {line}")
    return score(trainer, config, job.app, RunFolder(job.path), job.tuned)
