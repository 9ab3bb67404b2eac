"""The comparison of a backend with the eager loop over one window: outputs, states, every gradient."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from memcell.backends.backend import Backend
from memcell.backends.choose import EAGER
from memcell.recurrent.state import State, leaves, map_state
from memcell.recurrent.window_call import WindowCall, WindowOutput

if TYPE_CHECKING:
    from memcell.backends.layer import Layer

#: Two orders of the same sums differ by a few roundings a step; a slip in code by more than all of them.
_ROUNDINGS = 64
#: What the eager loop itself makes of a disturbance of one rounding; as many of those are let pass.
_DISTURBANCES = 32

Numbers = dict[str, Tensor | None]


#: Runs a window on a backend.
Run = Callable[[Backend, WindowCall], WindowOutput]


def run_on(backend: Backend, call: WindowCall) -> WindowOutput:
    """Run a window on a backend."""
    return backend.run(call)


@dataclass(frozen=True)
class ComparedWindow:
    """One window of a layer, with all that decides its numbers.

    Args:
        call: The window; its cell and normalizers are those of the layer that it is run on.
        training: With gradients, and with statistics of the batch; else as at inference.
        mask_state: State of the generator that the cell draws masks from, None where it draws none.
        x_gradient: Whether the gradient of x is taken.
    """

    call: WindowCall
    training: bool
    mask_state: Tensor | None = None
    x_gradient: bool = True

    @property
    def description(self) -> str:
        """What kind of window it is."""
        steps, lanes = self.call.x.shape[:2]
        masks = self.call.masks
        cuts = (", resets" if any(masks.any_reset) else "") + (
            "" if all(masks.all_valid) else ", padding"
        )
        return f"{'training' if self.training else 'inference'}, T={steps} B={lanes}{cuts}"

    def disturbed(self) -> ComparedWindow:
        """Return the window with a rounding's worth of noise on x and the states."""
        generator = torch.Generator().manual_seed(1)

        def noisy(tensor: Tensor) -> Tensor:
            drawn = torch.randn(tensor.shape, generator=generator, dtype=torch.float64)
            size = float(tensor.detach().abs().max()) if tensor.numel() else 0.0
            scale = torch.finfo(tensor.dtype).eps * (size or 1.0)
            return tensor.detach() + (scale * drawn).to(tensor)

        state, initial = (map_state(noisy, s) for s in (self.call.state, self.call.initial_state))
        call = self.call._replace(x=noisy(self.call.x), state=state, initial_state=initial)
        return replace(self, call=call)


class Disagreement(NamedTuple):
    """What differs most in a window, relative to what may differ.

    Args:
        name: Of the tensor.
        gap: The largest difference of a number; infinite where one is not finite and the other is.
        allowed: How large it may be.
        size: The largest number of the tensor in the eager loop.
    """

    name: str
    gap: float
    allowed: float
    size: float

    @property
    def kept(self) -> bool:
        """Whether the two agree."""
        return self.gap <= self.allowed

    @property
    def description(self) -> str:
        """Name and sizes in a sentence's middle."""
        if self.gap == float("inf"):
            return f"{self.name} has numbers that are not finite, or other sizes"
        return (
            f"{self.name} differs by {self.gap:.2g}, where its largest number is {self.size:.2g} and "
            f"rounding explains {self.allowed:.2g}"
        )


def tolerance(dtype: torch.dtype, steps: int) -> float:
    """Return how far, relative to a tensor's largest number, rounding may take two backends apart.

    ``64 eps (8 + sqrt(T))``: errors of a step that is forgotten again add up like a walk. (A cell that
    amplifies small differences is asked how much, see `compare`.)

    Args:
        dtype: Of the numbers.
        steps: T.
    """
    return float(_ROUNDINGS * torch.finfo(dtype).eps * (8 + steps**0.5))


def compare(
    backend: Backend, layer: Layer, window: ComparedWindow, run: Run = run_on
) -> Disagreement:
    """Run a window on a backend and on the eager loop, and return what differs most.

    The layer is as before afterwards, and so are the random numbers of torch, numpy and Python.
    A number may differ by `tolerance` of the largest of its tensor (and of the other gradients', times
    eps); where it differs by more, by 32 times what the eager loop itself makes of noise of one rounding
    on x and the states, taken step by step for outputs.

    Args:
        backend: Which.
        layer: The layer.
        window: The window.
        run: Runs a window on a backend.

    Raises:
        Unsupported: It does not run on this backend.
    """

    def numbers_of(backend: Backend, window: ComparedWindow) -> Numbers:
        with untouched(layer):
            return numbers(backend, layer, window, run)

    got = numbers_of(backend, window)
    expected = numbers_of(EAGER, window)
    found = worst(expected, got, window, None)
    if not found.kept:
        found = worst(expected, got, window, numbers_of(EAGER, window.disturbed()))
    return found


