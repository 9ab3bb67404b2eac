"""Each test recording by itself beside all of them together: decisions, and chances against the class prior.

Pooled scores are those of the long recordings, and of what differs between recordings; the mean over
recordings is what the next one may expect. People differ in how much of their time is positive, and a model
may rank well and say too much or too little of everybody: the mean of its chances beside the share that was
observed shows it. Its Brier score means something only beside that of the prior, which says the share of all
tested steps everywhere: skill is what is gained of it, ``1 - Brier / prior's Brier``, below 0 where the prior
would have been better.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np

from memcell.applications.app import ModelPredictions
from memcell_eeg.scores.scores import DecidedSteps, calibration_error, scores_of

#: No scores.
NONE: Mapping[str, Any] = MappingProxyType({})
#: The name of all recordings together.
ALL = "all"


@dataclass(frozen=True, kw_only=True)
class RecordingScores:
    """The scores of one recording, or of all of them; NaN where not defined.

    Args:
        recording: Its name, or `ALL`.
        subject: Whose it is; empty for all.
        steps: Labelled ones.
        observed: Share of them that is positive.
        mean_probability: Of the positive class, training's shift of the prior undone.
        brier: Mean squared error of that probability.
        prior_brier: The same of the observed share of all recordings.
        ece: Expected calibration error.
        balanced_accuracy, kappa, auc_roc: As in `memcell_eeg.scores.scores`.
    """

    recording: str
    subject: str
    steps: int
    observed: float
    mean_probability: float
    brier: float
    prior_brier: float
    ece: float
    balanced_accuracy: float
    kappa: float
    auc_roc: float

    @property
    def skill(self) -> float:
        """How much smaller the Brier score is than the prior's, as a share of it."""
        return 1 - self.brier / self.prior_brier if self.prior_brier > 0 else float("nan")


def by_recording(
    predictions: Sequence[ModelPredictions],
    whole: Mapping[str, float] = NONE,
    subjects: Mapping[str, Mapping[str, float]] = NONE,
) -> list[RecordingScores]:
    """Return all recordings together, then each of them; none without a labelled step.

    Args:
        predictions: What the scores are made of.
        whole: Scores of all recordings together, where somebody has made them.
        subjects: Likewise those of each subject: of its only recording they are the same.
    """
    pooled = DecidedSteps.of(predictions)
    if not len(pooled.y):
        return []
    prior = float(pooled.y.mean())
    made = [_scores(ALL, "", pooled, prior, whole)]
    names = dict.fromkeys((s.subject, s.name) for part in predictions for s in part.sequences)
    count = Counter(subject for subject, _ in names)
    for subject, name in sorted(names):
        steps = DecidedSteps.of([_only(part, subject, name) for part in predictions])
        if len(steps.y):
            known = subjects.get(subject, {}) if count[subject] == 1 else {}
            made.append(_scores(name, subject, steps, prior, known))
    return made


def _only(part: ModelPredictions, subject: str, name: str) -> ModelPredictions:
    kept = [
        (s, p)
        for s, p in zip(part.sequences, part.probabilities, strict=True)
        if (s.subject, s.name) == (subject, name)
    ]
    return replace(
        part,
        sequences=tuple(s for s, _ in kept),
        probabilities=tuple(p for _, p in kept),
    )


def _scores(
    name: str, subject: str, steps: DecidedSteps, prior: float, known: Mapping[str, float]
) -> RecordingScores:
    found = known or scores_of(steps)
    chances = bool(np.isfinite(steps.chance).all())
    return RecordingScores(
        recording=name,
        subject=subject,
        steps=len(steps.y),
        observed=float(steps.y.mean()),
        mean_probability=float(steps.chance.mean()) if chances else float("nan"),
        brier=found["brier"],
        prior_brier=float(np.mean((steps.y - prior) ** 2)),
        ece=calibration_error(steps.y, steps.chance) if chances else float("nan"),
        balanced_accuracy=found["balanced_accuracy"],
        kappa=found["kappa"],
        auc_roc=found["auc_roc"],
    )
