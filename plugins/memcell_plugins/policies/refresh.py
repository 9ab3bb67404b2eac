"""Refresh: a lane goes on from its last K windows, run again under today's parameters.

Batch k begins with the state that window k - K began with, run over the windows k - K to k - 1 under the
parameters of update k, without gradient. In ``carry`` each of these windows was run under the parameters
of its own update; here the last K are up to date, and what is older is K updates stale at a time instead
of one. Between ``carry`` (K = 0) and ``oracle`` (K = all windows since the restart), at a bounded cost:
K T forward steps for every window, and K states of every lane.

With parameters that do not change this is ``carry``. Lanes that do not go on, and gaps, begin afresh as
in ``carry``. The replay is that of `memcell.recurrent.policy.Memory.replay`: no dropout, running
statistics in normalizers. The name "refresh" is this project's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from memcell.recurrent.policy import CarriedState, Memory, StatePolicy
from memcell.recurrent.state import State, leaves, rebuild, where
from memcell.sequences.batch import Batch
from memcell_plugins.policies.configs import RefreshConfig


class _Past(NamedTuple):
    """How a batch began: state and age, and each lane's first step ``[B]``."""

    carried: CarriedState
    offset: Tensor


class Refresh(StatePolicy):
    """Run the last windows again.

    Args:
        config: Options.
    """

    def __init__(self, config: RefreshConfig) -> None:
        super().__init__()
        self.config = config
        self._past: list[_Past] = []  # oldest first, at most K
        self._windows: Tensor | None = None  # [B] of them that led here without a break

    def begin_epoch(self, memory: Memory) -> None:
        """Forget, unless lanes go on across epochs."""
        if self.config.reset_each_epoch:
            self._past, self._windows = [], None

    def begin(self, batch: Batch, memory: Memory) -> CarriedState:
        """Return each lane's last windows, run again, in lanes that go on; initial states elsewhere."""
        start, known = batch.offset, self.initial_carried(batch, memory)
        back = self._back(batch)
        for i, past in enumerate(reversed(self._past), start=1):
            here = back == i
            start = torch.where(here, past.offset, start)
            known = CarriedState(
                where(here, past.carried.state, known.state),
                torch.where(here, past.carried.age, known.age),
            )
        return memory.replay(batch.sequence, start, batch.offset, known)

    def _back(self, batch: Batch) -> Tensor:
        """Return ``[B]`` how many windows to go back: 0 in lanes that do not go on."""
        if self._windows is None:
            return torch.zeros_like(batch.offset)
        return torch.where(batch.continues, self._windows.clamp_max(len(self._past)), 0)

    def return_steps(self, batch: Batch) -> tuple[int, ...]:
        """Ask for the states before the first step."""
        return (0,)

    def end(self, batch: Batch, states: Mapping[int, CarriedState], memory: Memory) -> None:
        """Keep how the batch began."""
        past = _Past(self.detached(states[0]), batch.offset)
        self._past = [*self._past, past][-self.config.windows :]
        before = torch.zeros_like(batch.offset) if self._windows is None else self._windows
        self._windows = torch.where(batch.continues, before, 0) + 1

    def memory_dict(self) -> dict[str, Tensor]:
        """Return how the last batches began, one after the other in each tensor."""
        if self._windows is None or not self._past:
            return {}
        parts = zip(*(leaves(past.carried.state) for past in self._past), strict=True)
        return {
            "windows": self._windows,
            "offset": torch.stack([past.offset for past in self._past]),
            "age": torch.stack([past.carried.age for past in self._past]),
            **{f"state.{i}": torch.stack(part) for i, part in enumerate(parts)},
        }

    def load_memory_dict(self, tensors: Mapping[str, Tensor], template: State) -> None:
        """Take back what `memory_dict` gave."""
        self._past, self._windows = [], tensors.get("windows")
        for k in range(len(tensors.get("offset", ()))):
            parts = (tensors[f"state.{i}"][k] for i in range(len(tensors) - 3))
            known = CarriedState(rebuild(template, parts), tensors["age"][k])
            self._past.append(_Past(known, tensors["offset"][k]))
