"""The end of an update: the gradient's norm and its bound, and the optimizer's step.

The same operations as torch's, on all parameters in one call each, so that every number is the same to the
bit. For a small network what is saved is most of the time: torch's own go through each parameter in Python.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.optim import optimizer as torch_optimizer


@torch.no_grad()
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
    norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))
    factor = limit / (norm + 1e-6)
    if not factor >= 1.0:  # not a number, too, goes into the gradients, as torch has it
        torch._foreach_mul_(gradients, factor)
    return float(norm)


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
    parameters: list[Tensor] = group["params"]
    gradients: list[Tensor] = []
    states: list[dict[str, Any]] = []
    for parameter in parameters:
        gradient, state = parameter.grad, optimizer.state.get(parameter)
        if gradient is None or not state or gradient.is_sparse or not gradient.is_cpu:
            return False
        if parameter.is_complex() or "step" not in state:
            return False
        gradients.append(gradient)
        states.append(state)
    counts = [float(state["step"]) for state in states]
    rate, (beta1, beta2), eps = group["lr"], group["betas"], group["eps"]
    if len(set(counts)) != 1 or any(type(v) is not float for v in (rate, beta1, beta2)):
        return False
    taken = counts[0] + 1
    means = [state["exp_avg"] for state in states]
    squares = [state["exp_avg_sq"] for state in states]
    torch._foreach_add_([state["step"] for state in states], 1)
    decay = group["weight_decay"]
    if decay != 0:
        if group["decoupled_weight_decay"]:
            torch._foreach_mul_(parameters, 1 - rate * decay)
        else:
            gradients = list(torch._foreach_add(gradients, parameters, alpha=decay))
    torch._foreach_lerp_(means, gradients, 1 - beta1)
    torch._foreach_mul_(squares, beta2)
    torch._foreach_addcmul_(squares, gradients, gradients, 1 - beta2)
    size = rate / (1 - beta1**taken)
    roots = torch._foreach_sqrt(squares)
    torch._foreach_div_(roots, (1 - beta2**taken) ** 0.5)
    torch._foreach_add_(roots, eps)
    torch._foreach_addcdiv_(parameters, means, roots, -size)
    return True
