"""Loss weights for training only around changes of the label ("windowed transition sequences").

A step counts when it is labelled and at most ``margin`` seconds away from a change between two
neighbouring labelled steps of one segment. Unlabelled steps between the two belong to the change: the
margin reaches out from both its sides. The other steps weigh 0: under a sampler that preserves streams
memory still runs through them; otherwise windows without any weight are dropped.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from memcell.sequences.time_series import TimeSeries


def transition_weights(sequence: TimeSeries, margin: float) -> NDArray[np.float32]:
    """Return ``[n_steps]``: 1 on labelled steps around a change, else 0.

    Args:
        sequence: Steps with targets.
        margin: Seconds on each side, rounded to steps; at least the two steps at the change count.
    """
    reach = max(1, round(margin / sequence.step_seconds))
    weights = np.zeros(sequence.n_steps, dtype=np.float32)
    segment = np.cumsum(sequence.starts)
    for last, first in zip(*changes(sequence), strict=True):
        near = slice(max(0, last + 1 - reach), first + reach)
        weights[near][segment[near] == segment[first]] = 1.0
    weights[~sequence.labelled] = 0.0
    return weights


def changes(sequence: TimeSeries) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return for each change of label the last step before it and the first one after it.

    They are neighbours unless unlabelled steps lie between; both are of one segment.
    """
    segment = np.cumsum(sequence.starts)
    known = np.flatnonzero(sequence.labelled)
    before, after = known[:-1], known[1:]
    changed = sequence.targets[before] != sequence.targets[after]
    changed &= segment[before] == segment[after]
    return before[changed], after[changed]
