"""Stage 5g, write: where a program that is to be timed reads the clock. Others have nothing of it.

Each reading adds the time since the one before to a section, so sections add up to the whole call.
"""

from __future__ import annotations

from memcell_compiler.c import source_file

#: What a program's time is spent on, in the order of c/timers.h, which knows ``waiting`` by its number.
SECTIONS = {
    "products": "matrix products of the step",
    "early": "matrix products of inputs, for steps ahead",
    "late": "matrix products of weight gradients, for steps behind",
    "rows": "loops over rows: elementwise functions, normalizers",
    "sums": "sums over lanes, and what is computed from them once a step",
    "waiting": "threads waiting for each other",
    "rest": "masks, addresses, the loop itself",
}


def timer(section: str) -> list[str]:
    """Write that what was done since the last reading belongs to a section."""
    return [f"timer_add(&timer_, {list(SECTIONS).index(section)});"]


def timed_source(name: str, source: str) -> str:
    """Return a program's source with the clock before it, and behind it ``NAME_times``.

    That takes an array of nanoseconds, one for each section and one for what other processes took, fills in
    the sums over all threads and calls, and begins anew.
    """
    total = f"{name}_total"
    return "\n".join(
        [
            source_file("timers.h"),
            f"static atomic_ullong {total}[SECTIONS];",
            source,
            "",
            f"void {name}_times(uint64_t *to) {{",
            f"  for (int i = 0; i < SECTIONS; i++) to[i] = atomic_exchange({total} + i, 0);",
            "}",
        ]
    )
