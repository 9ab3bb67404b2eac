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

from memcell.applications.cross_validation import (
    FEWEST_UPDATES,
    Candidate,
    CrossValidating,
    FeatureSearching,
)
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
from memcell.runs.tuning.cost import SearchCost, search_cost
from memcell.runs.tuning.features import TABLE as FEATURES
from memcell.runs.tuning.features import ComparedFeatures, as_table, compare_all, kept
from memcell.runs.tuning.record import (
    FOLDER,
    PLAN,
    TABLE,
    OutOfFold,
    Tuned,
    read_choice,
    read_tuned,
    with_penalty,
    write_tuned,
)
from memcell.settings.run_config import DEFAULTS, RunConfig, merge_sections, resolve
from memcell.training.length import Length
from memcell.training.regression_start import INVERSE_PENALTIES

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
    task = with_penalty(chosen.task, job.path)
    # what predicts with the run builds its network from the run's config
    write_atomic(job.path / "config.toml", tomli_w.dumps(chosen.config.sections()))
    job.say(tuned.line)
    return dataclasses.replace(chosen, task=task, resume=True, tuned=tuned)


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
    path = job.path / FOLDER / PLAN
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
    job.say(
        f"choosing by cross-validation inside the training people (--tune none: as typed, without): "
        f"{cost_of(job).line()}"
    )
    plan = with_features(job, candidates_of(job))
    make_folder(path.parent)
    write_atomic(path, json.dumps(dataclasses.asdict(plan), indent=2) + "\n")
    return list(plan.candidates)


@dataclasses.dataclass(frozen=True, kw_only=True)
class SearchPlan:
    """What is tried, as it is written down.

    Args:
        candidates: Settings, each on its features.
        penalties: C to the loss of a regression on the usual features; empty where none was chosen.
        regressions: Candidate to the C that was chosen for a regression on its features.
    """

    candidates: Sequence[Candidate]
    penalties: Mapping[str, float] = dataclasses.field(default_factory=dict)
    regressions: Mapping[str, float] = dataclasses.field(default_factory=dict)


def cost_of(job: Job) -> SearchCost:
    """Return what the choice for a job searches and costs; a network is trained for some updates to know.

    Args:
        job: Whose task has inner folds.
    """
    return search_cost(
        job,
        candidates_of(job),
        feature_sets_of(job) if job.config.init is None else [],
        lambda each: _under(job, each.options),
    )


def with_features(job: Job, settings: Sequence[Candidate]) -> SearchPlan:
    """Return candidates with the features and the penalty of the regression that they start from.

    Both are chosen before anything is trained: a regression in the same folds says what C is best, for all
    candidates that have a linear path, and on which features beside the usual ones networks are tried. Where
    C was typed it is taken; where training goes on from a model, nothing is chosen.
    """
    if job.config.init is not None:
        return SearchPlan(candidates=settings)
    sets = feature_sets_of(job)
    starting = [with_choice(job.config, each.options, job.registry).network for each in settings]
    fitted = [n.skip != "none" and n.start == "regression" for n in starting]
    typed = "network.inverse_penalty" in job.config.typed
    if len(sets) < 2 and (typed or not any(fitted)):
        return SearchPlan(candidates=settings)
    penalties = (job.config.network.inverse_penalty,) if typed else INVERSE_PENALTIES
    what = "features" if len(sets) > 1 else "penalty of the regression to begin from"
    with progress(what, len(job.task.inner) * len(sets)) as bar:
        found = compare_all(sets, lambda each: _under(job, each.options), penalties, bar, job.say)
    job.say(_of_penalty(found[0], job.task.target.loss_name))
    tried = kept(found)
    if len(sets) > 1:
        write_atomic(job.path / FEATURES, as_table(found))
        others = " and ".join(each.candidate.name for each in tried[1:]) or "no others"
        job.say(
            f"{len(found)} kinds of features, each by a regression on people left out ({FEATURES} has all): "
            f"networks are tried on the usual ones (loss {found[0].loss:.3f}) and on {others}"
        )
    plan, regressions = [], {}
    for features in tried:
        for each, begins in zip(settings, fitted, strict=True):
            if features is not found[0] and not each.of_features:
                continue
            options = merge_sections(each.options, features.candidate.options)
            if begins and not typed:
                option = {"inverse_penalty": features.inverse_penalty}
                options = merge_sections(options, {"network": option})
            same = features is found[0]
            name = each.name if same else f"{each.name}.{features.candidate.name}"
            plan.append(dataclasses.replace(each, name=name, options=options))
            if not typed:
                regressions[name] = features.inverse_penalty
    return SearchPlan(
        candidates=plan,
        penalties={f"{c:g}": loss for c, loss in found[0].penalties.items()},
        regressions=regressions,
    )


def _of_penalty(found: ComparedFeatures, loss_name: str) -> str:
    return (
        f"the regression to begin from has C = {found.inverse_penalty:g}: balanced {loss_name} out of fold "
        + ", ".join(f"{loss:.3f} at {c:g}" for c, loss in found.penalties.items())
    )


def feature_sets_of(job: Job) -> list[Candidate]:
    """Return the kinds of features that a job's app has to choose from, without options that were typed.

    The first is how it is, by a name alone; of the others none is like another.
    """
    offered: Sequence[Candidate] = (
        job.app.feature_sets(job.task) if isinstance(job.app, FeatureSearching) else ()
    )
    usual, *others = offered or (Candidate(name="usual", options={}),)
    made = {_as_json({}): dataclasses.replace(usual, options={})}
    for each in others:
        options = _untyped(job, each.options)
        if options and with_choice(job.config, options, job.registry) != job.config:
            made.setdefault(_as_json(options), dataclasses.replace(each, options=options))
    return list(made.values())


def candidates_of(job: Job) -> list[Candidate]:
    """Return the candidates of a job's app without the options that were typed, each once."""
    offered: Sequence[Candidate] = (
        job.app.candidates(job.task) if isinstance(job.app, CrossValidating) else ()
    )
    made: dict[str, Candidate] = {}
    for each in offered or (Candidate(name="as-given", options={}),):
        options = _untyped(job, each.options)
        made.setdefault(_as_json(options), dataclasses.replace(each, options=options))
    return list(made.values())


def _untyped(job: Job, options: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return options without those that somebody typed, or that a model to go on from decides."""
    made = {}
    for section, values in options.items():
        typed = {
            name.partition(".")[2] for name in job.config.typed if name.partition(".")[0] == section
        }
        if section in DEFAULTS and typed:
            continue  # options of a plugin that the person has chosen or set
        if job.config.init is not None and section in ("network", *PARTS):
            continue  # the network is that of the model that training goes on from
        if left := {k: v for k, v in values.items() if k not in typed}:
            made[section] = left
    return made


def _as_json(options: Mapping[str, Any]) -> str:
    return json.dumps(options, sort_keys=True)


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
