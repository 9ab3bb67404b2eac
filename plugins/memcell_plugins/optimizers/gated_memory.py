"""Gated training memory: a step is mixed with where training stood one update earlier.

B. Badger, "Training Memory", carries the gate of a recurrent cell over to the sequence of parameters v_m::

    v_m = g * (v_{m-1} - lr * grad(v_{m-1})) + (1 - g) * v_{m-2}

Written with the last step d = v_{m-1} - v_{m-2} it is v_m = v_{m-1} - (1 - g) d - g lr grad: a heavy ball
whose momentum is g - 1, below zero, at the learning rate g * lr. So it is to be held against ``sgd`` with and
without momentum at an equal step lr / (1 - momentum), Lookahead and weight averaging.

The gate is fixed, or learned: one for all parameters, or one for each. It is sigmoid(a), and a follows the
hypergradient (Baydin et al., ICLR 2018), which here is grad(v_m) times
p = v_{m-1} - lr * grad(v_{m-1}) - v_{m-2}, made free of scale::

    learned         a -= gate_rate * <grad, p> / (|grad| |p|)
    per_parameter   a -= gate_rate * grad * p / mean(|grad * p|)      (of each parameter tensor)
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from memcell_plugins.optimizers.configs import GatedMemoryConfig
from memcell_plugins.optimizers.gated import Gated

_TINY = 1e-30


def build(
    parameters: Iterable[nn.Parameter], learning_rate: float, config: GatedMemoryConfig
) -> torch.optim.Optimizer:
    """Return the optimizer over the parameters."""
    return GatedMemory(parameters, learning_rate, config)


class GatedMemory(Gated):
    """See the module.

    Args:
        parameters: What is trained.
        learning_rate: lr.
        config: Options.
    """

    def __init__(
        self, parameters: Iterable[nn.Parameter], learning_rate: float, config: GatedMemoryConfig
    ) -> None:
        first = math.inf if config.gate == 1 else math.log(config.gate / (1 - config.gate))
        defaults = {"lr": learning_rate, "mode": config.mode, "gate_rate": config.gate_rate}
        super().__init__(parameters, {**defaults, "logit": first})

    def _learn(self, group: dict[str, Any], parameters: list[nn.Parameter]) -> None:
        """Move the group's gate along its hypergradient."""
        product = gradient = pull = 0.0
        for p in parameters:
            assert p.grad is not None
            direction = self.state[p].get("pull")
            if direction is not None:
                product += float((p.grad * direction).sum(dtype=torch.float64))
                gradient += float(p.grad.square().sum(dtype=torch.float64))
                pull += float(direction.square().sum(dtype=torch.float64))
        if product:
            group["logit"] -= group["gate_rate"] * product / (math.sqrt(gradient * pull) + _TINY)

    def _update(self, group: dict[str, Any], p: nn.Parameter) -> None:
        assert p.grad is not None
        state = self.state[p]
        gate: Tensor | float
        if group["mode"] == "per_parameter":
            if "logit" not in state:
                state["logit"] = torch.full_like(p, group["logit"])
            if "pull" in state:
                h = p.grad * state["pull"]
                state["logit"] -= group["gate_rate"] * h / (h.abs().mean() + _TINY)
            gate = torch.sigmoid(state["logit"])
        else:
            gate = 1 / (1 + math.exp(-group["logit"]))
        now = p.clone()
        target = p - group["lr"] * p.grad
        earlier = state.get("earlier", now)  # the first update has nothing earlier than its start
        pull = target - earlier
        p.copy_(earlier + gate * pull)
        if group["mode"] != "fixed":
            state["pull"] = pull
        state["earlier"] = now
