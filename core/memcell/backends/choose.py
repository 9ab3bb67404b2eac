"""The ways to run a layer over a window, and in which order they are tried.

``native``: generated C for the whole window (`memcell_compiler`, CPU). ``torch``: torch's own kernel,
where the cell is exactly one of torch's and no normalizer is set. ``compiled``: chunks of steps through
Inductor, CUDA graphs on a GPU (`memcell.backends.inductor`). ``eager``: the loop over the cell's step, which
every other way must equal and which runs anything.
"""

from __future__ import annotations

import warnings
from collections.abc import Collection
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from memcell.backends.eager import unroll_eager
from memcell.backends.step_masks import WindowMarks
from memcell.backends.torch_kernels import MIN_MEAN_CUT, cuts, unroll_torch
from memcell.recurrent.state import State
from memcell_compiler.trace.unsupported import Seldom, Unsupported

if TYPE_CHECKING:
    from memcell.backends.layer import Layer

#: What ``--unroll`` takes.
CHOICES = ("auto", "native", "compiled", "eager")


#: Autocast runs cuDNN in float16, whatever type was asked for: small gradients would vanish.
HALF = "under mixed precision it would run in float16, not in bfloat16"


class UnrollWarning(UserWarning):
    """A layer runs in another way than the fastest, or the one asked for; says why."""


def candidates(choice: str, device: str) -> tuple[str, ...]:
    """Return the ways to try, the last of which always works.

    Args:
        choice: One of `CHOICES`.
        device: ``"cpu"`` or ``"cuda"``.
    """
    if choice != "auto":
        return (choice,) if choice == "eager" else (choice, "eager")
    return ("native", "torch", "eager") if device == "cpu" else ("torch", "compiled", "eager")


def run(
    way: str,
    layer: Layer,
    x: Tensor,
    state: State,
    fresh: State,
    marks: WindowMarks,
    keep: Collection[int],
    gather: bool,
    generator: torch.Generator | None = None,
) -> tuple[Tensor, dict[int, State]]:
    """Run a window in one way; see `memcell.backends.eager.unroll_eager` for the arguments.

    Raises:
        Unsupported: This way cannot; nothing has happened yet.
    """
    cell, norms = layer.cell, layer.norms
    if way == "native":
        from memcell_compiler import unroll_native

        return unroll_native(cell, norms, x, state, fresh, marks, keep, gather, generator)
    if way == "compiled":
        from memcell.backends.inductor import unroll_compiled

        return unroll_compiled(cell, norms, x, state, fresh, marks, keep, gather, generator)
    if way == "torch":
        form = None if len(norms) else cell.torch_form()
        if form is None:
            raise Unsupported("it is not one of torch's own cells, or a normalizer is set")
        if x.is_cuda and torch.is_autocast_enabled("cuda"):
            raise Seldom(HALF)
        if generator is not None and cell.draws:
            raise Seldom("its project draws masks")
        pieces = len(cuts(marks, keep)) - 1
        if pieces > 1 and marks.time_steps < MIN_MEAN_CUT * pieces:
            raise Seldom("the window is cut too often")
        return unroll_torch(form, cell, x, state, fresh, marks, keep)
    return unroll_eager(cell, norms, x, state, fresh, marks, keep, gather, generator)


def refusal(way: str, layer: Layer) -> str | None:
    """Return why a layer cannot run in a way, or None where it can; without running it."""
    if way == "native":
        from memcell_compiler import native_reason

        return native_reason(layer.cell, layer.norms)
    if way == "compiled":
        from memcell.backends.inductor import compiled_reason

        return compiled_reason(layer.cell, layer.norms)
    if way == "torch":
        if len(layer.norms):
            return "a normalizer is set"
        on_gpu = any(p.is_cuda for p in layer.cell.parameters())
        if on_gpu and torch.is_autocast_enabled("cuda"):
            return HALF
        return None if layer.cell.torch_form() else "not one of torch's own cells"
    return None


def warn_once(layer: Layer, refused: str, reason: str, instead: str) -> None:
    """Say that a way was refused; python shows the same words once."""
    cell = type(layer.cell).__name__
    message = f"{cell} does not run {NAMES[refused]} ({reason}); it runs {NAMES[instead]}"
    warnings.warn(message, UnrollWarning, stacklevel=2)


#: Ways in words.
NAMES = {
    "native": "as generated C",
    "compiled": "through Inductor",
    "torch": "on torch's own kernel",
    "eager": "on the eager loop",
}
