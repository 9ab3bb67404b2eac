"""Scores by test subject: their means, how sure these are, and the differences between models.

Subjects, not steps, are what a result generalizes over: the steps of one person are no independent
evidence. Intervals are over subjects therefore, and there are none with fewer than `ENOUGH`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from memcell.applications.app import ModelPredictions, Pooling, Row
from memcell.errors import MemcellError
from memcell.escape import table
from memcell.files.reading import read_lines, read_object
from memcell.runs.tables import score_names, with_fields
from memcell.statistics.bootstrap import NONE, Interval, interval
from memcell.statistics.paired import SignFlip, sign_flip

#: Fewest subjects of which an interval is made.
ENOUGH = 3


@dataclass(frozen=True, kw_only=True)
class Mean:
    """A score's mean over the subjects that have it.

    Args:
        value: The mean; NaN without any.
        interval: 95 % BCa interval over subjects; NaN with fewer than `ENOUGH`.
        n: Subjects.
    """

    value: float
    interval: Interval
    n: int

    @classmethod
    def of(cls, values: Iterable[float]) -> Mean:
        """Return the mean of what is a number."""
        known = [v for v in values if math.isfinite(v)]
        if not known:
            return cls(value=math.nan, interval=NONE, n=0)
        between = interval(known) if len(known) >= ENOUGH else NONE
        return cls(value=float(np.mean(known)), interval=between, n=len(known))


@dataclass(frozen=True, kw_only=True)
class SubjectDifferences:
    """One model minus another, subject by subject, in one score.

    Args:
        score: The score.
        name: The model.
        minus: The other one.
        mean: Of the differences over the subjects for whom both have the score.
        test: The sign-flip test of them.
    """

    score: str
    name: str
    minus: str
    mean: Mean
    test: SignFlip


def score_of(row: Row, subject: str, name: str) -> float:
    """Return a subject's score; NaN where there is none."""
    return float(row.subjects.get(subject, {}).get(name, math.nan))


def mean_of(row: Row, name: str) -> Mean:
    """Return a score's mean over a row's subjects."""
    return Mean.of(score_of(row, subject, name) for subject in row.subjects)


def mean_of_recordings(app: Pooling, row: Row, name: str) -> Mean:
    """Return a score's mean over the recordings that a row's predictions are of, each scored by itself."""
    names = dict.fromkeys((s.subject, s.name) for part in row.predictions for s in part.sequences)
    scores = (app.pooled(_only(row.predictions, one)) for one in names)
    return Mean.of(float(found.get(name, math.nan)) for found in scores)


def _only(
    predictions: Sequence[ModelPredictions], recording: tuple[str, str]
) -> list[ModelPredictions]:
    """Return what is said of one recording, each part under its own decision."""
    parts = []
    for part in predictions:
        pairs = zip(part.sequences, part.probabilities, strict=True)
        kept = [(s, p) for s, p in pairs if (s.subject, s.name) == recording]
        if kept:
            sequences, probabilities = zip(*kept, strict=True)
            parts.append(replace(part, sequences=sequences, probabilities=probabilities))
    return parts


def differences(rows: Sequence[Row], first: str) -> list[SubjectDifferences]:
    """Return the first row minus each of the others, in every score.

    Args:
        rows: With ``subjects``.
        first: The score that comes first.
    """
    if not rows or not rows[0].subjects:
        return []
    mine = rows[0]
    made = []
    for name in score_names(rows, first):
        for other in rows[1:]:
            pairs = [
                score_of(mine, u, name) - score_of(other, u, name)
                for u in mine.subjects
                if u in other.subjects
            ]
            found = [d for d in pairs if math.isfinite(d)]
            if found:
                made.append(
                    SubjectDifferences(
                        score=name,
                        name=mine.name,
                        minus=other.name,
                        mean=Mean.of(found),
                        test=sign_flip(found),
                    )
                )
    return made


def subjects_tsv(rows: Sequence[Row], first: str) -> str:
    """Return a line for each subject and row: subject, name, kind, what it was scored on, scores."""
    names = score_names(rows, first)
    lines = [["subject", "name", "kind", "steps", "positive_steps", "threshold", *names]]
    for row in rows:
        for subject, scores in sorted(row.subjects.items()):
            counted = _counted(row.predictions, subject)
            values = [*counted, *(scores.get(n, math.nan) for n in names)]
            lines.append([subject, row.name, row.kind, *map(cell, values)])
    return _text(lines)


