"""The end of an update: the gradient's norm and its bound, and the optimizer's step.

For a small network on the CPU both are one call of C each where the optimizer is torch's Adam or AdamW as it
stands (`memcell_compiler.runtime.optimizer`): the same formulas in the same order, the numbers equal to
rounding. Torch's own go through each parameter in Python, a dozen operations each.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.optim import optimizer as torch_optimizer

from memcell.recurrent.refusals import Unsupported
from memcell_compiler.runtime.optimizer import Moments, NativeParameters


class Stepping:
    """Bounds gradients and lets an optimizer take its step.

    Args:
        optimizer: The optimizer.
        native: Whether that may be C.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, native: bool) -> None:
        self.optimizer, self.native = optimizer, native
        #: The parameters as C takes them, once it has.
        self.known: NativeParameters | None = None

    def __call__(self, parameters: Sequence[Tensor], limit: float) -> float:
        """Scale gradients down to a norm over all of them and step, if that norm is a number.

        Args:
            parameters: Those with a gradient, and maybe others.
            limit: Largest norm; infinity for none.

        Returns:
            The norm that they had.
        """
        found = self._ready(parameters)
        if found is None:
            norm = clip_gradients(parameters, limit)
            if math.isfinite(norm):
                self.optimizer.step()
            return norm
        norm = found.clip(limit)
        if math.isfinite(norm) and not self._adam(found):
            self.optimizer.step()
        return norm

    def _ready(self, parameters: Sequence[Tensor]) -> NativeParameters | None:
        """Return the parameters as C takes them, where they are those of Adam and no other has a gradient.

        Not at the first step, for torch makes the moments.
        """
        if not self.native or not _plain(self.optimizer):
            return None
        own = self.optimizer.param_groups[0]["params"]
        known = self.known
        if known is None or not self._same(known, own):
            known = self.known = self._found(own)
        if known is None or not known.take_gradients():
            return None
        if len(own) != len(parameters) or any(map(_is_not, own, parameters)):
            mine = set(map(id, own))
            if any(p.grad is not None and id(p) not in mine for p in parameters):
                return None
            if not mine <= set(map(id, parameters)):
                return None
        return known

    def _found(self, own: list[Tensor]) -> NativeParameters | None:
        moments = []
        for parameter in own:
            state = self.optimizer.state.get(parameter)
            if not state or not {"step", "exp_avg", "exp_avg_sq"} <= state.keys():
                return None
            moments.append(Moments(state["exp_avg"], state["exp_avg_sq"], state["step"]))
        if not moments or not NativeParameters.can(own, moments):
            return None
        try:
            return NativeParameters(own, moments)
        except Unsupported:
            self.native = False
            return None

    def _same(self, known: NativeParameters, own: list[Tensor]) -> bool:
        """Whether the optimizer still has these parameters, and what it keeps of them, in their places."""
        if len(own) != known.count:
            return False
        states = self.optimizer.state
        for parameter, was, moments in zip(own, known.parameters, known.moments, strict=True):
            state: dict[str, Any] = states[parameter]
            if (
                parameter is not was
                or state.get("exp_avg") is not moments.mean
                or state.get("exp_avg_sq") is not moments.square
                or state.get("step") is not moments.steps
            ):
                return False
        return known.stand

    def _adam(self, found: NativeParameters) -> bool:
        group = self.optimizer.param_groups[0]
        rate, betas, eps, decay = (group[k] for k in ("lr", "betas", "eps", "weight_decay"))
        if not type(rate) is type(betas[0]) is type(betas[1]) is float:
            return False
        return found.adam(rate, betas, eps, decay, group["decoupled_weight_decay"])


def _is_not(a: object, b: object) -> bool:
    return a is not b


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
