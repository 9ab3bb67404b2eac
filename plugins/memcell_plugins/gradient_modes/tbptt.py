"""Truncated backpropagation through time with k1 < k2 (Williams & Peng 1990, Neural Computation 2).

Every k1 steps the loss of the last k1 steps is propagated back through k2 steps. So windows of k2 steps
(``--time-steps``) overlap: the next one begins k1 steps (``--gradient.k1``) after this one's start, with
the state that this one had there. In a window the loss counts its last k1 steps, in a sequence's first
one all of them; each step counts once. Every counted step then has at least k2 - k1 steps of gradient
before it, where plain windows give the first step of each none. Cost: k2 / k1 times the steps.

The state that a window begins with was made k2 - k1 steps earlier than in plain windows of k1, and by the
parameters of one update before, as in any carried memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from memcell.sequences.time_series import TimeSeries
from memcell.training.gradients.mode import GradientMode


class TBPTT(GradientMode):
    """Windows that overlap.

    Args:
        time_steps: k2.
        config: ``k1``, the stride (0 for half of k2).
    """

    def cuts(self, sequences: Sequence[TimeSeries], rng: np.random.Generator) -> dict[str, Any]:
        """Return the stride k1."""
        return {"stride": self.config.k1 or max(1, self.time_steps // 2)}

    def problem(self) -> str:
        """Return that k1 is larger than k2, where it is."""
        k1, k2 = self.config.k1, self.time_steps
        if k1 <= k2:
            return ""
        return (
            f"gradient 'tbptt' propagates back through --time-steps {k2} steps (k2), and --gradient.k1 {k1} "
            f"is more: steps would be left out. Use --gradient.k1 {k2} or less, or --time-steps {k1} or more."
        )
