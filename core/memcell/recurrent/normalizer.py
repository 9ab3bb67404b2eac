"""The normalizer contract: built for one site of a given width, so any combines with any cell.

For each window the engine calls `Normalizer.window` once (what depends on ages and padding alone),
`Normalizer.normalize` at each step (pure), and, in training, `Normalizer.fold` once with what the steps
gathered. A replay never folds.
"""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn


class NormWindow(NamedTuple):
    """What a normalizer needs to know of a window before it runs.

    Args:
        mode: Chosen once a window by the normalizer, fixed over its steps: which of its ways to work
            applies. A step may branch on it (it is no tensor).
        inputs: Tensors ``[T, …]``, one slice of each handed to every step.
    """

    mode: str
    inputs: tuple[Tensor, ...] = ()


class Normalizer(nn.Module):
    """Base class of normalizers.

    Args:
        width: W, width of the site.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width

    def window(self, ages: Tensor, valid: Tensor, gather: bool) -> NormWindow:
        """Prepare a window.

        Args:
            ages: ``[T, B]`` int64, steps since the lane's memory was last reset.
            valid: ``[T, B]`` bool, False where the lane is padding.
            gather: Training (batch statistics are used and returned); False at inference.
        """
        return NormWindow("plain")

    def normalize(
        self, z: Tensor, mode: str, inputs: tuple[Tensor, ...]
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Normalize one step. Pure: no buffer is written.

        Args:
            z: ``[B, W]``.
            mode: `NormWindow.mode` of this window.
            inputs: The step's slices of `NormWindow.inputs`.

        Returns:
            ``[B, W]``, and what was gathered (always the same number of tensors in a mode).
        """
        raise TypeError(f"{type(self).__name__} does not define normalize")

    def fold(self, gathered: tuple[Tensor, ...], mode: str, inputs: tuple[Tensor, ...]) -> None:
        """Take what the steps gathered, stacked ``[T, …]`` and detached, into running statistics."""

    def begin_recalibration(self) -> None:
        """Begin new running statistics; until `end_recalibration`, `fold` averages plainly.

        No checkpoint is written in between; after the end, `state_dict` has the names it had before.
        """

    def end_recalibration(self) -> None:
        """Go back to moving averages."""

    @property
    def inference_ages(self) -> int | None:
        """How many ages inference tells apart: makes single steps quick; None is always right.

        With n, a lane of age a is given, at inference and without padding, the `NormWindow.inputs` of age
        ``min(a, n - 1)``, whatever the ages of other lanes, and in one mode for all ages; and they change
        only when a buffer of this module is written in place. Then one question for all ages
        (`window` of n steps) serves until a buffer changes. None: `window` is asked at every step, which
        costs tens of microseconds. What takes no inputs need not say anything.
        """
        return None

    @property
    def needs_recalibration(self) -> bool:
        """Whether inference is better after a pass over training data (running statistics)."""
        return False
