"""What a layer says of a window that does not fit it: what came, what was expected, what to write."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import NamedTuple

import torch
from torch import Tensor

from memcell.nn.state import RecurrentState
from memcell.recurrent.state import State, leaves


class LayerForm(NamedTuple):
    """What a layer takes.

    Args:
        width: I, features a step.
        batch_first: Whether the batch comes before the steps.
        parts: Shape of each part of the state, without the batch, in the order of `leaves`.
        layers: Number of layers.
    """

    width: int
    batch_first: bool
    parts: list[torch.Size]
    layers: int

    @property
    def order(self) -> str:
        """How x is laid out."""
        return "[B, T, I]" if self.batch_first else "[T, B, I]"


def check_input(form: LayerForm, x: Tensor, device: torch.device, dtype: torch.dtype) -> None:
    """Check a window's input.

    Raises:
        ValueError: Its shape, dtype or device does not fit.
    """
    if not isinstance(x, Tensor):
        raise ValueError(
            f"x is a {type(x).__name__}; expected a tensor {form.order}: torch.as_tensor(x)"
        )
    if x.dim() not in (2, 3):
        raise ValueError(f"x has shape {list(x.shape)}; expected {form.order} or [T, I]")
    if x.shape[-1] != form.width:
        raise ValueError(
            f"x has {x.shape[-1]} features a step; expected {form.width} ({form.order})"
        )
    if x.device != device:
        raise ValueError(f"x is on {x.device}, the layer on {device}: x.to({str(device)!r})")
    if x.dtype != dtype and not torch.is_autocast_enabled(x.device.type):
        raise ValueError(f"x is {x.dtype}, the layer {dtype}: x.to({dtype})")


def check_mask(name: str, mask: Tensor, x: Tensor) -> None:
    """Check ``resets`` or ``mask``, which have a value for each step of each lane.

    Raises:
        ValueError: It is none, or its shape or device does not fit.
    """
    shape = x.shape[:-1]
    if not isinstance(mask, Tensor) or mask.shape != shape or mask.dtype != torch.bool:
        what = (
            f"{mask.dtype} of shape {list(mask.shape)}"
            if isinstance(mask, Tensor)
            else f"a {type(mask).__name__}"
        )
        raise ValueError(f"{name} is {what}; expected torch.bool of shape {list(shape)}")
    if mask.device != x.device:
        raise ValueError(f"{name} is on {mask.device}, x on {x.device}: {name}.to(x.device)")


def is_like(state: State, other: State) -> bool:
    """Whether a state has the structure, shapes, dtypes and devices of another."""
    if isinstance(other, Tensor):
        return (
            isinstance(state, Tensor)
            and state.shape == other.shape
            and state.dtype is other.dtype
            and state.device == other.device
        )
    return (
        type(state) is type(other) and len(state) == len(other) and all(map(is_like, state, other))
    )


def check_state(name: str, state: RecurrentState, form: LayerForm, like: Tensor) -> None:
    """Check a state that is handed in.

    Args:
        name: What the argument is called.
        state: The state.
        form: What the layer takes.
        like: ``[T, B, …]``: the window's input.

    Raises:
        ValueError: It is no state, or one of another layer, batch size, dtype or device.
    """
    if not isinstance(state, RecurrentState):
        raise ValueError(
            f"{name} is a {type(state).__name__}; expected the state that this layer returned, "
            "or rnn.initial_state(batch_size)"
        )
    parts = list(leaves(state.layers))
    if [part.shape[1:] for part in parts] != form.parts or len(state.layers) != form.layers:
        if len(state.layers) != form.layers:
            wrong = f"{len(state.layers)} layers, expected {form.layers}"
        else:
            shapes = [[tuple(shape) for shape in each] for each in (_shapes(parts), form.parts)]
            wrong = f"parts of shapes [B, *{shapes[0]}], expected [B, *{shapes[1]}]"
        raise ValueError(f"{name} is of another layer: {wrong}")
    lanes, age = like.shape[1], state.age
    if age.dim() != 1 or age.dtype != torch.int64:
        raise ValueError(
            f"{name}.age is {age.dtype} of shape {list(age.shape)}; expected torch.int64 of shape [{lanes}]"
        )
    if others := {part.shape[0] for part in (*parts, age)} - {lanes}:
        raise ValueError(
            f"{name} has {others.pop()} lanes, x has {lanes}: state.lanes(...) chooses some, "
            "RecurrentState.cat([...]) puts some together"
        )
    for part in (*parts, age):
        if part.device != like.device:
            raise ValueError(
                f"{name} is on {part.device}, x on {like.device}: state.to({str(like.device)!r})"
            )
        if (
            part is not age
            and part.dtype != like.dtype
            and not torch.is_autocast_enabled(like.device.type)
        ):
            raise ValueError(f"{name} is {part.dtype}, x {like.dtype}: state.to({like.dtype})")


def check_steps(return_steps: Collection[int], steps: int) -> None:
    """Check the numbers of steps after which states are asked for.

    Raises:
        ValueError: One lies outside the window.
    """
    wrong = [n for n in return_steps if not isinstance(n, int) or not 0 <= n <= steps]
    if wrong:
        raise ValueError(
            f"return_steps holds {wrong[0]!r}; expected numbers from 0 (before the window) to {steps}"
        )


def check_finite(x: Tensor) -> None:
    """Refuse numbers that would stay in the memory for good; where looking costs no time to speak of.

    Nothing is looked at on a GPU, which would have to be waited for.

    Args:
        x: ``[T, B, I]``, zero where it is padding.

    Raises:
        ValueError: One is not finite; says where the first is.
    """
    if not x.is_cpu or type(x) is not Tensor:
        return
    total = x.detach().sum() if x.requires_grad else x.sum()
    # one number is read; it is not finite either where finite ones add up to too much
    if math.isfinite(total.item()):
        return
    wrong = torch.nonzero(~torch.isfinite(x.detach()))
    if len(wrong):
        step, lane, feature = wrong[0].tolist()
        raise ValueError(
            f"x is {x[step, lane, feature].item()} at step {step}, lane {lane}, feature {feature}; expected "
            "finite numbers: what is missing is left out by mask=, or filled and told by a feature of its own"
        )


def _shapes(parts: Collection[Tensor]) -> list[torch.Size]:
    return [part.shape[1:] for part in parts]
