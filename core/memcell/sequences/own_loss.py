"""A loss of one's own: a Python function in place of the one that a kind of targets has.

``loss(outputs, targets)`` gets the N steps of a window that have a target, and returns the loss of each:

==========  ===================================  ============================================
targets     ``outputs [N, K]`` float32           ``targets``
==========  ===================================  ============================================
classes     logits, before the softmax           ``[N]`` int64, counted from 0
values      values in spreads (`Values`)         ``[N, K]`` float32, likewise; NaN for none
labels      logits, before the sigmoids          ``[N, K]`` float32 of 0 and 1, -1 for none
==========  ===================================  ============================================

A model that was trained so is stored with its kind of targets alone: predicting needs no loss.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from memcell.errors import UsageError
from memcell.sequences.targets import SMALLEST, Classes, MultiLabel, TargetKind, Values

#: ``(outputs [N, K], targets) -> [N]``.
LossFunction = Callable[[Tensor, Tensor], Tensor]


def with_loss(target: TargetKind, function: LossFunction) -> OwnLoss:
    """Return a kind of targets whose loss is a function; fitted, where it is one of values.

    Raises:
        UsageError: The kind of targets takes none.
    """
    own = _KINDS.get(type(target))
    if own is not None:
        made: OwnLoss = own(**{f.name: getattr(target, f.name) for f in fields(own)})
        object.__setattr__(made, "function", function)  # it is no fact that a model stores
        return made
    raise UsageError(f"targets of {target.kind} take no loss of one's own")


def named(function: Callable[..., Any]) -> str:
    """Return the name of a function, or of the class that an object to call is of."""
    return str(getattr(function, "__name__", type(function).__name__))


class OwnLoss(TargetKind):
    """What the three kinds share: a function in place of the loss."""

    function: LossFunction

    @property
    def loss_name(self) -> str:
        """The function's name."""
        return named(self.function)

    @property
    def unit(self) -> str:
        """Whatever the function returns."""
        return ""

    def losses(self, outputs: Tensor, targets: Tensor, weights: Tensor | None = None) -> Tensor:
        """Return what the function says of each step; 0 of one without a target."""
        known, aims = self._aims(outputs, targets)
        found = self.function(outputs[known], aims[known])
        self._check(found, int(known.sum()))
        none = outputs.sum(dim=-1) * 0.0  # a window without targets has a gradient too
        each = none.masked_scatter(known, found.to(outputs.dtype))
        if weights is None:
            return each
        groups = aims.clamp_min(0) if isinstance(self, Classes) else torch.zeros_like(known).long()
        return each * weights.to(outputs.dtype)[groups]

    def errors(
        self, predictions: NDArray[Any], targets: NDArray[Any], smallest: float = SMALLEST
    ) -> NDArray[np.float64]:
        """Return what the function says of predictions, turned back into outputs."""
        with torch.no_grad():
            p = torch.from_numpy(np.asarray(predictions, dtype=np.float32))
            y = torch.from_numpy(np.ascontiguousarray(targets))
            return self.losses(self._outputs(p, smallest), y).double().numpy()

    def _aims(self, outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Return which steps have a target, and targets as the function takes them."""
        raise NotImplementedError

    def _outputs(self, p: Tensor, smallest: float) -> Tensor:
        """Return the outputs that became these predictions."""
        raise NotImplementedError

    def try_out(self) -> None:
        """Call the function on two steps, so that one that trains nothing is told before a run begins.

        Raises:
            UsageError: It returned no loss for each step, or one without a gradient.
        """
        outputs = torch.zeros(2, self.n_outputs, requires_grad=True)
        of_classes = isinstance(self, Classes)
        aims = torch.zeros(2, dtype=torch.int64) if of_classes else torch.zeros(2, self.n_outputs)
        found = self.function(outputs, aims)
        self._check(found, 2)
        if not found.requires_grad:
            raise UsageError(
                f"loss {self.loss_name} returned losses without a gradient; expected torch's operations on "
                "the outputs, without .detach(), .item() or NumPy"
            )

    def _check(self, found: Any, n: int) -> None:
        name = self.loss_name
        if not isinstance(found, Tensor):
            raise UsageError(
                f"loss {name} returned a {type(found).__name__}; expected a tensor [{n}], a loss for each "
                "step"
            )
        if tuple(found.shape) != (n,):
            hint = ": reduction='none'" if found.dim() == 0 else ""
            raise UsageError(
                f"loss {name} returned the shape {list(found.shape)}; expected [{n}], a loss for each step"
                f"{hint}"
            )


class ClassesWithLoss(OwnLoss, Classes):
    """Classes whose loss is a function of logits."""

    def _aims(self, outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        return targets >= 0, targets.long()

    def _outputs(self, p: Tensor, smallest: float) -> Tensor:
        return p.clamp_min(smallest).log()


class ValuesWithLoss(OwnLoss, Values):
    """Values whose loss is a function of both at the scale of the training steps."""

    def _aims(self, outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        centre, spread = self._scale(outputs)
        aims = (targets.to(outputs.dtype).reshape(outputs.shape) - centre) / spread
        return ~torch.isnan(aims).all(dim=-1), aims

    def _outputs(self, p: Tensor, smallest: float) -> Tensor:
        centre, spread = self._scale(p)
        return (p - centre) / spread


class LabelsWithLoss(OwnLoss, MultiLabel):
    """Labels whose loss is a function of logits."""

    def _aims(self, outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        return (targets >= 0).any(dim=-1), targets.to(outputs.dtype)

    def _outputs(self, p: Tensor, smallest: float) -> Tensor:
        return torch.logit(p, eps=1e-7)


_KINDS: dict[type[Any], type[Any]] = {
    Classes: ClassesWithLoss,
    Values: ValuesWithLoss,
    MultiLabel: LabelsWithLoss,
}
