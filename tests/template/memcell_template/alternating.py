"""Windows of T steps and of T / 2 in turn, in every epoch at the same places."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from memcell import GradientMode, TimeSeries


class Alternating(GradientMode):
    """Long and short windows in turn."""

    def cuts(self, sequences: Sequence[TimeSeries], rng: np.random.Generator) -> dict[str, Any]:
        """Return lengths that reach the end of the longest sequence."""
        pair = [self.time_steps, max(1, self.time_steps // 2)]
        longest = max(s.n_steps for s in sequences)
        return {"lengths": np.array(pair * (longest // sum(pair) + 1))}
