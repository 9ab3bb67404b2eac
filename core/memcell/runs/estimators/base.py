"""What the estimators of both kinds share: options, forms of X and y, training, and what is pickled."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import validate_data

from memcell.errors import MemcellError
from memcell.runs.estimators.data import (
    Array,
    GivenSequences,
    GivenTargets,
    Labelled,
    Target,
    divided,
    form_of,
    inputs_of,
)
from memcell.runs.fit import fit
from memcell.runs.load import load

#: Options of `memcell.fit` that an estimator decides on.
_ITS_OWN = (
    "data",
    "test_subjects",
    "valid_subjects",
    "metrics",
    "resume",
    "train",
    "valid",
    "test",
)
#: Files of a run folder that a trained network is: what a fitted estimator keeps in memory.
FILES = ("config.toml", "environment.json", "model.safetensors")


class InputError(MemcellError, ValueError):
    """What an estimator was given and cannot use, as scikit-learn's tools expect it to be raised."""


class SequenceEstimator(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """What the estimators of both kinds share; see `SequenceClassifier`."""

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
        scale: str = "standard",
        missing: str = "refuse",
        validation_fraction: float = 0.15,
        random_state: Any = None,
        options: Mapping[str, Any] | None = None,
        out: str | Path | None = None,
        verbose: bool = False,
    ) -> None:
        self.cell = cell
        self.hidden_size = hidden_size
        self.layers = layers
        self.normalizer = normalizer
        self.policy = policy
        self.sampler = sampler
        self.time_steps = time_steps
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.epochs = epochs
        self.patience = patience
        self.dropout = dropout
        self.scale = scale
        self.missing = missing
        self.validation_fraction = validation_fraction
        self.random_state = random_state
        self.options = options
        self.out = out
        self.verbose = verbose

    def __sklearn_tags__(self) -> Any:
        """Return what scikit-learn should know: X of two or three dimensions, NaN where asked for."""
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.allow_nan = self.missing != "refuse"
        return tags

    def __getstate__(self) -> Any:
        """Return what is pickled: all but the network, which is built again of its files."""
        state = super().__getstate__()
        return {k: v for k, v in state.items() if k != "_network"}

    def _inputs(self, x: Any, *, reset: bool) -> GivenSequences:
        """Return X as sequences; of another width than in training it is refused."""
        form, gaps = form_of(x), self.missing != "refuse"
        if form == "one":
            finite: Any = "allow-nan" if gaps else True
            one = validate_data(self, x, reset=reset, dtype=np.float64, ensure_all_finite=finite)
            return GivenSequences(sequences=[one], form=form)
        found = inputs_of(x, form, gaps)
        if reset:
            self.n_features_in_ = found.n_features
            self.__dict__.pop("feature_names_in_", None)
        elif found.n_features != self.n_features_in_:
            raise InputError(
                f"X has {found.n_features} features, but {type(self).__name__} is expecting "
                f"{self.n_features_in_} features as input"
            )
        return found

    def _trained(
        self,
        inputs: GivenSequences,
        targets: GivenTargets,
        encoded: list[Array],
        groups: Any,
        **kind: Any,
    ) -> list[Labelled]:
        """Train on sequences with a target for each step; return those that validated."""
        rng = check_random_state(self.random_state)
        pairs = zip(inputs.sequences, encoded, strict=True)
        train, valid = divided(
            [Labelled(x=x, y=y) for x, y in pairs], groups, self.validation_fraction, rng
        )
        chosen: dict[str, Any] = dict(
            cell=self.cell, hidden_size=self.hidden_size, layers=self.layers,
            normalizer=self.normalizer, policy=self.policy, sampler=self.sampler,
            time_steps=self.time_steps, batch_size=self.batch_size,
            learning_rate=self.learning_rate, patience=self.patience, dropout=self.dropout,
            scale=self.scale, missing=self.missing, seed=int(rng.randint(2**31 - 1)),
            control="none", split="everybody", **kind,
        )  # fmt: skip
        if self.epochs is not None:
            chosen["epochs"] = self.epochs
        taken = sorted({*(self.options or {})} & {*chosen, *self.get_params(), *_ITS_OWN})
        if taken:
            raise InputError(
                f"options has {taken[0]!r}, which "
                + (
                    "is an argument of the estimator"
                    if taken[0] in self.get_params()
                    else "the estimator says itself (memcell.fit leaves it to you)"
                )
            )
        with raised_as_value_error(), TemporaryDirectory(prefix="memcell-") as below:
            run = fit(
                [(s.x, s.y) for s in train],
                [(s.x, s.y) for s in valid],
                out=Path(below) / "run" if self.out is None else self.out,
                verbose=self.verbose,
                **{**chosen, **(self.options or {})},
            )
            self.model_files_ = {name: (run.path / name).read_bytes() for name in FILES}
        self.target_: Target = targets.target
        self._network = self._loaded()
        return valid

    def _loaded(self) -> Any:
        with TemporaryDirectory(prefix="memcell-") as below:
            for name, content in self.model_files_.items():
                (Path(below) / name).write_bytes(content)
            return load(below)

    def _outputs(self, inputs: GivenSequences) -> list[Array]:
        """Return the outputs ``[T_i, K]`` of the network, or those ``[K]`` of its last step."""
        network = vars(self).get("_network")
        if network is None:  # of a pickle
            network = self._network = self._loaded()
        with raised_as_value_error():
            found = network.predict(inputs.sequences)
        return [one if self.target_ == "step" else one[-1] for one in found]


@contextmanager
def raised_as_value_error() -> Iterator[None]:
    """Raise what memcell says of an option or of data as a ValueError too."""
    try:
        yield
    except InputError:
        raise
    except MemcellError as error:
        raise InputError(str(error)) from error


def apart(pooled: Array, targets: GivenTargets) -> list[Array]:
    """Return what was pooled as it belongs to sequences."""
    if targets.target == "sequence":
        return list(pooled)
    return np.split(pooled, np.cumsum([len(v) for v in targets.each])[:-1])


def below(each: list[Array], target: Target) -> Array:
    """Return what belongs to sequences one below the other."""
    return np.concatenate(each) if target == "step" else np.stack(each)
