"""Windows of random length (Merity, Keskar & Socher 2018, ICLR: AWD-LSTM).

With the same length always, the same steps stand at a window's start in every epoch and never get a
gradient from before. Here a window's length is drawn: from N(T, sd^2), with a small probability (.05) from
N(T/2, sd^2), rounded, at least 1. The learning rate is multiplied by length / T, since a short window's
mean loss would else weigh as much as a long one's.

Lengths are drawn anew each epoch from the run's seed, and every sequence gets the same series, so that
lanes that began together stay together; a lane whose window is shorter than the batch's longest is padded,
and the rate of a batch is that of its mean length.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from memcell.sequences.batch import Batch
from memcell.sequences.time_series import TimeSeries
from memcell.training.gradients.mode import GradientMode, longest


class RandomLength(GradientMode):
    """Windows of drawn lengths.

    Args:
        config: ``time_steps`` is T; ``length_sd`` and ``short_share`` say how lengths are drawn.
    """

    fixed_grid: ClassVar[bool] = False

    def cuts(self, sequences: Sequence[TimeSeries], rng: np.random.Generator) -> dict[str, Any]:
        """Return the series of lengths."""
        return {"lengths": enough(longest(sequences), lambda n: self.draw(n, rng))}

    def draw(self, n: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Return n lengths."""
        config = self.config
        short = rng.random(n) < config.short_share
        base = np.where(short, config.time_steps / 2, float(config.time_steps))
        drawn = base + config.length_sd * rng.standard_normal(n)
        return np.maximum(1, np.rint(drawn)).astype(np.int64)

    def rate(self, batch: Batch, total: Callable[[float], float]) -> float:
        """Return the mean length of the batch's windows over T."""
        steps, windows = total(float(batch.valid.sum())), total(float((batch.sequence >= 0).sum()))
        return steps / max(1.0, windows) / self.config.time_steps


def enough(steps: int, draw: Callable[[int], NDArray[np.int64]]) -> NDArray[np.int64]:
    """Return drawn lengths that together reach ``steps``.

    Args:
        steps: Of the longest sequence.
        draw: From a number to as many lengths.
    """
    lengths = np.empty(0, dtype=np.int64)
    while lengths.sum() < steps:
        lengths = np.concatenate([lengths, draw(64)])
    return lengths
