"""One network trained on everybody, once the folds have said how good such networks are on somebody new.

::

    OUT/final/              a whole run without a test split, trained on everybody
    OUT/final/card.toml     what it is, with the scores of the folds; written last

Settings, length and threshold are chosen by cross-validation inside the people, as in each fold. It is tested
on nobody: the scores of its card are those of the folds' networks, each on the one it was not trained with.
"""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Mapping
from pathlib import Path

import tomli_w

from memcell.applications.app import App, Finishing, Row
from memcell.applications.models import CARD, FINAL, card_as_toml, checksum
from memcell.errors import CheckpointError, UsageError
from memcell.files.atomic import write_atomic
from memcell.inference.model_facts import read_facts
from memcell.interrupt import Interrupts
from memcell.plugins import Registry
from memcell.progress import progress
from memcell.reports.numbers import counted
from memcell.runs.folds.one_fold import begun_as, finished
from memcell.runs.run import inspect, train_networks, write_results
from memcell.runs.run_folder import RunFolder
from memcell.runs.setup import Job, Say, build_app, device_of, resumable
from memcell.runs.source import gone_on
from memcell.settings.run_config import RunConfig
from memcell.training.checkpoint import read_head
from memcell.version import __version__


def everybody(config: RunConfig, app: App) -> RunConfig:
    """Return the config of the network that is trained on everybody.

    Raises:
        UsageError: The app has no such network under these options.
    """
    if not isinstance(app, Finishing):
        raise UsageError(f"app '{config.app}' trains no network on everybody: leave out --final")
    options = dict(app.everybody())
    return dataclasses.replace(
        config,
        app_config=dataclasses.replace(config.app_config, **options),
        training=dataclasses.replace(config.training, control="none", probe=()),
        probes=(),
    )


def train_final(
    config: RunConfig,
    registry: Registry,
    path: Path,
    row: Row,
    scores: Mapping[str, tuple[float, float, float]],
    say: Say,
) -> None:
    """Train the network, or what is left of it, and write its card.

    Args:
        config: Of the folds.
        registry: What is installed.
        path: The folder of the folds.
        row: The run's own network, pooled over the folds.
        scores: What its card says: each with its interval over people, NaN where there is none.
        say: Receives lines for the person.

    Raises:
        Interrupted: The person asked to stop; ``--resume`` goes on.
        CheckpointError: A network with other options is there.
    """
    mine = everybody(config, build_app(config, registry))
    below = RunFolder(path).below(FINAL)
    begun = os.path.lexists(below / "config.toml")
    if begun and not begun_as(below, mine):
        raise CheckpointError(f"'{below}' holds a run with other options: remove it")
    if not finished(below):
        say(f"one network on everybody: {below}")
        app = build_app(mine, registry)
        with progress("reading recordings", None) as bar:
            task = gone_on(app.task(bar), mine)
        task = dataclasses.replace(task, notes=(_in_words(row, scores), *task.notes))
        with Interrupts() as interrupts:
            job = Job(
                config=mine,
                registry=registry,
                app=app,
                task=task,
                path=below,
                device=device_of(mine),
                interrupts=interrupts,
                say=say,
                resume=begun,
            )
            with resumable(config.app, path):
                job, scored = train_networks(job, None)
        inspect(job)
        write_results(job, scored, beside=False)
    write_card(path, below, mine, row, scores)
    say(f"model: {path}  (a network of everybody; its card: memcell models show {path})")


def write_card(
    path: Path,
    below: Path,
    config: RunConfig,
    row: Row,
    scores: Mapping[str, tuple[float, float, float]],
) -> None:
    """Write what the network is, with the scores of the folds (`memcell.applications.models.ModelCard`)."""
    model = RunFolder(below).model
    stored = read_facts(model, read_head(model).meta)
    facts = stored.task
    subjects = facts.get("subjects", {})
    people = list(map(str, subjects.get("train", ())))
    n, name = len(row.subjects), path.absolute().name
    recordings = facts.get("recordings", ())
    before = [
        f"{each['model']} (SHA-256 {each['sha256'][:12]}...)" for each in facts.get("init", ())
    ]
    limits = [
        f"It was tested on nobody. The scores are those of {n} networks of its recipe, each on the one "
        "person that it was not trained with."
    ]
    if facts.get("simulated"):
        limits.append("It was trained on simulated data, and says nothing about people.")
    card = {
        "name": name,
        "version": "1",
        "app": config.app,
        "title": f"{row.cell}, trained on everybody of run {name}",
        "knows": str(
            facts.get("knows") or f"what app {config.app} was taught by the labels of its data"
        ),
        "takes": ", ".join(map(str, facts.get("channels", ()))) or "what its app makes of its data",
        "gives": f"{stored.target.kind}, {counted(stored.n_classes, 'output')} a step",
        "data": f"data set {facts.get('dataset', 'unknown')}, {counted(len(recordings), 'recording')}",
        "people": f"{len(people)}: {', '.join(people)}",
        "licence": "not said: that of the recordings it was trained on counts",
        "citation": f"memcell {__version__}",
        "made": f"memcell train {config.app} --final; every option is in "
        f"config.toml beside it{'; gone on from ' + ', then '.join(before) if before else ''}",
        "threshold": _threshold(stored.decisions[stored.eval_policy]),
        "limits": limits,
        "sha256": checksum(model),
    }
    of_folds = {
        "on": f"each of {n} people left out once",
        **{k: [round(each, 4) for each in v] for k, v in scores.items()},
    }
    write_atomic(below / CARD, tomli_w.dumps(card_as_toml(card, [of_folds])))


def _threshold(decision: Mapping[str, float]) -> str:
    if "threshold" not in decision:
        return "none"
    chosen = "chosen on" if decision.get("threshold_chosen") else "not chosen on"
    return f"{decision['threshold']:.3f}, {chosen} people left out in cross-validation"


def _in_words(row: Row, scores: Mapping[str, tuple[float, float, float]]) -> str:
    listed = ", ".join(
        f"{name.replace('_', ' ')} {value:.3f}"
        + ("" if math.isnan(low) else f" ({low:.3f} to {high:.3f})")
        for name, (value, low, high) in scores.items()
    )
    return f"each of {len(row.subjects)} people was left out once: networks of this recipe had {listed}"
