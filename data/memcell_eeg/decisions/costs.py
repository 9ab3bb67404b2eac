"""What wrong decisions cost, and what follows for weights and thresholds.

With r the cost ratio, a missed positive step costs r and a false one 1, each as a share of its class::

    cost = (r FN / P + FP / N) / (r + 1)

which is 0 for a perfect detector, and for r = 1 one minus the balanced accuracy. Elkan 2001 ("The
foundations of cost-sensitive learning", equation 2 and theorems 1 and 2): of a calibrated model with prior
odds P / N, the best decision is positive from the odds ``P / (r N)`` on; multiplying the weights of the
classes by 1 / N and r / P in the loss moves this to even odds, probability .5.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def cost(missed: float, false_alarms: float, cost_ratio: float) -> float:
    """Return the cost of the equation above.

    Args:
        missed: FN / P, from 0 to 1.
        false_alarms: FP / N, from 0 to 1.
        cost_ratio: r.

    >>> cost(0.2, 0.1, 1.0)
    0.15...
    """
    return (cost_ratio * missed + false_alarms) / (cost_ratio + 1)


def rates(
    targets: NDArray[np.int64], probabilities: NDArray[np.float64], threshold: float
) -> tuple[float, float]:
    """Return the shares of missed positives and of false alarms; nan where a class is missing.

    Args:
        targets: ``[n]`` 0 or 1.
        probabilities: ``[n]`` of class 1.
        threshold: A step is positive from this probability on.
    """
    called = probabilities >= threshold
    positive = targets == 1
    missed = float(np.mean(~called[positive])) if positive.any() else float("nan")
    false = float(np.mean(called[~positive])) if not positive.all() else float("nan")
    return missed, false


def loss_weights(negatives: float, positives: float, cost_ratio: float) -> tuple[float, float]:
    """Return weights of the loss for (negative, positive) in the ratio ``1 / N : r / P``, mean 1 over steps.

    Cross-entropy under these weights is a convex upper bound of the cost (up to a factor), and its
    minimum decides as the cost asks at a probability of .5 (Bartlett, Jordan & McAuliffe 2006; with
    unequal costs Scott 2012, "Calibrated asymmetric surrogate losses").

    Args:
        negatives: N, steps or their summed weights.
        positives: P, likewise.
        cost_ratio: r; 1 lets both classes weigh the same.
    """
    share = (negatives + positives) / (1 + cost_ratio)
    return share / negatives, cost_ratio * share / positives


def expected_threshold(
    negatives: float, positives: float, cost_ratio: float, weight_odds: float
) -> float:
    """Return the threshold that theory says, where there is nothing to choose it on.

    Odds of ``w P / (r N)``: of a model that is calibrated but for a shift of the prior in its training.

    Args:
        negatives: N of the training steps.
        positives: P of them.
        cost_ratio: r.
        weight_odds: w, by which training has multiplied the odds of the positive class: weights of the loss,
            and whatever else changes how often a class is seen.
    """
    odds = weight_odds * positives / (cost_ratio * negatives)
    return odds / (1 + odds)
