"""Targets that are classes: one of several a step."""

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

from memcell.errors import DataError
from memcell.sequences.targets.kind import SMALLEST, TargetKind
from memcell.sequences.time_series import TimeSeries


@dataclass(frozen=True)
class Classes(TargetKind):
    """One of ``n`` classes a step, 0 to n - 1; -1 where there is none.

    Args:
        n: How many.
    """

    n: int
    kind: ClassVar[str] = "classes"

    @property
    def n_outputs(self) -> int:
        """The classes."""
        return self.n

    @property
    def n_classes(self) -> int:
        """The classes."""
        return self.n

    @property
    def importance(self) -> NDArray[np.float64]:
        """1 for each class."""
        return np.ones(self.n)

    def groups(self, targets: NDArray[Any]) -> NDArray[np.int64]:
        """Return the classes."""
        return np.asarray(targets, dtype=np.int64)

    def losses(self, outputs: Tensor, targets: Tensor, weights: Tensor | None = None) -> Tensor:
        """Return the cross-entropy, nats."""
        flat = functional.cross_entropy(
            outputs.flatten(0, -2),
            targets.long().clamp_min(0).flatten(),
            weight=None if weights is None else weights.to(outputs.dtype),
            reduction="none",
        )
        return flat.view(targets.shape)

    def predictions(self, outputs: Tensor) -> Tensor:
        """Return the probability of each class."""
        return torch.softmax(outputs, dim=-1)

    def errors(
        self, predictions: NDArray[Any], targets: NDArray[Any], smallest: float = SMALLEST
    ) -> NDArray[np.float64]:
        """Return the negative log of the true class's probability."""
        y = np.asarray(targets, dtype=np.int64)
        true = np.asarray(predictions)[np.arange(len(y)), y].astype(np.float64).clip(smallest)
        return np.asarray(-np.log(true))

    def check(self, sequence: TimeSeries) -> None:
        """Refuse targets that are no classes, or none of these."""
        y = np.asarray(sequence.targets)
        expected = f"an integer class of 0 to {self.n - 1} for each step [n_steps], -1 for none"
        if y.ndim != 1 or y.dtype.kind not in "iu":
            raise self.refused(sequence, expected)
        if y.size and not (y.min() >= -1 and y.max() < self.n):
            bad = y.min() if y.min() < -1 else y.max()
            raise DataError(f"sequence '{sequence.name}' has the class {bad}; expected {expected}")

    def chance(self, sequences: Sequence[TimeSeries]) -> float:
        """Return the loss of guessing."""
        return math.log(self.n)
