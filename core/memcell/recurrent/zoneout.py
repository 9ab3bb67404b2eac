"""Zoneout on any cell: units of the state that stay as they were, at random, step by step.

D. Krueger et al., "Zoneout: regularizing RNNs by randomly preserving hidden activations", ICLR 2017,
arXiv:1606.01305::

    s_t = d_t * s_{t-1} + (1 - d_t) * cell(x_t, s_{t-1})

d is drawn anew for each step, lane and unit, 1 with probability z; at inference z itself stands for it. Each
part of the state (an LSTM's h and c) has masks of its own, and may have a z of its own: the paper's LSTM has
.05 for h and .5 for c. An output that is a part of the state, as an LSTM's h, is that part after zoneout; any
other is what the cell's step gave.
"""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real
from typing import Any

import torch
from torch import Tensor

from memcell.errors import ConfigError
from memcell.recurrent.cell import Cell, Norm, projected
from memcell.recurrent.wrapped import WrappedCell


def zoned_out(cell: Cell, rates: Sequence[float]) -> Cell:
    """Return the cell with zoneout, or the cell itself where nothing is to stay.

    Args:
        cell: Any cell.
        rates: One probability for every part of the state, or one a part, in the order of ``state_type``.

    Raises:
        ConfigError: A rate is no probability below 1, there are too many or too few, or the cell's state
            cannot stay in parts.
    """
    if not all(isinstance(rate, Real) and 0 <= rate < 1 for rate in rates):
        raise ConfigError(f"zoneout got {_typed(rates)}; expected probabilities from 0 to below 1")
    if not any(rates):
        return cell
    known = tuple(cell.state_spec)
    parts = known if cell.zoneout_parts is None else cell.zoneout_parts
    name = type(cell).__name__
    if not parts:
        raise ConfigError(
            f"zoneout got {_typed(rates)}, but the parts of {name}'s state ({', '.join(known)}) belong "
            "together and cannot stay one by one; leave zoneout out"
        )
    if len(rates) not in (1, len(parts)):
        raise ConfigError(
            f"zoneout got {len(rates)} probabilities ({_typed(rates)}); {name} takes one, or {len(parts)}: "
            f"of {', '.join(parts)}"
        )
    each = rates if len(rates) > 1 else [rates[0]] * len(parts)
    chosen = {part: float(rate) for part, rate in zip(parts, each, strict=True) if rate}
    return Zoneout(cell, chosen)


class Zoneout(WrappedCell):
    """A cell whose state stays as it was in units drawn at random.

    The masks are drawn in `project`, from the generator that it is handed, after those of the cell.

    Args:
        inner: The cell.
        rates: Name of each part of the state that may stay to its probability.
    """

    def __init__(self, inner: Cell, rates: dict[str, float]) -> None:
        super().__init__(inner)
        self.rates = rates
        self.state_type = type(inner).state_type  # type: ignore[misc] # a class variable but here
        like = next(inner.parameters(), torch.zeros(()))
        with torch.no_grad():
            found = projected(inner, like.new_zeros(1, 1, inner.input_size))
        self._single = isinstance(found, Tensor)

    @property
    def draws(self) -> bool:
        """True."""
        return True

    def project(self, x: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, ...]:
        """Return what the cell's `project` does, and the masks ``[T, B, …]`` of the parts that may stay."""
        found: Any = projected(self.inner, x, generator)
        parts = (found,) if self._single else tuple(found)
        masks = []
        for part, rate in self.rates.items():
            shape = (*x.shape[:2], *self.state_spec[part])
            if generator is None:
                masks.append(x.new_full(shape, rate))
            else:
                masks.append((torch.rand(shape, generator=generator) < rate).to(x))
        return (*parts, *masks)

    def step(self, p: Any, state: Any, norm: Norm) -> tuple[Tensor, Any]:
        """Do the cell's step, and hold what stays."""
        count = len(self.rates)
        inner = p[0] if self._single else tuple(p[:-count])
        output, after = self.inner.step(inner, state, norm)
        held = {}
        for part, stays in zip(self.rates, p[-count:], strict=True):
            new, old = getattr(after, part), getattr(state, part)
            held[part] = stays * old + (1 - stays) * new
            if output is new:
                output = held[part]
        return output, after._replace(**held)


def _typed(rates: Sequence[float]) -> str:
    return ",".join(str(rate) for rate in rates)
