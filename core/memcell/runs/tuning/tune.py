"""Cross-validation inside the training people: every candidate, then the choice, then a job of it."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w

from memcell.applications.cross_validation import FEWEST_UPDATES, Candidate, CrossValidating
from memcell.errors import Diverged, MemcellError, UsageError
from memcell.escape import table
from memcell.files.atomic import make_folder, write_atomic
from memcell.files.reading import read_object, refusing
from memcell.plugins import Registry
from memcell.progress import progress
from memcell.reports.numbers import counted
from memcell.runs.compatibility import check
from memcell.runs.run_folder import RunFolder
from memcell.runs.setup import Job, build_app
from memcell.runs.source import PARTS, gone_on
from memcell.runs.tuning.candidate import InnerTrainings
from memcell.runs.tuning.choice import (
    Chosen,
    LossCurve,
    choose,
    is_past_its_best,
    schedule_of_looks,
    shares_of,
)
from memcell.runs.tuning.record import (
    FOLDER,
    TABLE,
    OutOfFold,
    Tuned,
    read_choice,
    read_tuned,
    write_tuned,
)
from memcell.settings.run_config import DEFAULTS, RunConfig, merge_sections, resolve
from memcell.training.regression_start import choose_inverse_penalty
from memcell.training.trainer import Length

#: The folder of a control run's trainings, which have settings of the run itself.
_FOR_CONTROL = "same-settings"


def cross_validated(job: Job) -> Job:
    """Return the job under the settings and the length that cross-validation chooses.

    A job whose task has no inner folds is returned as it is. What was done before is gone on with.

    Raises:
        Interrupted: The person asked to stop; ``--resume`` goes on.
        UsageError: Several processes train together.
        MemcellError: It cannot be done.
    """
    if not job.task.inner:
        return job
    if job.processes.count > 1:
        raise UsageError(
            "settings are chosen by one process: leave out torchrun, or type --tune none"
        )
    if not os.path.lexists(job.path / "config.toml"):
        RunFolder.create(job.path, job.config, job.registry, str(job.device))
    found = read_choice(job.path)
    if found is None:
        _choose(job, _plan(job))
        found = read_choice(job.path)
        assert found is not None
    chosen = _under(job, found["options"])
    tuned = read_tuned(job.path, chosen.task.inner)
    assert tuned is not None
    _tidy(job.path)
    # what predicts with the run builds its network from the run's config
    write_atomic(job.path / "config.toml", tomli_w.dumps(chosen.config.sections()))
    job.say(tuned.line)
    return dataclasses.replace(chosen, resume=True, tuned=tuned)


def for_control(job: Job) -> Job:
    """Return the job of a control run with out-of-fold predictions of its own, settings and length as given.

    Args:
        job: Of the control run, with what was chosen for the run itself.
    """
    assert job.tuned is not None
    if not os.path.lexists(job.path / "config.toml"):
        RunFolder.create(job.path, job.config, job.registry, str(job.device))
    own = read_tuned(job.path, job.task.inner)
    if own is None:
        length, folds = job.tuned.length, job.task.inner
        folder = job.path / FOLDER / _FOR_CONTROL
        what = f"cross-validation, {job.config.choices['policy'].name} with these settings"
        with progress(what, length.stop * len(folds)) as bar:
            made = InnerTrainings(job, folder, length.schedule, bar).predictions(length.stop)
        out_of_fold = OutOfFold(folds=folds, predictions=made)
        own = dataclasses.replace(job.tuned, out_of_fold=out_of_fold)
        write_tuned(job.path, own)
    _tidy(job.path)
    return dataclasses.replace(job, resume=True, tuned=own)


def with_choice(config: RunConfig, options: Mapping[str, Any], registry: Registry) -> RunConfig:
    """Return a config with chosen options over its own."""
    sections = dict(config.sections())
    for name, section in options.items():
        kept = sections.get(name, {})
        if "name" in section and isinstance(kept, Mapping) and kept.get("name") != section["name"]:
            sections[name] = {}  # another plugin has other options
    chosen = resolve(config.app, merge_sections(sections, options), registry)
    return dataclasses.replace(chosen, init=config.init)


def _under(job: Job, options: Mapping[str, Any]) -> Job:
    """Return the job under some options; its data are prepared anew where these concern them."""
    config = with_choice(job.config, options, job.registry)
    if config.app_config == job.config.app_config:
        return dataclasses.replace(job, config=config)
    app = build_app(config, job.registry)
    return dataclasses.replace(job, config=config, app=app, task=gone_on(app.task(), config))


def _plan(job: Job) -> list[Candidate]:
    """Return the candidates, as written down when the choice began."""
    path = job.path / FOLDER / "plan.json"
    if os.path.lexists(path):
        found = read_object(path)
        with refusing(path):
            return [
                Candidate(
                    name=str(each["name"]),
                    options=dict(each["options"]),
                    most_epochs=int(each["most_epochs"]),
                )
                for each in found["candidates"]
            ]
    plan, losses = with_penalty(job, candidates_of(job))
    make_folder(path.parent)
    written = {"candidates": [dataclasses.asdict(each) for each in plan], "penalties": losses}
    write_atomic(path, json.dumps(written, indent=2) + "\n")
    return plan


def with_penalty(job: Job, plan: Sequence[Candidate]) -> tuple[list[Candidate], dict[str, float]]:
    """Return candidates with the penalty of the regression that they start from, and its losses.

    It is chosen before anything is trained, once for all candidates that have a linear path, in the same
    folds: a few hundredths of what one candidate costs. Where it was typed, or training goes on from a
    model, nothing is chosen.
    """
    if "network.inverse_penalty" in job.config.typed or job.config.init is not None:
        return list(plan), {}
    starting = [with_choice(job.config, each.options, job.registry).network for each in plan]
    fitted = [n.skip != "none" and n.start == "regression" for n in starting]
    if not any(fitted):
        return list(plan), {}
    with progress("penalty of the regression to begin from", len(job.task.inner)) as bar:
        found = choose_inverse_penalty(job.task, progress=bar)
    job.say(
        f"the regression to begin from has C = {found.inverse_penalty:g}: balanced "
        f"{job.task.target.loss_name} out of fold "
        + ", ".join(f"{loss:.3f} at {c:g}" for c, loss in found.losses.items())
    )
    option = {"inverse_penalty": found.inverse_penalty}
    chosen = [
        dataclasses.replace(each, options=merge_sections(each.options, {"network": option}))
        if begins
        else each
        for each, begins in zip(plan, fitted, strict=True)
    ]
    return chosen, {f"{c:g}": loss for c, loss in found.losses.items()}


def candidates_of(job: Job) -> list[Candidate]:
    """Return the candidates of a job's app without the options that were typed, each once."""
    offered: Sequence[Candidate] = (
        job.app.candidates(job.task) if isinstance(job.app, CrossValidating) else ()
    )
    kept: dict[str, Candidate] = {}
    for each in offered or (Candidate(name="as-given", options={}),):
        options = {}
        for section, values in each.options.items():
            typed = {
                name.partition(".")[2]
                for name in job.config.typed
                if name.partition(".")[0] == section
            }
            if section in DEFAULTS and typed:
                continue  # options of a plugin that the person has chosen or set
            if job.config.init is not None and section in ("network", *PARTS):
                continue  # the network is that of the model that training goes on from
            if left := {k: v for k, v in values.items() if k not in typed}:
                options[section] = left
        kept.setdefault(
            json.dumps(options, sort_keys=True), dataclasses.replace(each, options=options)
        )
    return list(kept.values())


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Tried:
    """A candidate with its curve."""

    candidate: Candidate
    job: Job
    schedule: int
    curve: LossCurve
    measures: tuple[Mapping[str, float], ...]


