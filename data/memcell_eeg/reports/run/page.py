"""The page of a run, top down: what it is of, the answer, the doubts, the numbers, how to do it again."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from memcell.reports import (
    Html,
    code,
    document,
    folded,
    listing,
    panels,
    paragraph,
    section,
    text,
)
from memcell_eeg.reports.run import (
    data_tables,
    error_drawings,
    error_tables,
    memory_drawings,
    tables,
)
from memcell_eeg.reports.run.answers import answers
from memcell_eeg.reports.run.caveats import doubts
from memcell_eeg.reports.run.held import Run
from memcell_eeg.reports.run.learning import learning
from memcell_eeg.reports.run.phrasing import sentence
from memcell_eeg.reports.run.timelines import places, strips
from memcell_eeg.scores.scores import MEANING


def run_page(run: Run) -> str:
    """Return the report of a run's folder."""
    parts: list[str] = []
    if run.simulated:
        parts.append(
            paragraph(
                "The recordings are simulated. Nothing on this page is a result about people.",
                kind="warning",
            )
        )
    if run.own is None:
        parts.append(
            paragraph("This run is not finished: what is missing is said below.", kind="warning")
        )
    parts += [
        section("What came out", *answers(run)),
        section("What to keep in mind", listing(doubts(run))),
        section("What was trained on what", tables.what_was_trained(run), *_rules(run)),
    ]
    if run.rows:
        parts.append(section("Scores", *_scores(run)))
    parts.append(section("Learning", learning(run)))
    parts.append(section("A closer look", *places(run)))
    if whole := list(strips(run)):
        parts.append(section("Whole recordings", *whole))
    if errors := list(_errors(run)):
        parts.append(section("Right and wrong", *errors))
    if memory := list(_memory(run)):
        parts.append(section("Carried against reset", *memory))
    parts += [
        section("Staleness", *memory_drawings.staleness(run)),
        section("The recordings", data_tables.recording_table(run)),
        *_features(run),
        section("What the scores mean", _glossary(run)),
        section("To do it again", *_again(run)),
    ]
    return document(_title(run), *parts)


def _title(run: Run) -> str:
    cell = run.sections.get("cell", {}).get("name", "network")
    data = run.facts.get("dataset") or run.sections.get("data", {}).get("name", "unknown data")
    kind = ", each subject left out in turn" if run.folds else ""
    return f"memcell train {run.task.name}: {cell} on {data}{kind}"


def _rules(run: Run) -> Iterator[Html]:
    if run.notes:
        yield paragraph(
            "Every rule that shaped the scores, and what reading the recordings had to say:"
        )
        yield listing([sentence(note) for note in run.notes])


def _scores(run: Run) -> Iterator[Html]:
    yield paragraph(
        "Each network is scored twice: with memory carried through the recording, and with memory "
        "reset at every "
        "window, whichever way it was trained. The rows below the networks need no network; what "
        "stays below them has learned nothing that they do not know."
    )
    yield tables.score_table(run)
    if (noted := tables.score_notes(run)) is not None:
        yield noted
    yield from tables.subject_table(run)
    yield folded("Every score of the networks", tables.all_scores(run))


def _errors(run: Run) -> Iterator[Html]:
    matrices = list(error_tables.confusion_matrices(run))
    if matrices:
        yield panels(*matrices)
    if (events := error_tables.event_table(run)) is not None:
        yield events
    figures = [
        *error_drawings.precision_recall(run),
        *error_drawings.calibration(run),
        *error_drawings.delays(run),
    ]
    figures += memory_drawings.by_subject(
        run, "false_alarms_per_hour", "false alarms an hour", "False alarms an hour"
    )
    figures += error_drawings.transitions(run)
    if figures:
        yield error_drawings.two_legend(run)
        yield panels(*figures)


def _memory(run: Run) -> Iterator[Html]:
    figures = [*memory_drawings.by_subject(run, run.main_score, run.main_score.replace("_", " "),
                                    run.main_score.replace("_", " ").capitalize()),
               *memory_drawings.difference(run)]  # fmt: skip
    if figures:
        yield paragraph(
            "The same network, scored with memory carried and with memory reset. What training with "
            "carried memory "
            "did is another question: for that see the other networks of the table, and compare "
            "several seeds."
        )
        yield panels(*figures)


def _features(run: Run) -> list[Html]:
    found = data_tables.feature_table(run)
    return [] if found is None else [section("What the classes differ in", found)]


def _glossary(run: Run) -> Html:
    shown = {n for r in run.rows for n in r.scores}
    items = [
        text(f"{n.replace('_', ' ')}: {words}")
        for n, words in MEANING.items()
        if n in shown or not shown
    ]
    return listing(items)


def _again(run: Run) -> Iterator[Html]:
    config = shlex.quote(str(run.folder / "config.toml")) if run.sections else ""
    if not config:
        yield paragraph("The run has no config.toml that can be read, so it cannot be done again.")
        return
    yield paragraph(
        "Typed where the run was started, this command trains the same networks and baselines again; "
        "with the same versions on the same kind of machine the numbers are the same."
    )
    yield code(f"memcell train {run.task.name} --config {config} --out NEW_FOLDER")
    changed = _changed(run)
    if changed:
        yield paragraph("In short, what differs from the defaults:")
        yield code(changed)
    yield folded("config.toml, everything resolved", code(run.config_text))
    yield data_tables.environment_table(run)
    yield paragraph(
        "The files beside this page hold every number in full: scores.tsv, subjects.tsv, intervals.tsv, "
        "differences.tsv, confusion.tsv, calibration.tsv, pr.tsv, transitions.tsv, delays.tsv, metrics.jsonl."
    )


def _changed(run: Run) -> str:
    """Return the options that are not at their defaults, as one would type them; not those of plugins."""
    from memcell.plugins.options import to_mapping
    from memcell.settings.options import NetworkConfig, TrainingConfig
    from memcell.settings.run_config import DEFAULTS

    sections = run.sections
    data = sections.get("data", {})
    words = ["--data", str(data["name"])] if data.get("name") else []
    words += [w for k, v in data.items() if k != "name" for w in _flag(f"data.{k}", v)]
    for kind, plain in DEFAULTS.items():
        name = sections.get(kind, {}).get("name", plain)
        words += _flag(kind, name) if name != plain else []
    defaults = (
        (run.task.name, run.task.config()),
        ("training", TrainingConfig()),
        ("network", NetworkConfig()),
    )
    for section_name, config in defaults:
        plain_values = to_mapping(config)
        for key, value in sections.get(section_name, {}).items():
            if key in plain_values and value != plain_values[key] and key != "held_out":
                words += _flag(key, value)
    return shlex.join(["memcell", "train", run.task.name, *words]) if words else ""


def _flag(key: str, value: object) -> list[str]:
    name = "--" + key.replace("_", "-")
    if value is True:
        return [name]
    return [name, ",".join(map(str, value)) if isinstance(value, list) else str(value)]
