"""The first call in a second process: what is left of first use once generated code is in the cache.

``python -m memcell_benchmarks.again REQUEST`` does in a process of its own what `again` asks for.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import asdict

from memcell_benchmarks.options import CellChoice, Options, Size

_SECONDS = 300


def again(subject: CellChoice, backend: str, size: Size, options: Options) -> float | None:
    """Return the seconds of the first forward and backward in a fresh process, or None where it fails.

    The quicker of two processes: the first to touch a page of a virtual machine's memory waits for it.

    Args:
        subject: Cell and normalizer, among those that are installed.
        backend: How it runs.
        size: The sizes.
        options: Device, numbers and threads.
    """
    request = {
        "subject": asdict(subject),
        "backend": backend,
        "size": asdict(size),
        "device": options.device,
        "dtype": options.dtype,
        "threads": options.threads,
    }
    call = [sys.executable, "-m", "memcell_benchmarks.again", json.dumps(request)]
    try:
        return min(_seconds(call) for _ in range(2))
    except (OSError, subprocess.SubprocessError, ValueError, LookupError):
        return None


def _seconds(call: list[str]) -> float:
    done = subprocess.run(call, capture_output=True, text=True, timeout=_SECONDS, check=True)
    return float(json.loads(done.stdout.splitlines()[-1])["seconds"])


def main(request: str) -> str:
    """Run a contender for the first time in this process and return its seconds as JSON."""
    import torch

    from memcell.plugins import default_registry
    from memcell_benchmarks import backends
    from memcell_benchmarks.contenders import BenchmarkProblem, CellContender, CellParts

    asked = json.loads(request)
    torch.set_num_threads(asked["threads"])
    size = Size(**asked["size"])
    problem = BenchmarkProblem.of(size, asked["device"], getattr(torch, asked["dtype"]))
    subject, registry = CellChoice(**asked["subject"]), default_registry()
    parts = CellParts.of(subject, problem, registry)
    # torch's own first use is not the backend's: as in the first process, an eager step goes before
    short = problem.first(2)
    eager = backends.build("eager", CellParts.of(subject, short, registry), short, asked["threads"])
    assert isinstance(eager, CellContender)
    eager.train()
    contender = backends.build(asked["backend"], parts, problem, asked["threads"])
    start = time.perf_counter()
    contender.train()
    if asked["device"] == "cuda":
        torch.cuda.synchronize()
    return json.dumps({"seconds": time.perf_counter() - start})


if __name__ == "__main__":
    print(main(sys.argv[1]))
