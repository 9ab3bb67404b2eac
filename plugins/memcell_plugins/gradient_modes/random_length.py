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
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memcell.sequences.batch import Batch
from memcell.sequences.time_series import TimeSeries
from memcell.training.gradients.mode import GradientMode, lengths_for, longest


class RandomLength(GradientMode):
    """Windows of drawn lengths.

    Args:
        time_steps: T.
        config: How lengths are drawn.
    """

    def cuts(self, sequences: Sequence[TimeSeries], rng: np.random.Generator) -> dict[str, Any]:
        """Return the series of lengths."""
        return {"lengths": lengths_for(longest(sequences), lambda n: self.draw(n, rng))}

    def draw(self, n: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Return n lengths."""
        config, time_steps = self.config, self.time_steps
        short = rng.random(n) < config.short_share
        base = np.where(short, time_steps / 2, float(time_steps))
        drawn = base + config.length_sd * rng.standard_normal(n)
        lengths: NDArray[np.int64] = np.maximum(1, np.rint(drawn)).astype(np.int64)
        return lengths

    def rate(self, batch: Batch, total: Callable[[float], float]) -> float:
        """Return the mean length of the batch's windows over T."""
        steps, windows = total(float(batch.valid.sum())), total(float((batch.sequence >= 0).sum()))
        return steps / max(1.0, windows) / self.time_steps
