"""Targets that are several labels, each there or not."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from memcell.errors import ConfigError, DataError
from memcell.sequences.targets.kind import MOST_OUTPUTS, SMALLEST, TargetKind
from memcell.sequences.time_series import TimeSeries


@dataclass(frozen=True)
class MultiLabel(TargetKind):
    """Several labels a step, each there (1) or not (0); -1 where nobody knows.

    Args:
        names: What they are, a word each.
    """

    names: tuple[str, ...]
    kind: ClassVar[str] = "multi_label"

    def __post_init__(self) -> None:
        if not 0 < len(self.names) <= MOST_OUTPUTS:
            raise ConfigError(f"labels got {len(self.names)} names; expected one for each label")

    @property
    def n_outputs(self) -> int:
        """The labels."""
        return len(self.names)

    @property
    def loss_name(self) -> str:
        """The loss."""
        return "binary log loss"

    def losses(self, outputs: Tensor, targets: Tensor, weights: Tensor | None = None) -> Tensor:
        """Return the binary cross-entropy, nats."""
        aims = targets.to(outputs.dtype)
        known = aims >= 0
        each = functional.binary_cross_entropy_with_logits(
            outputs, aims.clamp_min(0), reduction="none"
        )
        found = (each * known).sum(-1) / known.sum(-1).clamp_min(1)
        return found if weights is None else found * weights.to(outputs.dtype)[0]

    def predictions(self, outputs: Tensor) -> Tensor:
        """Return the probability of each label."""
        return torch.sigmoid(outputs)

    def errors(
        self, predictions: NDArray[Any], targets: NDArray[Any], smallest: float = SMALLEST
    ) -> NDArray[np.float64]:
        """Return the negative log of the probability of what is true, a mean over the labels known."""
        y, p = np.asarray(targets), np.asarray(predictions, dtype=np.float64)
        known = y >= 0
        true = np.where(y > 0, p, 1 - p).clip(smallest)
        return np.asarray((-np.log(true) * known).sum(axis=1) / known.sum(axis=1).clip(1))

    def check(self, sequence: TimeSeries) -> None:
        """Refuse targets other than 0, 1 and -1."""
        y = np.asarray(sequence.targets)
        expected = f"integers [n_steps, {self.n_outputs}] of 0 and 1, -1 for none"
        if y.ndim != 2 or y.shape[1] != self.n_outputs or y.dtype.kind not in "iu":
            raise self.refused(sequence, expected)
        if y.size and not (y.min() >= -1 and y.max() <= 1):
            bad = y.min() if y.min() < -1 else y.max()
            raise DataError(f"sequence '{sequence.name}' has the target {bad}; expected {expected}")

    def chance(self, sequences: Sequence[TimeSeries]) -> float:
        """Return the loss of guessing."""
        return math.log(2)
