"""Scoring a trained run again, on the split that it was made with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from memcell.applications.app import Relabelling
from memcell.errors import UsageError
from memcell.escape import Lines
from memcell.files.atomic import write_atomic
from memcell.plugins import Registry
from memcell.progress import progress
from memcell.runs.model import load_model
from memcell.runs.run import write_tables
from memcell.runs.run_folder import RunFolder, resolve_stored
from memcell.runs.scoring import EVAL_POLICIES, score_row
from memcell.runs.setup import Say, build_app, inference_device
from memcell.runs.tables import as_text, as_tsv
from memcell.settings.run_config import RunConfig


def open_run(app: str, path: Path, registry: Registry) -> tuple[RunFolder, RunConfig]:
    """Return a run folder and its config.

    Raises:
        UsageError: The run belongs to another app, or has a network for each fold.
        CheckpointError: It is not a run.
    """
    folder = RunFolder.open(path)
    sections = folder.sections()
    if sections.get("app") != app:
        raise UsageError(f"run '{path}' is of app '{sections.get('app')}', not '{app}'")
    folder.check_one_network()
    return folder, resolve_stored(folder, app, registry)


def check_same_people(trained: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Refuse to test a network on somebody it was trained on.

    Recordings that came or went since, or a version that tells people from file names in another way, may
    split anew.

    Args:
        trained: The facts of the task that the network was trained on.
        now: Those of the task that it is to be scored on.

    Raises:
        UsageError: Names who was trained on and would be tested on.
    """
    before, after = trained.get("subjects"), now.get("subjects")
    if not (isinstance(before, Mapping) and isinstance(after, Mapping)):
        return
    if "time" in (trained.get("split"), now.get("split")):
        return
    seen = {*before.get("train", ()), *before.get("valid", ())}
    if both := sorted(seen & set(after.get("test", ()))):
        raise UsageError(
            f"this run was trained with {', '.join(both[:5])}{', ...' if len(both) > 5 else ''}, on whom it "
            "would now be tested: recordings came or went since, or subjects are told otherwise. Give back "
            "the recordings of its split.tsv, or train again"
        )


def evaluate(
    app: str,
    path: Path,
    eval_policy: str,
    registry: Registry,
    say: Say,
    options: Mapping[str, Any] | None = None,
) -> None:
    """Score the network of a run on its test split, beside the baselines, and write a table.

    Args:
        app: Name of the app.
        path: The run folder.
        eval_policy: ``"carry"``, ``"reset"`` or ``"both"``.
        registry: What is installed.
        say: Receives lines for the person.
        options: Options of the app to score under instead of the run's
            (`memcell.applications.app.Relabelling`).

    Raises:
        UsageError: The app scores under no other options, or one has a value that it cannot take.
    """
    folder, config = open_run(app, path, registry)
    device = inference_device(config)
    torch.set_num_threads(config.training.threads)
    built = build_app(config, registry)
    network, facts = load_model(folder, config, registry, built)
    network.to(device)
    with progress("reading recordings", None) as shown:
        task = built.task(shown)
    check_same_people(facts.task, task.facts)
    for line in (*task.preview, *task.remarks):
        say(line)
    name = "evaluation.tsv"
    if options:
        typed = registry.get("app", app).config(options)
        values = {key: getattr(typed, key) for key in options}
        if not isinstance(built, Relabelling):
            raise UsageError(f"app '{app}' scores a run under its own options only")
        task = built.under(task, values)
        name = f"evaluation-{'-'.join(str(v) for v in values.values())}.tsv"
    rows = []
    for policy in EVAL_POLICIES if eval_policy == "both" else (eval_policy,):
        row, _ = score_row(
            config,
            network,
            built,
            task,
            policy,
            config.training.time_steps,
            facts.decisions[policy],
        )
        rows.append(row)
    rows += built.baselines(task)
    write_atomic(folder.path / name, as_tsv(rows, task.main_score))
    write_tables(folder.path, task.tables, before="evaluation-")
    say(Lines(as_text(rows, task.main_score, task.shown_scores)))
    for note in task.notes:
        say(f"note: {note}")
    for row in rows:
        if row.kind == "network" and row.note:
            say(f"note: {row.name}: {row.note}")
    say(f"table: {folder.path / name}")
