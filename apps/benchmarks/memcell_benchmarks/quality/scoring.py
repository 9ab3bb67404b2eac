"""Scores of wake against sleep by steps of 5 s and by epochs of 30 s, the same for everybody."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray
from sklearn import metrics

from memcell.runs.tables import format_score, laid_out
from memcell_benchmarks.quality.contenders import EPOCH, Said, Truth

#: Seconds of a step that is scored.
EVERY = ("30 s", "5 s")
_NAMES = {"kappa": "kappa", "balanced_accuracy": "balanced accuracy", "auc": "AUC"}
#: Steps of 5 s of an epoch.
_STEPS = 6


def share_awake(truth: Iterable[Truth]) -> float:
    """Return the share of labelled steps that are awake."""
    target = np.concatenate([t.target for t in truth])
    return float((target == 0).mean())


def scores(truth: Mapping[str, Truth], said: Mapping[str, Said], every: str) -> dict[str, float]:
    """Return kappa, balanced accuracy and AUC over all recordings.

    Args:
        truth: By recording.
        said: Likewise; a step of which nothing is said counts as called awake.
        every: ``"5 s"``, or ``"30 s"``: an epoch of six labelled steps, what most of them are; a contender
            calls it what it calls most of them, with the mean of their probabilities.
    """
    parts = []
    for name, t in truth.items():
        made = said[name]
        columns = np.stack([t.target, made.asleep, np.nan_to_num(made.probability, nan=0.0)])
        parts.append(columns if every == "5 s" else _epochs(t.times, columns))
    target, asleep, probability = np.concatenate(parts, axis=1)
    return {
        "kappa": float(metrics.cohen_kappa_score(target, asleep)),
        "balanced_accuracy": float(metrics.balanced_accuracy_score(target, asleep)),
        "auc": float(metrics.roc_auc_score(target, probability)),
        "steps": float(len(target)),
    }


def _epochs(times: NDArray[np.float64], columns: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ``[3, n]`` of whole epochs: majorities of the first two rows, the mean of the third."""
    number = np.floor((times + 2.5) / EPOCH).astype(np.int64)
    made = []
    for epoch in np.unique(number):
        mean = columns[:, number == epoch].mean(axis=1)
        if np.sum(number == epoch) == _STEPS:
            made.append([mean[0] >= 0.5, mean[1] >= 0.5, mean[2]])
    return np.array(made, dtype=np.float64).reshape(-1, 3).T


def as_text(rows: Mapping[str, Mapping[str, Mapping[str, float]]]) -> str:
    """Return a line for each contender, as wide as a terminal."""
    columns = [
        (f"{words}, {every}", [format_score(row[every][name]) for row in rows.values()])
        for every in EVERY
        for name, words in _NAMES.items()
    ]
    return laid_out([(name,) for name in rows], columns)
