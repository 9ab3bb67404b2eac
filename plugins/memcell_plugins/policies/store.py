"""A store of states by place: the state before a step of a sequence, and which update made it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from memcell.recurrent.policy import CarriedState
from memcell.recurrent.state import State, leaves, rebuild, where


class StoredStates(NamedTuple):
    """What was asked for.

    Args:
        carried: The stored states; where there was none, what was handed in instead.
        found: ``[B]`` bool.
        lag: ``[B]`` updates since the state was stored, 0 where there was none.
    """

    carried: CarriedState
    found: Tensor
    lag: Tensor


class Store:
    """States by (sequence, step), one tensor ``[n_slots, …]`` for each part of the state.

    It grows by doubling to as many slots as there are places, and no further: a place that is written
    again keeps its slot.
    """

    def __init__(self) -> None:
        self.slot: dict[tuple[int, int], int] = {}
        self.parts: list[Tensor] = []
        self.age = torch.zeros(0, dtype=torch.int64)
        self.update = torch.zeros(0, dtype=torch.int64)

    def get(
        self, sequence: Tensor, step: Tensor, otherwise: CarriedState, update: int
    ) -> StoredStates:
        """Return what is stored for each lane's place.

        Args:
            sequence: ``[B]`` index of the sequence, -1 for none.
            step: ``[B]`` the step before which the state stood.
            otherwise: What a lane gets for which nothing is stored.
            update: The update in progress.
        """
        places = zip(sequence.tolist(), step.tolist(), strict=True)
        slots = torch.tensor([self.slot.get(place, -1) for place in places], dtype=torch.int64)
        found, rows = slots >= 0, slots.clamp_min(0)
        if not bool(found.any()):
            return StoredStates(otherwise, found, torch.zeros_like(slots))
        device = otherwise.age.device
        kept = (p[rows.to(p.device)] for p in self.parts)
        like = zip(kept, leaves(otherwise.state), strict=True)
        state = rebuild(otherwise.state, (k.to(t.dtype) for k, t in like))
        here = found.to(device)
        age = torch.where(here, self.age[rows].to(device), otherwise.age)
        lag = torch.where(found, update - self.update[rows], 0)
        return StoredStates(CarriedState(where(here, state, otherwise.state), age), found, lag)

    def put(
        self, sequence: Tensor, step: Tensor, chosen: Tensor, carried: CarriedState, update: int
    ) -> None:
        """Store the states of the chosen lanes ``[B]`` (bool), over what was there."""
        lanes = torch.nonzero(chosen).squeeze(1).cpu()
        if not len(lanes):
            return
        places = list(zip(sequence.cpu()[lanes].tolist(), step.cpu()[lanes].tolist(), strict=True))
        rows = torch.tensor([self.slot.setdefault(place, len(self.slot)) for place in places])
        new = [part.detach()[lanes.to(part.device)] for part in leaves(carried.state)]
        self._room(new)
        for kept, part in zip(self.parts, new, strict=True):
            kept[rows.to(kept.device)] = part.to(kept.dtype)
        self.age[rows] = carried.age.cpu()[lanes]
        self.update[rows] = update

    def _room(self, like: list[Tensor]) -> None:
        if not self.parts:
            self.parts = [part.new_zeros(0, *part.shape[1:]) for part in like]
        more = len(self.slot) - len(self.age)
        if more > 0:
            more = max(more, len(self.age))
            self.parts = [torch.cat([p, p.new_zeros(more, *p.shape[1:])]) for p in self.parts]
            self.age = torch.cat([self.age, self.age.new_zeros(more)])
            self.update = torch.cat([self.update, self.update.new_zeros(more)])

    def memory_dict(self) -> dict[str, Tensor]:
        """Return everything as tensors; nothing where nothing is stored."""
        n = len(self.slot)
        if not n:
            return {}
        # copies: the store is written in place, and what was given out must stay
        parts = {f"stored.{i}": part[:n].clone() for i, part in enumerate(self.parts)}
        places = torch.tensor(list(self.slot), dtype=torch.int64)
        kept = {"age": self.age[:n].clone(), "update": self.update[:n].clone()}
        return {"place": places, **kept, **parts}

    def load_memory_dict(self, tensors: Mapping[str, Tensor], template: State) -> None:
        """Take back what `memory_dict` gave (other names are passed over)."""
        self.slot, self.parts = {}, []
        self.age = self.update = torch.zeros(0, dtype=torch.int64)
        if "place" not in tensors:
            return
        places = tensors["place"].cpu().tolist()
        self.slot = {(sequence, step): i for i, (sequence, step) in enumerate(places)}
        self.age, self.update = tensors["age"].cpu().clone(), tensors["update"].cpu().clone()
        count = len(list(leaves(template)))
        self.parts = [tensors[f"stored.{i}"].clone() for i in range(count)]
