"""Contenders: one cell on one backend at one size. What each must be able to do, and the shared problem."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from memcell.backends import StepMasks
from memcell.plugins import Registry
from memcell.recurrent.cell import Cell
from memcell.recurrent.norms import SiteNorms
from memcell.recurrent.window_call import WindowCall, WindowOutput
from memcell_benchmarks.options import CellChoice, Size

#: Runs a window, as `memcell.backends.Backend.run` does.
Unroll = Callable[[WindowCall], WindowOutput]


class CannotRun(Exception):
    """This backend cannot do this; the message is the reason that the table gives."""


class Trained(NamedTuple):
    """What a forward and backward gave.

    Args:
        outputs: ``[T, B, H]``.
        gradients: By the name of the parameter.
    """

    outputs: Tensor
    gradients: Mapping[str, Tensor]


class Contender(Protocol):
    """Something to measure. Each call does the whole work once; `CannotRun` where it cannot."""

    def train(self) -> Trained:
        """Run a window and its backward."""

    def infer(self) -> Tensor:
        """Run a window without gradient and return the outputs."""

    def step(self) -> Tensor:
        """Go on by one step of one lane and return the output."""


class BenchmarkProblem(NamedTuple):
    """What all contenders of a size share.

    Args:
        size: The sizes.
        x: ``[T, B, I]``; as for torch's own LSTM no gradient is taken to it.
        cotangent: ``[T, B, H]`` the gradient of the outputs.
    """

    size: Size
    x: Tensor
    cotangent: Tensor

    @classmethod
    def of(cls, size: Size, device: str, dtype: torch.dtype) -> BenchmarkProblem:
        """Draw one, the same for the same size."""
        g = torch.Generator().manual_seed(0)
        shape = (size.time_steps, size.batch_size)
        x = torch.randn(*shape, size.input_size, generator=g)
        cotangent = torch.randn(*shape, size.hidden_size, generator=g) / size.batch_size
        return cls(size, x.to(device, dtype), cotangent.to(device, dtype))

    def first(self, steps: int) -> BenchmarkProblem:
        """Return its first steps."""
        return BenchmarkProblem(self.size, self.x[:steps], self.cotangent[:steps])

    def to(self, dtype: torch.dtype) -> BenchmarkProblem:
        """Return the same numbers in another type."""
        return BenchmarkProblem(self.size, self.x.to(dtype), self.cotangent.to(dtype))

    def in_float64(self) -> BenchmarkProblem:
        """Return the same numbers in float64 on the CPU."""
        return BenchmarkProblem(self.size, self.x.cpu().double(), self.cotangent.cpu().double())


class CellParts(NamedTuple):
    """A cell with its normalizers, built."""

    cell: Cell
    norms: SiteNorms

    @classmethod
    def of(cls, subject: CellChoice, problem: BenchmarkProblem, registry: Registry) -> CellParts:
        """Build them and fill the weights as torch fills its own, the same at every call.

        Raises:
            CannotRun: The normalizer needs more lanes than there are.
        """
        entry = registry.get("cell", subject.cell)
        size = problem.size
        cell: Cell = entry.build(
            size.input_size, size.hidden_size, entry.config(dict(subject.options))
        )
        g, bound = torch.Generator().manual_seed(1), size.hidden_size**-0.5
        with torch.no_grad():
            for parameter in cell.parameters():
                values = torch.rand(parameter.shape, generator=g) * 2 - 1
                parameter.copy_(values * bound)
        if subject.normalizer == "none":
            norms = SiteNorms(cell.norm_sites, None)
        else:
            normalizer = registry.get("normalizer", subject.normalizer)
            config = normalizer.config({})
            least = normalizer.capabilities(config)["min_lanes"]
            if size.batch_size < least:
                raise CannotRun(f"'{subject.normalizer}' needs {least} lanes")
            norms = SiteNorms(cell.norm_sites, lambda width: normalizer.build(width, config))
        return cls(cell.to(problem.x), norms.to(problem.x))

    def parameters(self) -> dict[str, Tensor]:
        """Return the parameters of both by name."""
        found: dict[str, Tensor] = {f"cell.{n}": p for n, p in self.cell.named_parameters()}
        return found | {f"norms.{n}": p for n, p in self.norms.named_parameters()}


class CellContender:
    """A cell run by a function that runs windows.

    Args:
        parts: Cell and normalizers.
        problem: The problem.
        unroll: Runs a window.
    """

    def __init__(self, parts: CellParts, problem: BenchmarkProblem, unroll: Unroll) -> None:
        self.parts, self.problem, self.unroll = parts, problem, unroll
        self.parameters = parts.parameters()
        self.window = self._from_nothing(problem.x)
        self._updating = self.window._replace(update_statistics=True)
        self._one = self._from_nothing(problem.x[:1, :1].contiguous())
        self._x = self._one.x

    def _from_nothing(self, x: Tensor) -> WindowCall:
        steps, lanes = x.shape[:2]
        state = self.parts.cell.initial_state(lanes, device=x.device, dtype=x.dtype)
        no = torch.zeros(steps, lanes, dtype=torch.bool, device=x.device)
        masks = StepMasks.of(no, ~no, no[0].to(torch.int64))
        return WindowCall(*self.parts, x, state, state, masks, return_steps=(steps,))

    def _run(self, update_statistics: bool) -> Tensor:
        return self.unroll(self._updating if update_statistics else self.window).outputs

    def train(self) -> Trained:
        """Run a window and its backward, statistics accumulated."""
        out = self._run(update_statistics=True)
        wanted = list(self.parameters.values())
        found = torch.autograd.grad(out, wanted, self.problem.cotangent, allow_unused=True)
        pairs = zip(self.parameters, found, strict=True)
        return Trained(out.detach(), {name: g for name, g in pairs if g is not None})

    def infer(self) -> Tensor:
        """Run a window without gradient."""
        with torch.no_grad():
            return self._run(update_statistics=False)

    def step(self) -> Tensor:
        """Go on by one step of one lane."""
        with torch.no_grad():
            out, states = self.unroll(self._one)
        self._one = self._one._replace(state=states[1])
        return out

    def statistics(self) -> list[Tensor]:
        """Return the buffers of the normalizers."""
        return list(self.parts.norms.buffers())

    def oracle(self, unroll: Unroll) -> CellContender:
        """Return the same cell, weights and problem in float64 on the CPU, run by another function."""
        parts = copy.deepcopy(self.parts)
        same = CellParts(parts.cell.cpu().double(), parts.norms.cpu().double())
        return CellContender(same, self.problem.in_float64(), unroll)
