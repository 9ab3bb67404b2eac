"""How error flows back: its size against the lag, blowing up, vanishing or constant.

For each layer and part of its state, over the lags q that a window holds::

    flow(q) = |d loss_t / d state_{t-q}| / |d loss_t / d state_t|

with loss_t the loss of one step t, the mean over lanes above and below. The factor a step is measured as
``(flow(Q) / flow(1)) ** (1 / (Q - 1))`` with Q the longest lag whose flow can still be told from 0. Over all
lags a change of less than twofold is called constant; otherwise a factor above 1 is a blow-up, below 1
vanishing (S. Hochreiter, diploma thesis 1991; Y. Bengio et al., IEEE Trans. Neural Networks 5, 1994).

The product bound holds for the top layer, whose state at t is all that the past acts through::

    |d loss_t / d state_{t-q}| <= |d loss_t / d state_t| * product of ||J_k||
    J_k = d state_k / d state_{k-1}

with spectral norms; for a unit of an Elman network that is the |f'(net) w| of Hochreiter and Schmidhuber
(1997), section 3.1. It is computed for one lane and at most 32 lags. The product of the matrices themselves
grows less than the product of their norms: ``jacobian_factor`` is its norm, a step.

Run on the eager loop, as training differentiates the cell (truncated where the cell truncates), without
dropout, normalizers as in inference.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from memcell.probes import cost, estimate
from memcell.probes.base import Probe, Values
from memcell.probes.context import ProbeContext
from memcell.probes.states import keep_states, part_names, width
from memcell.recurrent.policy import CarriedState
from memcell.recurrent.state import State, leaves, map_state
from memcell.training.observing import UpdateEvent

#: A flow smaller than this share of lag 0 is not told from 0.
LEAST = 1e-30
#: Lags of the product bound, and the widest state it is computed for.
BOUND_LAGS, BOUND_WIDTH = 32, 512


class GradientFlow(Probe):
    """Measures error against lag.

    Values of a line: ``step`` t, ``lanes``, ``flow`` (a list over q for each ``layer.part`` and for each
    whole ``layer``), ``factor`` and ``verdict`` (likewise), and of the top layer ``bound`` (a list over q,
    from 0), ``bound_flow`` (the same lane's flow) and ``jacobian_factor``.
    """

    sizes = (4, 2, 1)
    measurements = 4
    limited_by = "lanes"

    def __init__(self, context: ProbeContext, size: int, config: Any = None) -> None:
        super().__init__(context, size, config)
        self._found: Values | None = None

    @classmethod
    def cost(cls, context: ProbeContext, size: int) -> float:
        """One window forward and backward on the eager loop, and the Jacobians of one lane."""
        steps = context.config.time_steps
        return cost.both(steps, size, eager=True) + cls._jacobians(context)

    @staticmethod
    def _jacobians(context: ProbeContext) -> float:
        wide, lags = width(context.network), min(BOUND_LAGS, context.config.time_steps - 1)
        if wide > BOUND_WIDTH:
            return 0.0
        # S rows through a step, then the singular values: about S ** 3
        return lags * (8 * cost.EAGER_STEP + 5.0 * wide + wide**3 / 250)

    def before_update(self, event: UpdateEvent, due: bool) -> None:
        """Measure over the window of some lanes."""
        if not due:
            return
        batch = event.batch
        whole = (batch.valid.all(0) & ~batch.starts[1:].any(0)).tolist()
        weight = batch.weight.cpu()
        labelled = [
            t
            for t in range(batch.time_steps)
            if any(weight[t, i] > 0 for i, w in enumerate(whole) if w)
        ]
        if not labelled:
            return
        last = labelled[-1]
        lanes = [i for i, w in enumerate(whole) if w and weight[last, i] > 0]
        drawn = self.context.rng(6, event.update).permutation(len(lanes))[: self.size]
        lanes = sorted(lanes[i] for i in drawn)
        index = torch.tensor(lanes, device=batch.x.device)
        carried = CarriedState(
            map_state(lambda part: part.detach()[index], event.state.state),
            event.state.age[index],
        )
        self._found = {"step": last, "lanes": lanes, **self._flow(lanes, carried, event, last)}

    def _flow(
        self, lanes: list[int], carried: CarriedState, event: UpdateEvent, last: int
    ) -> Values:
        context = self.context
        windows = context.lanes(event.batch, lanes)
        with torch.enable_grad(), context.looking(True, eager=True) as (network, _):
            kept = keep_states(network, windows, carried)
            context.spent += cost.both(windows.shape[0], len(lanes), eager=True)
            loss = context.losses(windows, kept.logits)[last].sum()
            states = [layer[last::-1] for layer in kept.states]
            parts = [part for layer in states for state in layer for part in leaves(state)]
            differentiable = [part for part in parts if part.requires_grad]
            gradients = iter(
                torch.autograd.grad(loss, differentiable, retain_graph=True, allow_unused=True)
            )
            found = iter([next(gradients) if part.requires_grad else None for part in parts])
            norms: dict[str, Tensor] = {}
            for i, layer in enumerate(states):
                names = part_names(layer[0])
                rows = [[_norm(next(found), len(lanes)) for _ in names] for _ in layer]
                for k, name in enumerate(names):
                    norms[f"{i}.{name}"] = torch.stack([row[k] for row in rows])
                norms[str(i)] = torch.stack([torch.stack(r).square().sum(0).sqrt() for r in rows])
            flows = {name: relative(n.mean(1).tolist()) for name, n in norms.items()}
            verdicts = {name: judge(flow) for name, flow in flows.items()}
            return {
                "flow": flows,
                "factor": {name: j[0] for name, j in verdicts.items()},
                "verdict": {name: j[1] for name, j in verdicts.items()},
                **self._bound(states[-1], norms[str(len(states) - 1)][:, 0]),
            }

    def _bound(self, states: list[State], norm: Tensor) -> Values:
        """Return the product bound of the top layer for the first lane, states from t backwards."""
        wide = width(self.context.network)
        if wide > BOUND_WIDTH:
            return {"bound": None, "bound_reason": f"a state of {wide} numbers is too wide"}
        lags = min(BOUND_LAGS, len(states) - 1)
        self.context.spent += self._jacobians(self.context)
        bound, product = [1.0], torch.eye(wide, dtype=torch.float64)
        for q in range(lags):
            try:
                jacobian = step_jacobian(states[q], states[q + 1])
            except RuntimeError as error:  # a cell with an operation that has no batched gradient
                return {"bound": None, "bound_reason": " ".join(str(error).split())[:200]}
            bound.append(bound[-1] * float(torch.linalg.matrix_norm(jacobian, 2)))
            product = product @ jacobian
        size = float(torch.linalg.matrix_norm(product, 2)) if lags else None
        return {
            "bound": bound,
            "bound_flow": relative(norm[: lags + 1].tolist()),
            "jacobian_factor": size ** (1 / lags) if size else size,
        }

    def after_update(self, event: UpdateEvent, due: bool) -> Values | None:
        """Return what was measured before."""
        found, self._found = self._found, None
        return found

    def end(self) -> Values:
        """Return the factor of each part over the run (geometric mean), and what it means."""
        if not self.past:
            return {
                "measurements": 0,
                "reason": "no window without a restart, or too small a budget",
            }
        names = list(self.past[0]["flow"])
        mean: dict[str, Any] = {}
        for name in names:
            rows = [v["flow"][name] for v in self.past if v["flow"][name] is not None]
            shortest = min(map(len, rows), default=0)
            logs = [[np.log(x) if x else None for x in row[:shortest]] for row in rows]
            columns = [estimate.mean(c) for c in zip(*logs, strict=True)]
            mean[name] = [None if c is None else float(np.exp(c)) for c in columns] or None
        verdicts = {name: judge(flow) for name, flow in mean.items()}
        return {
            "measurements": len(self.past),
            "flow": mean,
            "factor": {name: j[0] for name, j in verdicts.items()},
            "verdict": {name: j[1] for name, j in verdicts.items()},
            "jacobian_factor": estimate.mean(v.get("jacobian_factor") for v in self.past),
        }

    def summary_line(self, summary: Values) -> str:
        """Return the verdict on each layer."""
        if not summary["measurements"]:
            return str(summary["reason"])
        factors, verdicts = summary["factor"], summary["verdict"]
        return ", ".join(
            f"layer {name}: {verdicts[name]}, factor {estimate.shown(factors[name])} a step"
            for name in factors
            if "." not in name
        )


def _norm(gradient: Tensor | None, lanes: int) -> Tensor:
    """Return the norm of each lane's gradient ``[B]``, float64."""
    if gradient is None:
        return torch.zeros(lanes, dtype=torch.float64)
    norms: Tensor = gradient.detach().double().flatten(1).norm(dim=1)
    return norms.cpu()


def relative(norms: list[float]) -> list[float] | None:
    """Return norms against that of lag 0; against lag 1 where the loss does not see the state itself."""
    first = next((n for n in norms[:2] if n > 0), None)
    return None if first is None else [n / first for n in norms]


def judge(flow: list[float | None] | list[float] | None) -> tuple[float | None, str]:
    """Return the factor a step over lags from 1 on, and ``"blow-up"``, ``"vanishing"`` or ``"constant"``.

    >>> judge([1.0, 0.5, 0.25, 0.125])
    (0.5, 'vanishing')
    """
    found = [] if flow is None else [value or 0.0 for value in flow]
    last = 0
    while last + 1 < len(found) and found[last + 1] > LEAST:
        last += 1
    if last < 2:
        return None, "no flow" if len(found) > 2 else "too few lags"
    factor = (found[last] / found[1]) ** (1 / (last - 1))
    if 0.5 <= factor ** (last - 1) <= 2:
        return factor, "constant"
    return factor, "blow-up" if factor > 1 else "vanishing"


def step_jacobian(after: State, before: State) -> Tensor:
    """Return ``d after / d before`` ``[S, S]`` of the first lane, float64, from the graph of a run.

    Args:
        after: A layer's state after a step, parts ``[B, …]``.
        before: Its state before, in the graph of ``after``.
    """
    outputs, inputs = list(leaves(after)), list(leaves(before))
    widths = [part[0].numel() for part in outputs]
    rows = []
    for k, part in enumerate(outputs):
        if not part.requires_grad:
            rows.append(torch.zeros(widths[k], sum(widths), dtype=torch.float64))
            continue
        basis = part.new_zeros(widths[k], *part.shape)
        basis.view(widths[k], part.shape[0], -1)[:, 0] = torch.eye(
            widths[k], dtype=part.dtype, device=part.device
        )
        found = torch.autograd.grad(
            part, inputs, basis, retain_graph=True, allow_unused=True, is_grads_batched=True
        )
        columns = [
            torch.zeros(widths[k], w)
            if g is None
            else g.reshape(widths[k], part.shape[0], -1)[:, 0]
            for g, w in zip(found, widths, strict=True)
        ]
        rows.append(torch.cat([c.detach().double().cpu() for c in columns], dim=1))
    return torch.cat(rows)
