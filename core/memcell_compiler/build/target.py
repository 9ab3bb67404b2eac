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
#: What the kernels of bfloat16 are compiled with besides.
BFLOAT16_FLAGS = ("-mavx512bf16",)
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


def without_bfloat16() -> str | None:
    """Return why no bfloat16 numbers are multiplied here; None where that is faster than float32.

    They were measured on AMD's Zen 4 (``python -m memcell_benchmarks.bfloat16``). On Intel's cores the same
    instruction takes twice as long as float32's; what is fast there is AMX, for which nothing is written.

    Raises:
        Unsupported: ``MEMCELL_NATIVE_ISA`` names what this machine cannot run.
    """
    maker, instructions = processor()
    if "avx512_bf16" not in instructions or "avx512" not in available():
        return "this CPU has no fast products of bfloat16 numbers; AMD's have from Zen 4 on"
    if maker != "AuthenticAMD":
        return (
            "only on AMD's CPUs are products of bfloat16 numbers outside AMX faster than float32's"
        )
    if chosen().name != "avx512":
        return f"MEMCELL_NATIVE_ISA={chosen().name} has no products of bfloat16 numbers"
    return None


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
