"""Targets that are numbers: regression, at the scale of the training steps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
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
class Values(TargetKind):
    """One or several numbers a step: regression. NaN where there is none.

    The loss is taken at the scale of the training steps, ``(value - centre) / spread``, which is what the
    network puts out before `predictions`; so its size does not depend on the unit.

    Args:
        names: What they are, a word each.
        loss: ``"absolute"``, ``"squared"`` or ``"huber"`` error.
        delta: Where the Huber error goes from squared to absolute, in spreads.
        centre: A middle of each; those of `fitted`, or 0.
        spread: A size of the variation of each, above 0; those of `fitted`, or 1.
        bins: Edges of the groups of steps, for one value alone, ascending: steps from each edge up to the
            next, the last edge included. Empty for one group.
        bin_importance: What each bin counts in a balanced loss; empty for the same each.
        limits: Least and largest value that is predicted; empty for none. The loss of
            training knows them not.
    """

    names: tuple[str, ...] = ("value",)
    loss: str = "absolute"
    delta: float = 1.0
    centre: tuple[float, ...] = ()
    spread: tuple[float, ...] = ()
    bins: tuple[float, ...] = ()
    bin_importance: tuple[float, ...] = ()
    limits: tuple[float, ...] = ()
    kind: ClassVar[str] = "values"
    output: ClassVar[str] = "value"

    def __post_init__(self) -> None:
        n = len(self.names)
        if not 0 < n <= MOST_OUTPUTS:
            raise ConfigError(f"values got {n} names; expected one for each number of a step")
        if self.loss not in _ERRORS:
            raise ConfigError(f"loss got {self.loss!r}; expected {', '.join(_ERRORS)}")
        if not self.delta > 0:
            raise ConfigError(f"delta got {self.delta:g}; expected a number above 0")
        for name, plain in (("centre", 0.0), ("spread", 1.0)):
            found = getattr(self, name) or (plain,) * n
            if len(found) != n or not all(map(math.isfinite, found)):
                raise ConfigError(f"{name} got {found}; expected {n} finite numbers")
            object.__setattr__(self, name, tuple(map(float, found)))
        if min(self.spread) <= 0:
            raise ConfigError(f"spread got {self.spread}; expected numbers above 0")
        if self.bins and (n > 1 or len(self.bins) < 2 or any(np.diff(self.bins) <= 0)):
            raise ConfigError(
                f"bins got {self.bins}; expected two ascending edges or more, for one value"
            )
        if self.limits and (len(self.limits) != 2 or not self.limits[0] < self.limits[1]):
            raise ConfigError(f"limits got {self.limits}; expected the least and the largest value")
        if self.bin_importance and len(self.bin_importance) != len(self.bins) - 1:
            raise ConfigError(
                f"bin_importance got {len(self.bin_importance)} numbers for {len(self.bins) - 1} bins"
            )

    @property
    def n_outputs(self) -> int:
        """The numbers of a step."""
        return len(self.names)

    @property
    def importance(self) -> NDArray[np.float64]:
        """What each bin counts."""
        return np.array(self.bin_importance or (1.0,) * max(1, len(self.bins) - 1))

    @property
    def loss_name(self) -> str:
        """The error."""
        return f"{self.loss.capitalize() if self.loss == 'huber' else self.loss} error"

    @property
    def unit(self) -> str:
        """What errors are measured in: spreads of the training steps."""
        return "spreads"

    def fitted(self, sequences: Sequence[TimeSeries]) -> Values:
        """Return this with the centre and the spread of training steps: median and mean distance from it.

        Under a squared error they are mean and standard deviation.

        Raises:
            DataError: A value has no training step.
        """
        columns = np.concatenate([self._columns(s.targets) for s in sequences]).T.astype(np.float64)
        centre, spread = [], []
        for name, column in zip(self.names, columns, strict=True):
            known = column[~np.isnan(column)]
            if not len(known):
                raise DataError(
                    f"no training step has a value '{name}': there is nothing to learn from"
                )
            squared = self.loss == "squared"
            centre.append(float(known.mean() if squared else np.median(known)))
            size = float(known.std() if squared else np.abs(known - centre[-1]).mean())
            spread.append(size if size > 1e-12 else 1.0)
        changed = {f.name: getattr(self, f.name) for f in fields(self)}
        return Values(**{**changed, "centre": tuple(centre), "spread": tuple(spread)})

    def balanced(
        self, sequences: Sequence[TimeSeries], weights: Sequence[NDArray[np.float32]] | None = None
    ) -> tuple[float, ...]:
        """Return the weight of each bin's steps under which every bin weighs its importance.

        Their mean over the labelled steps is 1; a bin without a step has weight 0.

        Args:
            sequences: Training sequences.
            weights: Weights of their steps; None for 1 each.
        """
        counts = np.zeros(len(self.importance))
        for k, s in enumerate(sequences):
            known = s.labelled
            own = np.ones(int(known.sum())) if weights is None else weights[k][known]
            counts += np.bincount(self.groups(s.targets[known]), own, minlength=len(counts))
        wanted = np.where(counts > 0, self.importance, 0.0)
        share = wanted / max(wanted.sum(), SMALLEST) * counts.sum()
        return tuple(np.divide(share, counts, out=np.zeros_like(counts), where=counts > 0).tolist())

    def groups(self, targets: NDArray[Any]) -> NDArray[np.int64]:
        """Return the bin of each step."""
        if not self.bins:
            return super().groups(targets)
        inner = np.asarray(self.bins[1:-1], dtype=np.float32)
        values = self._columns(np.asarray(targets))[:, 0].astype(np.float32)
        return np.searchsorted(inner, values, side="right").astype(np.int64)

    def losses(self, outputs: Tensor, targets: Tensor, weights: Tensor | None = None) -> Tensor:
        """Return the error in spreads."""
        aims = targets.to(outputs.dtype).reshape(outputs.shape)
        known = ~torch.isnan(aims)
        centre, spread = self._scale(outputs)
        aims = (torch.nan_to_num(aims) - centre) / spread
        each = _ERRORS[self.loss](outputs, aims, self.delta) * known
        found = each.sum(-1) / known.sum(-1).clamp_min(1)
        if weights is None:
            return found
        inner = torch.tensor(self.bins[1:-1], dtype=torch.float32, device=outputs.device)
        values = torch.nan_to_num(targets.float().reshape(outputs.shape)[..., 0]).contiguous()
        return found * weights.to(outputs.dtype)[torch.bucketize(values, inner, right=True)]

    def predictions(self, outputs: Tensor) -> Tensor:
        """Return the values in their own unit."""
        centre, spread = self._scale(outputs)
        found = outputs * spread + centre
        return found.clamp(*self.limits) if self.limits else found

    def errors(
        self, predictions: NDArray[Any], targets: NDArray[Any], smallest: float = SMALLEST
    ) -> NDArray[np.float64]:
        """Return the error in spreads, of values in their own unit."""
        aims = self._columns(np.asarray(targets)).astype(np.float64)
        outputs = (np.asarray(predictions, dtype=np.float64) - self.centre) / self.spread
        return self.losses(torch.from_numpy(outputs), torch.from_numpy(aims)).numpy()

    def check(self, sequence: TimeSeries) -> None:
        """Refuse targets that are no numbers, or lie outside the bins."""
        y, n = np.asarray(sequence.targets), self.n_outputs
        shape = "[n_steps]" if n == 1 else f"[n_steps, {n}]"
        if y.dtype.kind != "f" or self._width(y) != n:
            raise self.refused(sequence, f"float32 {shape}, NaN for none")
        known = y[~np.isnan(y)]
        outside = (
            known[(known < self.bins[0]) | (known > self.bins[-1])] if self.bins else known[:0]
        )
        if len(outside):
            raise DataError(
                f"sequence '{sequence.name}' has the target {outside[0]:g} ({self.names[0]}); expected "
                f"{self.bins[0]:g} to {self.bins[-1]:g}, or NaN for none"
            )

    def chance(self, sequences: Sequence[TimeSeries]) -> float:
        """Return the loss of the centre, whatever the step."""
        found = [
            self.errors(np.tile(self.centre, (int(s.labelled.sum()), 1)), s.targets[s.labelled])
            for s in sequences
        ]
        return float(np.concatenate(found).mean()) if found else float("nan")

    def _scale(self, like: Tensor) -> tuple[Tensor, Tensor]:
        return like.new_tensor(self.centre), like.new_tensor(self.spread)

    @staticmethod
    def _columns(targets: NDArray[Any]) -> NDArray[Any]:
        return targets[:, None] if targets.ndim == 1 else targets

    @staticmethod
    def _width(targets: NDArray[Any]) -> int:
        return 1 if targets.ndim == 1 else int(targets.shape[1])


def _absolute(outputs: Tensor, aims: Tensor, delta: float) -> Tensor:
    return (outputs - aims).abs()


def _squared(outputs: Tensor, aims: Tensor, delta: float) -> Tensor:
    return (outputs - aims).square()


def _huber(outputs: Tensor, aims: Tensor, delta: float) -> Tensor:
    return functional.huber_loss(outputs, aims, reduction="none", delta=delta)


_ERRORS = {"absolute": _absolute, "squared": _squared, "huber": _huber}
