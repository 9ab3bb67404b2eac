"""A sequence: one recording after preprocessing, as arrays that may live on disk."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from memcell.errors import DataError
from memcell.old_paths import renamed_in

UNLABELLED = -1


@dataclass(frozen=True, kw_only=True)
class TimeSeries:
    """One recording as steps.

    Args:
        name: Unique within a task.
        subject: Whose it is; splits are made by it.
        features: ``[n_steps, F]`` float32; may be memory-mapped.
        targets: Of each step; what they are says the task (`memcell.sequences.targets`): an int64 class
            ``[n_steps]``, labels ``[n_steps, K]`` of 0 and 1, or float32 values ``[n_steps]`` or
            ``[n_steps, K]``. Where a step has none: `UNLABELLED` (-1) among integers, NaN among values.
            Memory runs through such a step; the loss does not see it.
        breaks: Steps before which the recording was interrupted (gaps), ascending, without 0.
        start_time: Seconds from the recording's start to the first step's start.
        step_seconds: Length of a step in seconds; 1 where steps are not time.
        step_times: ``[n_steps]`` start of each step in seconds from the recording's start; None
            means evenly spaced from ``start_time``. Given where there are gaps.

    Raises:
        DataError: The arrays do not belong together, or a feature is not finite.
    """

    name: str
    subject: str
    features: NDArray[np.float32]
    targets: NDArray[np.int64] | NDArray[np.float32]
    breaks: tuple[int, ...] = ()
    start_time: float = 0.0
    step_seconds: float = 1.0
    step_times: NDArray[np.float64] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.features.ndim != 2:
            raise DataError(
                f"sequence '{self.name}': features must be [n_steps, F], got shape "
                f"{list(self.features.shape)}"
            )
        if len(self.targets) != len(self.features):
            raise DataError(
                f"sequence '{self.name}': {len(self.features)} steps of features but "
                f"{len(self.targets)} targets"
            )
        if self.targets.ndim not in (1, 2) or np.isinf(self.targets).any():
            raise DataError(
                f"sequence '{self.name}': targets must be finite or NaN, [n_steps] or [n_steps, K]; got "
                f"{self.targets.dtype} {list(self.targets.shape)}"
            )
        if not np.isfinite(self.features).all():
            bad = np.argwhere(~np.isfinite(self.features))[0]
            raise DataError(
                f"sequence '{self.name}': feature {bad[1]} at step {bad[0]} is not a finite number"
            )
        if any(b <= 0 or b >= self.n_steps for b in self.breaks):
            raise DataError(f"sequence '{self.name}': breaks {self.breaks} lie outside its steps")

    @property
    def n_steps(self) -> int:
        """Number of steps."""
        return len(self.features)

    @property
    def n_features(self) -> int:
        """Number of features a step."""
        return int(self.features.shape[1])

    @property
    def starts(self) -> NDArray[np.bool_]:
        """``[n_steps]``: the sequence's first step and the first step after each gap."""
        return self.starts_in(slice(0, self.n_steps))

    def starts_in(self, part: slice) -> NDArray[np.bool_]:
        """Return `starts` of some steps; ``part`` has a start and a stop."""
        marks = np.zeros(part.stop - part.start, dtype=np.bool_)
        if part.start == 0:
            marks[0] = True
        for step in self.breaks:
            if part.start <= step < part.stop:
                marks[step - part.start] = True
        return marks

    @property
    def times(self) -> NDArray[np.float64]:
        """``[n_steps]`` start of each step, seconds from the recording's start."""
        if self.step_times is not None:
            return self.step_times
        return self.start_time + self.step_seconds * np.arange(self.n_steps, dtype=np.float64)

    @property
    def labelled(self) -> NDArray[np.bool_]:
        """``[n_steps]``: the step has a label; of several at least one."""
        return self.labelled_in(slice(None))

    def labelled_in(self, part: slice) -> NDArray[np.bool_]:
        """Return `labelled` of some steps, looking at no others."""
        targets = self.targets[part]
        known = ~np.isnan(targets) if self.of_values else targets != UNLABELLED
        return np.asarray(known if known.ndim == 1 else known.any(axis=1))

    @property
    def of_values(self) -> bool:
        """Whether targets are values, not classes or labels."""
        return self.targets.dtype.kind == "f"

    @property
    def of_classes(self) -> bool:
        """Whether a target is a class."""
        return self.targets.ndim == 1 and not self.of_values

    @property
    def classes(self) -> NDArray[np.int64]:
        """``[n_steps]``: the class of each step, -1 for none; 0 at labelled steps that have no classes."""
        if self.of_classes:
            return np.asarray(self.targets, dtype=np.int64)
        return np.where(self.labelled, 0, UNLABELLED).astype(np.int64)


if not TYPE_CHECKING:
    __getattr__ = renamed_in(__name__)  # names of version 0.1
