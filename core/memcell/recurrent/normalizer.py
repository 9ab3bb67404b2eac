"""The normalizer contract: built for one site of a given width, so any combines with any cell.

For each window the engine calls `Normalizer.window` once (what depends on ages and padding alone),
`Normalizer.normalize` at each step (pure), and, in training, `Normalizer.accumulate` once with the
statistics that the steps returned. A replay or an inference accumulates nothing.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from torch import Tensor, nn

from memcell.old_methods import keep_old_names, old_arguments

#: Methods under their names of version 0.1.
_RENAMED = {"fold": "accumulate"}


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

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        keep_old_names(cls, _RENAMED)

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width

    @old_arguments(gather="update_statistics")
    def window(self, ages: Tensor, valid: Tensor, update_statistics: bool) -> NormWindow:
        """Prepare a window.

        Args:
            ages: ``[T, B]`` int64, steps since the lane's memory was last reset.
            valid: ``[T, B]`` bool, False where the lane is padding.
            update_statistics: Training (batch statistics are used and returned); False at inference.
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
            ``[B, W]``, and the step's statistics (always the same number of tensors in a mode).
        """
        raise TypeError(f"{type(self).__name__} does not define normalize")

    @old_arguments(gathered="statistics")
    def accumulate(
        self, statistics: tuple[Tensor, ...], mode: str, inputs: tuple[Tensor, ...]
    ) -> None:
        """Update running statistics by those of a window's steps.

        Args:
            statistics: What `normalize` returned, stacked ``[T, …]`` and detached.
            mode: `NormWindow.mode` of this window.
            inputs: `NormWindow.inputs` of this window.
        """

    def begin_recalibration(self) -> None:
        """Begin new running statistics; until `end_recalibration`, `accumulate` takes a plain mean.

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


keep_old_names(Normalizer, _RENAMED)
