"""The double backward: a window run again on the plain loop, for gradients that generated code has not.

That is a gradient of the gradient (``create_graph=True``), a second backward pass over the same window, and
a backward pass under a transform of `torch.func`. The generated backward loop runs once and is itself no
operation of torch; the eager loop gives the same numbers and can be differentiated again.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from memcell.recurrent.cell import Cell, projected
from memcell.recurrent.normalizer import NormWindow
from memcell.recurrent.norms import SiteNorms
from memcell.recurrent.reference import run_steps
from memcell.recurrent.state import State, leaves, rebuild
from memcell.recurrent.window_call import WindowCall
from memcell_compiler.trace.step import slots

#: Tracing and running again put other numbers into a cell for a moment: meanwhile no other thread may take
#: its weights, nor trace it and leave those numbers in it.
preparing = threading.RLock()


class _Window(torch.nn.Module):
    """The eager loop as a module, so that its parameters can be replaced for a call."""

    def __init__(self, cell: Cell, norms: SiteNorms) -> None:
        super().__init__()
        self.cell, self.norms = cell, norms

    def forward(self, run: Any) -> Any:
        """Run."""
        return run()


@dataclass(frozen=True)
class Again:
    """What a window needs to run once more.

    Args:
        call: The window, without its x.
        windows: What the normalizers said of the window.
        projects: The step inputs are x alone.
        single: ``project`` returned a tensor rather than a tuple.
        parameters: Names of parameters by the names of the tensors.
        buffers: Buffers as they were, by name.
    """

    call: WindowCall
    windows: dict[str, NormWindow]
    projects: bool
    single: bool
    parameters: Mapping[str, str]
    buffers: Mapping[str, Tensor]

    def gradients(
        self,
        tensors: Mapping[str, Tensor],
        needed: Sequence[str],
        d_output: Tensor,
        d_returned: Sequence[Tensor],
    ) -> dict[str, Tensor | None]:
        """Return the gradient of each needed tensor, differentiable where gradients are enabled.

        Args:
            tensors: Step inputs ``x0`` …, parameters, states ``s0`` …, initial states ``s0_initial`` ….
            needed: Names of those whose gradient is wanted.
            d_output: Gradient of the outputs.
            d_returned: Of the returned states ``[returned, B, …]``, part by part.
        """
        create_graph = torch.is_grad_enabled()
        with torch.enable_grad():
            # each its own tensor: one that is handed over twice has two gradients
            own = {n: t.view_as(t) for n, t in tensors.items()}
            with preparing:
                output, returned = self._run(own)
            ends = [(output, d_output)]
            for part, cotangents in enumerate(d_returned):
                ends += list(zip((k[part] for k in returned), cotangents.unbind(0), strict=True))
        ends = [(end, cotangent) for end, cotangent in ends if end.requires_grad]
        found = torch.autograd.grad(
            [end for end, _ in ends],
            [own[name] for name in needed],
            [cotangent for _, cotangent in ends],
            create_graph=create_graph,
            allow_unused=True,
        )
        return dict(zip(needed, found, strict=True))

    def _run(self, own: Mapping[str, Tensor]) -> tuple[Tensor, list[list[Tensor]]]:
        structure = self.call.state
        count = len(list(leaves(structure)))
        call = self.call._replace(
            state=rebuild(structure, (own[f"s{i}"] for i in range(count))),
            initial_state=rebuild(structure, (own[f"s{i}_initial"] for i in range(count))),
        )
        inputs = [own[f"x{i}"] for i in range(sum(n.startswith("x") for n in own))]

        def run() -> tuple[Tensor, dict[int, State], Any]:
            parts, single = inputs, self.single
            if self.projects:
                found = projected(call.cell, inputs[0])
                single = isinstance(found, Tensor)
                parts = [found] if isinstance(found, Tensor) else list(found)
            return run_steps(call, parts, single, self.windows)

        module = _Window(call.cell, call.norms)
        given = {**self.buffers, **{n: own[c] for c, n in self.parameters.items()}}
        each = {slot: given[name] for slot, name in slots(module).items() if name in given}
        output, states, _ = torch.func.functional_call(module, each, (run,), tie_weights=False)
        return output, [list(leaves(states[step])) for step in call.return_steps]
