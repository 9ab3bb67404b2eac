"""A regressor of steps or sequences as scikit-learn has them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils import assert_all_finite
from sklearn.utils.validation import check_is_fitted

from memcell.runs.estimators.base import InputError, SequenceEstimator, apart, below
from memcell.runs.estimators.data import Array, GivenTargets, at_each_step, targets_of
from memcell.runs.estimators.scores import PooledPredictions


class SequenceRegressor(RegressorMixin, SequenceEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """A recurrent network that tells numbers at each step, or of whole sequences.

    Args:
        loss: ``"squared"``, ``"absolute"`` or ``"huber"``.
        cell: As in `memcell.SequenceClassifier`, and so are all others.
        hidden_size: See there.
        layers: See there.
        normalizer: See there.
        policy: See there.
        sampler: See there.
        time_steps: See there.
        batch_size: See there.
        learning_rate: See there.
        epochs: See there.
        patience: See there.
        dropout: See there.
        scale: See there.
        missing: See there.
        validation_fraction: See there.
        random_state: See there.
        options: See there.
        out: See there.
        verbose: See there.

    Attributes:
        target_: ``"step"`` or ``"sequence"``: what has a target.
        model_files_: The trained network, as the files of a run folder.
    """

    def __init__(
        self,
        *,
        loss: str = "squared",
        cell: str = "lstm",
        hidden_size: int = 32,
        layers: int = 1,
        normalizer: str = "none",
        policy: str = "carry",
        sampler: str = "stream",
        time_steps: int = 50,
        batch_size: int = 16,
        learning_rate: float = 0.003,
        epochs: int | None = None,
        patience: int = 8,
        dropout: float = 0.0,
        scale: str = "standard",
        missing: str = "refuse",
        validation_fraction: float = 0.15,
        random_state: Any = None,
        options: Mapping[str, Any] | None = None,
        out: str | Path | None = None,
        verbose: bool = False,
    ) -> None:
        super().__init__(
            cell=cell, hidden_size=hidden_size, layers=layers, normalizer=normalizer,
            policy=policy, sampler=sampler, time_steps=time_steps, batch_size=batch_size,
            learning_rate=learning_rate, epochs=epochs, patience=patience, dropout=dropout,
            scale=scale, missing=missing, validation_fraction=validation_fraction,
            random_state=random_state, options=options, out=out, verbose=verbose,
        )  # fmt: skip
        self.loss = loss

    def __sklearn_tags__(self) -> Any:
        """Return what scikit-learn should know: several targets are possible."""
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        tags.target_tags.single_output = True
        return tags

    def fit(self, X: Any, y: Any, groups: Any = None) -> Self:
        """Train a network.

        Args:
            X: As `SequenceClassifier.fit` takes it.
            y: A number or several for each step or for each sequence; NaN for none.
            groups: Whose each sequence is: a group trains or validates, not both.

        Raises:
            ValueError: What came cannot be used; says what was expected.
        """
        inputs = self._inputs(X, reset=True)
        targets = targets_of(y, inputs)
        values = _numbers(targets)
        self.flat_ = values.ndim == 1
        each = apart(values, targets)
        self._trained(
            inputs, targets, at_each_step(each, inputs, targets.target, np.nan), groups,
            kind="values", loss=self.loss,
        )  # fmt: skip
        return self

    def predict(self, X: Any) -> Array:
        """Return the numbers of each step or of each sequence, as y was."""
        check_is_fitted(self)
        inputs = self._inputs(X, reset=False)
        found = [self._shaped(v) for v in self._outputs(inputs)]
        return inputs.as_came(found, self.target_)

    def score(self, X: Any, y: Any) -> float:
        """Return R² of the steps (or sequences) with a target."""
        pooled = self.pooled_predictions(X, y)
        return float(r2_score(pooled.y, pooled.predictions))

    def pooled_predictions(self, X: Any, y: Any) -> PooledPredictions:
        """Return targets and predictions of all steps (or sequences) that have all targets, together."""
        check_is_fitted(self)
        inputs = self._inputs(X, reset=False)
        values = _numbers(targets_of(y, inputs))
        known = ~np.isnan(values.reshape(len(values), -1)).any(axis=1)
        found = self._shaped(below(self._outputs(inputs), self.target_))[known]
        return PooledPredictions(y=values[known], predictions=found)

    def _shaped(self, values: Array) -> Array:
        return (values[..., 0] if self.flat_ else values).astype(np.float64)


def _numbers(targets: GivenTargets) -> Array:
    y = targets.pooled()
    try:
        found = y.astype(np.float64)
    except (TypeError, ValueError):
        raise InputError(f"y is of dtype {y.dtype}; expected numbers, NaN for none") from None
    assert_all_finite(found, allow_nan=True, input_name="y")
    return found
