"""A classifier of steps or sequences as scikit-learn has them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin
from sklearn.metrics import accuracy_score, balanced_accuracy_score
from sklearn.utils import assert_all_finite, column_or_1d
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted

from memcell.runs.estimators.base import InputError, SequenceEstimator, apart, below
from memcell.runs.estimators.data import Array, GivenTargets, Labelled, at_each_step, targets_of
from memcell.runs.estimators.scores import PooledPredictions

#: Thresholds that are tried.
_TRIED = np.linspace(0.01, 0.99, 99)


class SequenceClassifier(ClassifierMixin, SequenceEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """A recurrent network that tells classes apart at each step, or of whole sequences.

    Args:
        cell: A name that ``memcell plugins`` lists.
        hidden_size: Width of each recurrent layer.
        layers: Recurrent layers on top of each other.
        normalizer: A name, or ``"none"``.
        policy: State policy: ``"carry"``, ``"reset"`` ...
        sampler: Order of windows: ``"stream"``, ``"reshuffle"`` ...
        time_steps: Steps of a window.
        batch_size: Windows side by side.
        learning_rate: Step size of the optimizer.
        epochs: Most passes; None for the engine's 40, more where these are few updates.
        patience: Epochs without a better validation loss before training stops; 0 for never.
        dropout: Share of a layer's outputs dropped on the way to the next layer.
        class_weight: None, ``"balanced"``, or what each class counts in the loss, by class.
        threshold: Of two classes, the probability from which the second is decided for: a number,
            ``"balanced"`` for the one of the best balanced accuracy where training was validated, None for
            the more probable class.
        unlabelled: Whole number in y that says that a step has no target, as NaN and an empty word do; None
            for none, where -1 is a class.
        scale: ``"standard"`` brings features to mean 0 and standard deviation 1 of the training steps;
            ``"none"`` leaves them. So no scaler is needed before it.
        missing: NaN in X: ``"refuse"``, ``"previous"`` or ``"mean"``.
        validation_fraction: Share of the groups (of the sequences where there are none; of a single one's
            steps, its end) that says when training ends. 0 validates on what trains.
        random_state: Seed, generator or None, as scikit-learn has it.
        options: Further options of `memcell.fit` by name: ``{"policy__steps": 20}``.
        out: Folder for the run, which is kept then; None for none. Each fit takes one of its own.
        verbose: Print what the command prints.

    Attributes:
        classes_: The classes, in the order of probabilities.
        threshold_: What was decided by; None for the most probable class.
        target_: ``"step"`` or ``"sequence"``: what has a target.
        model_files_: The trained network, as the files of a run folder.

    >>> from sklearn.base import clone
    >>> clone(SequenceClassifier(cell="gru")).get_params()["cell"]
    'gru'
    """

    def __init__(
        self,
        *,
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
        class_weight: Any = None,
        threshold: float | str | None = None,
        unlabelled: int | None = -1,
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
        self.class_weight = class_weight
        self.threshold = threshold
        self.unlabelled = unlabelled

    def fit(self, X: Any, y: Any, groups: Any = None) -> Self:
        """Train a network.

        Args:
            X: Sequences: a list of ``[steps, features]``, an array ``[n, steps, features]``, or one sequence
                ``[steps, features]``, whose steps are scikit-learn's samples.
            y: A class for each step or for each sequence: numbers or words (`memcell.runs.estimators.data`).
            groups: Whose each sequence is: a group trains or validates, not both.

        Raises:
            ValueError: What came cannot be used; says what was expected.
        """
        inputs = self._inputs(X, reset=True)
        targets = targets_of(y, inputs)
        values, known = self._classes(targets)
        check_classification_targets(values[known])
        self.classes_ = np.unique(values[known])
        n = len(self.classes_)
        if n < 2:
            raise InputError(
                f"y has {n} class{'es' * (n != 1)} ({_few(self.classes_)}); expected two or more"
                + ("" if self.unlabelled is None else f"; {self.unlabelled} stands for no target: "
                   "unlabelled=None where it is a class")
            )  # fmt: skip
        if self.threshold is not None and n != 2:
            raise InputError(
                f"threshold got {self.threshold!r} and y has {n} classes; a threshold is for two"
            )
        codes = np.where(
            known, np.searchsorted(self.classes_, np.where(known, values, self.classes_[0])), -1
        )
        each = apart(codes, targets)
        valid = self._trained(
            inputs, targets, at_each_step(each, inputs, targets.target, -1), groups,
            kind="classes", class_weights=self._weights(),
        )  # fmt: skip
        self.threshold_ = self._threshold(valid)
        return self

    def predict_proba(self, X: Any) -> Array:
        """Return the probability of each class, of each step or of each sequence, as y was."""
        check_is_fitted(self)
        inputs = self._inputs(X, reset=False)
        return inputs.as_came(self._outputs(inputs), self.target_)

    def predict(self, X: Any) -> Array:
        """Return the class of each step or of each sequence, as y was."""
        check_is_fitted(self)
        inputs = self._inputs(X, reset=False)
        return inputs.as_came([self._decided(p) for p in self._outputs(inputs)], self.target_)

    def score(self, X: Any, y: Any) -> float:
        """Return the share of steps (or sequences) with a target whose class is right."""
        pooled = self.pooled_predictions(X, y)
        return float(accuracy_score(pooled.y, pooled.predictions))

    def pooled_predictions(self, X: Any, y: Any) -> PooledPredictions:
        """Return targets and predictions of all steps (or sequences) that have a target, together."""
        check_is_fitted(self)
        inputs = self._inputs(X, reset=False)
        values, known = self._classes(targets_of(y, inputs))
        p = below(self._outputs(inputs), self.target_)[known]
        return PooledPredictions(
            y=values[known], predictions=self._decided(p), probabilities=p, classes=self.classes_
        )

    def _classes(self, targets: GivenTargets) -> tuple[Array, NDArray[np.bool_]]:
        """Return the target of each step or sequence, pooled, and where there is one."""
        y = targets.pooled()
        if y.dtype == object:
            y = np.array(y.tolist())
        if y.ndim == 2 and y.shape[1] > 1:
            raise InputError(
                f"y has {y.shape[1]} targets a {targets.target}; expected one class (several labels: "
                "memcell.fit(kind='labels'); values: SequenceRegressor), or [n, steps] for one a step"
            )
        y = column_or_1d(y, warn=True)
        if y.dtype.kind == "U":
            return y, y != ""
        if y.dtype.kind not in "biuf":
            raise InputError(f"y is of dtype {y.dtype}; expected whole numbers or words")
        assert_all_finite(y, allow_nan=True, input_name="y")
        known = ~np.isnan(y)
        return y, known if self.unlabelled is None else known & (y != self.unlabelled)

    def _weights(self) -> Any:
        if self.class_weight is None or isinstance(self.class_weight, str):
            return self.class_weight or "none"
        places = {name: k for k, name in enumerate(self.classes_.tolist())}
        other = next((c for c in self.class_weight if c not in places), None)
        if other is not None:
            raise InputError(
                f"class_weight has the class {other!r}; expected those of y: {_few(self.classes_)}"
            )
        return {str(places[c]): float(w) for c, w in self.class_weight.items()}

    def _threshold(self, valid: list[Labelled]) -> float | None:
        if self.threshold is None:
            return None
        if self.threshold != "balanced":
            found = self.threshold
            if isinstance(found, str) or not 0 < found < 1:
                raise InputError(f"threshold got {found!r}; expected 0 to 1, 'balanced' or None")
            return float(found)
        y = np.concatenate([s.y for s in valid])
        p = np.concatenate([one[:, 1] for one in self._network.predict([s.x for s in valid])])
        y, p = y[y >= 0], p[y >= 0]
        if len(np.unique(y)) < 2:
            return 0.5
        scores = [balanced_accuracy_score(y, p >= at) for at in _TRIED]
        best = _TRIED[np.isclose(scores, max(scores))]
        return float(best[np.abs(best - 0.5).argmin()])

    def _decided(self, p: Array) -> Array:
        at = getattr(self, "threshold_", None)
        decided: Array = self.classes_[
            p.argmax(axis=-1) if at is None else (p[..., 1] >= at).astype(int)
        ]
        return decided


def _few(classes: Array) -> str:
    shown = [str(c) for c in classes[:6].tolist()]
    return ", ".join(shown) + (", ..." if len(classes) > 6 else "") or "none"