def _choose(job: Job, plan: Sequence[Candidate]) -> None:
    folds = counted(len(job.task.inner), "fold")
    job.say(
        f"choosing by cross-validation inside the training people: {counted(len(plan), 'setting')} x {folds} "
        "(--tune none: as typed, without)"
    )
    done = [tried for each in plan if (tried := _try(job, each)) is not None]
    if not done:
        raise MemcellError(
            "every setting diverged in cross-validation: type a smaller --learning-rate"
        )
    place = choose([each.curve for each in done])
    winner = done[place.candidate]
    update = winner.curve.updates[place.look]
    write_atomic(job.path / TABLE, _tsv(done, place))
    predictions = InnerTrainings(
        winner.job, job.path / FOLDER / winner.candidate.name, winner.schedule
    ).predictions(update)
    loss = float(winner.curve.smoothed[place.look].sum())
    least = float(done[place.best[0]].curve.smoothed[place.best[1]].sum())
    line = (
        f"cross-validation inside the training people ({folds}) chose {update} updates, setting "
        f"{winner.candidate.name}: balanced {job.task.target.loss_name} {loss:.3f} out of fold (the smallest "
        f"seen is {least:.3f})"
    )
    write_tuned(
        job.path,
        Tuned(
            candidate=winner.candidate.name,
            options=winner.candidate.options,
            length=Length(schedule=winner.schedule, stop=update),
            out_of_fold=OutOfFold(folds=winner.job.task.inner, predictions=predictions),
            line=line,
        ),
    )


