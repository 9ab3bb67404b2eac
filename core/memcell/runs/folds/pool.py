"""The models of all folds, pooled: each held-out subject under the decisions of its own fold.

With repeats a network's steps are those of every seed together, each under its own decision: a score is
that of all their decisions, and an interval over subjects takes a subject with all of its seeds.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from memcell.applications.app import Folding, ModelPredictions, Pooling, Row
from memcell.escape import table
from memcell.inference.overflow import pooled_overflow, without_overflow
from memcell.runs.by_subject import cell
from memcell.runs.predictions import read_predictions


def pooled_rows(app: Folding, folds: Sequence[Sequence[Path]]) -> tuple[list[Row], list[str]]:
    """Return a row for each model that every run has, and the names of those that some lack.

    A network has to be in all repeats of each fold, a baseline in each fold's first run, which alone has any:
    scores of fewer seeds in one fold than in another would weigh its subjects otherwise than all others'.

    Args:
        app: Scores the parts.
        folds: Their run folders: for each fold one, and one for each repeat.

    Raises:
        DataError: A run's file is missing or damaged.
    """
    found: dict[str, list[Row]] = {}
    for paths in folds:
        for path in paths:
            for row in read_predictions(path):
                found.setdefault(row.name, []).append(row)
    runs = sum(len(paths) for paths in folds)
    lacking = [
        name
        for name, rows in found.items()
        if len(rows) < (runs if rows[0].kind == "network" else len(folds))
    ]
    pooled = [
        pooled_row(app, rows, [part for row in rows for part in row.predictions])
        for name, rows in found.items()
        if name not in lacking
    ]
    return pooled, lacking


def pooled_row(app: Pooling, rows: Sequence[Row], predictions: Sequence[ModelPredictions]) -> Row:
    """Return the rows of one model in several folds as one.

    Args:
        app: Scores the parts.
        rows: Of the model; what they note differently, such as how it was fitted, is not in the one, but in
            how many of them memory overflowed.
        predictions: The parts of all of them, each under its own decision.
    """
    return replace(
        rows[0],
        scores=app.pooled(predictions),
        subjects=scores_by_subject(app, predictions),
        note=rows[0].note if len(rows) == 1 else _shared_note(rows),
        predictions=tuple(predictions),
    )


def _shared_note(rows: Sequence[Row]) -> str:
    notes = {without_overflow(row.note) for row in rows}
    shared = notes.pop() if len(notes) == 1 else "fitted anew in each fold"
    overflow = pooled_overflow([row.note for row in rows], rows[0].inferred_with)
    return "; ".join(filter(None, (shared, overflow)))


def seeds_tsv(
    app: Folding,
    folds: Sequence[Sequence[Path]],
    seeds: Sequence[int],
    first: str,
    networks: Collection[str],
) -> str:
    """Return a line for each seed and network: its scores pooled over the folds.

    Args:
        app: Scores the parts.
        folds: As in `pooled_rows`.
        seeds: Of the run and of its repeats.
        first: The score that comes first.
        networks: Names of those that every run has (`pooled_rows`).
    """
    lines: list[list[str]] = []
    names: list[str] = []
    for k, seed in enumerate(seeds):
        parts: dict[str, list[ModelPredictions]] = {}
        for paths in folds:
            for row in read_predictions(paths[k]):
                if row.name in networks:
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
