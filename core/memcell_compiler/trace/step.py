"""The step that is traced, as a module; what it is made of is the key of a stored plan."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from memcell.recurrent.normalizer import NormWindow
from memcell.recurrent.norms import SiteNorms, StepNorm
from memcell.recurrent.state import leaves, rebuild


class Step(nn.Module):
    """One step of a cell with its normalizers, a function of tensors alone.

    Args:
        cell: The cell.
        norms: Its normalizers.
        modes: Mode of each site's window.
        state: A state, for its structure.
        projects: The step's input is x, and ``project`` belongs to the step.
        single: Without ``projects``: ``project`` returns a tensor rather than a tuple.
    """

    def __init__(
        self,
        cell: nn.Module,
        norms: SiteNorms,
        modes: dict[str, str],
        state: Any,
        projects: bool,
        single: bool,
    ) -> None:
        super().__init__()
        self.cell, self.norms = cell, norms
        self._modes, self._structure = modes, state
        self._projects, self._single = projects, single
        #: ``project`` has an argument ``generator``: what is traced draws nothing.
        self._nothing_drawn = {"generator": None} if getattr(cell, "draws", False) else {}
        self.statistics_count: dict[str, int] = {}

    def forward(
        self, inputs: Sequence[Tensor], state: Sequence[Tensor], norm: Sequence[Sequence[Tensor]]
    ) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """Return (output, *next state) and the statistics of the normalizers, site by site."""
        cell: Any = self.cell
        if self._projects:
            projected = cell.project(inputs[0].unsqueeze(0), **self._nothing_drawn)
            single = isinstance(projected, Tensor)
            parts = [p.squeeze(0) for p in ((projected,) if single else projected)]
        else:
            single, parts = self._single, list(inputs)
        step_norm = StepNorm(self.norms, self._windows(norm), 0)
        before = rebuild(self._structure, iter(state))
        output, after = cell.step(parts[0] if single else tuple(parts), before, step_norm)
        statistics = [step_norm.statistics.get(site, ()) for site in self._modes]
        self.statistics_count.update(zip(self._modes, map(len, statistics), strict=True))
        return (output, *leaves(after)), tuple(t for column in statistics for t in column)

    def _windows(self, norm: Sequence[Sequence[Tensor]]) -> dict[str, Any]:
        pairs = zip(self._modes.items(), norm, strict=True)
        # StepNorm takes element t of each input: a tuple of one tensor is a window of one step
        return {site: NormWindow(mode, tuple((i,) for i in ins)) for (site, mode), ins in pairs}  # type: ignore[misc]


def slots(module: nn.Module) -> dict[str, str]:
    """Return the name of every place that holds a parameter or buffer, and that of the tensor in it.

    A module that is registered twice is one place, and tensors that modules share are several: what
    `torch.func.functional_call` finds by names alone it does not put back as it was.
    """
    names = {id(t): n for n, t in (*module.named_parameters(), *module.named_buffers())}
    found = {}
    for prefix, part in module.named_modules():
        held = {**part._parameters, **part._buffers}
        for key, tensor in held.items():
            if tensor is not None:
                found[f"{prefix}.{key}" if prefix else key] = names[id(tensor)]
    return found
