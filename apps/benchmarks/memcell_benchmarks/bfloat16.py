"""What products of bfloat16 numbers are worth on this CPU, at the sizes of a time loop.

``python -m memcell_benchmarks.bfloat16`` prints GFLOP/s of the packed kernels that generated loops call, in
float32 and in bfloat16, by amx or vdpbf16ps (`memcell_compiler/c/amx.c`, `bfloat16.c`; rounding what is not
packed is part of the time): a
step's product forwards ``[B, H] x [H, 4H]``, backwards ``[B, 4H] x [4H, H]``, and a gradient of weights over
256 rows ``[256, H]^T x [256, 4H]``. Then `torch.nn.LSTM` in both types, a window of 128 steps. One thread,
process CPU time, in turn, the fastest of the rounds.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from memcell.recurrent.refusals import Unsupported
from memcell_benchmarks.machine import machine, tune_malloc
from memcell_benchmarks.timing import Samples, Work, cpu_time, interleaved
from memcell_compiler.build.bfloat16 import bfloat16_here, without_bfloat16
from memcell_compiler.build.kernels import kernels
from memcell_compiler.build.packed import PackedProduct
from memcell_compiler.build.tables import Kernels
from memcell_compiler.build.target import chosen

STEPS, FEATURES, SUMMED_ROWS = 128, 16, 256
_TYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def product_rates(lanes: int, hidden: int, rounds: int, sample: float) -> dict[str, list[float]]:
    """Return GFLOP/s in float32 and in bfloat16 of a step's products and of a gradient of weights.

    Args:
        lanes: B.
        hidden: H; the products are those of a cell with four gates.
        rounds: Samples of each, in turn.
        sample: Seconds of one.
    """
    shapes = {
        "forwards": ((lanes, hidden), (hidden, 4 * hidden), False),
        "backwards": ((lanes, 4 * hidden), (4 * hidden, hidden), False),
        "weights": ((SUMMED_ROWS, hidden), (SUMMED_ROWS, 4 * hidden), True),
    }
    found = {}
    for name, (left, right, turned) in shapes.items():
        factors = torch.randn(left), torch.randn(right)
        products = [PackedProduct(*factors, each, turned) for each in _tables()]
        often = max(1, int(sample * 1e11 / products[0].flops))
        works = {str(i): _repeated(each, often) for i, each in enumerate(products)}
        times = interleaved(works, cpu_time, rounds, sample)
        found[name] = [
            p.flops * often / s.least / 1e9 for p, s in zip(products, times.values(), strict=True)
        ]
    return found


def _tables() -> list[Kernels]:
    return [kernels(torch.float32, chosen(), products) for products in (None, torch.bfloat16)]


def _repeated(product: PackedProduct, often: int) -> Work:
    return lambda: product(often)


def lstm_times(lanes: int, hidden: int, rounds: int, sample: float) -> dict[str, Samples]:
    """Return the times of `torch.nn.LSTM`, training and inference, in both types."""
    works: dict[str, Work] = {}
    for name, dtype in _TYPES.items():
        lstm = nn.LSTM(FEATURES, hidden).to(dtype)
        x = torch.randn(STEPS, lanes, FEATURES).to(dtype)
        works[f"training {name}"] = _training(lstm, x)
        works[f"inference {name}"] = _inference(lstm, x)
    return interleaved(works, cpu_time, rounds, sample)


def _training(lstm: nn.LSTM, x: Tensor) -> Work:
    ones = torch.ones(*x.shape[:2], lstm.hidden_size, dtype=x.dtype)
    return lambda: lstm(x)[0].backward(ones)


def _inference(lstm: nn.LSTM, x: Tensor) -> Work:
    @torch.no_grad()
    def work() -> object:
        return lstm(x)

    return work


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--hidden-size", type=int, nargs="+", default=[64, 128, 256], metavar="H")
    parser.add_argument("--batch-size", type=int, nargs="+", default=[32, 128], metavar="B")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--sample", type=float, default=0.05, help="Seconds of a sample.")
    typed = parser.parse_args(arguments)
    if sizes := [n for n in (*typed.hidden_size, *typed.batch_size, typed.rounds) if n < 1]:
        parser.error(f"{sizes[0]} is no size; expected whole numbers from 1")
    torch.set_num_threads(1)
    found = machine("cpu")
    print(
        f"{found['cpu']}, {found['isa']}; torch {found['torch']}; 1 thread, process CPU time, "
        f"{typed.rounds} interleaved rounds, the fastest of each"
    )
    print(tune_malloc())
    sizes = [(b, h) for h in typed.hidden_size for b in typed.batch_size]
    why = _why_not()
    if why:
        print(f"no products of bfloat16 numbers: {why}")
    else:
        print(
            f"GFLOP/s in float32 / in bfloat16 by {bfloat16_here().instruction} (ratio) of products with "
            "a packed right factor"
        )
        print(f"{'':12}{'forwards':>20}{'backwards':>20}{'weights':>20}")
        for lanes, hidden in sizes:
            rates = product_rates(lanes, hidden, typed.rounds, typed.sample)
            cells = (f"{f:.0f} / {b:.0f} ({b / f:.2f})" for f, b in rates.values())
            print(f"B{lanes} H{hidden}".ljust(12) + "".join(f"{cell:>20}" for cell in cells))
    print(f"torch.nn.LSTM, T{STEPS} I{FEATURES}, ms in float32 / in bfloat16 (ratio)")
    print(f"{'':12}{'training':>24}{'inference':>24}")
    for lanes, hidden in sizes:
        times = lstm_times(lanes, hidden, typed.rounds, typed.sample)
        cells = (
            f"{f.least * 1e3:.1f} / {b.least * 1e3:.1f} ({b.ratio(f):.2f})"
            for f, b in (
                (times[f"{what} float32"], times[f"{what} bfloat16"])
                for what in ("training", "inference")
            )
        )
        print(f"B{lanes} H{hidden}".ljust(12) + "".join(f"{cell:>24}" for cell in cells))
    return 0


def _why_not() -> str | None:
    try:
        if why := without_bfloat16():
            return why
        _tables()
    except Unsupported as refused:
        return str(refused)
    return None


if __name__ == "__main__":
    raise SystemExit(main())
