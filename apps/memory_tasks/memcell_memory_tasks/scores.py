"""Scores of the labelled steps, and those that a task adds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from memcell.sequences.time_series import TimeSeries
from memcell_memory_tasks.problem import MemoryProblem, Probabilities

MAIN = "accuracy"

#: Nothing is surer than this: a logarithm stays finite.
SMALLEST = 1e-12


def labelled(
    sequences: Sequence[TimeSeries], probabilities: Sequence[Probabilities]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return targets ``[n]`` and probabilities ``[n, n_classes]`` at the labelled steps, pooled."""
    y = [s.targets[s.labelled] for s in sequences]
    p = [
        np.asarray(q, dtype=np.float64)[s.labelled]
        for s, q in zip(sequences, probabilities, strict=True)
    ]
    if not y:
        return np.empty(0, dtype=np.int64), np.empty((0, 1))
    return np.concatenate(y).astype(np.int64), np.concatenate(p)


def scores(
    problem: MemoryProblem, sequences: Sequence[TimeSeries], probabilities: Sequence[Probabilities]
) -> dict[str, float]:
    """Return ``accuracy``, ``loss`` (nats), ``kappa`` (Cohen 1960) and what the task adds.

    nan where there is no labelled step, and for kappa also where truth and answers are one class.
    """
    y, p = labelled(sequences, probabilities)
    nothing = float("nan")
    found = {MAIN: nothing, "loss": nothing, "kappa": nothing}
    if len(y):
        answer = p.argmax(axis=1)
        found[MAIN] = float(np.mean(answer == y))
        found["loss"] = float(-np.log(np.maximum(p[np.arange(len(y)), y], SMALLEST)).mean())
        found["kappa"] = _kappa(y, answer, problem.n_classes)
    if problem.extra_scores is not None:
        found |= problem.extra_scores(sequences, probabilities)
    return found


def _kappa(y: NDArray[np.int64], answer: NDArray[np.int64], n: int) -> float:
    """Return ``(p_o - p_e) / (1 - p_e)``, p_e the agreement that the two margins give by chance."""
    agreed = float(np.mean(answer == y))
    margins = [np.bincount(v, minlength=n) / len(v) for v in (y, answer)]
    chance = float(margins[0] @ margins[1])
    return (agreed - chance) / (1 - chance) if chance < 1 else float("nan")
