"""The list of backends, and which of them a layer asks in turn.

``native``: generated C for the whole window (`memcell_compiler`, CPU). ``torch``: torch's own kernel,
where the cell is exactly one of torch's and no normalizer is set. ``inductor``: chunks of steps through
`torch.compile`, CUDA graphs on a GPU (`memcell.backends.inductor`). ``eager``: the loop over the cell's step,
which every other backend must equal and which runs anything.
"""

from __future__ import annotations

import warnings

from memcell.backends.backend import Backend, BackendWarning
from memcell.backends.eager import EagerBackend
from memcell.backends.inductor.backend import InductorBackend
from memcell.backends.precision import in_bfloat16, phrase, without_bfloat16
from memcell.backends.torch_kernels import TorchBackend
from memcell.recurrent.cell import Cell
from memcell.recurrent.norms import SiteNorms
from memcell_compiler.backend import NativeBackend

NATIVE, TORCH, INDUCTOR, EAGER = NativeBackend(), TorchBackend(), InductorBackend(), EagerBackend()
BACKENDS: dict[str, Backend] = {b.name: b for b in (NATIVE, TORCH, INDUCTOR, EAGER)}

#: For each kind of device the backends that ``auto`` asks in turn; the last runs anything.
AUTO: dict[str, tuple[Backend, ...]] = {
    "cpu": (NATIVE, TORCH, EAGER),
    "cuda": (TORCH, INDUCTOR, EAGER),
}

#: What ``--backend`` takes.
CHOICES = ("auto", *BACKENDS)


def candidates(choice: str, device: str) -> tuple[Backend, ...]:
    """Return the backends to ask in turn, the last of which always runs.

    Args:
        choice: One of `CHOICES`.
        device: Type of the device.
    """
    if choice == "auto":
        return AUTO["cpu" if device == "cpu" else "cuda"]
    return (EAGER,) if choice == "eager" else (BACKENDS[choice], EAGER)


def described(choice: str, device: str, cell: Cell, norms: SiteNorms) -> str:
    """Return which backend a cell would run on, and why not on a faster one, in words."""
    reasons: list[str] = []
    for backend in candidates(choice, device):
        reason = backend.why_not(cell, norms)
        if reason is None:
            return phrase(backend, cell) + (f" ({'; '.join(reasons)})" if reasons else "")
        reasons.append(f"not {backend.phrase}: {reason}")
    raise AssertionError("the eager loop runs anything")


def warn(cell: Cell, refused: Backend, reason: str, instead: Backend) -> None:
    """Say that a backend refused a cell; Python shows the same words once."""
    name = type(cell).__name__
    message = f"{name} does not run {refused.phrase} ({reason}); it runs {phrase(instead, cell)}"
    warnings.warn(message, BackendWarning, stacklevel=2)


def warn_of_float32(cell: Cell, announced: str) -> None:
    """Say that generated C runs a cell in float32 where bfloat16 was asked for, unless it was announced."""
    if not in_bfloat16(cell):
        return
    why = without_bfloat16()
    if why and why not in announced:
        message = f"{type(cell).__name__} runs {phrase(NATIVE, cell)}"
        warnings.warn(message, BackendWarning, stacklevel=2)
