"""One size: build the contenders, verify them, and measure all of them in turn."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch

from memcell.backends.eager import unroll_eager
from memcell.errors import MemcellError
from memcell.plugins import Registry
from memcell.progress import progress
from memcell_benchmarks import backends
from memcell_benchmarks.again import again
from memcell_benchmarks.check import BFLOAT16_LIMIT, CHECKED_STEPS, LIMITS, verify
from memcell_benchmarks.contenders import (
    BenchmarkProblem,
    CannotRun,
    CellContender,
    CellParts,
    Contender,
)
from memcell_benchmarks.floor import MachineRates, Products, products
from memcell_benchmarks.memory import peak_growth
from memcell_benchmarks.native import in_bfloat16
from memcell_benchmarks.options import CellChoice, Options, Size
from memcell_benchmarks.peers.torch_lstm import TorchLSTM
from memcell_benchmarks.rows import PEER_IN_BFLOAT16, BenchmarkRow
from memcell_benchmarks.timing import Clock, interleaved

_T = TypeVar("_T")
#: Ways that leave generated code in a cache.
_GENERATES = ("native", "inductor", "torch.compile")


@dataclass(frozen=True)
class _Entrant:
    """A contender that runs, and what is written down of it."""

    row: BenchmarkRow
    contender: Contender
    trains: bool = True


def measure(
    size: Size, options: Options, registry: Registry, rates: MachineRates, clock: Clock
) -> list[BenchmarkRow]:
    """Return a row for each contender of a size, torch.nn.LSTM first.

    Args:
        size: The sizes.
        options: What to measure.
        registry: Where cells and normalizers come from.
        rates: Rates of matrix products.
        clock: The clock.
    """
    problem = BenchmarkProblem.of(size, options.device, getattr(torch, options.dtype))
    entrants = [_peer(problem, options)]
    if "bfloat16" in options.backends and options.device == "cpu":
        entrants.append(_peer(problem.to(torch.bfloat16), options))
    rows = [entrant.row for entrant in entrants]
    pairs = [(subject, backend) for subject in options.subjects for backend in options.backends]
    with progress(f"{size}: build and verify", len(pairs)) as shown:
        for subject, backend in pairs:
            row = BenchmarkRow(size=size, subject=subject, backend=backend)
            rows.append(row)
            entrant = _enter(row, problem, options, registry)
            entrants += [entrant] if entrant else []
            shown.advance(note=row.label)
    # no bar from here on: drawing it would be part of the CPU time
    _time(entrants, options, clock)
    _weigh(entrants, options)
    _profile(entrants, options, clock)
    if "train" in options.kinds:
        for row in (e.row for e in entrants if e.trains and e.row.product):
            assert row.product is not None
            row.product_gflops = rates.torch_mm(row.product)
            in_bfloat16 = row.backend in ("bfloat16", PEER_IN_BFLOAT16)
            row.packed_gflops = rates.packed(row.product, torch.bfloat16 if in_bfloat16 else None)
    return rows


def _peer(problem: BenchmarkProblem, options: Options) -> _Entrant:
    size = problem.size
    lstm = TorchLSTM(problem)
    name = PEER_IN_BFLOAT16 if problem.x.dtype is torch.bfloat16 else "nn.LSTM"
    row = BenchmarkRow(size=size, subject=None, backend=name, flops=lstm.flops())
    row.product = (size.batch_size, size.hidden_size, 4 * size.hidden_size)
    _, row.first_use = _first(lstm.train, options.device)
    lstm.infer(), lstm.step()
    return _Entrant(row, lstm)


def _needed(subject: CellChoice, problem: BenchmarkProblem, registry: Registry) -> Products:
    """Count the matrix products on short windows: they grow evenly with T."""
    counted = []
    for steps in (2, 4):
        short = problem.first(steps)
        eager = CellContender(CellParts.of(subject, short, registry), short, unroll_eager)
        counted.append(products(eager.train, len(short.x)))
    few, more = counted
    # the first step is another: nothing goes back to the state before it
    each = (more.flops - few.flops) / 2
    return more._replace(flops=more.flops + each * max(problem.size.time_steps - 4, 0))


def _enter(
    row: BenchmarkRow, problem: BenchmarkProblem, options: Options, registry: Registry
) -> _Entrant | None:
    """Build a contender, run it for the first time and verify it; the row says what went wrong."""
    assert row.subject is not None
    try:
        parts = CellParts.of(row.subject, problem, registry)
        row.flops, row.product = _needed(row.subject, problem, registry)
        contender = backends.build(row.backend, parts, problem, options.threads)
        trains = True
        try:
            _, row.first_use = _first(contender.train, options.device)
        except CannotRun as reason:
            trains, row.reason = False, str(reason)
            _, row.first_use = _first(contender.infer, options.device)
        if "first-use" in options.kinds and trains and row.backend in _GENERATES:
            row.again = again(row.subject, row.backend, problem.size, options)
        if options.check:
            row.error = _error(contender, row.backend, parts, problem.first(CHECKED_STEPS), options)
            # "not at most", so that NaN is wrong too
            row.wrong = not row.error <= _limit(
                row.subject, row.backend, problem, options, registry
            )
        contender.infer(), contender.step()
    except (CannotRun, MemcellError) as error:
        row.reason = str(error)
        return None
    except Exception as error:  # a peer of another project may raise anything
        row.reason = f"failed: {type(error).__name__}: {' '.join(str(error).split())[:200]}"
        row.wrong = True
        return None
    return None if row.wrong else _Entrant(row, contender, trains)


def _error(
    contender: Contender, backend: str, parts: CellParts, short: BenchmarkProblem, options: Options
) -> float:
    """Verify what will be timed, the same compiled code on a shorter window."""
    if isinstance(contender, CellContender):
        checked: Contender = CellContender(parts, short, contender.unroll)
    else:
        checked = backends.build(backend, parts, short, options.threads)
    return verify(checked, CellContender(parts, short, unroll_eager).oracle(unroll_eager))


def _limit(
    subject: CellChoice,
    backend: str,
    problem: BenchmarkProblem,
    options: Options,
    registry: Registry,
) -> float:
    """Return the largest error that rounding explains."""
    if backend != "bfloat16":
        return LIMITS[options.dtype]
    short = problem.first(CHECKED_STEPS)
    plain = CellContender(CellParts.of(subject, problem, registry), short, unroll_eager)
    oracle = plain.oracle(unroll_eager)
    rounded = CellContender(plain.parts, short, in_bfloat16(unroll_eager))
    return BFLOAT16_LIMIT + 2 * verify(rounded, oracle)


def _first(work: Callable[[], _T], device: str) -> tuple[_T, float]:
    start = time.perf_counter()
    found = work()
    if device == "cuda":
        torch.cuda.synchronize()
    return found, time.perf_counter() - start


def _time(entrants: Sequence[_Entrant], options: Options, clock: Clock) -> None:
    for kind in ("train", "infer", "step"):
        if kind not in options.kinds:
            continue
        able = [e for e in entrants if e.trains or kind != "train"]
        works = {e.row.label: getattr(e.contender, kind) for e in able}
        samples = interleaved(works, clock, options.rounds, options.sample)
        for entrant in able:
            entrant.row.times[kind] = samples[entrant.row.label]


def _weigh(entrants: Sequence[_Entrant], options: Options) -> None:
    if "memory" not in options.kinds:
        return
    for entrant in entrants:
        if options.device == "cuda" and entrant.row.backend == "inductor":
            continue  # a CUDA graph has had its memory since it was recorded: it grows by nothing
        # a peer with an allocator of its own (JAX) keeps what it had: its growth says nothing
        if entrant.trains and isinstance(entrant.contender, CellContender | TorchLSTM):
            entrant.row.memory = peak_growth(entrant.contender.train, options.device)


def _profile(entrants: Sequence[_Entrant], options: Options, clock: Clock) -> None:
    if "profile" not in options.kinds:
        return
    from memcell_benchmarks.native import Native
    from memcell_benchmarks.profiling import profile

    for entrant in entrants:
        if entrant.trains and isinstance(entrant.contender, Native):
            entrant.row.profile = profile(entrant.contender, clock, options.rounds, options.sample)
