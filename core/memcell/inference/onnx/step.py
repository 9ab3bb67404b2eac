"""One step of a network, from features and memory to logits and memory, as a function of tensors alone.

What an exporter traces. The loop over time is the file's own (`memcell.inference.onnx.scan`), so the length
of time stays free; every tensor of the state is an argument of its own, so that no two of them can be
taken for one (tracing torch's LSTM with one tensor for h0 and c0 carries wrong state silently).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from memcell.backends.layer import Layer
from memcell.errors import MemcellError
from memcell.inference.stepping import check_looks_back
from memcell.network.network import Network
from memcell.recurrent.cell import projected
from memcell.recurrent.normalizer import NormWindow
from memcell.recurrent.norms import SiteNorms, StepNorm
from memcell.recurrent.state import State, leaves, rebuild


class NetworkStep(nn.Module):
    """``(*state [B, …], age [B] if `aged`, x [B, F]) -> (*state, age if `aged`, logits [B, C])``.

    Args:
        network: The network, in inference mode.
        n_features: F.

    Attributes:
        names: One for each tensor of the state, ``state_LAYER_PART``.
        aged: Whether a normalizer wants to know how old the memory is.

    Raises:
        MemcellError: A normalizer's inputs at inference cannot be laid out by age; names it.
        UsageError: The network looks ahead.
    """

    def __init__(self, network: Network, n_features: int) -> None:
        super().__init__()
        check_looks_back(network, "exported to ONNX, as a graph of one step")
        self.network, self.n_features = network, n_features
        self._layers: list[Any] = list(network.recurrent.layers)
        self._ages = nn.ModuleList(
            _AgeInputs(layer.norms, str(i)) for i, layer in enumerate(self._layers)
        )
        self._template = network.initial_state(1)
        self.names = tuple(_names(self._layers, self._template))
        self.aged = any(bool(ages.aged) for ages in self._ages)

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """Do one step."""
        x, rest = tensors[-1], list(tensors[:-1])
        age = rest.pop() if self.aged else None
        state = rebuild(self._template, iter(rest))
        features = x.unsqueeze(0)
        h = self.network.encoder(features)
        after: list[State] = []
        for layer, ages, before in zip(self._layers, self._ages, state, strict=True):
            found = projected(layer.cell, h)
            p: Any = (
                found.squeeze(0)
                if isinstance(found, Tensor)
                else tuple(t.squeeze(0) for t in found)
            )
            norm = StepNorm(layer.norms, ages(age), 0)
            output, state_after = layer.cell.step(p, before, norm)
            after.append(state_after)
            h = output.unsqueeze(0)
        logits = self.network.logits(self.network.head(h), features).squeeze(0)
        older = () if age is None else (age + 1,)
        return (*leaves(tuple(after)), *older, logits)

    def examples(self, lanes: int) -> tuple[Tensor, ...]:
        """Return arguments to trace with: every one a tensor of its own, with numbers of its own."""
        generator = torch.Generator().manual_seed(0)
        parts = [
            torch.randn(lanes, *part.shape[1:], generator=generator, dtype=part.dtype)
            for part in leaves(self._template)
        ]
        age = [torch.arange(lanes)] if self.aged else []
        return (*parts, *age, torch.randn(lanes, self.n_features, generator=generator))


class _AgeInputs(nn.Module):
    """What the normalizers of a layer are given at a step, by the lanes' age.

    Where a normalizer says how many ages it tells apart (`Normalizer.inference_ages`) its answer for all
    of them is a table and a step looks it up; what needs no inputs is asked once; others are asked at
    each step, inside the graph.
    """

    def __init__(self, norms: SiteNorms, layer: str) -> None:
        super().__init__()
        self._norms = [norms]  # in a list: it is the network's module, not another one of this one
        self._modes: dict[str, str] = {}
        self._tables: dict[str, list[tuple[str, bool]] | None] = {}
        self.aged = False
        for site in norms.sites:
            self._prepare(site, f"layer {layer}, site '{site}'")

    def forward(self, age: Tensor | None) -> dict[str, NormWindow]:
        """Return a window of one step for each site."""
        found = {}
        for site, mode in self._modes.items():
            tables = self._tables[site]
            if tables is None:
                assert age is not None
                valid = torch.ones_like(age, dtype=torch.bool).unsqueeze(0)
                found[site] = self._norms[0].site(site).window(age.unsqueeze(0), valid, False)
                continue
            inputs = []
            for name, by_age in tables:
                table: Tensor = getattr(self, name)
                if by_age:
                    assert age is not None
                    table = table[age.clamp(max=len(table) - 1)]
                inputs.append(table.unsqueeze(0))
            found[site] = NormWindow(mode, tuple(inputs))
        return found

    def _prepare(self, site: str, where: str) -> None:
        norm = self._norms[0].site(site)
        ages = norm.inference_ages
        rows = ages or 1
        two, three = (self._norm_window(site, rows, lanes) for lanes in (2, 3))
        self._modes[site] = two.mode
        if two.inputs and ages is None:
            self._tables[site] = None
            self.aged = True
            return
        tables: list[tuple[str, bool]] = []
        for i, (a, b) in enumerate(zip(two.inputs, three.inputs, strict=True)):
            by_lane = a.dim() > 1 and a.shape[1] == 2 and b.shape[1] == 3
            rest = a.shape[2:] == b.shape[2:] if by_lane else a.shape == b.shape
            if not rest or (not by_lane and not bool((a == a[:1]).all())):
                raise MemcellError(
                    f"cannot export {type(norm).__name__} ({where}): its inputs at inference, "
                    f"{tuple(a.shape)} for 2 lanes and {tuple(b.shape)} for 3, are not one row a lane"
                )
            name = f"norm_{site}_{i}"
            self.register_buffer(name, (a[:, 0] if by_lane else a[0]).detach().clone())
            tables.append((name, by_lane))
            self.aged |= by_lane
        self._tables[site] = tables

    def _norm_window(self, site: str, rows: int, lanes: int) -> NormWindow:
        ages = torch.arange(rows).unsqueeze(1).expand(rows, lanes)
        valid = torch.ones(rows, lanes, dtype=torch.bool)
        return self._norms[0].site(site).window(ages, valid, False)


def _names(layers: list[Layer], state: State) -> Iterator[str]:
    """Yield ``state_0_h``, ``state_0_c`` …, in the order of `leaves`."""
    for i, (layer, part) in enumerate(zip(layers, state, strict=True)):
        tensors = list(leaves(part))
        named = list(layer.cell.state_spec)
        words = named if len(named) == len(tensors) else [str(k) for k in range(len(tensors))]
        yield from (f"state_{i}_{word}" for word in words)
