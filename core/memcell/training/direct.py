"""Loss and gradient of a small network written out, without autograd.

At the sizes of a detector (32 units, 16 lanes, 50 steps) the loops of a window take a tenth of a millisecond
and a graph of torch around them several times that. Where all of a network has its gradient at hand (layers
run as generated C, a linear readout, a linear path, cross-entropy) an update takes it here. Readout and
loss are one pass of C each way (`memcell_compiler.runtime.readout`), equal to autograd's to rounding; large
ones are the operations that autograd would call, the same to the bit. An encoder keeps its graph.
Anything else (trained starts, other heads and targets, hooks, several processes) is autograd's.
Under mixed precision on a CPU recurrent layers multiply bfloat16 numbers; readout and loss are float32.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from memcell.backends.subnormal import flushed
from memcell.network.around import Unchanged
from memcell.network.linear_path import LinearPath
from memcell.network.network import Network, NetworkOutput
from memcell.recurrent.policy import CarriedState
from memcell.recurrent.refusals import Unsupported
from memcell.recurrent.state import State, leaves
from memcell.recurrent.step_masks import StepMasks
from memcell.sequences import Batch
from memcell.sequences.targets import Classes
from memcell_compiler.runtime.readout import NativeReadout, ReadoutWeights

#: Puts into each parameter's ``grad`` that of the summed losses times a share.
Backward = Callable[[float], None]


class TrainingPass(NamedTuple):
    """A batch of training between its losses and its gradient.

    Args:
        ran: What the network gave.
        losses: ``[T, B]``, weighted.
        total: Their sum.
        backward: The way back.
    """

    ran: NetworkOutput
    losses: Tensor
    total: float
    backward: Backward


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


def run_directly(
    network: Network,
    batch: Batch,
    carried: CarriedState,
    initial_state: State,
    resets: Tensor,
    return_steps: tuple[int, ...],
    class_weights: Tensor | None,
    generator: torch.Generator,
) -> TrainingPass | None:
    """Run a batch of training.

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
    encoded = inputs = x
    if type(network.encoder) is not Unchanged:
        with torch.enable_grad():
            encoded = network.encoder(x)
        # a layer is asked for the gradients that autograd would want
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
    loss = _loss(network, hidden, x, batch, class_weights)
    ran = NetworkOutput(loss.logits, hidden, after)

    def backward(share: float) -> None:
        d_hidden, of_readout = loss.backward(share)
        for parameter, gradient in of_readout:
            _add_gradient(parameter, gradient)
        d_inputs, gradients = gradient_of_window(d_hidden)
        for parameter, gradient in gradients:
            _add_gradient(parameter, gradient)
        if encoded.requires_grad:
            with flushed():  # as the generated loop
                torch.autograd.backward(encoded, d_inputs)

    return TrainingPass(ran, loss.losses, loss.total, backward)


class _Loss(Protocol):
    """Logits and losses of a window, and the way back; `ReadoutLoss` says more."""

    @property
    def logits(self) -> Tensor:
        """``[T, B, C]``."""

    @property
    def losses(self) -> Tensor:
        """``[T, B]``."""

    @property
    def total(self) -> float:
        """Their sum."""

    def backward(self, share: float) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
        """Return the gradient of the hidden states, and that of each of the readout's parameters."""


def _loss(
    network: Network, hidden: Tensor, x: Tensor, batch: Batch, class_weights: Tensor | None
) -> _Loss:
    """Run readout and loss: in C where it is small and the C can be had."""
    readout, skip = network.readout, network.skip
    weights = ReadoutWeights(readout.weight, readout.bias, None if skip is None else skip.weight)
    native = _native_readout(readout.weight.dtype)
    if native is not None and native.takes(hidden, weights):
        return native.run(hidden, x, weights, batch.y, batch.weight, class_weights)
    return _TorchLoss(network, hidden, x, batch, class_weights)


@cache
def _native_readout(dtype: torch.dtype) -> NativeReadout | None:
    try:
        return NativeReadout(dtype)
    except Unsupported:
        return None


class _TorchLoss:
    """A `_Loss` in the operations that autograd would call.

    Args:
        network: The network.
        hidden: What its readout is given.
        x: Features, for its linear path.
        batch: Targets and weights.
        class_weights: Weights of the loss by class, or None.
    """

    @torch.no_grad()
    def __init__(
        self,
        network: Network,
        hidden: Tensor,
        x: Tensor,
        batch: Batch,
        class_weights: Tensor | None,
    ) -> None:
        self._network, self._hidden, self._x = network, hidden, x
        self._batch, self._class_weights = batch, class_weights
        self.logits = network.logits(hidden, x)
        self._targets = batch.y.flatten().long().clamp_min(0)
        self._log_p = torch.log_softmax(self.logits.flatten(0, -2), 1)
        flat, self._counted = _nll_loss(self._log_p, self._targets, class_weights, _EACH, _NO_CLASS)
        self.losses = flat.view(batch.y.shape) * batch.weight
        self.total = float(self.losses.sum())

    def backward(self, share: float) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
        """Return the gradients."""
        with torch.no_grad(), flushed():
            return self._backward(share)

    def _backward(self, share: float) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
        network, log_p, hidden = self._network, self._log_p, self._hidden
        readout, skip = network.readout, network.skip
        d_losses = (self._batch.weight * share).flatten()
        d_log_p = _nll_loss_backward(
            d_losses, log_p, self._targets, self._class_weights, _EACH, _NO_CLASS, self._counted
        )
        d_logits = torch._log_softmax_backward_data(d_log_p, log_p, 1, log_p.dtype)
        found: list[tuple[Tensor, Tensor]] = [
            (readout.weight, d_logits.t().mm(hidden.flatten(0, 1))),
            (readout.bias, d_logits.sum(0)),
        ]
        if skip is not None and skip.weight.requires_grad:
            found.append((skip.weight, d_logits.t().mm(self._x.flatten(0, 1))))
        return d_logits.mm(readout.weight).view(hidden.shape), found


_nll_loss = torch.ops.aten.nll_loss_forward.default
_nll_loss_backward = torch.ops.aten.nll_loss_backward.default
#: What torch's loss calls no reduction, and a class that counts for nothing: none here.
_EACH, _NO_CLASS = 0, -100


def _add_gradient(parameter: Tensor, gradient: Tensor) -> None:
    """Add a gradient to a parameter's, as autograd does; nothing where it takes none."""
    if parameter.requires_grad:
        parameter.grad = gradient if parameter.grad is None else parameter.grad + gradient
