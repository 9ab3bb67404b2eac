"""The rule by which a candidate and its number of updates are chosen, as pure functions of losses.

The loss of classes is the log loss with all classes weighing the same, of probabilities that are recalibrated
first: a slope and an offset of the logit, the same for all people, are fitted to these very predictions
(Platt scaling). A threshold is chosen for them afterwards anyway, and without this the loss falls while a
network only becomes surer of what it said before. Of other targets it is the loss of training, each group of
steps weighing its importance (`memcell.sequences.targets`). It is pooled over the people who were left out in
some fold, a sum of one share for each of them. Along the updates it is smoothed by its neighbours (1/4, 1/2,
1/4; the ends stay as they are), as it is noisy and the best of noisy numbers is too good.

Of all candidates at all numbers of updates the best has the smallest loss. Chosen is the one of the fewest
updates, then the earliest candidate, whose loss is not above the best by more than one standard error, or by
more than a hundredth of it, which nobody minds. The standard error is of the *difference*: of the sum over
people of how much worse each of them fares. With fewer than `ENOUGH` people none is trusted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax

from memcell.applications.app import Probabilities
from memcell.sequences.targets import Classes, TargetKind
from memcell.sequences.time_series import TimeSeries

#: People from whom on the spread over people says something.
ENOUGH = 3
#: Share of the smallest loss by which another may be larger and is as good.
AS_GOOD = 0.01
#: No probability counts as smaller than this.
SMALLEST = 1e-6
#: Updates before which no candidate counts as past its best.
FEWEST_BEFORE_ITS_END = 64


@dataclass(frozen=True, kw_only=True)
class LossCurve:
    """Losses of one candidate along its training.

    Args:
        updates: Numbers of updates, ascending, 0 first.
        shares: ``[len(updates), n_people]``: each person's share of the pooled loss.
    """

    updates: tuple[int, ...]
    shares: NDArray[np.float64]

    @property
    def smoothed(self) -> NDArray[np.float64]:
        """The shares, each averaged with its neighbours along the updates."""
        smooth = self.shares.copy()
        if len(smooth) > 2:
            smooth[1:-1] = self.shares[:-2] / 4 + self.shares[1:-1] / 2 + self.shares[2:] / 4
        return smooth


def schedule_of_looks(total: int) -> list[int]:
    """Return the numbers of updates at which predictions are made: 0, then about four in a factor of four.

    >>> schedule_of_looks(50)
    [0, 4, 6, 8, 11, 16, 23, 32, 45, 50]
    """
    looks = [0]
    k = 4
    while (update := round(2 ** (k / 2))) < total:
        looks.append(update)
        k += 1
    return [*looks, total] if total > 0 else looks


def is_past_its_best(curve: LossCurve) -> bool:
    """Whether a candidate has trained so far beyond its smallest loss that no smaller one is to be expected.

    Four times as many updates as at the smallest, which is four looks, and at least 64.
    """
    best = curve.updates[int(np.argmin(curve.smoothed.sum(axis=1)))]
    return curve.updates[-1] >= max(FEWEST_BEFORE_ITS_END, 4 * best)


def shares_of(
    sequences: Sequence[TimeSeries],
    probabilities: Sequence[Probabilities],
    target: TargetKind | None = None,
) -> tuple[tuple[str, ...], NDArray[np.float64]]:
    """Return the people, and each one's share of the pooled balanced loss; that of classes is recalibrated.

    Args:
        sequences: Those that were left out in some fold.
        probabilities: ``[n_steps, n_outputs]`` for each of them.
        target: What a step's target is; classes unless given.
    """
    people = tuple(sorted({s.subject for s in sequences}))
    target = target or Classes(probabilities[0].shape[1])
    known = [s.labelled for s in sequences]
    y = np.concatenate([s.targets[k] for s, k in zip(sequences, known, strict=True)])
    p = np.concatenate([np.asarray(p)[k] for p, k in zip(probabilities, known, strict=True)])
    groups, importance = target.groups(y), target.importance
    counts = np.bincount(groups, minlength=len(importance))
    present = float(importance[counts > 0].sum())
    weights = np.divide(
        importance, counts * present, where=counts > 0, out=np.zeros_like(importance)
    )[groups]
    if isinstance(target, Classes):
        losses = _recalibrated(np.log(p.astype(np.float64).clip(SMALLEST)), groups, weights)
    else:
        losses = target.errors(p, y, SMALLEST)
    who = np.repeat([people.index(s.subject) for s in sequences], [int(k.sum()) for k in known])
    shares = np.bincount(who, weights=weights * losses, minlength=len(people))
    return people, shares.astype(np.float64)


def _recalibrated(
    logits: NDArray[np.float64], y: NDArray[np.int64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the log loss of each step after the slope and the offsets that make their weighted sum smallest.

    The slope is not negative: who ranks the wrong way round is worth what a constant is worth.

    Args:
        logits: ``[n, n_classes]`` log probabilities.
        y: ``[n]`` classes.
        weights: ``[n]`` of the steps.
    """
    rows, n_classes = np.arange(len(y)), logits.shape[1]
    present = np.bincount(y, minlength=n_classes) > 0
    if present.sum() < 2:
        return -logits[rows, y]

    def loss_and_gradient(values: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        log_p = log_softmax(values[0] * logits + values[1:], axis=1)
        error = np.exp(log_p)
        error[rows, y] -= 1
        error *= weights[:, None]
        slope = float((error * logits).sum())
        return -float(weights @ log_p[rows, y]), np.array([slope, *error.sum(axis=0)])

    # a class that nobody has keeps the offset 0: any other would only be smaller
    bounds = [(0, None), *((None, None) if there else (0, 0) for there in present)]
    start = np.array([1.0, *np.zeros(n_classes)])
    found = minimize(loss_and_gradient, start, jac=True, method="L-BFGS-B", bounds=bounds)
    return -np.asarray(log_softmax(found.x[0] * logits + found.x[1:], axis=1)[rows, y])


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """A place on the curves.

    Args:
        candidate: Its number.
        look: Number of the entry in its curve's ``updates``.
        best: Candidate and look of the smallest loss.
        margin: One standard error of the difference to the best, nats.
    """

    candidate: int
    look: int
    best: tuple[int, int]
    margin: float


def choose(curves: Sequence[LossCurve]) -> Chosen:
    """Return the simplest place whose loss is within one standard error, or a hundredth, of the smallest.

    Args:
        curves: Of the candidates, the simplest first.
    """
    smooth = [curve.smoothed for curve in curves]
    places = [(c, k) for c, shares in enumerate(smooth) for k in range(len(shares))]
    best = min(places, key=lambda at: float(smooth[at[0]][at[1]].sum()))
    least = smooth[best[0]][best[1]]
    chosen, margin = best, 0.0
    for c, k in sorted(places, key=lambda at: (curves[at[0]].updates[at[1]], at[0])):
        worse = smooth[c][k] - least
        error = _standard_error(worse)
        if float(worse.sum()) <= max(error, AS_GOOD * float(least.sum())):
            chosen, margin = (c, k), error
            break
    return Chosen(candidate=chosen[0], look=chosen[1], best=best, margin=margin)


def _standard_error(shares: NDArray[np.float64]) -> float:
    """Return the standard error of a sum over people; 0 for too few of them."""
    n = len(shares)
    return float(np.sqrt(n) * shares.std(ddof=1)) if n >= ENOUGH else 0.0
