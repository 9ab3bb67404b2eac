"""A batch: B windows, one a lane, as tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from memcell.sequences.time_series import UNLABELLED, TimeSeries
from memcell.sequences.windows import Ends, WindowTable


@dataclass(frozen=True, kw_only=True)
class Batch:
    """B windows, one a lane.

    Args:
        x: ``[T, B, F]`` features.
        y: ``[T, B]`` or ``[T, B, K]`` targets; -1, or NaN of values, where there is none.
        valid: ``[T, B]`` bool; False is padding: memory stands still.
        weight: ``[T, B]`` loss weights; 0 where a step has no label: memory goes on.
        starts: ``[T, B]`` bool; a sequence's start or the first step after a gap: a fact.
        window: ``[B]`` row of the window table, -1 for an empty lane.
        sequence: ``[B]`` index of the sequence, -1 for an empty lane.
        offset: ``[B]`` the window's first step in its sequence.
        continues: ``[B]`` bool: the window begins where the lane's previous one ended.
        stride: Steps after which the lane's next window begins, None for all T.
    """

    x: Tensor
    y: Tensor
    valid: Tensor
    weight: Tensor
    starts: Tensor
    window: Tensor
    sequence: Tensor
    offset: Tensor
    continues: Tensor
    stride: int | None = None

    @property
    def advance(self) -> int:
        """Steps after which the lane goes on: where its next window begins. T, unless windows overlap."""
        return self.time_steps if self.stride is None else min(self.stride, self.time_steps)

    @property
    def time_steps(self) -> int:
        """Steps of a window, T."""
        return self.x.shape[0]

    @property
    def batch_size(self) -> int:
        """B."""
        return self.x.shape[1]

    def to(self, device: torch.device) -> Self:
        """Return the batch on a device."""
        moved: dict[str, Any] = {
            k: v.to(device, non_blocking=True) if isinstance(v, Tensor) else v
            for k, v in vars(self).items()
        }
        return type(self)(**moved)


def no_targets(like: TimeSeries, steps: int, lanes: int) -> NDArray[Any]:
    """Return targets ``[T, B]`` or ``[T, B, K]`` of which there is none, of the kind of a sequence's."""
    fill = float("nan") if like.of_values else UNLABELLED
    return np.full((steps, lanes, *like.targets.shape[1:]), fill, dtype=like.targets.dtype)


def collate(
    sequences: Sequence[TimeSeries],
    windows: WindowTable,
    rows: NDArray[np.int64],
    previous: Ends | None,
    weights: Sequence[NDArray[np.float32]] | None = None,
    among: NDArray[np.int64] | None = None,
) -> Batch:
    """Gather windows into a batch of T = ``windows.time_steps``, or where lengths are drawn, of the longest.

    Args:
        sequences: The sequences the table was made of.
        windows: The table.
        rows: ``[B]`` rows of the table, -1 for an empty lane.
        previous: Where the lanes of the batch before ended, or None for the first.
        weights: Loss weights ``[n_steps]`` of each sequence; None for 1 at each labelled step.
        among: Rows of all processes' lanes, where ``rows`` are the share of one: T is the same in each of
            them. None where these are all.
    """
    steps, lanes = windows.time_steps, len(rows)
    if windows.ragged:
        every = rows if among is None else among
        steps = int(windows.length[every[every >= 0]].max(initial=1))
    like = sequences[0]
    # numpy's arrays are filled in a third of the time that torch's take, for windows as short as these
    x = np.zeros((steps, lanes, like.n_features), dtype=np.float32)
    y = no_targets(like, steps, lanes)
    valid = np.zeros((steps, lanes), dtype=np.bool_)
    weight = np.zeros((steps, lanes), dtype=np.float32)
    starts = np.zeros((steps, lanes), dtype=np.bool_)
    sequence = np.full(lanes, -1, dtype=np.int64)
    offset = np.zeros(lanes, dtype=np.int64)
    for lane, row in enumerate(rows):
        if row < 0:
            continue
        number = int(windows.sequence[row])
        source = sequences[number]
        start, n = int(windows.start[row]), int(windows.length[row])
        cut = slice(start, start + n)
        x[:n, lane] = source.features[cut]
        y[:n, lane] = source.targets[cut]
        valid[:n, lane] = True
        known = source.labelled_in(cut)
        counted = int(windows.counted_from[row])
        step_weights = known if weights is None else weights[number][cut] * known
        weight[counted:n, lane] = step_weights[counted:]
        starts[:n, lane] = source.starts_in(cut)
        sequence[lane], offset[lane] = number, start
    joined = np.zeros(lanes, dtype=np.bool_) if previous is None else windows.follow(rows, previous)
    return Batch(
        x=torch.from_numpy(x),
        y=torch.from_numpy(y),
        valid=torch.from_numpy(valid),
        weight=torch.from_numpy(weight),
        starts=torch.from_numpy(starts),
        window=torch.from_numpy(rows.copy()),
        sequence=torch.from_numpy(sequence),
        offset=torch.from_numpy(offset),
        continues=torch.from_numpy(joined),
        stride=windows.stride,
    )
