"""Holm's correction: several tests share one chance of a false alarm."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def holm(p: ArrayLike) -> NDArray[np.float64]:
    """Return adjusted p values of one family, to be held against .05 as they are.

    The i-th smallest of m becomes ``max over j <= i of (m - j + 1) p_(j)``, at most 1 (Holm 1979). A NaN
    (a test that could not be made) stays NaN and is not counted in m.

    Args:
        p: ``[m]`` p values of the tests that answer one question together.
    """
    given = np.asarray(p, dtype=np.float64)
    out = np.full(given.shape, np.nan)
    there = np.flatnonzero(~np.isnan(given))
    order = there[np.argsort(given[there], kind="stable")]
    factors = len(order) - np.arange(len(order))
    out[order] = np.minimum(1.0, np.maximum.accumulate(given[order] * factors))
    return out
