"""Step masks: where lanes are reset, where they are padding, and how old their memory is."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


class StepMasks:
    """Reset mask, padding mask and ages of a window.

    Args:
        resets: ``[T, B]`` bool: the lane's memory is reset before this step.
        valid: ``[T, B]`` bool: False is padding; memory stands still and does not age.
        ages: ``[T, B]`` int64: steps since the last reset, 0 at a reset; or what computes them when they are
            first read, for only some normalizers read them.
        any_reset: Whether any lane is reset, for each step (on the host, read once a window).
        all_valid: Whether every lane is valid, for each step (likewise).
    """

    def __init__(
        self,
        *,
        resets: Tensor,
        valid: Tensor,
        ages: Tensor | Callable[[], Tensor],
        any_reset: tuple[bool, ...],
        all_valid: tuple[bool, ...],
    ) -> None:
        self.resets, self.valid, self._ages = resets, valid, ages
        self.any_reset, self.all_valid = any_reset, all_valid

    @property
    def ages(self) -> Tensor:
        """``[T, B]`` int64: steps since the last reset."""
        if not isinstance(self._ages, Tensor):
            self._ages = self._ages()
        return self._ages

    @classmethod
    def of(cls, resets: Tensor, valid: Tensor, age: Tensor) -> StepMasks:
        """Derive the ages.

        With n_t the valid steps before t, the age at t is n_t minus n at the last reset, or
        n_t + age where the lane has not been reset: a running maximum, since n never falls and
        -age is never above it.

        Args:
            resets: ``[T, B]`` bool.
            valid: ``[T, B]`` bool.
            age: ``[B]`` int64, the age of the state that the window begins with.
        """
        if not torch.compiler.is_compiling() and bool(valid.all()) and not bool(resets.any()):
            return cls._unbroken(resets, valid, age)
        count = valid.to(torch.int64).cumsum(0) - valid.to(torch.int64)
        base = torch.where(resets, count, -age.expand_as(count))
        ages = count - base.cummax(0).values
        if torch.compiler.is_compiling():
            return cls.unspecialized(resets, valid, ages)
        any_reset, all_valid = resets.any(1), valid.all(1)
        return cls(
            resets=resets,
            valid=valid,
            ages=ages,
            any_reset=tuple(any_reset.tolist()),
            all_valid=tuple(all_valid.tolist()),
        )

    @classmethod
    def _unbroken(cls, resets: Tensor, valid: Tensor, age: Tensor) -> StepMasks:
        """Return the masks of a window without resets and padding: ages go up by one each step."""
        steps = len(valid)

        def ages() -> Tensor:
            return age + torch.arange(steps, device=age.device).unsqueeze(1)

        return cls(
            resets=resets,
            valid=valid,
            ages=ages,
            any_reset=(False,) * steps,
            all_valid=(True,) * steps,
        )

    @classmethod
    def unspecialized(cls, resets: Tensor, valid: Tensor, ages: Tensor) -> StepMasks:
        """Return masks for code that is compiled for any numbers, of steps too: nothing is said of each."""
        return cls(resets=resets, valid=valid, ages=ages, any_reset=(), all_valid=())

    def of_each_step(self) -> StepMasks:
        """Return the same where each step may have resets and padding: for a loop that is unrolled."""
        steps = self.time_steps
        return StepMasks(
            resets=self.resets,
            valid=self.valid,
            ages=self._ages,
            any_reset=(True,) * steps,
            all_valid=(False,) * steps,
        )

    @property
    def time_steps(self) -> int:
        """T."""
        return self.valid.shape[0]

    def age_after(self, steps: int, age: Tensor) -> Tensor:
        """Return ``[B]`` ages after the first ``steps`` steps; ``age`` is the window's first."""
        if steps == 0:
            return age
        if not isinstance(self._ages, Tensor):  # a window without resets and padding
            return age + steps
        return self.ages[steps - 1] + self.valid[steps - 1]
