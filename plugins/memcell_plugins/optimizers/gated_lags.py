"""Training memory of two lags: a gate on the step, and one on each of the last two changes of the weights.

B. Badger, "Training Memory", asks for gates like an LSTM's on the sequence of parameters v_m, so that v_m
depends on v_{m-2} as well as on v_{m-1}. Here, with the last changes d_m = v_m - v_{m-1}::

    d_m = -i * lr * grad(v_{m-1}) + f1 * d_{m-1} + f2 * d_{m-2}
    v_m = v_{m-1} + d_m
        = (1 + f1) v_{m-1} + (f2 - f1) v_{m-2} - f2 v_{m-3} - i * lr * grad(v_{m-1})

i = 2 sigma(a) lies between 0 and 2, f1 = tanh(b) and f2 = tanh(c) between -1 and 1, so that plain gradient
descent (1, 0, 0), a heavy ball (1, beta, 0) and the negative momentum of ``gated_memory`` are among them.
Where |f1| + |f2| is above .99 both are scaled down to that sum, so that the memory of a change always fades.

Gates are fixed, learned (one of each for all parameters), or learned for each parameter. Each follows its
hypergradient (Baydin et al., ICLR 2018): with u = -lr grad(v_{m-1}), d_{m-1} or d_{m-2} for the three, the
loss at v_m changes with a gate as <grad(v_m), u> does, and the gate's logit l goes down it, made free of
scale::

    learned         l -= gate_rate * <grad, u> / (|grad| |u|)
    per_parameter   l -= gate_rate * grad * u / mean(|grad * u|)      (of each parameter tensor)

The slope of the squashing is left out, as its sign is always the same; logits stay within -6 and 6.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from memcell_plugins.optimizers.configs import GatedLagsConfig
from memcell_plugins.optimizers.gated import Gated

_TINY = 1e-30
#: Largest size of a logit: beyond it a gate is as good as open or shut.
_FAR = 6.0
#: Largest |f1| + |f2|.
_FADES = 0.99
#: Names of the gates: of the step, of the last change, of the one before.
_GATES = ("step", "last", "second")


def build(
    parameters: Iterable[nn.Parameter], learning_rate: float, config: GatedLagsConfig
) -> torch.optim.Optimizer:
    """Return the optimizer over the parameters."""
    return GatedLags(parameters, learning_rate, config)


class GatedLags(Gated):
    """See the module.

    Args:
        parameters: What is trained.
        learning_rate: lr.
        config: Options.
    """

    def __init__(
        self, parameters: Iterable[nn.Parameter], learning_rate: float, config: GatedLagsConfig
    ) -> None:
        defaults = {"lr": learning_rate, "mode": config.mode, "gate_rate": config.gate_rate}
        logits = [0.0, math.atanh(config.last), math.atanh(config.second)]
        self._lags = config.lags
        super().__init__(parameters, {**defaults, "logits": logits})

    def gates(self) -> list[tuple[float, float, float]]:
        """Return i, f1 and f2, their mean over the parameters where each has its own, of each group."""
        found = []
        for group in self.param_groups:
            own = [self.state[p].get("logits") for p in group["params"]]
            parts = [torch.stack([z.reshape(-1) for z in each]) for each in own if each is not None]
            logits = torch.cat(parts, dim=1) if parts else torch.tensor(group["logits"])[:, None]
            step, last, second = (float(g.mean()) for g in _squashed(list(logits)))
            found.append((step, last, second))
        return found

    def _learn(self, group: dict[str, Any], parameters: list[nn.Parameter]) -> None:
        """Move the group's gates along their hypergradients."""
        products = [[0.0, 0.0, 0.0] for _ in _GATES]
        for p in parameters:
            assert p.grad is not None
            squared = float(p.grad.square().sum(dtype=torch.float64))
            for sums, u in zip(products, self.state[p].get("pulls", ()), strict=False):
                sums[0] += float((p.grad * u).sum(dtype=torch.float64))
                sums[1] += squared
                sums[2] += float(u.square().sum(dtype=torch.float64))
        # a new list: what `state_dict` gave stays as it was
        group["logits"] = list(group["logits"])
        for k, (product, gradient, pull) in enumerate(products):
            if product:
                moved = group["gate_rate"] * product / (math.sqrt(gradient * pull) + _TINY)
                group["logits"][k] = min(max(group["logits"][k] - moved, -_FAR), _FAR)

    def _update(self, group: dict[str, Any], p: nn.Parameter) -> None:
        assert p.grad is not None
        state = self.state[p]
        if group["mode"] == "per_parameter":
            logits = state.get("logits") or [torch.full_like(p, z) for z in group["logits"]]
            if "pulls" in state:
                moves = [p.grad * u for u in state["pulls"]]
                logits = [
                    (z - group["gate_rate"] * h / (h.abs().mean() + _TINY)).clamp(-_FAR, _FAR)
                    for z, h in zip(logits, moves, strict=True)
                ]
            state["logits"] = logits
        else:
            logits = [p.new_tensor(z) for z in group["logits"]]
        step, last, second = _squashed(logits)
        zero = torch.zeros_like(p)
        pulls = [-group["lr"] * p.grad, state.get("last", zero), state.get("second", zero)]
        if self._lags == 1:
            pulls[2] = zero  # nothing to weigh, and nothing to learn a gate from
        change = step * pulls[0] + last * pulls[1] + second * pulls[2]
        p.add_(change)
        if group["mode"] != "fixed":
            state["pulls"] = pulls
        state["last"], state["second"] = change, pulls[1]


def _squashed(logits: list[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    """Return i, f1 and f2 of their logits."""
    step, last, second = 2 * torch.sigmoid(logits[0]), torch.tanh(logits[1]), torch.tanh(logits[2])
    fades = (_FADES / (last.abs() + second.abs()).clamp_min(_FADES)).clamp_max(1.0)
    return step, last * fades, second * fades
