"""The whole comparison: settings for all alike, size after size, and the report."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from textwrap import wrap
from typing import Any

import torch

from memcell.errors import UsageError
from memcell.escape import Lines
from memcell.files.atomic import write_atomic
from memcell.jobs.forking import variables_set
from memcell.plugins import Registry
from memcell_benchmarks.floor import MachineRates
from memcell_benchmarks.machine import machine, tune_malloc
from memcell_benchmarks.measure import measure
from memcell_benchmarks.options import Options
from memcell_benchmarks.profile import LEGEND as LEGEND_OF_PROFILES
from memcell_benchmarks.rows import BenchmarkRow
from memcell_benchmarks.table import LEGEND, LEGEND_OF_BFLOAT16, SCREEN, block
from memcell_benchmarks.timing import clock_for

#: Where generated code is cached: Inductor's folder, and the user's cache folder (memcell's own).
CACHES = ("TORCHINDUCTOR_CACHE_DIR", "XDG_CACHE_HOME")


def compare(
    options: Options, registry: Registry, say: Callable[[str], None], json_file: Path | None
) -> int:
    """Measure everything that was asked for and report it.

    Args:
        options: What to measure.
        registry: Where cells and normalizers come from.
        say: Prints a line.
        json_file: Also write all numbers there.

    Returns:
        0, or 1 where a backend was wrong or failed.

    Raises:
        UsageError: A GPU was asked for and there is none.
    """
    if options.device == "cuda" and not torch.cuda.is_available():
        raise UsageError("--device cuda: torch sees no GPU here; take --device cpu")
    threads, tf32 = torch.get_num_threads(), torch.backends.cudnn.allow_tf32
    torch.set_num_threads(options.threads)
    # by default cuDNN rounds its products to TF32 and torch.mm does not: then they are no peers
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32
    cold = _empty_caches() if "first-use" in options.kinds else nullcontext()
    try:
        with cold:
            return _compare(options, registry, say, json_file)
    finally:
        torch.set_num_threads(threads)
        torch.backends.cudnn.allow_tf32 = tf32


def _compare(
    options: Options, registry: Registry, say: Callable[[str], None], json_file: Path | None
) -> int:
    clock, clock_name = clock_for(options.device, options.threads)
    facts = {**machine(options.device), "clock": clock_name, "malloc": tune_malloc()}
    say(Lines("\n".join(_heading(facts, options))))
    dtype = getattr(torch, options.dtype)
    rates = MachineRates(options.device, dtype, clock, options.rounds, options.sample)
    results: list[dict[str, Any]] = []
    bad: list[BenchmarkRow] = []
    for size in options.sizes:
        rows = measure(size, options, registry, rates, clock)
        say("")
        say(block(rows, rows[0], options.kinds))
        for row in rows:
            if row.profile is not None:
                say(Lines("\n".join(f"  {line}" for line in row.profile.lines(row.label))))
        results += [row.as_json(rows[0]) for row in rows]
        bad += [row for row in rows if row.wrong]
        if json_file is not None:
            # after each size: what was measured stays when the rest is interrupted
            record = {"machine": facts, "options": _as_json(options), "results": results}
            write_atomic(json_file, json.dumps(record, indent=1) + "\n")
    for row in bad:
        what = row.reason or f"relative error {row.error:.1e} against the eager loop; not timed"
        say(f"WRONG: {row.label} at {row.size}: {what}")
    return int(bool(bad))


def _heading(facts: dict[str, Any], options: Options) -> list[str]:
    threads = f"{options.threads} thread{'s' * (options.threads > 1)}"
    tf32 = f", TF32 {'on' if facts['tf32'] else 'off'} for all alike" if "tf32" in facts else ""
    where = [facts["cpu"], facts["isa"], *([facts["gpu"]] if "gpu" in facts else [])]
    checked = "each backend verified first" if options.check else "nothing verified (--no-check)"
    lines = [
        f"{', '.join(where)}; torch {facts['torch']}; {options.dtype}, {threads}, {facts['clock']}, "
        f"{options.rounds} interleaved rounds",
        f"{facts['malloc']}; {checked}; no gradient to x{tf32}",
        *LEGEND,
    ]
    if "bfloat16" in options.backends:
        lines.append(LEGEND_OF_BFLOAT16)
    if "profile" in options.kinds:
        lines.append(LEGEND_OF_PROFILES)
    if "first-use" in options.kinds:
        lines.append(
            "first s: wall time of the first forward and backward, caches of generated code empty; the "
            "first that needs a compiler also pays its import."
        )
        lines.append(
            "again s: the same in a fresh process (the quicker of two) that finds the generated code in the "
            "cache; torch's import and an eager step are not counted."
        )
    return [part for line in lines for part in wrap(line, SCREEN, subsequent_indent="  ")]


def _as_json(options: Options) -> dict[str, Any]:
    return {
        "device": options.device,
        "dtype": options.dtype,
        "threads": options.threads,
        "rounds": options.rounds,
        "sample_seconds": options.sample,
        "check": options.check,
        "backends": options.backends,
        "kinds": options.kinds,
    }


@contextmanager
def _empty_caches() -> Iterator[None]:
    """Let generated code be cached in a folder that is empty and goes away."""
    # a compiler's worker may still write while the folder is removed
    with (
        tempfile.TemporaryDirectory(prefix="memcell-bench-", ignore_cleanup_errors=True) as folder,
        variables_set({name: str(Path(folder) / name.lower()) for name in CACHES}),
    ):
        yield
