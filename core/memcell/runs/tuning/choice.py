"""The rule by which a candidate and its number of updates are chosen, as pure functions of losses.

The loss is the log loss with both (all) classes weighing the same (of other targets the loss of training,
each group of steps weighing its importance: `memcell.sequences.targets`), pooled over the people who were
left out in some fold. It is a sum of one share for each of them. Along the updates it is smoothed by its
neighbours (1/4, 1/2, 1/4; the ends stay as they are), as it is noisy and the best of noisy numbers is too
good.

Of all candidates at all numbers of updates the best has the smallest loss. Chosen is the one of the fewest
updates, then the earliest candidate, whose loss is not above the best by more than one standard error. That
is of the *difference*: of the sum over people of how much worse each of them fares. With fewer than
`ENOUGH` people no standard error is trusted and the best is chosen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memcell.applications.app import Probabilities
from memcell.sequences.targets import Classes, TargetKind
from memcell.sequences.time_series import TimeSeries

#: People from whom on the spread over people says something.
ENOUGH = 3
#: No probability counts as smaller than this.
SMALLEST = 1e-6


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

    Two and a half times as many updates as at the smallest, which is three looks, and at least 32.
    """
    best = curve.updates[int(np.argmin(curve.smoothed.sum(axis=1)))]
    return curve.updates[-1] >= max(32, 2.5 * best)


def shares_of(
    sequences: Sequence[TimeSeries],
    probabilities: Sequence[Probabilities],
    target: TargetKind | None = None,
) -> tuple[tuple[str, ...], NDArray[np.float64]]:
    """Return the people, and each one's share of the pooled balanced loss.

    Args:
        sequences: Those that were left out in some fold.
        probabilities: ``[n_steps, n_outputs]`` for each of them.
        target: What a step's target is; classes unless given.
    """
    people = tuple(sorted({s.subject for s in sequences}))
    target = target or Classes(probabilities[0].shape[1])
    importance = target.importance
    counts = np.zeros(len(importance))
    for s in sequences:
        counts += np.bincount(target.groups(s.targets[s.labelled]), minlength=len(counts))
    present = float(importance[counts > 0].sum())
    weights = np.divide(importance, counts * present, out=np.zeros_like(counts), where=counts > 0)
    shares = np.zeros(len(people))
    for s, p in zip(sequences, probabilities, strict=True):
        known = s.labelled
        y = s.targets[known]
        errors = target.errors(np.asarray(p)[known], y, SMALLEST)
        shares[people.index(s.subject)] += float((weights[target.groups(y)] * errors).sum())
    return people, shares


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
    """Return the simplest place whose loss is within one standard error of the smallest.

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
        if float(worse.sum()) <= error:
            chosen, margin = (c, k), error
            break
    return Chosen(candidate=chosen[0], look=chosen[1], best=best, margin=margin)


def _standard_error(shares: NDArray[np.float64]) -> float:
    """Return the standard error of a sum over people; 0 for too few of them."""
    n = len(shares)
    return float(np.sqrt(n) * shares.std(ddof=1)) if n >= ENOUGH else 0.0
