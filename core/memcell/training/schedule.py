"""Learning rate over a run, a pure function of the update, so that nothing needs saving."""

from __future__ import annotations

import math


def learning_rate(schedule: str, base: float, update: int, total: int, warmup: int) -> float:
    """Return the rate of an update.

    Args:
        schedule: ``"constant"``, ``"cosine"`` or ``"linear"``; the last two end at a tenth.
        base: The highest rate.
        update: Number of the update, from 0.
        total: Updates of the whole run.
        warmup: Updates over which the rate rises linearly to ``base``.

    >>> learning_rate("linear", 1.0, 100, 100, 0)
    0.1
    """
    if update < warmup:
        return base * (update + 1) / warmup
    done = min(1.0, (update - warmup) / max(1, total - warmup))
    if schedule == "cosine":
        return base * (0.1 + 0.9 * 0.5 * (1.0 + math.cos(math.pi * done)))
    if schedule == "linear":
        return base * (1.0 - 0.9 * done)
    return base
