"""The instruction set that code is generated for: chosen when the program runs."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from memcell.errors import Unsupported


@dataclass(frozen=True)
class Target:
    """An instruction set.

    Args:
        name: ``"avx512"``, ``"avx2"`` or ``"baseline"``.
        flags: For the compiler.
    """

    name: str
    flags: tuple[str, ...]


_AVX2 = ("-mavx2", "-mfma", "-mbmi2")
_AVX512 = (*_AVX2, "-mavx512f", "-mavx512bw", "-mavx512vl", "-mavx512dq")
TARGETS = {
    "avx512": Target("avx512", (*_AVX512, "-mprefer-vector-width=512")),
    "avx2": Target("avx2", _AVX2),
    "baseline": Target("baseline", ()),
}
_CAPABILITY = {"AVX512": "avx512", "AVX2": "avx2"}


@cache
def available() -> tuple[str, ...]:
    """Return the instruction sets that this machine can run, best first; torch knows them."""
    import torch

    if platform.machine().lower() not in ("x86_64", "amd64"):
        return ("baseline",)
    best = _CAPABILITY.get(torch.backends.cpu.get_cpu_capability().upper(), "baseline")
    names = list(TARGETS)
    return tuple(names[names.index(best) :])


def chosen() -> Target:
    """Return the best instruction set, or the one that ``MEMCELL_NATIVE_ISA`` names.

    Raises:
        Unsupported: This machine cannot run the one that is named.
    """
    name = os.environ.get("MEMCELL_NATIVE_ISA") or available()[0]
    if name not in available():
        raise Unsupported(f"MEMCELL_NATIVE_ISA={name}: this machine runs {', '.join(available())}")
    return TARGETS[name]


@cache
def processor() -> tuple[str, frozenset[str]]:
    """Return who made the CPU, and its instruction sets in Linux's words; nothing on other systems."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "", frozenset()
    first = dict.fromkeys(("vendor_id", "flags"), "")
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if name.strip() in first and not first[name.strip()]:
            first[name.strip()] = value.strip()
    return first["vendor_id"], frozenset(first["flags"].split())
