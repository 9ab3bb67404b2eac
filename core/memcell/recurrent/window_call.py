"""One window of a recurrent layer, as every backend is handed it, and what a backend gives back."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn

from memcell.recurrent.cell import Cell
from memcell.recurrent.normalizer import NormWindow
from memcell.recurrent.norms import SiteNorms
from memcell.recurrent.state import State
from memcell.recurrent.step_masks import StepMasks

#: Among ``return_steps`` in code that is compiled: after the last step, whichever number that has.
LAST = -1


class WindowCall(NamedTuple):
    """The arguments of a window: a cell with its normalizers, an input, the states, and what is wanted.

    Before step t a lane that is reset takes its ``initial_state``; after it a lane that is padding keeps
    the state it had.

    Args:
        cell: The cell.
        norms: Its normalizers.
        x: ``[T, B, I]``.
        state: The state before the first step.
        initial_state: The state of a lane that is reset.
        masks: Resets, padding, ages.
        return_steps: Numbers of steps after which the state is returned; 0 is before the first.
        update_statistics: Training: normalizers use and accumulate the statistics of the batch.
        generator: Random numbers for a cell that draws masks; None for none.
    """

    cell: Cell
    norms: SiteNorms
    x: Tensor
    state: State
    initial_state: State
    masks: StepMasks
    return_steps: Collection[int] = ()
    update_statistics: bool = False
    generator: torch.Generator | None = None

    def norm_windows(self) -> dict[str, NormWindow]:
        """Prepare each normalizer for the window."""
        return self.norms.windows(self.masks, self.update_statistics)


class WindowOutput(NamedTuple):
    """What a window gave.

    Args:
        outputs: ``[T, B, H]``.
        states: The states after the numbers of steps that were asked for.
    """

    outputs: Tensor
    states: dict[int, State]


class WindowGradient(Protocol):
    """The gradient of a window that was run, as a function; called once, before the next window is run."""

    def __call__(self, d_output: Tensor) -> tuple[Tensor | None, list[tuple[nn.Parameter, Tensor]]]:
        """Return the gradient of the input, where it requires one, and of each parameter that does.

        Args:
            d_output: ``[T, B, H]`` gradient of the outputs; that of the returned states is zero.
        """
