"""The parts of a run's report, arranged by ``templates/run.html``."""

from __future__ import annotations

import shlex
from pathlib import Path

from memcell.reports.page import render
from memcell.reports.parts import Code, Figure, Folded, Panels, Part, links
from memcell_eeg.reports.phrasing import capital, name_of, sentence
from memcell_eeg.reports.run import figures, tables
from memcell_eeg.reports.run.by_recording import recording_scores
from memcell_eeg.reports.run.files import RunFiles
from memcell_eeg.reports.run.phrasing import caveats, results
from memcell_eeg.reports.run.recordings import places, strips
from memcell_eeg.reports.run.robustness import robustness
from memcell_eeg.reports.views import WriteView
from memcell_eeg.scores.scores import MEANING

TEMPLATES = Path(__file__).parent.parent / "templates"
FILES = (
    ("scores.tsv", "every score of every model"),
    ("subjects.tsv", "scores by test subject"),
    ("intervals.tsv", "intervals over subjects"),
    ("differences.tsv", "differences between models over subjects"),
    ("seeds.tsv", "scores by seed"),
    ("confusion.tsv", "steps and events in counts"),
    ("pr.tsv", "precision and recall over thresholds"),
    ("calibration.tsv", "calibration"),
    ("recordings.tsv", "scores and calibration of each recording"),
    ("robustness.tsv", "scores under other conditions"),
    ("transitions.tsv", "errors around changes of the label"),
    ("delays.tsv", "onset delay of each detected event"),
    ("checks.tsv", "checks before training"),
    ("features.tsv", "class differences of the features"),
    ("tuning.tsv", "losses of the settings tried in cross-validation"),
    ("metrics.jsonl", "losses of each update and epoch"),
    ("config.toml", "every option"),
    ("final/card.toml", "the network that was trained on everybody"),
)


def run_page(run: RunFiles, write: WriteView) -> str:
    """Return the report of a run's folder; ``write`` takes the pages of single recordings, as in `placed`."""
    return render(
        "run.html",
        title=_title(run),
        folder=TEMPLATES,
        links=links(run.folder, FILES),
        simulated=run.simulated,
        finished=run.own is not None,
        results=list(results(run)),
        caveats=caveats(run),
        checks=tables.check_table(run),
        setup=tables.setup(run),
        notes=[sentence(note) for note in run.notes],
        scores=_scores(run),
        learning=list(figures.learning(run)),
        places=list(places(run)),
        strips=list(strips(run, write)),
        errors=_errors(run),
        robustness=robustness(run),
        memory=_memory(run),
        staleness=list(figures.staleness(run)),
        recordings=tables.recording_table(run),
        features=tables.feature_table(run),
        glossary=_glossary(run),
        command=_command(run),
        changed=_changed(run) if run.sections else "",
        config=Folded("config.toml with every option", [Code(run.config_text)]),
        environment=tables.environment_table(run),
    )


def _title(run: RunFiles) -> str:
    cell = run.sections.get("cell", {}).get("name", "network")
    data = run.facts.get("dataset") or run.sections.get("data", {}).get("name", "unknown data")
    kind = ", each subject left out in turn" if run.folds else ""
    return f"memcell train {run.task.name}: {cell} on {data}{kind}"


def _scores(run: RunFiles) -> list[Part]:
    if not run.rows:
        return []
    notes = tables.score_notes(run)
    return [
        tables.score_table(run),
        *([notes] if notes is not None else []),
        *tables.subject_table(run),
        *recording_scores(run),
        Folded("Every score of the networks", [tables.all_scores(run)]),
    ]


def _errors(run: RunFiles) -> list[Part]:
    parts: list[Part] = []
    if matrices := list(tables.confusion_matrices(run)):
        parts.append(Panels(matrices))
    if (events := tables.event_table(run)) is not None:
        parts.append(events)
    alarms = ("false_alarms_per_hour", "false alarms per hour", "False alarms per hour")
    small = [
        *figures.precision_recall(run),
        *figures.calibration(run),
        *figures.delays(run),
        *figures.by_subject(run, *alarms),
        *figures.transitions(run),
    ]
    if small:
        parts += [figures.inference_legend(run), Panels(small)]
    return parts


def _memory(run: RunFiles) -> list[Figure]:
    score = name_of(run.main_score)
    return [
        *figures.by_subject(run, run.main_score, score, capital(score)),
        *figures.difference(run),
    ]


def _glossary(run: RunFiles) -> list[str]:
    defined = {n for r in run.rows for n in r.scores}
    return [
        f"{capital(name_of(n))}: {words}"
        for n, words in MEANING.items()
        if n in defined or not defined
    ]


def _command(run: RunFiles) -> str:
    """Return the command that trains the same run again; empty without a readable config.toml."""
    if not run.sections:
        return ""
    config = shlex.quote(str(run.folder / "config.toml"))
    return f"memcell train {run.task.name} --config {config} --out NEW_FOLDER"


def _changed(run: RunFiles) -> str:
    """Return the options that differ from their defaults, as typed; not those of plugins."""
    from memcell.plugins.options import to_mapping
    from memcell.settings.options import NetworkConfig, TrainingConfig
    from memcell.settings.run_config import DEFAULTS, engine_defaults

    sections = run.sections
    data = sections.get("data", {})
    words = ["--data", str(data["name"])] if data.get("name") else []
    words += [w for k, v in data.items() if k != "name" for w in _flag(f"data.{k}", v)]
    own = engine_defaults(run.task.config())
    chosen = sections.get("typed")
    for kind, plain in DEFAULTS.items():
        plain = own.get(kind, {}).get("name", plain)
        name = sections.get(kind, {}).get("name", plain)
        words += _flag(kind, name) if name != plain else []
    defaults = (
        (run.task.name, run.task.config()),
        ("training", TrainingConfig(**own.get("training", {}))),
        ("network", NetworkConfig(**own.get("network", {}))),
    )
    for section_name, config in defaults:
        plain_values = to_mapping(config)
        for key, value in sections.get(section_name, {}).items():
            if chosen is not None and f"{section_name}.{key}" not in chosen:
                continue  # chosen by cross-validation, not typed
            if key in plain_values and value != plain_values[key] and key != "held_out":
                words += _flag(key, value)
    return shlex.join(["memcell", "train", run.task.name, *words]) if words else ""


def _flag(key: str, value: object) -> list[str]:
    name = "--" + key.replace("_", "-")
    if value is True:
        return [name]
    return [name, ",".join(map(str, value)) if isinstance(value, list) else str(value)]
