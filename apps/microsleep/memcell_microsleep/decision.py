"""From probabilities to decisions for a cost ratio r (`memcell_microsleep.costs`): the ways, by name.

=============  ==========================================================================================
``threshold``  of all thresholds the one with the least cost on validation, that is the largest
               ``(r sensitivity + specificity) / (r + 1)``; for r = 1 this is the balanced accuracy
``intercept``  a shift of the logit, fitted on validation by a smooth cost (`memcell_microsleep.intercept`)
``cost``       nothing is chosen afterwards: the loss is weighted by the costs, 1 / N to r / P, and a
               step is positive from .5 on
``kappa``      of all thresholds the one with the largest kappa on validation
``likelier``   nothing is chosen: a step has the likelier class, the class weights of the loss undone
=============  ==========================================================================================

Class weights alone (``--class-weights balanced``, the default) are one more: they make both classes weigh
the same before any of these, and are what `cost` is for r = 1. `kappa` and `likelier` do not mind r.

Whatever the way, a decision is a **threshold on the probability that the network reports**; so scores,
events, pictures, predictions and streams decide alike by comparing the two.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence as ListOf

import numpy as np
from numpy.typing import NDArray

from memcell.app import Task
from memcell.sequences.sequence import Sequence
from memcell_microsleep.costs import cost, expected_threshold, rates
from memcell_microsleep.intercept import choose_intercept, threshold_of
from memcell_microsleep.thresholds import HALF, choose_by_kappa, choose_threshold, likelier


def labelled(
    sequences: ListOf[Sequence], probabilities: ListOf[NDArray[np.float32]]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return targets and probabilities of the positive class at the labelled steps, pooled.

    Args:
        sequences: The sequences.
        probabilities: ``[n_steps, 2]`` for each of them.
    """
    if not sequences:
        return np.empty(0, dtype=np.int64), np.empty(0)
    y = np.concatenate([s.targets[s.labelled] for s in sequences]).astype(np.int64)
    pairs = zip(sequences, probabilities, strict=True)
    p = np.concatenate([np.asarray(q[:, 1], dtype=np.float64)[s.labelled] for s, q in pairs])
    return y, p


def class_totals(
    train: ListOf[Sequence], weights: ListOf[NDArray[np.float32]] | None
) -> tuple[float, float]:
    """Return how many negative and positive training steps there are, each counted by its weight.

    Args:
        train: The training sequences.
        weights: ``[n_steps]`` for each of them; None where every labelled step weighs 1.
    """
    y = np.concatenate([s.targets[s.labelled] for s in train])
    if weights is None:
        w = np.ones(len(y))
    else:
        w = np.concatenate([v[s.labelled] for s, v in zip(train, weights, strict=True)])
    return float(w[y == 0].sum()), float(w[y == 1].sum())


def decide(
    way: str, task: Task, valid: ListOf[NDArray[np.float32]], cost_ratio: float
) -> dict[str, float]:
    """Return the decision of a trained network.

    Args:
        way: ``"threshold"``, ``"intercept"``, ``"cost"``, ``"kappa"`` or ``"likelier"``.
        task: Its validation split decides, or its training split where there is nothing to choose on.
        valid: ``[n_steps, 2]`` for each validation sequence.
        cost_ratio: r.

    Returns:
        ``threshold``: positive from this reported probability on, whatever the way;
        ``threshold_chosen``: 1 where validation chose it, 0 where it is what theory says;
        ``weight_odds``: weight of the positive class in the loss over that of the negative one;
        ``intercept``: b, under that way; where validation has both classes, ``missed``, ``false_alarms``
        (shares) and ``cost`` on it, and ``cost_at_half`` of a threshold of .5.
    """
    weights = task.class_weights
    odds = 1.0 if weights is None else weights[1] / weights[0]
    y, p = labelled(task.valid, valid)
    both = bool(np.any(y == 1) and np.any(y == 0))
    found = {"threshold": HALF, "threshold_chosen": 0.0, "weight_odds": odds}
    if way == "cost":
        pass
    elif way == "likelier" or (not both and way == "kappa"):
        found["threshold"] = likelier(odds)
    elif not both:
        counts = class_totals(task.train, task.train_weights)
        found["threshold"] = expected_threshold(*counts, cost_ratio, odds)
    elif way == "intercept":
        found["intercept"] = choose_intercept(y, p, cost_ratio)
        found |= {"threshold": threshold_of(found["intercept"]), "threshold_chosen": 1.0}
    elif way == "kappa":
        found |= {"threshold": choose_by_kappa(y, p).value, "threshold_chosen": 1.0}
    else:
        found |= {"threshold": choose_threshold(y, p, cost_ratio).value, "threshold_chosen": 1.0}
    if both:
        found["missed"], found["false_alarms"] = rates(y, p, found["threshold"])
        found["cost"] = cost(found["missed"], found["false_alarms"], cost_ratio)
        found["cost_at_half"] = cost(*rates(y, p, HALF), cost_ratio)
    return found


def in_words(way: str, decision: Mapping[str, float], cost_ratio: float) -> str:
    """Return in one line what `decide` chose and what it costs on validation."""
    how = {
        "threshold": "the threshold of least cost on validation",
        "intercept": f"an intercept of {decision.get('intercept', 0.0):+.3f}, fitted on validation",
        "cost": "a loss weighted by the costs",
        "kappa": "the threshold of the largest kappa on validation",
        "likelier": "the likelier class",
    }[way]
    if way == "kappa" and not decision.get("threshold_chosen", 1.0):
        how = "the likelier class, for validation has not both classes"
    elif way not in ("cost", "likelier") and not decision.get("threshold_chosen", 1.0):
        how = "theory (Elkan 2001), for validation has not both classes"
    line = f"positive from a probability of {decision['threshold']:.3f} on, by {how}"
    line += f"; a miss costs {cost_ratio:g} times a false alarm"
    if "cost" not in decision:
        return line
    return (
        f"{line}; on validation {100 * decision['missed']:.1f} % of positive steps missed, "
        f"{100 * decision['false_alarms']:.1f} % of negative ones false alarms, "
        f"cost {decision['cost']:.3f} (at .5: {decision['cost_at_half']:.3f})"
    )
