"""What is known of a window before it runs: restarts, padding and ages, lane by lane."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class WindowMarks:
    """Restarts, padding and ages of a window.

    Args:
        restarts: ``[T, B]`` bool: the lane's memory restarts before this step.
        valid: ``[T, B]`` bool: False is padding; memory stands still and does not age.
        ages: ``[T, B]`` int64: steps since the last restart; 0 at a restart.
        any_restart: Whether any lane restarts, for each step (on the host, read once a window).
        all_valid: Whether every lane is valid, for each step (likewise).
    """

    restarts: Tensor
    valid: Tensor
    ages: Tensor
    any_restart: tuple[bool, ...]
    all_valid: tuple[bool, ...]

    @classmethod
    def of(cls, restarts: Tensor, valid: Tensor, age: Tensor) -> WindowMarks:
        """Derive the ages.

        With n_t the valid steps before t, the age at t is n_t minus n at the last restart, or
        n_t + age where the lane has not restarted: a running maximum, since n never falls and
        -age is never above it.

        Args:
            restarts: ``[T, B]`` bool.
            valid: ``[T, B]`` bool.
            age: ``[B]`` int64, the age of the state that the window begins with.
        """
        count = valid.to(torch.int64).cumsum(0) - valid.to(torch.int64)
        base = torch.where(restarts, count, -age.expand_as(count))
        ages = count - base.cummax(0).values
        if torch.compiler.is_compiling():
            return cls.unread(restarts, valid, ages)
        any_restart, all_valid = restarts.any(1), valid.all(1)
        return cls(
            restarts=restarts,
            valid=valid,
            ages=ages,
            any_restart=tuple(any_restart.tolist()),
            all_valid=tuple(all_valid.tolist()),
        )

    @classmethod
    def unread(cls, restarts: Tensor, valid: Tensor, ages: Tensor) -> WindowMarks:
        """Return marks for code compiled for any numbers: each step may have restarts and padding."""
        steps = valid.shape[0]
        return cls(
            restarts=restarts,
            valid=valid,
            ages=ages,
            any_restart=(True,) * steps,
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
        return self.ages[steps - 1] + self.valid[steps - 1]
