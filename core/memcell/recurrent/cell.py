"""The cell contract: one step in plain PyTorch, no loop over time.

The engine owns the loop, the restarts, the detaching, the padding, the layers and the speed. A cell says
what its state is, which sums inside it may be normalized, what can be computed for all steps at once
(`Cell.project`) and what one step does (`Cell.step`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from memcell.recurrent.state import State

#: ``norm(site, z [B, W]) -> [B, W]``, handed to a step by the engine.
Norm = Callable[[str, Tensor], Tensor]


class TorchForm(NamedTuple):
    """A cell that is exactly one of torch's own.

    Args:
        name: ``"lstm"``, ``"gru"`` or ``"rnn_tanh"``.
        weights: ``(w_ih, w_hh, b_ih, b_hh)`` in torch's gate order.
    """

    name: str
    weights: tuple[Tensor, Tensor, Tensor, Tensor]


class Cell(nn.Module):
    """Base class of cells.

    A subclass sets ``state_type`` (a NamedTuple class) and ``torch_form`` where it applies, makes its
    parameters in ``__init__``, and writes `state_spec`, `norm_sites`, `project` and `step`.

    Args:
        input_size: I, features a step.
        hidden_size: H, width of the output and of most states.

    Shapes: x ``[T, B, I]``; step input(s) ``[B, …]``; states ``[B, …]``; output ``[B, H]``.
    """

    state_type: ClassVar[type]
    #: Parts of the state that zoneout may hold one by one; None for all, empty where they belong together.
    zoneout_parts: ClassVar[tuple[str, ...] | None] = None

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size

    @property
    def output_size(self) -> int:
        """Width of the output, H unless overridden."""
        return self.hidden_size

    @property
    def state_spec(self) -> Mapping[str, tuple[int, ...]]:
        """Name of each part of the state to its shape without the batch, in order of ``state_type``."""
        raise TypeError(f"{type(self).__name__} does not define state_spec")

    @property
    def norm_sites(self) -> Mapping[str, int]:
        """Name of each sum that may be normalized to its width; empty for a cell without sites."""
        return {}

    def initial_state(
        self,
        batch_size: int,
        *,
        device: torch.device | None = None,
        dtype: torch.dtype | None = None,
    ) -> State:
        """Return a state of zeros. Learned and other starts belong to the state policy."""
        parts = (
            torch.zeros(batch_size, *shape, device=device, dtype=dtype)
            for shape in self.state_spec.values()
        )
        return self.state_type(*parts)

    @property
    def draws(self) -> bool:
        """Whether `project` takes the run's random numbers: it has an argument ``generator``."""
        return _has_generator(type(self))

    def project(self, x: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Compute what does not need the state, for all steps at once.

        Matrix products and random masks belong here; everything else in `step`, which is generated
        into one pass. A cell that draws masks has the signature ``project(self, x, generator=None)``:
        it draws from ``generator`` (a `torch.Generator` of the CPU, so draw there and move) and from
        nothing else, and where that is None (inference, replays, streams) it draws nothing and takes
        what is expected of the mask.

        Args:
            x: ``[T, B, I]``.

        Returns:
            A tensor ``[T, B, …]`` or a tuple of them.
        """
        raise TypeError(f"{type(self).__name__} does not define project")

    def step(self, p: Any, state: Any, norm: Norm) -> tuple[Tensor, Any]:
        """Do one step. Pure: no randomness, no buffers, no ``.item()``, no in-place work.

        Args:
            p: What `project` returned, at this step: ``[B, …]`` or a tuple of them.
            state: An instance of ``state_type``.
            norm: ``norm(site, z)`` for the names in `norm_sites`.

        Returns:
            Output ``[B, H]`` and the next state.
        """
        raise TypeError(f"{type(self).__name__} does not define step")

    def reset_parameters(self, initialize: Mapping[str, Callable[[Tensor], None]]) -> None:
        """Initialize the weights.

        Args:
            initialize: ``"input"`` and ``"recurrent"``: in-place initializers of weight matrices,
                chosen by name by the person (`memcell.recurrent.initializers`). Biases are the
                cell's own business.
        """
        raise TypeError(f"{type(self).__name__} does not define reset_parameters")

    def after_epoch(self, loss: float) -> str:
        """Take note of an epoch's end; a cell that changes in training does so here, in its buffers alone.

        Buffers are part of checkpoints and of the best weights, so a resumed run goes on as it would have.

        Args:
            loss: The epoch's mean training loss; the same in all processes that train together.

        Returns:
            What was changed, in words that a person is told; empty for nothing.
        """
        return ""

    def torch_form(self) -> TorchForm | None:
        """Return torch's own cell that this one is exactly, with its weights, or None.

        A subclass with another `step` or `project` is taken for none of torch's, unless it says so again.
        """
        return None

    def load_torch(self, weights: tuple[Tensor, Tensor, Tensor, Tensor]) -> None:
        """Take the weights of the layer of torch's that this cell is exactly (`torch_form`).

        Args:
            weights: ``(w_ih, w_hh, b_ih, b_hh)`` in torch's gate order.
        """
        raise TypeError(f"{type(self).__name__} is none of torch's own cells")


def torch_form_of(cell: Cell) -> TorchForm | None:
    """Return torch's own cell that this one is exactly, or None.

    What a class says of its own step holds for no subclass that has another step or projection.
    """
    order = type(cell).__mro__
    said = next(i for i, base in enumerate(order) if "torch_form" in vars(base))
    for name in ("step", "project"):
        if name in vars(cell) or any(name in vars(base) for base in order[:said]):
            return None
    return cell.torch_form()


def projected(
    cell: Cell, x: Tensor, generator: torch.Generator | None = None
) -> Tensor | tuple[Tensor, ...]:
    """Call `Cell.project`, with random numbers where it takes them.

    Args:
        cell: The cell.
        x: ``[T, B, I]``.
        generator: On the CPU; None where nothing is drawn.
    """
    if not cell.draws:
        return cell.project(x)
    drawing: Any = cell.project
    found: Tensor | tuple[Tensor, ...] = drawing(x, generator=generator)
    return found


def _has_generator(cell: Any) -> bool:
    function = cell.project
    while hasattr(function, "__wrapped__"):
        function = function.__wrapped__
    code = function.__code__
    return "generator" in code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]


def identity_norm(site: str, z: Tensor) -> Tensor:
    """Return z. What ``norm`` is when no normalizer is set; handy for calling a step by hand."""
    return z
