"""What the state looks like: its directions, its norms by age, and how saturated the gates are.

Over the steps of the windows of some lanes, for each part of each layer's state (h, c, ...):

- ``variance``: the shares of the first five principal components; ``participation``: the participation ratio
  ``(sum lambda)^2 / sum lambda^2`` of the eigenvalues of the covariance, which is between 1 (a line) and the
  width (a ball): how many directions are in use;
- ``norm``: the mean norm by age, ages in bins that double.

Gates are found without knowing the cell: every ``sigmoid`` that a step computes is watched, in the order in
which the cell's code does. ``low`` and ``high`` are the shares of its values below .1 and above .9
(A. Karpathy et al., "Visualizing and understanding recurrent networks", 2015). A cell may name them in an
attribute ``gate_names``; otherwise they are ``sigmoid 0``, ``sigmoid 1``, ...

Every ``tanh`` is watched likewise: ``slope`` is the mean of its derivative ``1 - tanh(z)^2``, which is what
it lets through of an error (1 at the origin, 0 where it is saturated), after Cooijmans et al. (2016),
figure 1b.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from memcell.probes import cost, estimate
from memcell.probes.base import Probe, Values
from memcell.probes.context import ProbeContext
from memcell.probes.states import keep_states, layers, part_names
from memcell.recurrent.cell import Cell
from memcell.recurrent.policy import CarriedState
from memcell.recurrent.state import leaves, map_state
from memcell.training.observing import UpdateEvent

#: Principal components that are listed.
COMPONENTS = 5
_SIGMOIDS = (torch.sigmoid, Tensor.sigmoid, torch.special.expit, torch.nn.functional.sigmoid)
_TANHS = (torch.tanh, Tensor.tanh, torch.nn.functional.tanh)


class CellState(Probe):
    """Looks at states and gates.

    Values of a line, by ``layer.part``: ``variance``, ``participation``, ``norm`` (by age: a list of
    ``[first age of the bin, mean norm, steps]``); by ``layer.gate``: ``low``, ``high``; by ``layer.tanh k``:
    ``slope``; and ``steps``, how many there were.
    """

    sizes = (16, 8, 4, 2, 1)
    measurements = 4
    limited_by = "lanes"

    def __init__(self, context: ProbeContext, size: int, config: Any = None) -> None:
        super().__init__(context, size, config)
        self._found: Values | None = None

    @classmethod
    def cost(cls, context: ProbeContext, size: int) -> float:
        """One window on the eager loop, watched, and the decompositions."""
        return 2 * cost.forward(context.config.time_steps, size, eager=True)

    def before_update(self, event: UpdateEvent, due: bool) -> None:
        """Look at the window of some lanes."""
        if not due:
            return
        context, batch = self.context, event.batch
        usable = (batch.sequence >= 0).tolist()
        lanes = [i for i, ok in enumerate(usable) if ok]
        drawn = context.rng(7, event.update).permutation(len(lanes))[: self.size]
        lanes = sorted(lanes[i] for i in drawn)
        index = torch.tensor(lanes, device=batch.x.device)
        windows = context.lanes(batch, lanes)
        carried = CarriedState(
            map_state(lambda part: part.detach()[index], event.state.state),
            event.state.age[index],
        )
        context.spent += self.cost(context, len(lanes))
        with torch.no_grad(), context.looking(False, eager=True) as (network, _), Gates() as gates:
            for i, layer in enumerate(layers(network)):
                gates.watch(i, layer.cell)
            kept = keep_states(network, windows, carried)
        values: Values = {
            "steps": int(windows.valid.sum()),
            "variance": {},
            "participation": {},
            "norm": {},
        }
        ages = kept.ages[windows.valid].cpu()
        for i, states in enumerate(kept.states):
            for k, part in enumerate(part_names(states[0])):
                stacked = torch.stack([list(leaves(s))[k].flatten(1) for s in states])
                found = stacked[windows.valid].double().cpu()
                name = f"{i}.{part}"
                values["variance"][name], values["participation"][name] = directions(found)
                values["norm"][name] = by_age(found.norm(dim=1), ages)
        self._found = {**values, **gates.shares(windows.valid)}

    def after_update(self, event: UpdateEvent, due: bool) -> Values | None:
        """Return what was seen before."""
        found, self._found = self._found, None
        return found

    def end(self) -> Values:
        """Return the last look, and how participation went from the first to the last."""
        if not self.past:
            return {"measurements": 0, "reason": "the budget was too small"}
        return {
            "measurements": len(self.past),
            "last": self.past[-1],
            "participation": {
                n: [v["participation"][n] for v in self.past]
                for n in self.past[-1]["participation"]
            },
        }

    def summary_line(self, summary: Values) -> str:
        """Return directions in use and saturation."""
        if not summary["measurements"]:
            return str(summary["reason"])
        last = summary["last"]
        used = ", ".join(f"{n} {estimate.shown(v)}" for n, v in last["participation"].items())
        gates = ", ".join(f"{n} {last['low'][n]:.2f}/{last['high'][n]:.2f}" for n in last["low"])
        return f"directions in use: {used}" + (
            f"; gates below .1 / above .9: {gates}" if gates else ""
        )


class Gates(TorchFunctionMode):
    """Watches the sigmoids and the tanhs of cells' steps while it is entered."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: dict[str, list[Tensor]] = {}
        self.bent: dict[str, list[Tensor]] = {}
        self._step: tuple[int, tuple[str, ...]] | None = None
        self._count = self._tanhs = 0
        self._undo: list[Callable[[], None]] = []

    def watch(self, layer: int, cell: Cell) -> None:
        """Watch the steps of a cell, until the end."""
        own: Callable[..., Any] = cell.step
        names = tuple(getattr(cell, "gate_names", ()))

        def step(*args: Any) -> Any:
            self._step, self._count, self._tanhs = (layer, names), 0, 0
            try:
                return own(*args)
            finally:
                self._step = None

        vars(cell)["step"] = step
        self._undo.append(lambda: vars(cell).pop("step"))

    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: Iterable[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Keep what a sigmoid or a tanh gives."""
        result = func(*args, **(kwargs or {}))
        if self._step is not None and func in _SIGMOIDS:
            (layer, names), k = self._step, self._count
            name = names[k] if k < len(names) else f"sigmoid {k}"
            self.seen.setdefault(f"{layer}.{name}", []).append(result.detach())
            self._count += 1
        elif self._step is not None and func in _TANHS:
            name = f"{self._step[0]}.tanh {self._tanhs}"
            self.bent.setdefault(name, []).append(result.detach())
            self._tanhs += 1
        return result

    def __exit__(self, *args: object) -> None:
        """Stop watching."""
        for undo in self._undo:
            undo()
        self._undo.clear()
        # torch writes no types for it
        super().__exit__(*args)  # type: ignore[no-untyped-call]

    def shares(self, valid: Tensor) -> Values:
        """Return ``low`` and ``high`` of each gate, and ``slope`` of each tanh, over valid steps."""
        gates = _over(self.seen, valid)
        return {
            "low": {name: _mean(v < 0.1) for name, v in gates.items()},
            "high": {name: _mean(v > 0.9) for name, v in gates.items()},
            "slope": {name: _mean(1 - v.square()) for name, v in _over(self.bent, valid).items()},
        }


def _over(seen: Mapping[str, list[Tensor]], valid: Tensor) -> dict[str, Tensor]:
    """Return values at valid steps, float64, of what was seen once a step and for each lane."""
    lengths, lanes = valid.shape
    return {
        name: torch.stack(steps)[valid].double()
        for name, steps in seen.items()
        if len(steps) == lengths and all(s.shape[0] == lanes for s in steps)
    }


def _mean(values: Tensor) -> float:
    return float(values.double().mean())


def directions(states: Tensor) -> tuple[list[float] | None, float | None]:
    """Return the shares of the first principal components, and the participation ratio.

    Args:
        states: ``[n, W]`` float64.

    Returns:
        None and None where nothing varies.
    """
    centred = states - states.mean(0)
    values = (
        torch.linalg.eigvalsh(centred.T @ centred / max(1, len(states) - 1)).flip(0).clamp_min(0)
    )
    total = float(values.sum())
    if not total > 0:
        return None, None
    return (values[:COMPONENTS] / total).tolist(), total**2 / float((values**2).sum())


def by_age(norms: Tensor, ages: Tensor) -> list[list[float]]:
    """Return ``[first age, mean norm, steps]`` of each bin; the bins are 0, 1, 2-3, 4-7, 8-15, ..."""
    bins = torch.where(ages > 0, 2 ** (ages.clamp_min(1).double().log2() + 1e-9).floor(), 0.0)
    return [
        [float(first), float(norms[bins == first].mean()), float((bins == first).sum())]
        for first in sorted(set(bins.tolist()))
    ]
