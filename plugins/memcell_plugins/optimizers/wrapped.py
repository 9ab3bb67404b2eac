"""An optimizer around another one: shares its parameter groups, so that the schedule reaches both."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn


class Wrapped(torch.optim.Optimizer):
    """Base class: runs the inner optimizer and keeps a second copy of each parameter.

    Args:
        inner: The optimizer that makes the steps.
    """

    def __init__(self, inner: torch.optim.Optimizer) -> None:
        groups = [{k: v for k, v in g.items() if k in ("params", "lr")} for g in inner.param_groups]
        super().__init__(groups, {})
        self.inner = inner
        self.param_groups = inner.param_groups
        self.steps = 0
        self.copies = [p.detach().clone() for p in self.parameters()]

    def parameters(self) -> list[nn.Parameter]:
        """Return all parameters, in the order of the groups."""
        return [p for group in self.param_groups for p in group["params"]]

    def after(self, parameters: list[nn.Parameter]) -> None:
        """Do what comes after each inner step; `steps` counts it already."""
        raise NotImplementedError

    # torch writes two signatures, with a closure and without; this one is both
    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Make one inner update, and what comes after.

        Args:
            closure: Computes the loss anew, as torch's optimizers take it.
        """
        loss = self.inner.step(closure) if closure is not None else self.inner.step()
        self.steps += 1
        self.after(self.parameters())
        return loss

    def state_dict(self) -> dict[str, Any]:
        """Return the inner optimizer's state, the copies and the count."""
        return {"inner": self.inner.state_dict(), "copies": list(self.copies), "steps": self.steps}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take back what `state_dict` gave."""
        self.inner.load_state_dict(state_dict["inner"])
        self.param_groups = self.inner.param_groups  # the inner one has made new ones
        copies: Iterable[Tensor] = state_dict["copies"]
        with torch.no_grad():
            for mine, theirs in zip(self.copies, copies, strict=True):
                mine.copy_(theirs)
        self.steps = int(state_dict["steps"])


def inner(
    name: str, momentum: float, parameters: Iterable[nn.Parameter], learning_rate: float
) -> torch.optim.Optimizer:
    """Return the optimizer inside, with torch's defaults besides.

    Args:
        name: ``"adam"`` or ``"sgd"``.
        momentum: For ``"sgd"``.
        parameters: What is trained.
        learning_rate: lr.
    """
    if name == "adam":
        return torch.optim.Adam(parameters, lr=learning_rate)
    return torch.optim.SGD(parameters, lr=learning_rate, momentum=momentum)
