"""Growth of resident memory at its peak, as the kernel counts it."""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Callable
from pathlib import Path

import torch

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def peak_growth(work: Callable[[], object], device: str) -> float | None:
    """Return by how many MiB memory grows while the work runs, or None where nobody counts it.

    On Linux the kernel's high-water mark is set back to the present size first. What malloc keeps from
    before is given back first, so that each work pays for its own.
    """
    _empty_pools()
    gc.collect()
    if device == "cuda":
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        work()
        torch.cuda.synchronize()
        return (torch.cuda.max_memory_allocated() - before) / 2**20
    try:
        ctypes.CDLL(None).malloc_trim(0)
        _CLEAR.write_text("5", encoding="ascii")
        start = _mebibytes("VmRSS")
        work()
        return _mebibytes("VmHWM") - start
    except (OSError, AttributeError, LookupError):
        return None


def _empty_pools() -> None:
    """Take away the buffers that memcell keeps between calls: they count as what a call needs."""
    try:
        from memcell_compiler.runtime.pool import clear_pool
    except ImportError:
        return
    clear_pool()


def _mebibytes(key: str) -> float:
    for line in _STATUS.read_text(encoding="ascii").splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1]) / 1024
    raise LookupError(key)
