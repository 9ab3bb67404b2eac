"""The matrix products that a cell cannot do without, and how fast this machine does such products."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from memcell_benchmarks.timing import Clock

#: Rows, inner size, columns.
Shape = tuple[int, int, int]


class Products(NamedTuple):
    """The matrix products of a forward and backward.

    Args:
        flops: Multiplications and additions of all of them.
        shape: Of the product that costs most among those done at every step.
    """

    flops: float
    shape: Shape | None


# torch has no types for this class, here and where its __init__ is called
class _MatmulRecorder(TorchDispatchMode):
    def __init__(self) -> None:
        # torch writes no types for it
        super().__init__()  # type: ignore[no-untyped-call]
        self.count: Counter[Shape] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        aten = torch.ops.aten
        if func in (aten.mm.default, aten.addmm.default):
            a, b = args[-2:]
            self.count[(a.shape[0], a.shape[1], b.shape[1])] += 1
        elif func is aten.bmm.default:
            a, b = args
            self.count[(a.shape[1], a.shape[2], b.shape[2])] += a.shape[0]
        return func(*args, **(kwargs or {}))


def products(train: Callable[[], object], time_steps: int) -> Products:
    """Count the matrix products of an eager forward and backward over ``time_steps`` steps."""
    with _MatmulRecorder() as recorder:
        train()
    cost = {shape: 2.0 * m * k * n for shape in recorder.count for m, k, n in [shape]}
    each_step = [shape for shape, count in recorder.count.items() if count >= time_steps]
    total = sum(cost[shape] * count for shape, count in recorder.count.items())
    return Products(total, max(each_step, key=cost.__getitem__, default=None))


class MachineRates:
    """GFLOP/s of matrix products on this machine, each shape measured once.

    Args:
        device: ``"cpu"`` or ``"cuda"``.
        dtype: Of the numbers.
        clock: The clock of the contenders.
        rounds: How many samples; the fastest counts.
        sample: Seconds of one.
    """

    def __init__(
        self, device: str, dtype: torch.dtype, clock: Clock, rounds: int, sample: float
    ) -> None:
        self.device, self.dtype, self.clock = device, dtype, clock
        self.rounds, self.sample = rounds, sample
        self._known: dict[Shape, float] = {}

    def torch_mm(self, shape: Shape) -> float:
        """Return the rate of ``torch.mm`` with the right side as a linear layer has it, transposed."""
        if shape not in self._known:
            m, k, n = shape
            a = torch.randn(m, k, device=self.device, dtype=self.dtype)
            b = torch.randn(n, k, device=self.device, dtype=self.dtype).t()
            out = torch.empty(m, n, device=self.device, dtype=self.dtype)

            def work() -> object:
                return torch.mm(a, b, out=out)

            self.clock(work, 3)
            calls = max(1, round(self.sample / max(self.clock(work, 20) / 20, 1e-7)))
            least = min(self.clock(work, calls) / calls for _ in range(max(self.rounds, 1)))
            self._known[shape] = 2e-9 * m * k * n / max(least, 1e-12)
        return self._known[shape]

    def packed(self, shape: Shape, products: torch.dtype | None = None) -> float | None:
        """Return the rate of the native room's own packed kernel, None where it cannot be had.

        Args:
            shape: Of the product.
            products: bfloat16, where that is what is multiplied.
        """
        from memcell.recurrent.refusals import Unsupported
        from memcell_compiler.build.rate import packed_gflops

        if self.device != "cpu":
            return None
        try:
            return packed_gflops(*shape, self.dtype, products)
        except Unsupported:  # without a C compiler, say; the native backend's rows give the reason
            return None
