"""Works that are measured in a process of their own; ``python -m memcell_benchmarks.microsleep.child``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

#: One thread everywhere: what a share of a machine is, and what is compared, is one core.
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")


def measured(work: str, **arguments: Any) -> dict[str, Any]:
    """Run a work of this package in a fresh process of one thread and return what it found.

    Args:
        work: ``"module:function"`` of this package; it returns what JSON can hold.
        arguments: Of the function.

    Returns:
        What it returned, with ``peak_mb`` of the process.

    Raises:
        RuntimeError: It failed; has its last words.
    """
    done = subprocess.run(
        [sys.executable, "-m", __name__, work, json.dumps(arguments)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **ONE_THREAD},
    )
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise RuntimeError(f"{work} failed: {said[-1] if said else done.returncode}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def cpu(work: Callable[[], object]) -> float:
    """Return the CPU seconds of this process for a work."""
    before = time.process_time()
    work()
    return time.process_time() - before


def in_turn(
    works: Mapping[str, Callable[[], object]], rounds: int, between: Callable[[], object] = int
) -> dict[str, float]:
    """Return the smallest CPU seconds of each work, the works done in turn ``rounds`` times.

    What else a machine does only adds to a work's CPU time (shared caches), so the smallest is nearest
    to what it takes.
    """
    found: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            between()
            found[name].append(cpu(work))
    return {name: min(times) for name, times in found.items()}


def peak_mb() -> float:
    """Return the most memory that this process ever had, MB (10^6 bytes)."""
    try:
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 / 1e6
    except OSError:
        pass
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / 1e6 if sys.platform == "darwin" else most * 1024 / 1e6


def main(arguments: Sequence[str]) -> None:
    """Do the work that is named and print what it found."""
    from importlib import import_module

    import torch

    torch.set_num_threads(1)
    module, _, name = arguments[0].partition(":")
    work = getattr(import_module(f"memcell_benchmarks.microsleep.{module}"), name)
    found = work(**json.loads(arguments[1]))
    print(json.dumps({**found, "threads": torch.get_num_threads(), "peak_mb": peak_mb()}))


if __name__ == "__main__":
    main(sys.argv[1:])