def numbers(backend: Backend, layer: Layer, window: ComparedWindow, run: Run = run_on) -> Numbers:
    """Return all that a window gives, by name. The layer is left in the window's mode."""
    layer.train(window.training)
    # those of an optimizer: a run that puts others into their place is found out
    learned = {n: p for n, p in layer.named_parameters() if p.requires_grad}
    call = window.call
    x = call.x.detach().clone().requires_grad_(window.training and window.x_gradient)
    state, initial = (
        map_state(lambda t: t.detach().clone().requires_grad_(window.training), s)
        for s in (call.state, call.initial_state)
    )
    generator = None
    if window.mask_state is not None:
        generator = torch.Generator()
        generator.set_state(window.mask_state)
    mine = call._replace(
        cell=layer.cell,
        norms=layer.norms,
        x=x,
        state=state,
        initial_state=initial,
        generator=generator,
    )
    with torch.set_grad_enabled(window.training):
        outputs, states = run(backend, mine)
    found: Numbers = {"the output": outputs}
    for step in call.return_steps:
        found.update(_named(f"the state after step {step}", states[step]))
    if window.training:
        given = {"x": x} if window.x_gradient else {}
        given.update(_named("the first state", state))
        given.update(_named("the initial state", initial))
        found.update(_gradients(found, {**given, **learned}))
    for name, buffer in layer.named_buffers():  # masks too: bools have no difference
        wide = buffer.clone() if buffer.is_complex() else buffer.to(torch.float64, copy=True)
        found[name] = wide
    return {name: None if t is None else t.detach() for name, t in found.items()}


def worst(
    expected: Numbers, got: Numbers, window: ComparedWindow, disturbed: Numbers | None
) -> Disagreement:
    """Return what differs most of what may differ.

    Args:
        expected: Of the eager loop.
        got: Of the other backend.
        window: The window.
        disturbed: Of the eager loop for a disturbed window, where known.
    """
    dtype, steps = window.call.x.dtype, window.call.x.shape[0]
    relative = tolerance(dtype, steps)
    gradients = {n for n in expected if n.startswith("the gradient")}
    largest = max(
        (_size(t) for n, t in expected.items() if n in gradients and t is not None), default=0.0
    )
    found, share = Disagreement("the output", 0.0, relative, 0.0), -1.0
    for name, given in expected.items():
        pair = both_of(given, got.get(name))
        if pair is None:
            continue
        a, b = pair
        size = _size(a)
        # a gradient that is zero but for rounding has no size of its own
        floor = torch.finfo(dtype).eps * largest * _ROUNDINGS if name in gradients else 0.0
        allowed = torch.full((max(1, len(a) if a.dim() else 1),), relative * size + floor + 1e-300)
        allowed = allowed.double()
        gap = _gap(a, b)
        if disturbed is not None and (other := disturbed.get(name)) is not None:
            noise = _DISTURBANCES * _gap(a, other)
            # what a step does to rounding, the steps before it did not
            by_step = name == "the output"
            allowed = allowed + (noise.cummax(0).values if by_step else noise.max())
        shares = gap / allowed[: len(gap)]
        at = int(shares.argmax()) if len(shares) else 0
        mine = float(shares[at]) if len(shares) else 0.0
        if not mine <= share:
            share = mine
            found = Disagreement(name, float(gap[at]), float(allowed[at]), size)
    return found


@contextmanager
def untouched(layer: nn.Module) -> Iterator[None]:
    """Give a layer back as it was, and the random numbers of torch, numpy and Python."""
    modules = [(m, dict(vars(m)), dict(m._buffers)) for m in layer.modules()]
    kept = {name: b.detach().clone() for name, b in layer.named_buffers()}
    python, numbers = random.getstate(), np.random.get_state()  # noqa: NPY002 - it is the global one
    drawn = torch.get_rng_state()
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numbers)  # noqa: NPY002 - it is the global one
        torch.set_rng_state(drawn)
        for module, held, buffers in modules:
            vars(module).clear()
            vars(module).update(held)
            module._buffers.clear()
            module._buffers.update(buffers)
        with torch.no_grad():
            for name, buffer in layer.named_buffers():
                if not torch.equal(buffer, kept[name]):
                    buffer.copy_(kept[name])


def _named(what: str, state: State) -> dict[str, Tensor]:
    return {f"{what}, part {i}": part for i, part in enumerate(leaves(state))}


def _gradients(found: Numbers, inputs: dict[str, Tensor]) -> Numbers:
    """Return the gradients of a loss in which every number counts differently."""
    generator = torch.Generator().manual_seed(20)
    parts = [t for t in found.values() if t is not None and t.requires_grad]
    if not parts or not inputs:
        return {}
    weights = (torch.randn(p.shape, generator=generator, dtype=torch.float64).to(p) for p in parts)
    loss = torch.stack([(p * w).sum() for p, w in zip(parts, weights, strict=True)]).sum()
    gradients = torch.autograd.grad(loss, list(inputs.values()), allow_unused=True)
    return {f"the gradient of {n}": g for n, g in zip(inputs, gradients, strict=True)}


def both_of(a: Tensor | None, b: Tensor | None) -> tuple[Tensor, Tensor] | None:
    """Return two gradients, zeros where one is missing; None where both are."""
    if a is None:
        return None if b is None else (torch.zeros_like(b), b)
    return a, torch.zeros_like(a) if b is None else b


def _size(tensor: Tensor) -> float:
    return float(tensor.abs().nan_to_num(0.0, 0.0, 0.0).max()) if tensor.numel() else 0.0


def _gap(a: Tensor, b: Tensor) -> Tensor:
    """Return the largest difference at each first index, infinite where one of the two is not finite."""
    if a.shape != b.shape:
        return torch.tensor([float("inf")], dtype=torch.float64)
    if not a.numel():
        return torch.zeros(1, dtype=torch.float64)
    gap = (a - b).abs()
    same = (a == b) | (a.isnan() & b.isnan())
    gap = torch.where(same, torch.zeros_like(gap), gap).double()
    gap = gap.nan_to_num(float("inf"), float("inf"))
    return gap.reshape(len(a), -1).amax(1) if a.dim() else gap.reshape(1)
