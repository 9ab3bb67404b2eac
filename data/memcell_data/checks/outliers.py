"""What lies apart from all others among few recordings, and how findings name recordings and factors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from memcell_data.checks.summary import SignalSummary

Array = NDArray[np.float64]

#: Recordings from which on they are held against each other.
FEWEST = 3
#: Chance of a false alarm that each test may have.
ALPHA = 0.01
#: Names that a sentence lists.
MOST_NAMED = 5


def levels(found: Sequence[SignalSummary]) -> Array:
    """Return ``[n]``: the amplitude of each recording, the median of its channels."""
    return np.array([float(np.median(s.amplitude)) for s in found])


def apart_from_most(values: Array, gap: float) -> NDArray[np.bool_]:
    """Return which values are on the smaller side of a gap; none where there is none."""
    order = np.argsort(values)
    out = np.zeros(len(values), dtype=np.bool_)
    if len(values) < FEWEST:
        return out
    cuts = np.flatnonzero(np.diff(values[order]) >= gap) + 1
    if len(cuts) == 0:
        return out
    groups = np.split(order, cuts)
    out[:] = True
    out[max(groups, key=len)] = False
    return out


def outlying(values: Array) -> NDArray[np.int64]:
    """Return which values lie further from all others than those differ among themselves."""
    from scipy.stats import t as student

    n = len(values)
    found: list[int] = []
    if n < FEWEST + 1:
        return np.array(found, dtype=np.int64)
    for i in range(n):
        others = np.delete(values, i)
        spread = max(float(others.std(ddof=1)), 0.02) * np.sqrt(1 + 1 / (n - 1))
        far = abs(float(values[i] - others.mean())) / spread
        if 2 * n * float(student.sf(far, n - 2)) <= ALPHA:
            found.append(i)
    return np.array(found, dtype=np.int64)


def names_where(found: Sequence[SignalSummary], which: NDArray[np.bool_]) -> list[str]:
    """Return the names of the recordings that a mask chooses."""
    return [s.name for s, own in zip(found, which, strict=True) if own]


def these(found: Sequence[SignalSummary], which: NDArray[np.bool_]) -> str:
    """Return a sentence's subject and verb: the recordings that a mask chooses, 'has' or 'have'."""
    names = names_where(found, which)
    return (
        f"{names[0]} has" if len(names) == 1 else f"{len(names)} recordings ({listed(names)}) have"
    )


def times(factor: float) -> str:
    """Return a factor as it stands before "the amplitude of"."""
    return f"{factor:.3g} times" if factor >= 1 else f"1/{1 / factor:.3g} of"


def microvolts(level: Array) -> str:
    """Return the range of amplitudes that are log10 of uV."""
    low, high = 10 ** float(level.min()), 10 ** float(level.max())
    return f"{low:.3g} uV" if high / low < 1.05 else f"{low:.3g} to {high:.3g} uV"


def listed(names: Sequence[str]) -> str:
    """Return names in a row, the first few and how many more."""
    more = len(names) - MOST_NAMED
    return ", ".join([*names[:MOST_NAMED], *([f"and {more} more"] if more > 0 else [])])
