"""The end of an update: the gradient's norm and its bound, and the optimizer's step.

The same operations as torch's, on all parameters in one call each, so that every number is the same to the
bit. For a small network what is saved is most of the time: torch's own go through each parameter in Python.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor
from torch.optim import optimizer as torch_optimizer


def clip_gradients(parameters: Sequence[Tensor], limit: float) -> float:
    """Scale gradients down to a norm over all of them, and return the norm that they had.

    As `torch.nn.utils.clip_grad_norm_` (Pascanu et al. 2013).

    Args:
        parameters: Those with a gradient.
        limit: Largest norm; infinity for none.
    """
    gradients = [p.grad for p in parameters if p.grad is not None]
    if not gradients:
        return 0.0
    first = gradients[0]
    if any(g.dtype is not first.dtype or g.device != first.device for g in gradients):
        return float(torch.nn.utils.clip_grad_norm_(parameters, limit))
    with torch.no_grad():
        norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))
        found = float(norm)
        if not found < _BELOW * limit:  # near it, torch's own arithmetic decides
            factor = limit / (norm + 1e-6)
            if not factor >= 1.0:  # not a number, too, goes into the gradients, as torch has it
                torch._foreach_mul_(gradients, factor)
    return found


#: A share of the limit below which no rounding brings a norm to it.
_BELOW = 0.99


def step(optimizer: torch.optim.Optimizer) -> None:
    """Let an optimizer take its step: `torch.optim.Adam` and AdamW as they stand in a few calls."""
    if not (_plain(optimizer) and _adam(optimizer)):
        optimizer.step()


def _plain(optimizer: torch.optim.Optimizer) -> bool:
    """Whether an optimizer is torch's Adam or AdamW with nothing around it."""
    if type(optimizer) not in (torch.optim.Adam, torch.optim.AdamW):
        return False
    if len(optimizer.param_groups) != 1:
        return False
    group = optimizer.param_groups[0]
    unusual = ("amsgrad", "maximize", "capturable", "differentiable", "foreach", "fused")
    hooks = (
        optimizer._optimizer_step_pre_hooks,
        optimizer._optimizer_step_post_hooks,
        torch_optimizer._global_optimizer_pre_hooks,
        torch_optimizer._global_optimizer_post_hooks,
    )
    return not any(group[name] for name in unusual) and not any(hooks)


@torch.no_grad()
def _adam(optimizer: torch.optim.Optimizer) -> bool:
    """Take a step of Adam, as ``torch.optim.adam._single_tensor_adam`` does; return whether it was possible.

    Not at the first step, for torch makes the moments; not where some parameters have no gradient, or have
    had fewer steps than others; and on a CPU only, for elsewhere torch has a better way.
    """
    group = optimizer.param_groups[0]
    rate, (beta1, beta2), eps = group["lr"], group["betas"], group["eps"]
    if not type(rate) is type(beta1) is type(beta2) is float:
        return False
    moments = _moments.get(optimizer)
    if moments is None or not moments.stand(group["params"]):
        moments = _Moments.of(optimizer, group["params"])
        if moments is None:
            return False
        _moments[optimizer] = moments
    gradients = moments.gradients()
    if gradients is None:
        return False
    taken = moments.count()
    decay = group["weight_decay"]
    if decay != 0:
        if group["decoupled_weight_decay"]:
            torch._foreach_mul_(moments.parameters, 1 - rate * decay)
        else:
            gradients = list(torch._foreach_add(gradients, moments.parameters, alpha=decay))
    gradient = torch.cat([g.reshape(-1) for g in gradients])
    moments.mean.lerp_(gradient, 1 - beta1)
    moments.square.mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
    torch.sqrt(moments.square, out=moments.root)
    moments.root.div_((1 - beta2**taken) ** 0.5).add_(eps)
    size = rate / (1 - beta1**taken)
    torch._foreach_addcdiv_(moments.parameters, moments.means, moments.roots, -size)
    return True


class _Moments:
    """Adam's moments of all parameters one after the other; the optimizer has views of them.

    An operation on one tensor of them all takes as long as one on the least of them.

    Args:
        parameters: Of one type, on the CPU.
        states: Of each what the optimizer keeps.
    """

    def __init__(self, parameters: list[Tensor], states: list[dict[str, Any]]) -> None:
        self.parameters, self._states = parameters, states
        self.mean, self.means = self._joined("exp_avg")
        self.square, self._squares = self._joined("exp_avg_sq")
        self.root = torch.empty_like(self.mean)
        self.roots = self._parts(self.root)
        self._steps = [state["step"] for state in states]

    @classmethod
    def of(cls, optimizer: torch.optim.Optimizer, parameters: list[Tensor]) -> _Moments | None:
        """Put the moments of an optimizer side by side; None where that is not possible yet, or ever."""
        states: list[dict[str, Any]] = []
        for parameter in parameters:
            state = optimizer.state.get(parameter)
            if not state or not {"step", "exp_avg", "exp_avg_sq"} <= state.keys():
                return None
            if parameter.is_complex() or not parameter.is_cpu:
                return None
            if not all(state[k].dtype is parameters[0].dtype for k in ("exp_avg", "exp_avg_sq")):
                return None
            states.append(state)
        if not states or any(p.dtype is not parameters[0].dtype for p in parameters):
            return None
        return cls(list(parameters), states)

    def stand(self, parameters: list[Tensor]) -> bool:
        """Whether the optimizer still has these parameters, and what was put side by side for them."""
        return len(parameters) == len(self.parameters) and all(
            ours is theirs
            and state.get("exp_avg") is mean
            and state.get("exp_avg_sq") is square
            and state.get("step") is step
            for ours, theirs, state, mean, square, step in zip(
                self.parameters,
                parameters,
                self._states,
                self.means,
                self._squares,
                self._steps,
                strict=True,
            )
        )

    def gradients(self) -> list[Tensor] | None:
        """Return the gradients; None where one is missing, sparse or of another type, or steps differ."""
        found: list[Tensor] = []
        for parameter in self.parameters:
            gradient = parameter.grad
            if gradient is None or gradient.is_sparse or gradient.dtype is not parameter.dtype:
                return None
            found.append(gradient)
        return found if len(set(map(float, self._steps))) == 1 else None

    def count(self) -> float:
        """Count a step, and return how many there are with it."""
        taken = float(self._steps[0]) + 1
        for step in self._steps:
            step.fill_(taken)
        return taken

    def _joined(self, name: str) -> tuple[Tensor, list[Tensor]]:
        whole = torch.cat([state[name].reshape(-1) for state in self._states])
        parts = self._parts(whole)
        for state, part in zip(self._states, parts, strict=True):
            state[name] = part
        return whole, parts

    def _parts(self, whole: Tensor) -> list[Tensor]:
        pieces = whole.split([p.numel() for p in self.parameters])
        return [piece.view(p.shape) for piece, p in zip(pieces, self.parameters, strict=True)]


_moments: WeakKeyDictionary[torch.optim.Optimizer, _Moments] = WeakKeyDictionary()
