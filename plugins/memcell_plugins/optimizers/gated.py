"""The frame of optimizers with gates: what all do in a step, around what each does with a parameter."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import torch
from torch import nn


class Gated(torch.optim.Optimizer):
    """An optimizer whose groups have a ``mode``: gates are fixed, learned for all, or per parameter."""

    # torch writes two signatures, with a closure and without; this one is both
    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Make one update.

        Args:
            closure: Computes the loss anew, as torch's optimizers take it.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            with_gradient = [p for p in group["params"] if p.grad is not None]
            if group["mode"] == "learned":
                self._learn(group, with_gradient)
            for p in with_gradient:
                self._update(group, p)
        return loss

    @abstractmethod
    def _learn(self, group: dict[str, Any], parameters: list[nn.Parameter]) -> None:
        """Move the gates that all parameters of a group share along their hypergradients."""

    @abstractmethod
    def _update(self, group: dict[str, Any], p: nn.Parameter) -> None:
        """Update a parameter, and its own gates where it has some."""
