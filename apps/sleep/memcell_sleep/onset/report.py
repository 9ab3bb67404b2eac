"""``report.html`` of a run or a prediction of seconds, made from its folder alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memcell.applications.app import Row
from memcell.errors import DataError, MemcellError, RunFolderError
from memcell.files.atomic import write_atomic
from memcell.reports.charts import Curve, curves
from memcell.reports.numbers import number
from memcell.reports.page import render
from memcell.reports.parts import (
    Figure,
    Listing,
    Panels,
    Part,
    Table,
    links,
    paragraph,
    with_interval,
)
from memcell.runs.answer import answer
from memcell.runs.by_subject import differences, mean_of, stored_rows
from memcell.runs.predictions import read_predictions
from memcell.runs.tables import format_score
from memcell_eeg.export.outputs import SUMMARY
from memcell_eeg.reports.reading import TableRow, as_float, read_json, read_tsv, value
from memcell_sleep.onset.picture import medians
from memcell_sleep.onset.prediction import seconds_path
from memcell_sleep.onset.scores import pairs
from memcell_sleep.onset.task import MAIN

REPORT = "report.html"
#: Points of a drawing, and recordings of a prediction that are drawn.
MOST_POINTS, MOST_DRAWN = 1500, 40
FILES = (
    ("scores.tsv", "every score of every model"),
    ("groups.tsv", "errors by true time"),
    ("subjects.tsv", "scores by test person"),
    ("intervals.tsv", "intervals over people"),
    ("differences.tsv", "differences between models over people"),
    ("tuning.tsv", "losses of the settings tried in cross-validation"),
    ("metrics.jsonl", "losses of each update and epoch"),
    ("config.toml", "every option"),
    ("summary.tsv", "a row a recording"),
)


def build(folder: Path) -> Path:
    """Write ``report.html`` into a run folder or a prediction's folder.

    Raises:
        DataError: It is neither.
        MemcellError: The page cannot be written.
    """
    if (folder / "config.toml").is_file() or (folder / "folds").is_dir():
        page = _run_page(folder)
    elif (folder / SUMMARY).is_file():
        page = _prediction_page(folder)
    else:
        raise DataError(
            f"'{folder}' is neither a training run (it has no config.toml) nor a prediction (it has no "
            f"{SUMMARY})"
        )
    write_atomic(folder / REPORT, page)
    return folder / REPORT


def _run_page(folder: Path) -> str:
    rows = stored_rows(folder)
    notes = [str(note) for note in read_json(folder / "scores.json").get("notes") or ()]
    sections: list[tuple[str, Sequence[Part]]] = []
    if rows:
        sections += [
            ("Results", [paragraph(answer(rows, MAIN), style="lead"), _score_table(rows, folder)]),
            ("Predicted against true", _drawings(folder)),
            ("Against each other, over people", _difference_table(rows)),
        ]
    sections.append(("Caveats and rules", [Listing(notes)] if notes else []))
    sections.append(("Learning curves", _learning(folder)))
    warnings = [note for note in notes if note.startswith(("simulated", "LEAK"))]
    if not rows:
        warnings.append("This run is not finished.")
    return render(
        "sections.html",
        title="memcell train sleep_onset: seconds to sleep onset",
        links=links(folder, FILES),
        warnings=warnings,
        sections=[s for s in sections if s[1]],
    )


def _score_table(rows: Sequence[Row], folder: Path) -> Table:
    names = [n for n in rows[0].scores if n != "mean_error"] + ["mean_error"]
    between = {
        (line["name"], line["score"]): (value(line, "low"), value(line, "high"))
        for line in read_tsv(folder / "intervals.tsv")
        if "score" in line
    }

    def number(row: Row, name: str) -> str:
        low, high = between.get((row.name, name), (math.nan, math.nan))
        mine = format_score(row.scores.get(name, math.nan))
        return (
            mine if math.isnan(low) else with_interval(mine, format_score(low), format_score(high))
        )

    return Table(
        "Errors in seconds, smaller is better, 95 % intervals over people; the rank correlation is better "
        "when larger. Rows without 'trained with' are baselines.",
        ["model", *(n.replace("_", " ") for n in names)],
        [[row.name, *(number(row, n) for n in names)] for row in rows],
        source="scores.tsv",
    )


def _difference_table(rows: Sequence[Row]) -> list[Part]:
    made = [d for d in differences(rows, MAIN) if d.score == MAIN]
    if not made:
        return []
    cells = [
        [
            d.minus,
            format_score(d.mean.value),
            _interval(d.mean.interval),
            f"{d.test.p:.2g}",
            str(d.mean.n),
        ]
        for d in made
    ]
    mean = mean_of(rows[0], MAIN)
    return [
        Table(
            f"Weighted error of {rows[0].name} less that of each other model, person by person (its own mean "
            f"over people is {format_score(mean.value)}); below 0 the network is better. p by the sign-flip "
            "test.",
            ["less", "mean difference", "95 % interval", "p", "people"],
            cells,
            source="differences.tsv",
        )
    ]


def _interval(ends: tuple[float, float]) -> str:
    """Return an interval as a cell; a dash where too few people make none."""
    return "-" if any(map(math.isnan, ends)) else " to ".join(map(format_score, ends))


def _drawings(folder: Path) -> list[Part]:
    try:
        rows = read_predictions(folder)
    except (MemcellError, OSError):
        return []
    figures: list[Part] = []
    wanted = [
        *[r for r in rows if r.kind == "network"][:1],
        *[r for r in rows if r.kind != "network"],
    ]
    for row in wanted:
        true, predicted = pairs(row.predictions)
        if not len(true):
            continue
        most = max(float(true.max()), 60.0)
        kept = np.linspace(0, len(true) - 1, min(MOST_POINTS, len(true))).astype(np.int64)
        centres, middle = medians(true, predicted, most)
        line = Curve(
            name=row.name, x=centres, y=middle, marks=True, faint=(true[kept], predicted[kept])
        )
        figures.append(
            Figure(
                curves(
                    [line], (0, most), (0, most), "true seconds to onset", "predicted seconds",
                    f"predicted against true seconds, {row.name}", diagonal=True,
                ),
                f"{row.name}: a point a step, the line joins medians.",
            )
        )  # fmt: skip
    return [Panels(figures)] if figures else []


def _learning(folder: Path) -> list[Part]:
    from memcell_eeg.reports.reading import read_lines

    records = [
        r for r in read_lines(folder / "metrics.jsonl") if "train_loss" in r or "valid_loss" in r
    ]
    drawn = []
    for k, (name, words) in enumerate((("train_loss", "training"), ("valid_loss", "validation"))):
        points = [(as_float(r.get("update")), as_float(r.get(name))) for r in records]
        points = [p for p in points if all(map(math.isfinite, p))]
        if len(points) > 1:
            x, y = zip(*points, strict=True)
            drawn.append(Curve(name=words, x=x, y=y, look=k))
    if not drawn:
        return []
    xs = [float(v) for c in drawn for v in c.x]
    ys = [float(v) for c in drawn for v in c.y]
    picture = curves(
        drawn,
        (0, max(xs)),
        (0, 1.05 * max(ys)),
        "updates",
        "loss (spreads)",
        "losses along training",
        legend=True,
    )
    return [Figure(picture, "Weighted loss, at the scale of the training people.")]


def _prediction_page(folder: Path) -> str:
    rows = read_tsv(folder / SUMMARY)
    about: dict[str, Any] = read_json(folder / "prediction.json")
    facts = dict(about.get("facts") or {})
    done = [r for r in rows if r.get("status") == "done"]
    failed = [r for r in rows if r.get("status") != "done"]
    sections: list[tuple[str, Sequence[Part]]] = [
        (
            "Results",
            [
                paragraph(
                    f"{len(done)} of {len(rows)} recordings: at each step the predicted seconds to the next "
                    "sleep onset.",
                    style="lead",
                ),
                _summary_table(done),
            ],
        ),
        ("Seconds along time", [f for r in done[:MOST_DRAWN] if (f := _along(folder, r)) is not None]),
        ("Recordings without a result", [Listing([f"{r['recording']}: {r.get('reason')}" for r in failed])] if
        failed else []), ("Model", [Listing([str(n) for n in about.get("notes") or ()])]),
    ]  # fmt: skip
    warnings = [f"What the model knows: {facts['knows']}."] if facts.get("knows") else []
    if facts.get("simulated"):
        warnings.append(
            "The model was trained on simulated recordings: nothing here is a result about people."
        )
    return render(
        "sections.html",
        title="memcell predict sleep_onset: seconds to sleep onset",
        links=links(folder, FILES),
        warnings=warnings,
        sections=[s for s in sections if s[1]],
    )


def _summary_table(rows: Sequence[TableRow]) -> Table:
    cells = [
        [
            row.get("recording", ""),
            row.get("steps", ""),
            number(value(row, "hours"), 2),
            number(value(row, "shortest_seconds"), 1),
            number(value(row, "at"), 0),
            row.get("gaps", ""),
            row.get("channels", ""),
        ]
        for row in rows
    ]
    return Table(
        "Shortest: the smallest prediction of a recording, and when it was made after its start.",
        ["recording", "steps", "hours", "shortest (s)", "at (s)", "gaps", "channels"],
        cells,
        notes=1,
        source=SUMMARY,
    )


def _along(folder: Path, row: TableRow) -> Figure | None:
    name = row["recording"]
    path = seconds_path(folder, name)
    if path.parent != folder:
        raise RunFolderError(f"'{folder / SUMMARY}' names a file elsewhere: {name[:80]}")
    lines = read_tsv(path)
    if len(lines) < 2:
        return None
    minutes = np.array([value(line, "onset") for line in lines]) / 60
    seconds: NDArray[np.float64] = np.array([value(line, "seconds") for line in lines])
    kept = np.linspace(0, len(lines) - 1, min(MOST_POINTS, len(lines))).astype(np.int64)
    picture = curves(
        [Curve(name=name, x=minutes[kept], y=seconds[kept])],
        (float(minutes[0]), float(minutes[-1])),
        (0.0, max(60.0, float(np.nanmax(seconds)))),
        "minutes", "predicted seconds", f"predicted seconds along {name}",
    )  # fmt: skip
    return Figure(picture, f"{name}.")
