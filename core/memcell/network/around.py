"""What stands around the memory of a network: an encoder below it, a head above it.

Both are plugins. What such a part keeps from step to step (the last inputs of a convolution, the past of an
attention) is a state like a cell's: the part *is* a `Cell` then, and becomes a layer of the stack below or
above the memory's own. So state policies, resets, stored states, streams, checkpoints and exports treat it
as they treat memory, and there is no second way to carry anything. A part that keeps nothing is a module that
treats each step by itself. A head that has to see a window's end is a `WindowHead`, for whole recordings.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from memcell.errors import PluginError
from memcell.recurrent.cell import Cell
from memcell.recurrent.step_masks import StepMasks


@dataclass(frozen=True, kw_only=True)
class HeadPlace:
    """Where a head stands: the widths around it, and how to make another cell like the memory's.

    Args:
        width: H, outputs of the memory.
        input_width: I, what the encoder of the app gives for a step.
        n_outputs: Outputs of the network for a step.
        cell: Makes a cell of the run's kind with the run's ``--hidden-size`` for inputs of a width.
        backend: What the run's layers run on.
    """

    width: int
    input_width: int
    n_outputs: int
    cell: Callable[[int], Cell]
    backend: str = "auto"


class WindowHead(nn.Module):
    """A head that reads a window as a whole, also backwards; its spec says ``offline=True``.

    Training and prediction run it window by window (``--time-steps``). Streams, single steps and ONNX files,
    which know no window's end, refuse it.

    Attributes:
        output_size: Width of what it returns.
    """

    output_size: int

    def forward(
        self,
        hidden: Tensor,
        inputs: Tensor,
        masks: StepMasks,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Return ``[T, B, output_size]``.

        Args:
            hidden: ``[T, B, H]`` outputs of the memory.
            inputs: ``[T, B, I]`` what the app's encoder gave.
            masks: Where memory is reset, which nothing may be handed across, in neither direction; and which
                steps are padding.
            generator: Random numbers in training; None where nothing is drawn.
        """
        raise TypeError(f"{type(self).__name__} does not define forward")


class Unchanged(nn.Identity):
    """What is given, as it is: no encoder, and the head of a plain linear readout."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.output_size = width


def no_encoder(input_size: int, config: object = None) -> Unchanged:
    """Return the encoder ``none``: the memory gets what the app's encoder gives."""
    return Unchanged(input_size)


def linear_head(place: HeadPlace, config: object = None) -> Unchanged:
    """Return the head ``linear``: the readout reads the memory's outputs, ``W_r h + b``."""
    return Unchanged(place.width)


class Chain(nn.Sequential):
    """Modules that treat each step by itself, one after the other."""

    def __init__(self, *modules: nn.Module) -> None:
        super().__init__(*modules)
        self.output_size = width_of(modules[-1])


def width_of(part: nn.Module) -> int:
    """Return how wide the outputs of a part are, its attribute ``output_size``."""
    width: object = getattr(part, "output_size", None)
    if type(width) is not int or width < 1:
        raise PluginError(
            f"{type(part).__name__} has output_size {width!r}; expected the width of what it returns, a "
            "number of 1 or more"
        )
    return width