def stored_rows(folder: Path) -> list[Row]:
    """Return the rows of a run folder with the scores of each subject, as far as its files can be read."""
    try:
        stored = [with_fields(row) for row in read_object(folder / "scores.json")["rows"]]
        by_subject = _stored_subjects(folder / "subjects.tsv")
        return [
            Row(
                name=str(row["name"]),
                kind=str(row.get("kind", "network")),
                note=str(row.get("note") or ""),
                cell=str(row.get("cell") or ""),
                trained_with=str(row.get("trained_with") or ""),
                inferred_with=str(row.get("inferred_with") or ""),
                scores={str(k): _number(v) for k, v in dict(row.get("scores") or {}).items()},
                subjects=by_subject.get((str(row["name"]), str(row.get("kind", "network"))), {}),
                deployable=bool(row["deployable"]),
            )
            for row in stored
        ]
    except (MemcellError, KeyError, TypeError, ValueError):
        return []


def _stored_subjects(path: Path) -> dict[tuple[str, str], dict[str, dict[str, float]]]:
    """Return the scores of each subject by a row's name and kind; nothing where the file cannot be read."""
    found: dict[tuple[str, str], dict[str, dict[str, float]]] = {}
    try:
        heads, *lines = (line.split("\t") for line in read_lines(path))
    except (MemcellError, ValueError):
        return {}
    for cells in lines:
        row = dict(zip(heads, cells, strict=False))
        scores = {n: _number(v) for n, v in row.items() if n not in ("subject", "name", "kind")}
        found.setdefault((row["name"], row["kind"]), {})[row["subject"]] = scores
    return found


def _number(value: Any) -> float:
    """Return a stored number; NaN where it is none."""
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan


def intervals_tsv(
    rows: Sequence[Row], first: str, pooled: Mapping[str, Mapping[str, Interval]]
) -> str:
    """Return a line for each row and score: pooled with its interval, mean over subjects with its own.

    Args:
        rows: With ``subjects``.
        first: The score that comes first.
        pooled: Row name to score to interval.
    """
    lines = [
        [
            "name",
            "kind",
            "score",
            "value",
            "low",
            "high",
            "mean",
            "mean_low",
            "mean_high",
            "subjects",
        ]
    ]
    for row in rows:
        for name in score_names(rows, first):
            mean = mean_of(row, name)
            between = pooled.get(row.name, {}).get(name, NONE)
            values = [row.scores.get(name, math.nan), *between, mean.value, *mean.interval]
            lines.append([row.name, row.kind, name, *map(cell, values), str(mean.n)])
    return _text(lines)


def differences_tsv(made: Sequence[SubjectDifferences]) -> str:
    """Return a line for each difference."""
    lines = [["score", "name", "minus", "mean", "low", "high", "p", "smallest_p", "subjects"]]
    for d in made:
        values = [d.mean.value, *d.mean.interval, d.test.p, d.test.smallest_p]
        lines.append([d.score, d.name, d.minus, *map(cell, values), str(d.mean.n)])
    return _text(lines)


def cell(value: float | str) -> str:
    """Return a value as the tables have it: full precision, ``n/a`` where undefined (BIDS)."""
    if isinstance(value, float) and math.isnan(value):
        return "n/a"
    return repr(float(value)) if isinstance(value, float) else str(value)


def _counted(predictions: Sequence[ModelPredictions], subject: str) -> tuple[float, float, float]:
    """Return labelled steps, positive ones among them, and the threshold; NaN where nobody kept them."""
    own = [(s, j) for j in predictions for s in j.sequences if s.subject == subject]
    if not own:
        return math.nan, math.nan, math.nan
    steps = sum(int(s.labelled.sum()) for s, _ in own)
    positive = math.nan
    if all(s.of_classes for s, _ in own):
        positive = sum(int((s.targets == 1).sum()) for s, _ in own)
    thresholds = {float(j.decision.get("threshold", math.nan)) for _, j in own}
    return steps, positive, thresholds.pop() if len(thresholds) == 1 else math.nan


def _text(lines: Sequence[Sequence[str]]) -> str:
    return table(lines)
