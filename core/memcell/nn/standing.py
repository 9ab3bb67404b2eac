"""What windows of one size have in common: the state of lanes without memory, and masks that mark nothing."""

from __future__ import annotations

from typing import Any, NamedTuple, Self

import torch
from torch import Tensor

from memcell.backends import StepMasks
from memcell.nn.state import RecurrentState
from memcell.recurrent.reference import transforming


class Standing(NamedTuple):
    """Initial state, ages and masks that windows of one size share; to be read only.

    Args:
        key: The size, and all else that they depend on; None where they serve one window.
        empty: The state of lanes that remember nothing.
        no: ``[T, B]`` False.
        yes: ``[T, B]`` True.
        counted: ``[T, 1]`` 0, 1, ..., T - 1.
        each_no: False for each step.
        each_yes: True for each step.
    """

    key: Any
    empty: RecurrentState
    no: Tensor
    yes: Tensor
    counted: Tensor
    each_no: tuple[bool, ...]
    each_yes: tuple[bool, ...]

    @classmethod
    def of(cls, x: Tensor, empty: RecurrentState, key: Any = None) -> Self:
        """Make them for windows like ``x`` ``[T, B, …]``."""
        steps, lanes = x.shape[:2]
        no = torch.zeros(steps, lanes, dtype=torch.bool, device=x.device)
        counted = torch.arange(steps, device=x.device).unsqueeze(1)
        if torch.compiler.is_compiling():
            return cls(key, empty, no, ~no, counted, (), ())
        return cls(key, empty, no, ~no, counted, (False,) * steps, (True,) * steps)

    def masks(self, age: Tensor, resets: Tensor | None, mask: Tensor | None) -> StepMasks:
        """Return a window's resets, padding and ages; nothing is read back where nothing was given.

        Args:
            age: ``[B]`` of the state that the window begins with.
            resets: ``[T, B]``; None for none.
            mask: ``[T, B]``, False is padding; None for none.
        """
        if resets is not None or mask is not None:
            return StepMasks.of(
                self.no if resets is None else resets, self.yes if mask is None else mask, age
            )
        if torch.compiler.is_compiling():
            return StepMasks.unspecialized(self.no, self.yes, age + self.counted)
        return StepMasks(
            resets=self.no,
            valid=self.yes,
            ages=lambda: age + self.counted,
            any_reset=self.each_no,
            all_valid=self.each_yes,
        )


def recorded() -> bool:
    """Whether torch transforms or records what is done, so that no tensor may be kept nor number read."""
    return transforming() or torch._C._get_tracing_state() is not None
