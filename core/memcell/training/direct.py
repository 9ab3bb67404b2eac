"""Loss and gradient of a small network written out, without autograd.

At the sizes of a detector (32 units, 16 lanes, 50 steps) the loops of a window take a tenth of a millisecond
and a graph of torch around them several times that. Where all of a network has its gradient at hand (layers
run as generated C, a linear readout, a linear path, cross-entropy) an update takes it here, with the
operations that autograd would call, so that every number is the same to the bit. An encoder keeps its graph.
Anything else (trained starts, other heads and targets, hooks, several processes) is autograd's.
Under mixed precision on a CPU recurrent layers multiply bfloat16 numbers; readout and loss are float32.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from memcell.network.around import Unchanged
from memcell.network.linear_path import LinearPath
from memcell.network.network import Network, NetworkOutput
from memcell.recurrent.policy import CarriedState
from memcell.recurrent.state import State, leaves
from memcell.recurrent.step_masks import StepMasks
from memcell.sequences import Batch
from memcell.sequences.targets import Classes

#: Puts into each parameter's ``grad`` that of the summed losses times a share.
Backward = Callable[[float], None]


def direct(network: Network) -> bool:
    """Whether the parts of a network are such that its gradient can be written out."""
    return (
        type(network) is Network
        and type(network.head) is Unchanged
        and type(network.readout) is nn.Linear
        and type(network.skip) in (type(None), LinearPath)
        and type(network.target) is Classes
        and next(network.start.parameters(), None) is None
        and network.device.type == "cpu"
    )


class Listeners:
    """Whoever has a hook on a module or a parameter of a network, and would hear nothing of a direct pass.

    Args:
        network: The network, whose parts stay what they are.
    """

    def __init__(self, network: Network) -> None:
        kinds = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
        self._tables = [vars(module)[kind] for module in network.modules() for kind in kinds]
        self._parameters: list[Any] = list(network.parameters())

    def __bool__(self) -> bool:
        """Whether there is one."""
        return any(self._tables) or any(
            p._backward_hooks or p._post_accumulate_grad_hooks for p in self._parameters
        )


@torch.no_grad()
def run_directly(
    network: Network,
    batch: Batch,
    carried: CarriedState,
    initial_state: State,
    resets: Tensor,
    return_steps: tuple[int, ...],
    class_weights: Tensor | None,
    generator: torch.Generator,
) -> tuple[NetworkOutput, Tensor, Backward] | None:
    """Run a batch of training: what the network gave, weighted losses ``[T, B]``, and the way back.

    Args:
        network: One that is `direct`.
        batch: The batch.
        carried: State and age that each lane begins with.
        initial_state: State of a lane that is reset.
        resets: ``[T, B]`` bool, where memory is reset.
        return_steps: Numbers of steps after which the state is returned.
        class_weights: Weights of the loss by class, or None.
        generator: Random numbers of noise.

    Returns:
        None where a layer needs autograd.
    """
    if any(part.requires_grad for part in leaves(carried.state)):
        return None
    drawn = generator.get_state() if network.noise.draws else None
    x = network.noise(batch.x, generator)
    masks = StepMasks.of(resets, batch.valid, carried.age)
    with torch.enable_grad():  # a layer is asked for the gradients that autograd would want
        encoded = network.encoder(x)
        inputs = encoded.detach().requires_grad_(encoded.requires_grad)
        found = network.recurrent.run_with_gradient(
            inputs, carried.state, initial_state, masks, return_steps, True
        )
    if found is None:
        if drawn is not None:
            generator.set_state(drawn)
        return None
    (hidden, states), gradient_of_window = found
    after = {
        step: CarriedState(state, masks.age_after(step, carried.age))
        for step, state in states.items()
    }
    logits = network.logits(hidden, x)
    ran = NetworkOutput(logits, hidden, after)

    targets = batch.y.flatten().long().clamp_min(0)
    log_p = torch.log_softmax(logits.flatten(0, -2), 1)
    flat, total = _nll_loss(log_p, targets, class_weights, _EACH, _NO_CLASS)
    losses = flat.view(batch.y.shape) * batch.weight

    @torch.no_grad()
    def backward(share: float) -> None:
        d_losses = (batch.weight * share).flatten()
        d_log_p = _nll_loss_backward(
            d_losses, log_p, targets, class_weights, _EACH, _NO_CLASS, total
        )
        d_logits = torch._log_softmax_backward_data(d_log_p, log_p, 1, log_p.dtype)
        _add_gradient(network.readout.weight, d_logits.t().mm(hidden.flatten(0, 1)))
        _add_gradient(network.readout.bias, d_logits.sum(0))
        if network.skip is not None and network.skip.weight.requires_grad:
            _add_gradient(network.skip.weight, d_logits.t().mm(x.flatten(0, 1)))
        d_hidden = d_logits.mm(network.readout.weight).view(hidden.shape)
        d_inputs, gradients = gradient_of_window(d_hidden)
        for parameter, gradient in gradients:
            _add_gradient(parameter, gradient)
        if encoded.requires_grad:
            torch.autograd.backward(encoded, d_inputs)

    return ran, losses, backward


_nll_loss = torch.ops.aten.nll_loss_forward.default
_nll_loss_backward = torch.ops.aten.nll_loss_backward.default
#: What torch's loss calls no reduction, and a class that counts for nothing: none here.
_EACH, _NO_CLASS = 0, -100


def _add_gradient(parameter: Tensor, gradient: Tensor) -> None:
    """Add a gradient to a parameter's, as autograd does; nothing where it takes none."""
    if parameter.requires_grad:
        parameter.grad = gradient if parameter.grad is None else parameter.grad + gradient
