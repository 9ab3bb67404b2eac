"""A window of a layer as one operation of torch, for `torch.compile`.

The compiler sees an operation with known sizes and a gradient and looks no further: no loop is unrolled, and
no code is made anew for another pattern of resets. When compiled code runs, the operation runs the layer as
ever. Its backward runs the window once more, for what a generated loop saves is no tensor of a graph.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakValueDictionary

import torch
from torch import Tensor

from memcell.recurrent.state import leaves, rebuild
from memcell.recurrent.step_masks import StepMasks
from memcell.recurrent.window_call import LAST, WindowCall, WindowOutput

if TYPE_CHECKING:
    from memcell.backends.layer import Layer

#: Layers by the number that stands for them in compiled code, for as long as they live.
_layers: WeakValueDictionary[int, Layer] = WeakValueDictionary()
_numbers = itertools.count()


def numbered(layer: Layer) -> int:
    """Give a layer a number."""
    number = next(_numbers)
    _layers[number] = layer
    return number


class _Arguments(NamedTuple):
    """A window's arguments as an operation of torch takes them: numbers and tensors.

    Args:
        number: The layer's.
        tensors: x, the parameters, the parts of the state, those of the initial state.
        resets: ``[T, B]`` bool.
        valid: ``[T, B]`` bool.
        ages: ``[T, B]`` int64.
        return_steps: Numbers of steps, from 1, after which states are returned, or `LAST`.
        training: The layer's mode.
        autocast: Whether torch's autocast to bfloat16 is on; within an operation nothing is left of it.
    """

    number: int
    tensors: Sequence[Tensor]
    resets: Tensor
    valid: Tensor
    ages: Tensor
    return_steps: Sequence[int]
    training: bool
    autocast: bool

    @property
    def layer(self) -> Layer:
        """The layer that the number stands for."""
        return _layers[self.number]

    @property
    def parts(self) -> Sequence[Tensor]:
        """Parts of the state and of the initial state."""
        return self.tensors[1 + len(list(self.layer.parameters())) :]

    def run(self) -> list[Tensor]:
        """Run the layer; outputs, and the parts of the states that are returned."""
        layer = self.layer
        names = [name for name, _ in layer.named_parameters()]
        weights = dict(zip(names, self.tensors[1:], strict=False))
        structure = layer.cell.initial_state(1)
        half = len(self.parts) // 2
        state, initial = (
            rebuild(structure, iter(p)) for p in (self.parts[:half], self.parts[half:])
        )
        masks = StepMasks(
            resets=self.resets,
            valid=self.valid,
            ages=self.ages,
            any_reset=tuple(self.resets.any(1).tolist()),
            all_valid=tuple(self.valid.all(1).tolist()),
        )
        x = self.tensors[0]
        return_steps = [x.shape[0] if step == LAST else step for step in self.return_steps]
        call = (x, state, initial, masks, tuple(return_steps), False)
        with torch.autocast(x.device.type, torch.bfloat16, enabled=self.autocast):
            output, states = torch.func.functional_call(layer, weights, call)
        return [output, *(part for step in return_steps for part in leaves(states[step]))]


#: `_Arguments` in the words of torch's schemas.
_SCHEMA = (
    "int number, Tensor[] tensors, Tensor resets, Tensor valid, Tensor ages, int[] return_steps, "
    "bool training, bool autocast"
)


def run_window(layer: Layer, call: WindowCall) -> WindowOutput:
    """Run a window of a layer as one operation; no statistics are accumulated."""
    return_steps = sorted({step for step in call.return_steps if step != 0})
    masks, state = call.masks, call.state
    tensors = [call.x, *layer.parameters(), *leaves(state), *leaves(call.initial_state)]
    kind = call.x.device.type
    autocast = torch.is_autocast_enabled(kind) and torch.get_autocast_dtype(kind) is torch.bfloat16
    output, *returned = _window(
        layer.number,
        tensors,
        masks.resets,
        masks.valid,
        masks.ages,
        return_steps,
        layer.training,
        autocast,
    )
    states = {0: state} if 0 in call.return_steps else {}
    count = len(list(leaves(state)))
    for i, step in enumerate(return_steps):
        states[step] = rebuild(state, iter(returned[i * count : (i + 1) * count]))
    return WindowOutput(output, states)


def _differentiable() -> AbstractContextManager[None]:
    """Let operations have gradients within the body of an operation, which lies below autograd."""
    keys = torch._C.DispatchKey
    excluded = torch._C._dispatch_tls_local_exclude_set()
    for key in (keys.AutogradFunctionality, keys.ADInplaceOrView):
        excluded = excluded.remove(key)
    included = torch._C._dispatch_tls_local_include_set()
    guard: AbstractContextManager[None] = torch._C._ForceDispatchKeyGuard(included, excluded)
    return guard


@torch.library.custom_op("memcell::window", mutates_args=(), schema=f"({_SCHEMA}) -> Tensor[]")
def _window(*arguments: Any) -> list[Tensor]:
    # each in memory of its own, as torch demands
    return [t.clone() for t in _Arguments(*arguments).run()]


@_window.register_fake
def _(*arguments: Any) -> list[Tensor]:
    given = _Arguments(*arguments)
    x = given.tensors[0]
    output = x.new_empty(x.shape[0], x.shape[1], given.layer.cell.output_size)
    parts = given.parts[len(given.parts) // 2 :]
    return [output, *(torch.empty_like(part) for _ in given.return_steps for part in parts)]


@torch.library.custom_op(
    "memcell::window_backward",
    mutates_args=(),
    schema=f"({_SCHEMA}, Tensor[] cotangents) -> Tensor[]",
)
def _backward(*arguments: Any) -> list[Tensor]:
    *given, cotangents = arguments
    call = _Arguments(*given)
    with _differentiable(), torch.enable_grad():
        own = [t.detach().requires_grad_() for t in call.tensors]
        found = call._replace(tensors=own).run()
        gradients = torch.autograd.grad(found, own, cotangents, allow_unused=True)
    pairs = zip(gradients, own, strict=True)
    return [torch.zeros_like(t) if g is None else g.contiguous().clone() for g, t in pairs]


@_backward.register_fake
def _(*arguments: Any) -> list[Tensor]:
    tensors = _Arguments(*arguments[:-1]).tensors
    return [torch.empty_like(t, memory_format=torch.contiguous_format) for t in tensors]


def _save(ctx: Any, inputs: tuple[Any, ...], output: list[Tensor]) -> None:
    call = _Arguments(*inputs)
    ctx.save_for_backward(*call.tensors, call.resets, call.valid, call.ages)
    ctx.fixed = call.number, call.return_steps, call.training, call.autocast


def _gradient(ctx: Any, cotangents: list[Tensor]) -> tuple[Any, ...]:
    *tensors, resets, valid, ages = ctx.saved_tensors
    number, *fixed = ctx.fixed
    call = _Arguments(number, tensors, resets, valid, ages, *fixed)
    found = _backward(*call, list(cotangents))
    return None, found, *(None for _ in call[2:])


_window.register_autograd(_gradient, setup_context=_save)
