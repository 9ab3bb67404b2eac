"""A shift of the logit, chosen on validation: the intercept.

With z the logit of the reported probability, a step is positive where ``z + b >= 0``; b minimizes the
cost-weighted cross-entropy::

    J(b) = r / P sum_{y=1} ln(1 + exp(-(z + b))) + 1 / N sum_{y=0} ln(1 + exp(z + b))

It is Platt's (1999) recalibration with the slope held at 1, weighted by the costs as Elkan (2001) has it.
The threshold and the intercept can express the same decisions (``z + b >= 0`` is ``p >= 1 / (1 + exp(b))``,
and so it is stored: what is reported stays the network's own probability); they differ in how they are
estimated. The threshold minimizes the cost itself, a step function of few validation events; J is convex
and smooth, so b moves less from one validation split to another, and pays for it where the logits are not
well shaped.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

#: Probabilities are float32: beyond this they say no more than that they are nearly 0 or 1.
NEAREST = 1e-7


def choose_intercept(
    targets: NDArray[np.int64], probabilities: NDArray[np.float64], cost_ratio: float = 1.0
) -> float:
    """Return b of the equation above.

    Args:
        targets: ``[n]`` 0 or 1, both of which occur.
        probabilities: ``[n]`` of class 1.
        cost_ratio: r.

    Raises:
        ValueError: A class is missing: then b has no bound.
    """
    from scipy.optimize import brentq
    from scipy.special import expit, logit

    positive = targets == 1
    if positive.all() or not positive.any():
        raise ValueError("expected steps of both classes, received one class only")
    z = logit(np.clip(probabilities, NEAREST, 1 - NEAREST))

    def slope(b: float) -> float:
        missing = np.mean(expit(-(z[positive] + b)))
        return float(np.mean(expit(z[~positive] + b)) - cost_ratio * missing)

    # J' rises from -r to 1; with |z| <= 16.2 and r within 100 and 1/100 its root lies well inside.
    return float(brentq(slope, -60.0, 60.0, xtol=1e-10))


def threshold_of(intercept: float) -> float:
    """Return the probability from which on ``z + b >= 0``: ``1 / (1 + exp(b))``."""
    return float(1 / (1 + np.exp(intercept)))
