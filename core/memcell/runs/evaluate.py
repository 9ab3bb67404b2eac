"""Scoring a trained run again, on the split that it was made with."""

from __future__ import annotations

import dataclasses
import shlex
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from memcell.applications.app import App, Measuring, Relabelling, Row, Task, Testing
from memcell.applications.trained_on import trained_on
from memcell.backends.precision import mixed_if_faster
from memcell.errors import DataError, UsageError
from memcell.escape import Lines
from memcell.files.atomic import make_folder, write_atomic
from memcell.files.reading import refusing
from memcell.inference.overflow import probabilities_without_overflow
from memcell.network.network import Network
from memcell.plugins import Registry
from memcell.progress import progress
from memcell.reports.numbers import counted
from memcell.runs.intervals_text import beside_recordings, by_subject, with_intervals
from memcell.runs.model import ModelFacts, load_model
from memcell.runs.predict import as_typed
from memcell.runs.robustness import as_text as robustness_text
from memcell.runs.robustness import in_words, measure
from memcell.runs.run import write_tables
from memcell.runs.run_folder import open_run, with_data
from memcell.runs.scoring import pooled_intervals, score_row, write_scores
from memcell.runs.setup import Say, build_app, inference_device
from memcell.runs.source import gone_on
from memcell.runs.tables import as_text, as_tsv
from memcell.runs.tuning.record import with_penalty
from memcell.settings.options import EVAL_POLICIES
from memcell.settings.run_config import Choice, RunConfig

#: What is said to be in float32, where bfloat16 was asked for.
_SCORED = "this is scored"


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
    after = now.get("subjects")
    if not isinstance(after, Mapping) or "time" in (trained.get("split"), now.get("split")):
        return
    if both := sorted(trained_on(trained) & set(after.get("test", ()))):
        raise UsageError(
            f"this run was trained with {', '.join(both[:5])}{', ...' if len(both) > 5 else ''}, on whom it "
            "would now be tested: recordings came or went since, or subjects are told otherwise. Give back "
            "the recordings of its split.tsv, or train again"
        )


def evaluate_on(
    app: str,
    path: Path,
    data: Choice,
    eval_policy: str,
    registry: Registry,
    say: Say,
    out: Path | None = None,
    name: str = "",
    options: Mapping[str, Any] | None = None,
    disturbed: bool = False,
    reference: str = "",
    mixed_precision: bool = False,
    typed: Sequence[str] = (),
) -> None:
    """Score the network of a run on other recordings, all of which it is tested on, and write tables.

    Recordings that are refused and can be taken otherwise are said with the command that takes them.

    Args:
        app: Name of the app.
        path: The run folder.
        data: The data set with its options.
        eval_policy: ``"carry"``, ``"reset"``, ``"both"``, or ``"auto"`` for what the run was trained for.
        registry: What is installed.
        say: Receives lines for the person.
        out: Folder for the tables; None for none.
        name: What the person calls the run; its path where it has no other name.
        options: Options of the app to score under instead of the run's.
        disturbed: Score it on them under other conditions too (`memcell.runs.robustness`).
        reference: What their channels may be measured against; empty for what the network was trained with.
        mixed_precision: The recurrent layers in bfloat16, where that is faster; said where it is not.
        typed: The words of the command, for recordings that are taken otherwise.

    Raises:
        UsageError: The app has no such way, or the network was trained on somebody who is there.
        DataError: The recordings cannot be used.
    """
    folder, config = open_run(app, path, registry)
    device = inference_device(config)
    torch.set_num_threads(config.training.threads)
    if options:
        changed = dataclasses.replace(config.app_config, **_values(app, options, registry))
        config = dataclasses.replace(config, app_config=changed)
    built = build_app(dataclasses.replace(config, dataset=data, init=None), registry)
    if not isinstance(built, Testing):
        raise UsageError(f"app '{app}' scores a run on its own test split only: leave out --data")
    if reference and not isinstance(built, Measuring):
        raise UsageError(f"app '{app}' knows no references: leave out --reference")
    if isinstance(built, Measuring):
        built = built.measured(reference)
        assert isinstance(built, Testing)
    network, facts = load_model(folder, config, registry, built)
    network.to(device)
    mixed = mixed_if_faster(device, mixed_precision, _SCORED, say)
    try:
        with progress("reading recordings", None) as bar:
            task = built.unseen(facts.task, bar)
    except DataError as error:
        if more := _retry_lines([("", getattr(error, "options", {}))], typed):
            raise DataError(f"{error} {more[0]} {more[1].strip()}") from error
        raise
    chosen = facts.eval_policy if eval_policy == "auto" else eval_policy
    rows = _rows(config, network, built, task, chosen, facts, mixed)
    if out is not None:
        make_folder(out)
        write_scores(out, rows, task.main_score, task.notes, built, task.protocol)
        write_tables(out, task.tables)
    for note in (*facts.notes, *task.notes):
        say(f"note: {note}")
    people = sorted(rows[0].subjects)
    shown_people = ", ".join(people[:8]) + (", ..." if len(people) > 8 else "")
    say(f"{name or path}, on {counted(len(people), 'subject')}: {shown_people}")
    say(Lines(as_text(rows, task.main_score, task.shown_scores)))
    for line in beside_recordings(rows[0], task.shown_scores, built):
        say(line)
    between = pooled_intervals(rows, built)
    if between:
        say(f"95 % intervals over {len(people)} subjects")
        say(Lines(with_intervals(rows, task.shown_scores, between)))
    for score in task.shown_scores[:3]:
        say(Lines(by_subject(rows, score)))
    if disturbed:
        with tempfile.TemporaryDirectory() as nowhere:
            _say_disturbed(
                *(built, task, rows, config, network, mixed),
                Path(nowhere) if out is None else out,
                say,
            )
    if out is not None:
        say(f"tables: {out}")
    for line in _retry_lines(task.instead, typed, out):
        say(line)


