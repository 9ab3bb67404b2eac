"""Stored: a window begins with the state that was last stored at its first step, whenever that was.

When a window has run, its final state is stored under (sequence, step) for the window that begins there,
with its age and with the update that made it. Windows may then come in any order and still begin with
memory of their own past, as in replay buffers of recurrent agents (Kapturowski et al. 2019, R2D2, ICLR:
"stored state"). The price is staleness: under a shuffled order the parameters that made a state are about
an epoch old, under streams one update. Needs a grid of windows that stays where it is.

A window that finds nothing begins from the initial state; at a sequence's start and after a gap there is
nothing to find.
Counted each epoch, for ``metrics.jsonl`` and the end of a run: ``stored_hits``, ``stored_misses``, and
``stored_lag``, the mean age in updates of the parameters behind the states that were found. Cost: one
state for each window of the training set, in one tensor for each part of the state. Where several
processes train together each keeps what its own lanes stored, so a shuffled order misses more.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from memcell.recurrent.policy import CarriedState, Memory, StatePolicy
from memcell.recurrent.state import State
from memcell.sequences.batch import Batch
from memcell_plugins.policies.store import Store


class Stored(StatePolicy):
    """Begin from stored states.

    Args:
        config: Ignored; the policy has no options.
    """

    def __init__(self, config: object = None) -> None:
        super().__init__()
        self.store = Store()
        self._hits, self._misses, self._lag = 0, 0, 0

    def begin_epoch(self, memory: Memory) -> None:
        """Count anew; what is stored stays."""
        self._hits, self._misses, self._lag = 0, 0, 0

    def begin(self, batch: Batch, memory: Memory) -> CarriedState:
        """Return the stored states, the initial one where nothing is stored."""
        return self.look_up(batch, batch.offset, batch.starts[0], memory)

    def look_up(self, batch: Batch, step: Tensor, starts: Tensor, memory: Memory) -> CarriedState:
        """Return what is stored before each lane's ``step``, and count.

        Args:
            batch: The batch.
            step: ``[B]`` the step.
            starts: ``[B]`` bool: memory starts there, so nothing is looked for.
            memory: The engine's.
        """
        sequence = torch.where(starts, -1, batch.sequence)
        found = self.store.get(sequence, step, self.initial_carried(batch, memory), memory.update)
        hits = int(found.found.sum())
        self._hits += hits
        self._misses += int((sequence >= 0).sum()) - hits
        self._lag += int(found.lag.sum())
        return found.carried

    def end(self, batch: Batch, states: Mapping[int, CarriedState], memory: Memory) -> None:
        """Store the states at which the lanes go on, for the windows that begin there."""
        self.keep(batch, batch.advance, states, memory)

    def keep(
        self, batch: Batch, steps: int, states: Mapping[int, CarriedState], memory: Memory
    ) -> None:
        """Store the states after a number of steps, of the lanes that have so many."""
        reached = batch.valid[:steps].all(0) & (batch.sequence >= 0)
        step = batch.offset + steps
        self.store.put(batch.sequence, step, reached, states[steps], memory.update)

    def counts(self) -> dict[str, float]:
        """Return hits, misses and the mean lag in updates."""
        lag = self._lag / self._hits if self._hits else 0.0
        return {"stored_hits": self._hits, "stored_misses": self._misses, "stored_lag": lag}

    def memory_dict(self) -> dict[str, Tensor]:
        """Return the store and the counts; nothing before anything was asked for or stored."""
        counts = torch.tensor([self._hits, self._misses, self._lag])
        kept = self.store.memory_dict()
        return {"counts": counts, **kept} if kept or bool(counts.any()) else {}

    def load_memory_dict(self, tensors: Mapping[str, Tensor], template: State) -> None:
        """Take back the store and the counts."""
        self.store.load_memory_dict(tensors, template)
        self._hits, self._misses, self._lag = (
            tensors["counts"].tolist() if "counts" in tensors else (0, 0, 0)
        )
