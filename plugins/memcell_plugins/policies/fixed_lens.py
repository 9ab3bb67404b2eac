"""Fixed lens: the weights that make start states are renewed every K epochs only.

Under ``carry`` the state that a window begins with is made by whatever the weights are just then, so the
same window begins otherwise in each epoch: what the network looks at its past through moves while it
learns. Here it stands still. With s(w) ``[B, ...]`` what window w begins with, and epochs 0, K, 2K, ... as
those that renew (K = 0: epoch 0 alone)::

    by=states   an epoch that renews is one of carry, and keeps what each window began with;
                in the others s(w) is what was kept for w, to the bit. K = 1 is carry.
    by=copy     theta' = the weights as an epoch that renews begins; s(w) is what theta' makes of all
                steps from the recording's start, or its last gap, to w, until the next renewal.

K = 1 by copy leaves the movement between epochs and takes the one within them away; ``oracle`` takes the
lag within an epoch away and leaves both. With K = 0 a copy is the network before its first update.

Start states serve training alone: inference runs under the weights as they are, which states by older
weights may not fit. Counted each epoch: ``lens_kept``, windows that began with a kept state, and
``lens_missed``, those of the epochs between for which there was none (they go on as under carry).

Needs streams, and a grid of windows that stays where it is. Cost: a state for each window of the training
set, in one tensor for each part of the state; by copy also one copy of the weights, and in epochs that
renew a forward pass without gradient of each window (no dropout, running statistics in normalizers). The
name "fixed lens" is this project's.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from memcell.recurrent.policy import CarriedState, Memory
from memcell.recurrent.state import State, where
from memcell.sequences.batch import Batch
from memcell_plugins.policies.carry import Carry
from memcell_plugins.policies.configs import CarryConfig, FixedLensConfig
from memcell_plugins.policies.store import Store

_WEIGHT = "weight."


class FixedLens(Carry):
    """Begin with states of weights that are renewed every K epochs.

    Args:
        config: Options.
    """

    def __init__(self, config: FixedLensConfig) -> None:
        super().__init__(CarryConfig())
        self.every, self.by_copy = config.every, config.by == "copy"
        self.store = Store()
        self._weights: Mapping[str, Tensor] = {}
        #: ``[B]`` where the lanes' last windows began, for the copy to go on from.
        self._offset: Tensor | None = None
        self._kept, self._missed = 0, 0

    def begin_epoch(self, memory: Memory) -> None:
        """Renew in the epochs that do, and count anew."""
        super().begin_epoch(memory)
        self._offset, self._kept, self._missed = None, 0, 0
        if self._renews(memory.epoch):
            self.store, self._weights = Store(), {}

    def _renews(self, epoch: int) -> bool:
        return epoch % self.every == 0 if self.every else epoch == 0

    def begin(self, batch: Batch, memory: Memory) -> CarriedState:
        """Return what is kept for each window, or what is made for it now."""
        starts = batch.starts[0]
        sequence = torch.where(starts, -1, batch.sequence)
        initial = self.initial_carried(batch, memory)
        kept = self.store.get(sequence, batch.offset, initial, memory.update)
        found = kept.found.to(starts.device)
        inside = sequence >= 0
        renewing = self._renews(memory.epoch)
        self._kept += int((inside & found).sum())
        if not renewing:
            self._missed += int((inside & ~found).sum())
            if bool((found | ~inside).all()):
                return self._noted(batch, kept.carried)
        made = self._copied(batch, memory, found) if self.by_copy else super().begin(batch, memory)
        begin = CarriedState(
            where(found, kept.carried.state, made.state),
            torch.where(found, kept.carried.age, made.age),
        )
        if renewing or self.by_copy:
            self.store.put(batch.sequence, batch.offset, inside & ~found, begin, memory.update)
        return self._noted(batch, begin)

    def _copied(self, batch: Batch, memory: Memory, found: Tensor) -> CarriedState:
        """Return what the copy makes of the past of windows for which nothing is kept."""
        # no update has been made between the epoch's begin and its first batch
        self._weights = self._weights or memory.weights()
        known = self.initial_carried(batch, memory)
        start = torch.zeros_like(batch.offset)
        if self._carried is not None and self._offset is not None:
            on = batch.continues
            start = torch.where(on, self._offset, start)
            known = CarriedState(
                where(on, self._carried.state, known.state),
                torch.where(on, self._carried.age, known.age),
            )
        start = torch.where(batch.starts[0] | found, batch.offset, start)
        return memory.replay(batch.sequence, start, batch.offset, known, self._weights)

    def _noted(self, batch: Batch, begin: CarriedState) -> CarriedState:
        """Remember how a copy's lanes began, and return it."""
        if self.by_copy:
            self._carried, self._offset = self.detached(begin), batch.offset
        return begin

    def return_steps(self, batch: Batch) -> tuple[int, ...]:
        """Ask for the lanes' last states, but where a copy makes them."""
        return () if self.by_copy else super().return_steps(batch)

    def end(self, batch: Batch, states: Mapping[int, CarriedState], memory: Memory) -> None:
        """Keep the states at which the lanes go on, but where a copy makes them."""
        if not self.by_copy:
            super().end(batch, states, memory)

    def counts(self) -> dict[str, float]:
        """Return the windows that began with a kept state, and those that should have."""
        return {"lens_kept": self._kept, "lens_missed": self._missed}

    def memory_dict(self) -> dict[str, Tensor]:
        """Return the lanes' states, what is kept, the copy's weights and the counts."""
        lanes = {f"lane.{name}": part for name, part in super().memory_dict().items()}
        if self._offset is not None:
            lanes["offset"] = self._offset
        weights = {f"{_WEIGHT}{name}": part for name, part in self._weights.items()}
        kept = {**lanes, **weights, **self.store.memory_dict()}
        return {"counts": torch.tensor([self._kept, self._missed]), **kept} if kept else {}

    def load_memory_dict(self, tensors: Mapping[str, Tensor], template: State) -> None:
        """Take back what `memory_dict` gave."""
        lanes = _under("lane.", tensors)
        super().load_memory_dict(lanes, template)
        self._offset = tensors.get("offset")
        self._weights = _under(_WEIGHT, tensors)
        self.store.load_memory_dict(tensors, template)
        counts = tensors["counts"].tolist() if "counts" in tensors else (0, 0)
        self._kept, self._missed = counts


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}
