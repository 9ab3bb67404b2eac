"""Weights of training steps and classes, and the folds inside the training people that have their own."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from memcell.applications.app import InnerFold
from memcell.errors import DataError
from memcell.sequences.time_series import TimeSeries
from memcell_eeg.config import EegConfig
from memcell_eeg.decisions.costs import loss_weights
from memcell_eeg.decisions.decision import class_totals
from memcell_eeg.splits.inner import inner_splits
from memcell_eeg.splits.split import Split
from memcell_eeg.targets.transitions import transition_weights


def inner_folds(
    config: EegConfig, parts: Split, ratio: float, known: frozenset[str] = frozenset()
) -> tuple[tuple[InnerFold, ...], list[str]]:
    """Return the folds inside the training people, none without ``--tune``, and notes on them.

    Features that are scaled by the training people are so by all of them, those left out in an inner
    fold included: nobody who is tested has a part in it.
    """
    if config.tune == "none" or parts.kind == "time":
        return (), []
    made, lines = inner_splits(parts.train, config, known)
    if not made and parts.kind == "none":
        raise DataError(
            "--split none is scored by cross-validation, and the labels cannot be divided: the steps of "
            "a class lie too close together; type --split time"
        )
    folds = []
    for each in made:
        weights = step_weights(config, each.train)
        if weights is not None and not all(class_totals(each.train, weights)):
            return (), [
                *lines,
                "no cross-validation: a fold has no change of label to train on",
            ]
        folds.append(
            InnerFold(
                name=each.name,
                train=each.train,
                valid=each.valid,
                class_weights=class_weights(config, each.train, weights, ratio),
                train_weights=weights,
            )
        )
    return tuple(folds), lines


def step_weights(
    config: EegConfig, train: Sequence[TimeSeries]
) -> tuple[NDArray[np.float32], ...] | None:
    """Return the weights of training steps; None where each labelled one weighs 1."""
    if not config.around_transitions:
        return None
    return tuple(transition_weights(s, config.margin) for s in train)


def class_weights(
    config: EegConfig,
    train: Sequence[TimeSeries],
    weights: Sequence[NDArray[np.float32]] | None,
    ratio: float,
) -> tuple[float, float] | None:
    """Return the weights of the classes in the loss; None where both weigh as often as they are there.

    Args:
        config: The options.
        train: Training sequences.
        weights: Of their steps, as `step_weights` returns them.
        ratio: What a missed positive step costs relative to a false one.
    """
    if config.class_weights == "none":
        return None
    return loss_weights(*class_totals(train, weights), ratio)