def _try(job: Job, candidate: Candidate) -> _Tried | None:
    """Train a candidate on all folds until it is past its best; None where it diverged at once."""
    own = _under(job, candidate.options)
    check(own.config, own.registry)
    folds = own.task.inner
    sequences = tuple(s for fold in folds for s in fold.valid)
    updates: list[int] = []
    shares: list[Any] = []
    measures: list[Mapping[str, float]] = []
    with progress(f"cross-validation, {candidate.name}", None) as bar:
        inner = InnerTrainings(own, job.path / FOLDER / candidate.name, progress=bar)
        most = inner.schedule
        if candidate.most_epochs:
            most = min(most, max(FEWEST_UPDATES, inner.updates_of(candidate.most_epochs)))
        bar.expect(most * len(folds))
        for update in schedule_of_looks(most):
            try:
                made = inner.predictions(update)
            except Diverged:
                break
            # each row's own policy: the one that the run is inferred with
            pooled = [p for fold in made[inner.policy] for p in fold]
            updates.append(update)
            shares.append(shares_of(sequences, pooled, own.task.target)[1])
            if isinstance(own.app, CrossValidating):
                measures.append(own.app.measures(sequences, pooled))
            curve = LossCurve(updates=tuple(updates), shares=np.array(shares))
            if is_past_its_best(curve):
                break
    if not updates:
        return None
    return _Tried(
        candidate=candidate,
        job=own,
        schedule=inner.schedule,
        curve=curve,
        measures=tuple(measures),
    )


def _tsv(tried: Sequence[_Tried], place: Chosen) -> str:
    """Return ``tuning.tsv``: a line for each candidate and look."""
    names = list(tried[0].measures[0]) if tried[0].measures else []
    lines: list[list[str]] = [
        ["setting", "updates", "loss", "smoothed", *names, "chosen", "options"]
    ]
    for c, each in enumerate(tried):
        losses, smooth = each.curve.shares.sum(axis=1), each.curve.smoothed.sum(axis=1)
        for k, update in enumerate(each.curve.updates):
            marks = [
                word
                for word, at in (
                    ("chosen", (place.candidate, place.look)),
                    ("smallest", place.best),
                )
                if at == (c, k)
            ]
            values = [f"{each.measures[k][name]:.4f}" for name in names]
            lines.append(
                [
                    each.candidate.name,
                    str(update),
                    f"{losses[k]:.5f}",
                    f"{smooth[k]:.5f}",
                    *values,
                    " ".join(marks),
                    json.dumps(each.candidate.options, sort_keys=True),
                ]
            )
    return table(lines)


def _tidy(path: Path) -> None:
    """Remove what the choice does not need any more; the choice itself and its predictions stay."""
    below = path / FOLDER
    for entry in below.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
