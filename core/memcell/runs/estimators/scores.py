"""scikit-learn's scores on steps of sequences: a scorer by name that pools them first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.metrics import get_scorer

Array = NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class PooledPredictions:
    """GivenTargets and predictions of many sequences, one below the other.

    Args:
        y: ``[N]`` or ``[N, K]`` that there are.
        predictions: Of the same.
        probabilities: ``[N, classes]``, None of values.
        classes: In the order of the probabilities, None of values.
    """

    y: Array
    predictions: Array
    probabilities: Array | None = None
    classes: Array | None = None


@dataclass(frozen=True)
class StepScorer:
    """A score of scikit-learn by its name, over all steps that have a target.

    scikit-learn's own scorers compare y with ``predict(X)``, which for lists of sequences are lists; this one
    goes where they go: ``cross_val_score(..., scoring=step_scorer("balanced_accuracy"))``.

    Args:
        name: One of ``sklearn.metrics.get_scorer_names()``.
    """

    name: str

    def __post_init__(self) -> None:
        get_scorer(self.name)  # says which there are

    def __call__(self, estimator: Any, X: Any, y: Any) -> float:
        """Return the score of an estimator of sequences, or of a pipeline that ends in one."""
        steps = getattr(estimator, "steps", None)
        if steps is not None:
            X, estimator = estimator[:-1].transform(X), steps[-1][1]
        pooled: PooledPredictions = estimator.pooled_predictions(X, y)
        answers = _Values(pooled) if pooled.classes is None else _Classes(pooled)
        return float(get_scorer(self.name)(answers, np.empty((len(pooled.y), 1)), pooled.y))


def step_scorer(name: str) -> StepScorer:
    """Return `StepScorer` of a name."""
    return StepScorer(name)


class _Values(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """An estimator whose answers are known."""

    def __init__(self, pooled: PooledPredictions) -> None:
        self.pooled = pooled

    def predict(self, X: Any) -> Array:
        """Return what was predicted."""
        return self.pooled.predictions


class _Classes(ClassifierMixin, _Values):  # type: ignore[misc]  # scikit-learn has no types
    """A classifier whose answers are known."""

    @property
    def classes_(self) -> Any:
        """The classes."""
        return self.pooled.classes

    def predict_proba(self, X: Any) -> Any:
        """Return the probabilities that were predicted."""
        return self.pooled.probabilities