#: Commands that are said for recordings that were refused.
_MOST_WAYS = 4


def _retry_lines(
    refused: Sequence[tuple[str, Mapping[str, Any]]],
    typed: Sequence[str],
    written: Path | None = None,
) -> list[str]:
    """Return the commands by which recordings that were refused are scored too, that of the most first.

    Args:
        refused: Their names, each with the options that take it.
        typed: The words of the command.
        written: Folder with the tables of the others: each command gets a folder of its own beside it.
    """
    ways: dict[str, list[str]] = {}
    for name, options in refused:
        if options:
            ways.setdefault(shlex.join(as_typed(options)), []).append(name)
    if not ways or not typed:
        return []
    lines = []
    most_first = sorted(ways.items(), key=lambda way: -len(way[1]))[:_MOST_WAYS]
    for k, (more, names) in enumerate(most_first, 1):
        listed = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
        who = f"what was refused ({listed})" if listed else "them"
        words = [*typed]
        for option in (word for word in shlex.split(more) if word.startswith("--")):
            words = _without(words, option)  # what is typed now replaces it
        if written is not None:
            words = [*_without(words, "--out"), "--out", f"{written}-others{k if k > 1 else ''}"]
        lines += [
            f"To score {who} all the same, if that is right for them:",
            f"  {shlex.join(words)} {more}",
        ]
    return lines


def _without(words: Sequence[str], option: str) -> list[str]:
    """Return the words of a command without an option and its value, typed as one word or two.

    >>> _without(["evaluate", "--out", "tables", "run"], "--out")
    ['evaluate', 'run']
    >>> _without(["evaluate", "--out=tables", "run"], "--out")
    ['evaluate', 'run']
    """
    kept: list[str] = []
    rest = iter(words)
    for word in rest:
        if word == option:
            next(rest, None)
        elif not word.startswith(f"{option}="):
            kept.append(word)
    return kept


def _say_disturbed(
    app: App,
    task: Task,
    rows: Sequence[Row],
    config: RunConfig,
    network: Network,
    mixed: bool,
    out: Path,
    say: Say,
) -> None:
    """Score a network under other conditions, under the first of the policies that it was scored under."""
    policy = rows[0].inferred_with
    outcomes = measure(
        *(app, task, rows[0], rows),
        lambda sequences: probabilities_without_overflow(
            network, sequences, policy, config.training.time_steps, mixed
        )[0],
        out,
        required=True,
    )
    if outcomes:
        say(Lines(robustness_text(outcomes)))
    for line in in_words(outcomes):
        say(line)


def evaluate(
    app: str,
    path: Path,
    eval_policy: str,
    registry: Registry,
    say: Say,
    options: Mapping[str, Any] | None = None,
    data: str | None = None,
    mixed_precision: bool = False,
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
        data: Where the folder of the app's own data lies now; None for where it lay.
        mixed_precision: The recurrent layers in bfloat16, where that is faster; said where it is not. The
            table then has a name of its own.

    Raises:
        UsageError: The app scores under no other options, or one has a value that it cannot take.
    """
    folder, config = open_run(app, path, registry)
    if data is not None:
        config = with_data(config, data)
    device = inference_device(config)
    torch.set_num_threads(config.training.threads)
    with refusing(folder.config):
        built = build_app(config, registry)
    network, facts = load_model(folder, config, registry, built)
    network.to(device)
    mixed = mixed_if_faster(device, mixed_precision, _SCORED, say)
    with progress("reading recordings", None) as bar:
        task = gone_on(built.task(bar), config)
    if not task.test:
        raise UsageError(
            f"run '{path}' was trained on everybody and has no test split: type --data for other recordings"
        )
    check_same_people(facts.task, task.facts)
    for line in (*task.preview, *task.remarks):
        say(line)
    name = "evaluation.tsv"
    if options:
        values = _values(app, options, registry)
        if not isinstance(built, Relabelling):
            raise UsageError(f"app '{app}' scores a run under its own options only")
        task = built.under(task, values)
        name = f"evaluation-{'-'.join(str(v) for v in values.values())}.tsv"
    else:
        task = with_penalty(task, folder.path)
    if mixed:
        name = f"{name.removesuffix('.tsv')}-bfloat16.tsv"
    rows = _rows(config, network, built, task, eval_policy, facts, mixed)
    rows += built.baselines(task)
    write_atomic(folder.path / name, as_tsv(rows, task.main_score))
    write_tables(folder.path, task.tables, before="evaluation-")
    say(Lines(as_text(rows, task.main_score, task.shown_scores)))
    for line in beside_recordings(rows[0], task.shown_scores, built):
        say(line)
    for note in task.notes:
        say(f"note: {note}")
    for row in rows:
        if row.kind == "network" and row.note:
            say(f"note: {row.name}: {row.note}")
    say(f"table: {folder.path / name}")


def _rows(
    config: RunConfig,
    network: Network,
    app: App,
    task: Task,
    eval_policy: str,
    facts: ModelFacts,
    mixed: bool,
) -> list[Row]:
    """Return the rows of a network under an inference policy, or under ``"both"``."""
    return [
        score_row(
            config,
            network,
            app,
            task,
            policy,
            config.training.time_steps,
            facts.decisions[policy],
            mixed,
        )[0]
        for policy in (EVAL_POLICIES if eval_policy == "both" else (eval_policy,))
    ]


def _values(app: str, options: Mapping[str, Any], registry: Registry) -> dict[str, Any]:
    """Return options of an app as its config has them, those that were given alone."""
    typed = registry.get("app", app).config(options)
    return {name: getattr(typed, name) for name in options}
