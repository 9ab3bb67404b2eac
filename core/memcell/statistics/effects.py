"""How large a paired difference is: description, never a decision."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike


def cohens_dz(differences: ArrayLike) -> float:
    """Return the mean of paired differences over their standard deviation (Cohen 1988).

    NaN with fewer than 2 pairs, or where all differences are the same and not 0; 0 where all are 0.
    """
    d = np.asarray(differences, dtype=np.float64)
    if len(d) < 2:
        return float("nan")
    mean, spread = float(d.mean()), float(d.std(ddof=1))
    if spread <= 1e-12 * float(np.abs(d).max(initial=0.0)):
        return 0.0 if mean == 0 else float("nan")
    return mean / spread


def superiority(differences: ArrayLike) -> float:
    """Return the share of pairs with a positive difference; a tie counts half. NaN without pairs."""
    d = np.asarray(differences, dtype=np.float64)
    return float(np.mean((d > 0) + 0.5 * (d == 0))) if len(d) else float("nan")
