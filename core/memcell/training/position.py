"""Where a run is: what changes from update to update beside weights and memory."""

from __future__ import annotations

import math
from dataclasses import dataclass, field


@dataclass(kw_only=True)
class Position:
    """Where a run is.

    Args:
        update: Optimizer steps done.
        epoch: Number of the epoch in progress, from 0.
        batch: Batches done in it.
        loss: Sum of weighted losses in it, nats.
        weight: Sum of weights in it.
        best_loss: Best validation loss so far.
        best_epoch: The epoch that gave it, -1 before the first.
        class_totals: Sum of the loss weights of each class over the epochs that are done, class weights
            aside; empty before the first.
        finished: Training is over.
        reason: Why it is over.
    """

    update: int = 0
    epoch: int = 0
    batch: int = 0
    loss: float = 0.0
    weight: float = 0.0
    best_loss: float = math.inf
    best_epoch: int = -1
    class_totals: list[float] = field(default_factory=list)
    finished: bool = False
    reason: str = ""
