"""Does training get stuck? The full gradient against that of the start, and the curvature where it is.

With F the mean loss over training windows, each from the model's start and without dropout (so that F is a
function of the parameters alone)::

    gradient_ratio = |grad F| / |grad F_0|           F_0 before the first update
    smallest       = the smallest eigenvalue of the Hessian of F, by Lanczos

The gradient of one batch never vanishes, since batches disagree; that of F says whether there is anywhere
left to go. A small ratio with a smallest eigenvalue clearly below 0 is a saddle, not a minimum. F is taken
over a sample of windows, drawn once and the same at each measurement; the number is in every line, and where
it is all of them, F is exact. Products with the Hessian are exact too (backward twice, on the eager loop, in
float64) and dear, so that they see fewer windows, and few steps of Lanczos: the smallest value found is
never below the true one, and an eigenvalue lies within ``residual`` of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from memcell.network.network import Network
from memcell.probes import cost, estimate
from memcell.probes.base import Probe, Values
from memcell.probes.context import ProbeContext, ProbeWindows
from memcell.recurrent.policy import CarriedState
from memcell.training.observing import UpdateEvent
from memcell_plugins.probes.lanczos import lanczos

#: A product with the Hessian, and the passes before the first, as multiples of a forward pass (eager).
PRODUCT, PREPARED = 3.0, 6.0
#: Windows that are run at once.
CHUNK = 64


class Stuck(Probe):
    """Measures the gradient of the whole, and the smallest eigenvalue of the Hessian.

    Sizes: windows of the gradient, windows of the Hessian, steps of Lanczos (0 for none). Values of a line:
    ``loss``, ``gradient_norm``, ``gradient_ratio``, ``windows``, ``of`` (training windows in all), and with a
    Hessian ``smallest``, ``residual``, ``largest``, ``steps``, ``hessian_windows``.
    """

    sizes = (
        (1024, 16, 24),
        (256, 8, 16),
        (64, 4, 12),
        (64, 2, 8),
        (64, 0, 0),
        (16, 0, 0),
        (4, 0, 0),
    )
    measurements = 4
    at_start = True

    def __init__(
        self, context: ProbeContext, size: tuple[int, int, int], config: Any = None
    ) -> None:
        super().__init__(context, size, config)
        self.sample = context.sample(size[0])
        self._found: Values | None = None

    @classmethod
    def sizes_with(cls, config: Any) -> Sequence[tuple[int, int, int]]:
        """Return the sizes with no more steps of Lanczos than the options allow."""
        most = cls.sizes[0][2] if config is None else config.lanczos_steps
        return [size for size in cls.sizes if size[2] <= most]

    @classmethod
    def cost(cls, context: ProbeContext, size: tuple[int, int, int]) -> float:
        """One gradient over the windows, and the products."""
        windows, (few, steps) = min(size[0], context.window_count), size[1:]
        time, eager = context.config.time_steps, context.eager
        whole = -(-windows // CHUNK) * cost.both(time, min(windows, CHUNK), eager)
        return whole + (cls._products(time, few, steps) if steps else 0.0)

    @staticmethod
    def _products(time: int, windows: int, steps: int) -> float:
        return (PREPARED + steps * PRODUCT) * cost.forward(time, windows, eager=True)

    def before_update(self, event: UpdateEvent, due: bool) -> None:
        """Measure at the parameters before this update."""
        if not due:
            return
        loss, gradient = self._whole()
        norm = float(gradient.norm())
        first = self.past[0]["gradient_norm"] if self.past else norm
        self._found = {
            "loss": loss,
            "gradient_norm": norm,
            "gradient_ratio": norm / first if first else None,
            "windows": len(self.sample),
            "of": self.context.window_count,
        }
        if self.size[2]:
            self._found.update(self._curvature())

    def _whole(self) -> tuple[float, Tensor]:
        """Return F over the sample and its gradient, float64."""
        context, total, gradient, weight = self.context, 0.0, torch.zeros(()), 0.0
        for k in range(0, len(self.sample), CHUNK):
            spans = self.sample[k : k + CHUNK]
            windows = context.windows(spans)
            with torch.enable_grad():
                logits = context.run(windows, context.initial_carried(len(spans))).logits
                loss = context.losses(windows, logits).sum()
                gradient = gradient + context.gradient(loss).cpu()
            total, weight = total + float(loss.detach()), weight + float(windows.weight.sum())
        return total / weight, gradient / weight

    def _curvature(self) -> Values:
        context, (_, few, steps) = self.context, self.size
        network = context.doubled()
        parameters = [p for p in network.parameters() if p.requires_grad]
        spans = self.sample[:: max(1, len(self.sample) // few)][:few]
        windows = context.windows(spans)
        windows = windows._replace(x=windows.x.double(), weight=windows.weight.double())
        with torch.enable_grad(), context.looking(True, eager=True, network=network):
            product = HessianProduct(context, network, windows)
            found = lanczos(
                product, sum(p.numel() for p in parameters), steps, context.rng(5, context.update)
            )
        context.spent += self._products(windows.shape[0], len(spans), found.steps)
        return {**found._asdict(), "hessian_windows": len(spans)}

    def after_update(self, event: UpdateEvent, due: bool) -> Values | None:
        """Return what was measured before."""
        found, self._found = self._found, None
        return found

    def end(self) -> Values:
        """Return the last measurement, and the smallest of each."""
        if not self.past:
            return {"measurements": 0, "reason": "no update was trained"}
        return {
            "measurements": len(self.past),
            "last": self.past[-1],
            "smallest_gradient_ratio": min(
                estimate.known(v["gradient_ratio"] for v in self.past), default=None
            ),
            "smallest_eigenvalue": min(
                (v["smallest"] for v in self.past if "smallest" in v), default=None
            ),
            **({} if self.size[2] else {"reason": "the budget was too small for the Hessian"}),
        }

    def summary_line(self, summary: Values) -> str:
        """Return the last ratio and eigenvalue."""
        if not summary["measurements"]:
            return str(summary["reason"])
        last = summary["last"]
        curved = (
            f"smallest eigenvalue {estimate.shown(last['smallest'])} (residual "
            f"{estimate.shown(last['residual'], '.1g')}, {last['steps']} steps)"
            if "smallest" in last
            else "no Hessian: the budget was too small"
        )
        return (
            f"|grad F| / |grad F0| {estimate.shown(last['gradient_ratio'])} over {last['windows']} of "
            f"{last['of']} windows; {curved}"
        )


class HessianProduct:
    """``v -> H v`` of the mean loss of windows, by backward twice; the first pass is done once.

    Args:
        context: Where the loss comes from.
        network: The network, in float64, on the eager loop.
        windows: The windows, float64.
    """

    def __init__(self, context: ProbeContext, network: Network, windows: ProbeWindows) -> None:
        self.parameters = [p for p in network.parameters() if p.requires_grad]
        lanes = windows.shape[1]
        age = torch.zeros(lanes, dtype=torch.int64, device=network.device)
        initial_state = network.initial_state(lanes)
        ran = network(
            windows.x,
            CarriedState(initial_state, age),
            initial_state,
            windows.starts,
            windows.valid,
        )
        loss = context.losses(windows, ran.logits).sum() / windows.weight.sum()
        found = torch.autograd.grad(loss, self.parameters, create_graph=True, allow_unused=True)
        self.first = [g for g in found if g is not None and g.requires_grad]
        self.index = [i for i, g in enumerate(found) if g is not None and g.requires_grad]

    def __call__(self, vector: Tensor) -> Tensor:
        """Return the product, float64."""
        sizes = [p.numel() for p in self.parameters]
        pieces = torch.split(vector.to(self.parameters[0].device), sizes)
        along = [pieces[i].view_as(self.parameters[i]) for i in self.index]
        found = torch.autograd.grad(
            self.first, self.parameters, along, retain_graph=True, allow_unused=True
        )
        return torch.cat(
            [
                (torch.zeros_like(p) if g is None else g.detach()).flatten()
                for p, g in zip(self.parameters, found, strict=True)
            ]
        )
