"""``report.html`` of a run, also of folds, and of a prediction, from the files of its folder alone."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from memcell.errors import MemcellError
from memcell.files.atomic import write_atomic
from memcell.files.reading import (
    read_json_lines,
    read_lines,
    read_object,
    read_text,
    read_toml,
    subfolders,
)
from memcell.reports.charts import Curve, curves
from memcell.reports.numbers import number
from memcell.reports.page import render
from memcell.reports.palette import dash, series
from memcell.reports.parts import (
    Code,
    Figure,
    Folded,
    Legend,
    Panels,
    Paragraph,
    Part,
    Table,
    links,
    with_interval,
)
from memcell.runs.answer import answer
from memcell.runs.by_subject import stored_rows
from memcell.runs.run_folder import CONTROL_PREFIXES
from memcell.runs.tables import with_fields
from memcell.training.checkpoint import read_head

FILES = (
    ("scores.tsv", "every score of every model"),
    ("subjects.tsv", "scores by test subject"),
    ("intervals.tsv", "intervals over subjects"),
    ("differences.tsv", "differences between models over subjects"),
    ("splits.tsv", "which sequence is on which side"),
    ("metrics.jsonl", "losses of each update and epoch"),
    ("summary.tsv", "a row for each file that was predicted"),
    ("prediction.json", "the model that predicted"),
    ("config.toml", "every option"),
)
#: Rows of a table that a page shows.
MOST_ROWS = 200
#: Files of predictions that it links to.
MOST_LINKS = 50


def write_report(folder: Path) -> Path:
    """Write the page of a folder and return its file."""
    page = folder / "report.html"
    made = _prediction(folder) if (folder / "prediction.json").is_file() else _run(folder)
    write_atomic(page, made)
    return page


def _run(folder: Path) -> str:
    folds = [p for p in subfolders(folder, "folds/*") if (p / "config.toml").is_file()]
    config = next(p for p in (folder, *folds) if (p / "config.toml").is_file()) / "config.toml"
    sections = read_toml(config)
    facts = _facts(folds[0] if folds else folder)
    cell = sections.get("cell", {}).get("name", "network")
    data = Path(str(sections.get("sequences", {}).get("data", "unknown data"))).name
    kind = ", each subject left out in turn" if folds else ""
    again = f"memcell train sequences --config {shlex.quote(str(config))} --out NEW_FOLDER"
    return render(
        "sections.html",
        title=f"memcell train sequences: {cell} on {data}{kind}",
        warnings=(),
        links=links(folder, FILES),
        sections=[
            ("Results", list(_results(folder))),
            ("Learning", list(_learning(folds or [folder]))),
            ("Data", list(_data(folder, facts))),
            (
                "Options",
                [Code(again), Folded("config.toml with every option", [Code(read_text(config))])],
            ),
        ],
    )


def _results(folder: Path) -> Iterator[Part]:
    if not (folder / "scores.json").is_file():
        yield Paragraph("The run is not finished: there are no scores yet.", "warning")
        return
    found = read_object(folder / "scores.json")
    rows = [with_fields(row) for row in found["rows"]]
    for note in found.get("notes", ()):
        yield Paragraph(str(note))
    main = str(found["main_score"])
    names = [main, *(n for n in rows[0]["scores"] if n != main)]
    if own := stored_rows(folder):
        yield Paragraph(answer(own, main), "lead")
    yield Table(
        "Scores on the test split; below each its 95 % interval over subjects where there is one. A model "
        "with a note may know what nobody knows when it is used.",
        ["model", *(n.replace("_", " ") for n in names), "note"],
        [[str(r["name"]), *(_cell(r, n) for n in names), str(r["note"] or "")] for r in rows],
        notes=1,
        source="scores.tsv",
    )


def _cell(row: dict[str, Any], name: str) -> str:
    value = _formatted(row["scores"].get(name))
    ends = (row.get("intervals") or {}).get(name)
    return with_interval(value, *map(_formatted, ends)) if ends else value


def _learning(folders: list[Path]) -> Iterator[Part]:
    found: dict[str, list[list[dict[str, Any]]]] = {}
    for folder in folders:
        controls = [c for p in CONTROL_PREFIXES for c in subfolders(folder, f"{p}*")]
        for where in (folder, *controls):
            name = "the run's own network" if where == folder else f"control run ({where.name})"
            epochs = [e for e in _lines(where / "metrics.jsonl") if "train_loss" in e]
            if epochs:
                found.setdefault(name, []).append(epochs)
    if not found:
        yield Paragraph("There is no learning curve: no epoch was finished.")
        return
    yield Legend([("training", series(0), dash(0)), ("validation", series(1), dash(1))])
    figures = []
    for name, runs in found.items():
        lines = [
            _curve(words, key, epochs, look)
            for epochs in runs
            for look, (words, key) in enumerate(
                (("training", "train_loss"), ("validation", "valid_loss"))
            )
        ]
        values = [v for line in lines for v in line.y if math.isfinite(v)]
        last = max((u for line in lines for u in line.x), default=1.0)
        top = max(values, default=1.0) * 1.05
        svg = curves(
            lines,
            (0, max(last, 1.0)),
            (0, top or 1.0),
            "updates",
            "loss",
            f"Loss of {name} along training",
        )
        figures.append(Figure(svg, name[:1].upper() + name[1:]))
    yield Panels(figures)


def _curve(name: str, key: str, epochs: list[dict[str, Any]], look: int) -> Curve:
    pairs = [
        (float(e["update"]), float(e[key])) for e in epochs if isinstance(e.get(key), int | float)
    ]
    return Curve(name=name, x=[u for u, _ in pairs], y=[v for _, v in pairs], look=look)


def _data(folder: Path, facts: dict[str, Any]) -> Iterator[Part]:
    target, inputs = facts.get("target", {}), facts.get("inputs", {})
    if target:
        classes = ", ".join(target["classes"][:20])
        yield Paragraph(
            f"Target: {', '.join(target['names'])} ({target['kind']}{f': {classes}' if classes else ''})."
        )
        few = ", ".join(inputs["names"][:20])
        made = (
            f"{inputs['tokens']} tokens" if inputs["tokens"] else f"{len(inputs['names'])} features"
        )
        scaled = ", at the scale of the training steps" if inputs["scaled"] and few else ""
        yield Paragraph(f"Features of a step: {made}{f' ({few})' if few else ''}{scaled}.")
    rows = [line.split("\t") for line in _text_lines(folder / "splits.tsv")]
    if len(rows) > 1:
        yield Table("Which sequence is on which side", rows[0], rows[1 : MOST_ROWS + 1], words=3,
                    source="splits.tsv")  # fmt: skip


def _prediction(folder: Path) -> str:
    about = read_object(folder / "prediction.json")
    rows = [line.split("\t") for line in _text_lines(folder / "summary.tsv")]
    parts: list[Part] = [
        Paragraph(
            f"Made by the network of run {about.get('run')}, memory at inference: {about.get('inference')}. "
            f"It knows {about.get('facts', {}).get('knows', 'what it was taught')}."
        )
    ]
    made = [row[0] for row in rows[1:] if (folder / f"{row[0]}.tsv").is_file()]
    if len(rows) > 1:
        parts.append(
            Table(
                "Files that were predicted, and why one could not be",
                rows[0],
                [
                    [*row[:-1], "" if row[-1] == "n/a" else row[-1]]
                    for row in rows[1 : MOST_ROWS + 1]
                ],
                words=2,
                notes=1,
                source="summary.tsv",
            )
        )
    return render(
        "sections.html",
        title="memcell predict sequences",
        warnings=(),
        links=links(
            folder, (*((f"{name}.tsv", "a row a step") for name in made[:MOST_LINKS]), *FILES)
        ),
        sections=[("Predictions", parts)],
    )


def _facts(folder: Path) -> dict[str, Any]:
    try:
        found = read_head(folder / "model.safetensors").meta["facts"]["task"]
    except (MemcellError, KeyError, TypeError):
        return {}
    return found if isinstance(found, dict) else {}


def _lines(path: Path) -> list[dict[str, Any]]:
    try:
        return list(read_json_lines(path))
    except MemcellError:
        return []


def _text_lines(path: Path) -> list[str]:
    try:
        return list(read_lines(path))
    except MemcellError:
        return []


def _formatted(value: Any) -> str:
    return number(float(value)) if isinstance(value, int | float) else "not defined"
