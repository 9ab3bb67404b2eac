"""The models of all folds, pooled: each held-out subject under the decisions of its own fold.

With repeats a network's steps are those of every seed together, each under its own decision: a score is
that of all their decisions, and an interval over subjects takes a subject with all of its seeds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from memcell.applications.app import Folding, ModelPredictions, Pooling, Row
from memcell.escape import table
from memcell.runs.by_subject import cell
from memcell.runs.predictions import read_predictions


def pooled_rows(app: Folding, folds: Sequence[Sequence[Path]]) -> tuple[list[Row], list[str]]:
    """Return a row for each model that every fold has, and the names of those that some lack.

    Args:
        app: Scores the parts.
        folds: Their run folders: for each fold one, and one for each repeat.

    Raises:
        DataError: A fold's file is missing or damaged.
    """
    found: dict[str, list[Row]] = {}
    seen: Counter[str] = Counter()
    for paths in folds:
        mine = [row for path in paths for row in read_predictions(path)]
        for row in mine:
            found.setdefault(row.name, []).append(row)
        seen.update({row.name for row in mine})
    everywhere = [name for name in found if seen[name] == len(folds)]
    rows = [
        pooled_row(app, found[name], [part for row in found[name] for part in row.predictions])
        for name in everywhere
    ]
    return rows, [name for name in found if name not in everywhere]


def pooled_row(app: Pooling, rows: Sequence[Row], predictions: Sequence[ModelPredictions]) -> Row:
    """Return the rows of one model in several folds as one.

    Args:
        app: Scores the parts.
        rows: Of the model; what they note differently, such as how it was fitted, is not in the one.
        predictions: The parts of all of them, each under its own decision.
    """
    notes = {row.note for row in rows}
    return replace(
        rows[0],
        scores=app.pooled(predictions),
        subjects=scores_by_subject(app, predictions),
        note=notes.pop() if len(notes) == 1 else "fitted anew in each fold",
        predictions=tuple(predictions),
    )


def seeds_tsv(
    app: Folding, folds: Sequence[Sequence[Path]], seeds: Sequence[int], first: str
) -> str:
    """Return a line for each seed and network: its scores pooled over the folds.

    Args:
        app: Scores the parts.
        folds: As in `pooled_rows`.
        seeds: Of the run and of its repeats.
        first: The score that comes first.
    """
    lines: list[list[str]] = []
    names: list[str] = []
    for k, seed in enumerate(seeds):
        parts: dict[str, list[ModelPredictions]] = {}
        for paths in folds:
            for row in read_predictions(paths[k]):
                if row.kind == "network":
                    parts.setdefault(row.name, []).extend(row.predictions)
        for name, predictions in parts.items():
            scores = app.pooled(predictions)
            names = names or [first, *(n for n in scores if n != first)]
            lines.append([str(seed), name, *(cell(float(scores[n])) for n in names)])
    return table([["seed", "name", *names], *lines])


def scores_by_subject(
    app: Pooling, predictions: Sequence[ModelPredictions]
) -> dict[str, dict[str, float]]:
    """Return the scores of each subject, each part under its own decision."""
    of: dict[str, list[ModelPredictions]] = {}
    for part in predictions:
        for subject in sorted({s.subject for s in part.sequences}):
            mine = [
                (s, p)
                for s, p in zip(part.sequences, part.probabilities, strict=True)
                if s.subject == subject
            ]
            of.setdefault(subject, []).append(
                ModelPredictions(
                    sequences=tuple(s for s, _ in mine),
                    probabilities=tuple(p for _, p in mine),
                    decision=part.decision,
                )
            )
    return {subject: dict(app.pooled(parts)) for subject, parts in sorted(of.items())}
