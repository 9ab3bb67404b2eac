"""The contenders by the name of their backend, or the reason why there is none."""

from __future__ import annotations

from collections.abc import Callable

from memcell.backends.eager import unroll_eager
from memcell.recurrent.window_call import WindowCall, WindowOutput
from memcell_benchmarks.contenders import (
    BenchmarkProblem,
    CannotRun,
    CellContender,
    CellParts,
    Contender,
)
from memcell_benchmarks.naive import unroll_naive


def build(backend: str, parts: CellParts, problem: BenchmarkProblem, threads: int) -> Contender:
    """Build a contender.

    Args:
        backend: One of `memcell_benchmarks.options.BACKENDS`.
        parts: Cell and normalizers; the contender's own.
        problem: The problem.
        threads: Of torch, for peers that count their own.

    Raises:
        CannotRun: This cell does not run on it here; says why.
    """
    return BUILD[backend](parts, problem, threads)


def _naive(parts: CellParts, problem: BenchmarkProblem, threads: int) -> Contender:
    return CellContender(parts, problem, unroll_naive)


def _eager(parts: CellParts, problem: BenchmarkProblem, threads: int) -> Contender:
    return CellContender(parts, problem, unroll_eager)


def _native(parts: CellParts, problem: BenchmarkProblem, threads: int) -> Contender:
    from memcell_benchmarks.native import Native

    return Native(parts, problem)


def _bfloat16(parts: CellParts, problem: BenchmarkProblem, threads: int) -> Contender:
    from memcell_benchmarks.native import NativeBfloat16

    return NativeBfloat16(parts, problem)


def _torch(parts: CellParts, problem: BenchmarkProblem, threads: int) -> Contender:
    from memcell.backends.torch_kernels import unroll_torch

    form = None if len(parts.norms) else parts.cell.torch_form()
    if form is None:
        raise CannotRun("it is not one of torch's own cells, or a normalizer is set")

    def unroll(call: WindowCall) -> WindowOutput:
        own = call.cell.torch_form()
        assert own is not None
        return unroll_torch(own, call)

    return CellContender(parts, problem, unroll)


def _inductor(parts: CellParts, problem: BenchmarkProblem, threads: int) -> Contender:
    from memcell.backends.inductor.unroll import unroll_inductor

    return CellContender(parts, problem, unroll_inductor)


def _torch_compile(parts: CellParts, problem: BenchmarkProblem, threads: int) -> Contender:
    from memcell_benchmarks.peers.torch_compile import CompiledStep

    return CellContender(parts, problem, CompiledStep())


def _jax(parts: CellParts, problem: BenchmarkProblem, threads: int) -> Contender:
    from memcell_benchmarks.peers.jax_scan import JaxScan

    return JaxScan(parts, problem, threads)


def _onnx(parts: CellParts, problem: BenchmarkProblem, threads: int) -> Contender:
    from memcell_benchmarks.peers.onnx_runtime import OnnxRuntime

    return OnnxRuntime(parts, problem, threads)


BUILD: dict[str, Callable[[CellParts, BenchmarkProblem, int], Contender]] = {
    "naive": _naive,
    "eager": _eager,
    "native": _native,
    "bfloat16": _bfloat16,
    "torch": _torch,
    "inductor": _inductor,
    "torch.compile": _torch_compile,
    "jax": _jax,
    "onnx": _onnx,
}
