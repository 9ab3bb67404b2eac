"""Scores by step, pooled over the labelled steps, and by event.

Balanced accuracy comes first: with 7-11 % of positive steps, accuracy is that of doing nothing.
Brier score and calibration error are of chances: what training did to the prior odds of the classes (class
weights of the loss, `--around-transitions`, a sampler) is undone (``undo_weights``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memcell.applications.app import ModelPredictions
from memcell.sequences.time_series import TimeSeries
from memcell_eeg.decisions.decision import labelled
from memcell_eeg.scores import events
from memcell_eeg.scores.by_step import ranked_and_decided
from memcell_eeg.scores.events import EventRules, count_events

MAIN = "balanced_accuracy"

#: Every score with what it is; larger is better for the first group.
MEANING: dict[str, str] = {
    "balanced_accuracy": "mean of sensitivity and specificity by step; .5 is chance",
    "kappa": "Cohen's kappa by step: agreement beyond chance",
    "f1": "F1 of the positive steps",
    "auc_roc": "area under the ROC curve by step, whatever the threshold; .5 is chance",
    "auc_pr": "average precision by step; chance is the share of positive steps",
    "mcc": "Matthews correlation by step",
    "accuracy": "share of steps that are right",
    "event_sensitivity": "share of true events that were detected",
    "event_precision": "hits as a share of hits and false alarms",
    "event_f1": "F1 of events",
    "brier": "mean squared error of the probability; smaller is better",
    "ece": "expected calibration error, 10 bins of equal width; smaller is better",
    "false_alarms_per_hour": "detected events outside every true event, per hour of labelled time",
    "onset_delay_s": "median delay from a true onset to the start of its first detected step, s",
    "onset_delay_p90_s": "90th percentile of the onset delays, s",
}

#: What a screen has room for; files have all of `MEANING`.
SHOWN = (
    "balanced_accuracy",
    "kappa",
    "auc_pr",
    "event_f1",
    "false_alarms_per_hour",
    "onset_delay_s",
)


@dataclass(frozen=True, kw_only=True)
class DecidedSteps:
    """Labelled steps with their probabilities and decisions.

    Args:
        y: ``[n]`` 0 or 1.
        p: ``[n]`` probability of 1.
        state: ``[n]`` decision, 0 or 1.
        chance: ``[n]`` the probability with training's shift of the prior undone; NaN where that is unknown.
    """

    y: NDArray[np.int64]
    p: NDArray[np.float64]
    state: NDArray[np.int64]
    chance: NDArray[np.float64]

    @classmethod
    def of(
        cls, predictions: Sequence[ModelPredictions], subject: str | None = None
    ) -> DecidedSteps:
        """Return the labelled steps of parts with individual thresholds.

        Args:
            predictions: The parts.
            subject: Only the sequences of this one.
        """
        made = []
        for part in predictions:
            pairs = zip(part.sequences, part.probabilities, strict=True)
            own = [(s, q) for s, q in pairs if subject is None or s.subject == subject]
            y, p = labelled([s for s, _ in own], [q for _, q in own])
            made.append(
                cls.decided(y, p, part.decision["threshold"], part.decision.get("weight_odds", 1.0))
            )
        if not made:
            return cls.decided(np.empty(0, dtype=np.int64), np.empty(0), 0.5)
        names = ("y", "p", "state", "chance")
        return cls(**{n: np.concatenate([getattr(m, n) for m in made]) for n in names})

    @classmethod
    def decided(
        cls,
        y: NDArray[np.int64],
        p: NDArray[np.float64],
        threshold: float,
        weight_odds: float = 1.0,
    ) -> DecidedSteps:
        """Return steps decided by a threshold."""
        state = (p >= threshold).astype(np.int64)
        return cls(y=y, p=p, state=state, chance=undo_weights(p, weight_odds))


def scores(
    sequences: Sequence[TimeSeries],
    probabilities: Sequence[NDArray[np.float32]],
    threshold: float,
    rules: EventRules,
    weight_odds: float = 1.0,
) -> dict[str, float]:
    """Return every score of `MEANING`.

    Args:
        sequences: With targets.
        probabilities: ``[n_steps, 2]`` for each of them.
        threshold: A step is positive from this probability on.
        rules: How events are made and matched.
        weight_odds: By how much training has multiplied the odds of the positive class.

    A score that needs both classes, or an event, is nan where there are none.
    """
    decision = {"threshold": threshold, "weight_odds": weight_odds}
    part = ModelPredictions(
        sequences=tuple(sequences), probabilities=tuple(probabilities), decision=decision
    )
    return pooled_scores([part], rules)


def pooled_scores(predictions: Sequence[ModelPredictions], rules: EventRules) -> dict[str, float]:
    """Return every score of `MEANING` over parts with individual thresholds."""
    counted = [
        count_events(s, np.asarray(q[:, 1], dtype=np.float64) >= part.decision["threshold"], rules)
        for part in predictions
        for s, q in zip(part.sequences, part.probabilities, strict=True)
    ]
    found = {**scores_of(DecidedSteps.of(predictions)), **events.scores_of(counted)}
    return {name: found[name] for name in MEANING}


def step_scores(
    y: NDArray[np.int64], p: NDArray[np.float64], threshold: float, weight_odds: float = 1.0
) -> dict[str, float]:
    """Return the scores by step.

    Args:
        y: ``[n]`` 0 or 1.
        p: ``[n]`` probability of 1.
        threshold: From 0 to 1.
        weight_odds: As in `scores`.
    """
    return scores_of(DecidedSteps.decided(y, p, threshold, weight_odds))


def scores_of(steps: DecidedSteps) -> dict[str, float]:
    """Return the scores of decided steps."""
    y, p, state, chance = steps.y, steps.p, steps.state, steps.chance
    names = (
        *("balanced_accuracy", "kappa", "f1", "auc_roc", "auc_pr", "mcc"),
        *("accuracy", "brier", "ece"),
    )
    out = dict.fromkeys(names, float("nan"))
    if len(y) == 0:
        return out
    out["accuracy"] = float(np.mean(state == y))
    if np.isfinite(chance).all():
        out["brier"] = float(np.mean((chance - y) ** 2))
        out["ece"] = calibration_error(y, chance)
    if len(np.unique(y)) < 2:
        return out
    out |= ranked_and_decided(y, p, state)
    return out


def undo_weights(p: NDArray[np.float64], weight_odds: float) -> NDArray[np.float64]:
    """Return probabilities with the class weighting undone: odds over ``weight_odds``; NaN if that is NaN.

    Elkan 2001, theorem 2: weighting the classes, or drawing one more often, multiplies the odds of a
    calibrated model by the ratio of the weights.
    """
    return np.asarray(p / (p + (1 - p) * weight_odds))


def calibration_error(y: NDArray[np.int64], p: NDArray[np.float64], bins: int = 10) -> float:
    """Return ``sum_b n_b / n |mean(y)_b - mean(p)_b|`` over bins of equal width (Naeini et al. 2015).

    Args:
        y: ``[n]`` 0 or 1, n > 0.
        p: ``[n]`` probability of 1.
        bins: How many.
    """
    inside = np.minimum((p * bins).astype(np.int64), bins - 1)
    gap = np.bincount(inside, weights=y - p, minlength=bins)
    return float(np.abs(gap).sum() / len(y))
