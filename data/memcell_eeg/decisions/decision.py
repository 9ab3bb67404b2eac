"""From probabilities to decisions for a cost ratio r (`memcell_eeg.decisions.costs`): the ways, by name.

=============  ==========================================================================================
``threshold``  of all thresholds the one with the least cost on validation, that is the largest
               ``(r sensitivity + specificity) / (r + 1)``; for r = 1 this is the balanced accuracy
``intercept``  a shift of the logit, fitted on validation by a smooth cost (`memcell_eeg.decisions.intercept`)
``cost``       nothing is chosen afterwards: the loss is weighted by the costs, 1 / N to r / P, and a
               step is positive from .5 on
``kappa``      of all thresholds the one with the largest kappa on validation, the middle of its plateau; .5
               where that lies within one standard error over people of it
``likelier``   nothing is chosen: a step has the likelier class, the shift of the prior undone
=============  ==========================================================================================

Training shifts the prior odds of the classes: by the class weights of the loss, by ``--around-transitions``,
and by a sampler that draws one class more often. The network's odds are too high by the product of these
(`shift_of`), which is undone where a probability is to be a chance: under `likelier`, by theory, in the Brier
score and in the calibration. (What else training near changes of label does to a network is not undone.)

Class weights alone (``--class-weights balanced``, the default) are one more: they make both classes weigh
the same before any of these, and are what `cost` is for r = 1. `kappa` and `likelier` do not mind r.

Where settings are chosen by cross-validation inside the training people (``--tune``), nobody is set aside for
validation: the pooled predictions of the training people by networks that did not see them take its place.
``auto`` is ``kappa`` then, and ``threshold`` otherwise.

Whatever the way, a decision is a **threshold on the probability that the network reports**; so scores,
events, pictures, predictions and streams decide alike by comparing the two.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from memcell.applications.app import Task
from memcell.sequences.time_series import TimeSeries
from memcell_eeg.decisions.costs import cost, expected_threshold, rates
from memcell_eeg.decisions.intercept import choose_intercept, threshold_of
from memcell_eeg.decisions.thresholds import (
    HALF,
    choose_across_people,
    choose_threshold,
    likelier,
)


def labelled(
    sequences: Sequence[TimeSeries], probabilities: Sequence[NDArray[np.float32]]
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


def people_of(sequences: Sequence[TimeSeries]) -> NDArray[np.int64]:
    """Return ``[n]``: whose each labelled step of `labelled` is, a number for each subject."""
    number = {name: k for k, name in enumerate(sorted({s.subject for s in sequences}))}
    counts = [int(s.labelled.sum()) for s in sequences]
    return np.repeat(np.array([number[s.subject] for s in sequences], dtype=np.int64), counts)


def class_totals(
    train: Sequence[TimeSeries], weights: Sequence[NDArray[np.float32]] | None
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


def shift_of(task: Task) -> float:
    """Return by how much training has multiplied the odds of the positive class; NaN where it is not known.

    Odds of the classes in training, every weight of the loss counted, over their odds among the labelled
    training steps (Elkan 2001, theorem 2; Saerens et al. 2002, equation 4).

    Args:
        task: After training, with its ``training_totals``; without them each step is taken to have counted
            by its weight in ``train_weights``, once.
    """
    weights = task.class_weights
    odds = 1.0 if weights is None else weights[1] / weights[0]
    seen = task.training_totals or class_totals(task.train, task.train_weights)
    if not all(seen):
        return float("nan")
    negative, positive = class_totals(task.train, None)
    return float(odds * ((seen[1] / seen[0]) / (positive / negative)))


def choose(
    way: str,
    y: NDArray[np.int64],
    p: NDArray[np.float64],
    cost_ratio: float,
    totals: tuple[float, float],
    shift: float,
    people: NDArray[np.int64] | None = None,
) -> tuple[float, bool]:
    """Return a threshold, and whether validation chose it: the one rule for networks and baselines.

    Args:
        way: ``"threshold"``, ``"kappa"`` or ``"likelier"``.
        y: ``[n]`` targets of the validation steps.
        p: ``[n]`` their probabilities.
        cost_ratio: r.
        totals: Negative and positive training steps.
        shift: By how much training has multiplied the odds of the positive class.
        people: ``[n]``: whose steps they are; None where that says nothing.
    """
    both = bool(np.any(y == 1) and np.any(y == 0))
    if not np.isfinite(shift) and (way == "likelier" or not both):
        return HALF, False
    if way == "likelier" or (way == "kappa" and not both):
        return likelier(shift), False
    if not both:
        return expected_threshold(*totals, cost_ratio, shift), False
    if way == "kappa":
        people = np.zeros(len(y), dtype=np.int64) if people is None else people
        found = choose_across_people(y, p, people)
        return found.value, not found.note
    return choose_threshold(y, p, cost_ratio).value, True


def decide(
    way: str, task: Task, valid: Sequence[NDArray[np.float32]], cost_ratio: float
) -> dict[str, float]:
    """Return the decision of a trained network.

    Args:
        way: ``"threshold"``, ``"intercept"``, ``"cost"``, ``"kappa"`` or ``"likelier"``.
        task: After training. Its validation split decides, or its training split where there is nothing to
            choose on.
        valid: ``[n_steps, 2]`` for each validation sequence.
        cost_ratio: r.

    Returns:
        ``threshold``: positive from this reported probability on, whatever the way;
        ``threshold_chosen``: 1 where validation chose it, 0 where it is what theory says, or .5 because
            people differ;
        ``weight_odds``: by how much training has multiplied the odds of the positive class (`shift_of`);
        ``cross_validated``: 1 where what decides are predictions out of fold; not there otherwise;
        ``intercept``: b, under that way; where validation has both classes, ``missed``, ``false_alarms``
        (shares) and ``cost`` on it, and ``cost_at_half`` of a threshold of .5.
    """
    shift = shift_of(task)
    y, p = labelled(task.valid, valid)
    both = bool(np.any(y == 1) and np.any(y == 0))
    found = {"threshold": HALF, "threshold_chosen": 0.0, "weight_odds": shift}
    if task.inner:
        found["cross_validated"] = 1.0
    if way == "intercept" and both:
        found["intercept"] = choose_intercept(y, p, cost_ratio)
        found |= {"threshold": threshold_of(found["intercept"]), "threshold_chosen": 1.0}
    elif way != "cost":
        of_validation = "threshold" if way == "intercept" else way
        totals = class_totals(task.train, None)
        value, chosen = choose(
            of_validation, y, p, cost_ratio, totals, shift, people_of(task.valid)
        )
        found |= {"threshold": value, "threshold_chosen": float(chosen)}
    if both:
        found["missed"], found["false_alarms"] = rates(y, p, found["threshold"])
        found["cost"] = cost(found["missed"], found["false_alarms"], cost_ratio)
        found["cost_at_half"] = cost(*rates(y, p, HALF), cost_ratio)
    return found


def in_words(way: str, decision: Mapping[str, float], cost_ratio: float) -> str:
    """Return in one line what `decide` chose and what it costs on validation."""
    inside = bool(decision.get("cross_validated"))
    where = "people left out in cross-validation" if inside else "validation"
    how = {
        "threshold": f"the threshold of least cost on {where}",
        "intercept": f"an intercept of {decision.get('intercept', 0.0):+.3f}, fitted on {where}",
        "cost": "a loss weighted by the costs",
        "kappa": f"the threshold of the largest kappa on {where}",
        "likelier": "the likelier class",
    }[way]
    unchosen = not decision.get("threshold_chosen", 1.0)
    if way == "kappa" and unchosen and "cost" in decision:
        how = (
            f".5, as the threshold of the largest kappa on {where} lies within one standard error over "
            "people of it"
        )
    elif way == "kappa" and unchosen:
        how = "the likelier class, as the validation split lacks a class"
    elif way not in ("cost", "likelier") and unchosen:
        how = "theory (Elkan 2001), as the validation split lacks a class"
    line = f"positive from a probability of {decision['threshold']:.3f} on, by {how}"
    line += f"; a miss costs {cost_ratio:g} times a false alarm"
    if "cost" not in decision:
        return line
    return (
        f"{line}; on {where} {100 * decision['missed']:.1f} % of positive steps missed, "
        f"{100 * decision['false_alarms']:.1f} % of negative ones false alarms, "
        f"cost {decision['cost']:.3f} (at .5: {decision['cost_at_half']:.3f})"
    )
