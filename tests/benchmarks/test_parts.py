"""The parts of the benchmark by themselves: samples, products, relative errors, the naive loop."""

from __future__ import annotations

import math

import pytest
import torch

from memcell.backends import StepMasks
from memcell.backends.eager import unroll_eager
from memcell.plugins import default_registry
from memcell.recurrent.window_call import WindowCall
from memcell_benchmarks.check import relative_error
from memcell_benchmarks.contenders import BenchmarkProblem, CellContender, CellParts
from memcell_benchmarks.floor import products
from memcell_benchmarks.measure import _needed
from memcell_benchmarks.naive import unroll_naive
from memcell_benchmarks.options import CellChoice, Size
from memcell_benchmarks.peers.torch_compile import CompiledStep
from memcell_benchmarks.peers.torch_lstm import TorchLSTM
from memcell_benchmarks.timing import Samples, interleaved

SIZE = Size(hidden_size=4, batch_size=16, time_steps=6, input_size=3)
PROBLEM = BenchmarkProblem.of(SIZE, "cpu", torch.float64)


def parts_of(cell, normalizer="none"):
    return CellParts.of(CellChoice(cell=cell, normalizer=normalizer), PROBLEM, default_registry())


def test_contenders_are_sampled_in_turn():
    order = []
    seconds = {"a": 0.25, "b": 0.5}
    now = []

    def clock(work, n):
        work()
        order.append((now[-1], n))
        return n * seconds[now[-1]]

    works = {name: lambda name=name: now.append(name) for name in seconds}
    found = interleaved(works, clock, rounds=3, sample=1.0)
    assert order[-6:] == [("a", 4), ("b", 2)] * 3
    assert found["b"].seconds == (0.5, 0.5, 0.5)
    assert found["b"].ratio(found["a"]) == 2


def test_the_median_ratio_is_of_rounds():
    mine, theirs = Samples((2.0, 8.0, 3.0)), Samples((1.0, 2.0, 1.0))
    assert mine.ratio(theirs) == 2
    assert mine.median_ratio(theirs) == 3
    assert mine.ratio_spread(theirs) == (2, 4)


def test_products_are_those_of_the_cells_equations():
    eager = CellContender(parts_of("lstm"), PROBLEM, unroll_eager)
    found = products(eager.train, SIZE.time_steps)
    # the first step's state is zero and needs no gradient: one product less than torch's LSTM counts
    lost = 2 * 16 * 4 * 16
    assert found.flops == TorchLSTM(PROBLEM).flops() - lost
    assert found.shape is not None
    assert sorted(found.shape) == [4, 16, 16]


@pytest.mark.parametrize("cell", ["lstm", "gru", "lstm97"])
@pytest.mark.parametrize("steps", [1, 3, 4, 11])
def test_products_of_a_long_window_are_counted_on_short_ones(cell, steps):
    size = Size(hidden_size=4, batch_size=16, time_steps=steps, input_size=3)
    problem = BenchmarkProblem.of(size, "cpu", torch.float64)
    subject = CellChoice(cell=cell)
    whole = CellContender(CellParts.of(subject, problem, default_registry()), problem, unroll_eager)
    wanted = products(whole.train, steps)
    assert _needed(subject, problem, default_registry()).flops == wanted.flops


def test_an_error_is_relative_to_what_should_be_there():
    wanted = {"a": torch.tensor([3.0, 4.0]), "b": torch.tensor([1e-9])}
    assert relative_error(wanted, wanted) == 0
    assert relative_error({**wanted, "a": torch.tensor([3.0, 4.5])}, wanted) == pytest.approx(0.1)
    # b is 0 up to rounding: as an absolute error it is judged by the largest
    assert relative_error({**wanted, "b": torch.tensor([2e-9])}, wanted) < 1e-6
    assert relative_error({"b": wanted["b"]}, wanted) == pytest.approx(1)
    infinite = {"a": torch.tensor([float("inf"), 1.0])}
    assert math.isnan(relative_error({"a": torch.ones(2)}, infinite))
    nan = relative_error({**wanted, "a": torch.tensor([3.0, float("nan")])}, wanted)
    assert nan != nan


@pytest.mark.parametrize(
    "backend",
    [unroll_naive, pytest.param(CompiledStep(), marks=pytest.mark.slow)],
    ids=["naive", "torch.compile"],
)
@pytest.mark.parametrize("normalizer", ["none", "batch"])
def test_other_loops_equal_the_eager_one_with_restarts_and_padding(backend, normalizer):
    g = torch.Generator().manual_seed(3)
    shape = (SIZE.time_steps, SIZE.batch_size)
    resets, valid = (torch.rand(*shape, generator=g) < share for share in (0.1, 0.9))
    masks = StepMasks.of(resets, valid, torch.zeros(SIZE.batch_size, dtype=torch.int64))
    found = []
    for unroll in (unroll_eager, backend):
        parts = parts_of("lstm", normalizer)
        zero = parts.cell.initial_state(SIZE.batch_size, dtype=torch.float64)
        initial_state = type(zero)(*(t + 0.3 for t in zero))
        out, states = unroll(
            WindowCall(*parts, PROBLEM.x, zero, initial_state, masks, (0, 2, 6), True)
        )
        grads = torch.autograd.grad(out, list(parts.parameters().values()), PROBLEM.cotangent)
        kept = [t for step in (0, 2, 6) for t in states[step]]
        found.append([out, *kept, *grads, *parts.norms.buffers()])
    for got, wanted in zip(*found, strict=True):
        torch.testing.assert_close(got, wanted, rtol=1e-10, atol=1e-12)
