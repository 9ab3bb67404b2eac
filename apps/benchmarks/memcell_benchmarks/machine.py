"""The machine that measured, and the settings that are the same for all contenders."""

from __future__ import annotations

import ctypes
import os
import platform
from pathlib import Path
from typing import Any

import torch

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
#: The largest that glibc takes.
MMAP_THRESHOLD, TRIM_THRESHOLD = 32 * 2**20, 2**31 - 1


def tune_malloc() -> str:
    """Let malloc keep its pages, for all contenders; return what was done, in words.

    By default glibc gives pages back and faults them in again at every call, which can double the time
    of whoever allocates more and says nothing about the work. mallopt takes at most 32 MiB; glibc's
    environment variables take more, and where a person has set them they are left alone.
    """
    asked = os.environ.get("MALLOC_MMAP_THRESHOLD_")
    if asked:
        return f"malloc as the environment sets it (MALLOC_MMAP_THRESHOLD_={asked})"
    try:
        mallopt = ctypes.CDLL(None).mallopt
        done = mallopt(M_MMAP_THRESHOLD, MMAP_THRESHOLD) and mallopt(
            M_TRIM_THRESHOLD, TRIM_THRESHOLD
        )
    except (OSError, AttributeError):
        return "malloc as it is (no mallopt here)"
    if not done:
        return "malloc as it is (mallopt refused)"
    return "malloc keeps its pages for all alike (mmap threshold 32 MiB, never trimmed)"


def machine(device: str) -> dict[str, Any]:
    """Return what a reader needs to know to judge the numbers."""
    found = {
        "cpu": _cpu_name(),
        "isa": torch.backends.cpu.get_cpu_capability(),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "system": platform.platform(),
        "threads": torch.get_num_threads(),
    }
    if device == "cuda":
        cudnn: Any = torch.backends.cudnn  # untyped in some versions of torch
        found |= {
            "gpu": torch.cuda.get_device_name(),
            "cuda": torch.version.cuda,
            "cudnn": cudnn.version(),
            "tf32": torch.backends.cuda.matmul.allow_tf32,
        }
    return found


def _cpu_name() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in text.splitlines() if "model name" in line]
    return names[0] if names else platform.machine()
