"""What a recurrent layer remembers between two calls."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Self

import torch
from torch import Tensor

from memcell.recurrent.state import State, detach, map_state


class RecurrentState(NamedTuple):
    """The memory of every layer, and how old it is: what `Recurrent` returns and takes back.

    A named tuple of tensors, so that torch's pytrees, `torch.save`, `pickle` and `copy.deepcopy` take it as
    it is.

    Args:
        layers: One state a layer, from the input upwards: what the cell's paper calls its state, by name
            (``state.layers[-1].h``), tensors ``[B, …]``.
        age: ``[B]`` int64: steps since each lane (row of the batch) was last reset. Normalizers that keep
            statistics for each time step tell the steps apart by it.

    >>> import torch
    >>> from memcell.nn import Recurrent
    >>> rnn = Recurrent("gru", 3, 4)
    >>> y, state = rnn(torch.zeros(5, 2, 3))
    >>> state.batch_size, state.age.tolist(), tuple(state.layers[0].h.shape)
    (2, [5, 5], (2, 4))
    """

    layers: tuple[State, ...]
    age: Tensor

    @property
    def batch_size(self) -> int:
        """Lanes, B."""
        return self.age.shape[0]

    def detach(self) -> Self:
        """Return the same memory, cut from the graph that made it: truncated backpropagation through time."""
        return self._replace(layers=detach(self.layers))

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """Return it on another device or in another dtype, as `torch.Tensor.to`; the age stays int64."""
        like = torch.empty(0, device=self.age.device).to(*args, **kwargs)
        layers = map_state(lambda part: part.to(*args, **kwargs), self.layers)
        return self._replace(layers=layers, age=self.age.to(like.device))

    def lanes(self, index: int | slice | Sequence[int] | Tensor) -> Self:
        """Return the memory of some lanes of the batch.

        Args:
            index: A number, a slice, numbers, or a mask ``[B]``: what a tensor's first dimension takes. One
                number gives a batch of one lane.
        """
        chosen: Any = slice(index, index + 1 or None) if isinstance(index, int) else index
        return self._replace(
            layers=map_state(lambda part: part[chosen], self.layers), age=self.age[chosen]
        )

    def to_dict(self) -> dict[str, Tensor]:
        """Return its tensors by name (``"0.h"``, ``"age"``), as safetensors and plain dicts keep them.

        `memcell.nn.Recurrent.state_from_dict` takes them back.
        """
        return {**dict(named(self.layers)), "age": self.age}

    @classmethod
    def cat(cls, states: Sequence[RecurrentState]) -> Self:
        """Return the lanes of several states side by side."""
        if not states:
            raise ValueError("no states were given; expected at least one")
        first, *others = states
        layers = map_state(
            lambda *parts: torch.cat(parts), first.layers, *(s.layers for s in others)
        )
        return cls(layers, torch.cat([state.age for state in states]))


def named(state: State, name: str = "") -> Iterator[tuple[str, Tensor]]:
    """Yield the tensors of a state, in the order of `leaves`, each with its path: ``"1.h"`` of layer 1."""
    if isinstance(state, Tensor):
        yield name, state
        return
    for field, part in zip(getattr(state, "_fields", range(len(state))), state, strict=True):
        yield from named(part, f"{name}.{field}" if name else str(field))
