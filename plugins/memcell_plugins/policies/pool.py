"""A pool of states that windows ended in: the newest n, one tensor for each part of the state."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from memcell.recurrent.policy import CarriedState
from memcell.recurrent.state import State, leaves, rebuild
from memcell.sequences.batch import Batch


class Pool:
    """The newest final states, oldest overwritten first.

    Args:
        size: n, the states that are kept.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.seen = 0
        self.parts: list[Tensor] = []

    def __len__(self) -> int:
        """Number of states in the pool."""
        return min(self.seen, self.size)

    def add(self, batch: Batch, ended: CarriedState) -> None:
        """Take the states of the lanes that held a window."""
        lanes = torch.nonzero(batch.sequence >= 0).squeeze(1)[-self.size :]
        new = [part.detach()[lanes.to(part.device)] for part in leaves(ended.state)]
        if not self.parts:
            self.parts = [part.new_zeros(self.size, *part.shape[1:]) for part in new]
        slots = (torch.arange(len(lanes)) + self.seen) % self.size
        for kept, part in zip(self.parts, new, strict=True):
            kept[slots.to(kept.device)] = part.to(kept.dtype)
        self.seen += len(lanes)

    def state(self, rows: Tensor, template: State) -> State:
        """Return the states of rows ``[B]``, in the form and type of the template."""
        like = zip(self.parts, leaves(template), strict=True)
        return rebuild(template, (p[rows.to(p.device)].to(t.dtype) for p, t in like))

    def memory_dict(self) -> dict[str, Tensor]:
        """Return everything as tensors; nothing where nothing was seen."""
        if not self.parts:
            return {}
        # a copy: the pool is written in place, and what was given out must stay
        parts = {f"pool.{i}": part[: len(self)].clone() for i, part in enumerate(self.parts)}
        return {"seen": torch.tensor([self.seen]), **parts}

    def load_memory_dict(self, tensors: Mapping[str, Tensor]) -> None:
        """Take back what `memory_dict` gave."""
        self.seen, self.parts = 0, []
        if not tensors:
            return
        self.seen = int(tensors["seen"])
        for i in range(len(tensors) - 1):
            kept = tensors[f"pool.{i}"]
            whole = kept.new_zeros(self.size, *kept.shape[1:])
            whole[: len(kept)] = kept
            self.parts.append(whole)
