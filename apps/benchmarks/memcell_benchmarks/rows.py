"""What was found out about one contender, as numbers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from memcell_benchmarks.options import CellChoice, Size
from memcell_benchmarks.profile import Profile
from memcell_benchmarks.timing import Samples

#: The row of torch.nn.LSTM in bfloat16.
PEER_IN_BFLOAT16 = "nn.LSTM bfloat16"


@dataclass(kw_only=True)
class BenchmarkRow:
    """One contender at one size.

    Args:
        size: The sizes.
        subject: Cell and normalizer; None for torch.nn.LSTM itself.
        backend: How it ran.
        reason: Why it did not run, or not wholly; empty where it did.
        error: Largest relative error against the eager loop in float64; None where not checked.
        wrong: The error is more than rounding.
        first_use: Seconds of the first forward and backward (of the first forward, for inference only).
        again: Seconds of the first forward and backward in a second process, what is generated in the cache.
        times: Samples by kind: ``train``, ``infer``, ``step``.
        memory: MiB.
        flops: Of the cell's matrix products, forward and backward.
        product: The step's largest matrix product: rows, inner size, columns.
        product_gflops: The machine's rate at it, by ``torch.mm``.
        packed_gflops: The machine's rate at it, by the native room's packed kernel.
        profile: Where its time goes.
    """

    size: Size
    subject: CellChoice | None
    backend: str
    reason: str = ""
    error: float | None = None
    wrong: bool = False
    first_use: float | None = None
    again: float | None = None
    times: dict[str, Samples] = field(default_factory=dict)
    memory: float | None = None
    flops: float | None = None
    product: tuple[int, int, int] | None = None
    product_gflops: float | None = None
    packed_gflops: float | None = None
    profile: Profile | None = None

    @property
    def label(self) -> str:
        """Cell, normalizer and backend."""
        return f"{self.subject} {self.backend}" if self.subject else self.backend

    @property
    def gflops(self) -> float | None:
        """Rate of the cell's own products within the whole forward and backward."""
        if self.flops is None or "train" not in self.times:
            return None
        return self.flops / self.times["train"].least / 1e9

    def as_json(self, peer: BenchmarkRow) -> dict[str, Any]:
        """Return everything, with the ratios to torch.nn.LSTM."""
        found: dict[str, Any] = {
            "batch_size": self.size.batch_size,
            "hidden_size": self.size.hidden_size,
            "time_steps": self.size.time_steps,
            "input_size": self.size.input_size,
            "cell": self.subject.cell if self.subject else None,
            "options": dict(self.subject.options) if self.subject else {},
            "normalizer": self.subject.normalizer if self.subject else None,
            "backend": self.backend,
            "reason": self.reason,
            "relative_error": self.error,
            "wrong": self.wrong,
            "first_use_seconds": self.first_use,
            "again_seconds": self.again,
            "memory_mebibytes": self.memory,
            "gflops": self.gflops,
            "product": self.product,
            "torch_mm_gflops": self.product_gflops,
            "packed_gflops": self.packed_gflops,
        }
        if self.profile is not None:
            found["profile"] = self.profile.as_json()
        for kind, samples in self.times.items():
            theirs = peer.times[kind]
            found[kind] = {
                "seconds": list(samples.seconds),
                "least": samples.least,
                "median": samples.median,
                "ratio_of_least": samples.ratio(theirs),
                "median_ratio": samples.median_ratio(theirs),
            }
        return found
