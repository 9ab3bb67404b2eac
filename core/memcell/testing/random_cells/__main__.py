"""``python -m memcell.testing.random_cells``: many random cells, and what is wrong with them."""

from __future__ import annotations

import argparse
import multiprocessing
import re
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from multiprocessing.connection import Connection, wait
from typing import Any

import torch

from memcell.testing.random_cells.building import quick_builds
from memcell.testing.random_cells.drawing import Drawn, draw
from memcell.testing.random_cells.shrinking import shrunk
from memcell.testing.random_cells.trial import Outcome, tried

#: Cells of a process: what it has loaded it cannot unload.
_SHARE = 250
_DIED = Outcome("raised", "the process died")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run cells, print what is wrong with any, and the counts; 1 where something was wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m memcell.testing.random_cells", description=__doc__
    )
    parser.add_argument("--count", type=int, default=100, help="how many cells (default: 100)")
    parser.add_argument("--seed", type=int, default=0, help="number of the first (default: 0)")
    parser.add_argument("--jobs", type=int, default=1, help="processes (default: 1)")
    parser.add_argument("--no-shrink", action="store_true", help="print failing cells as they are")
    asked = parser.parse_args(arguments)
    began = time.monotonic()
    kinds: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    for seed, outcome, script in _outcomes(
        asked.seed, asked.count, asked.jobs, not asked.no_shrink
    ):
        kinds[outcome.kind] += 1
        if outcome.kind == "refused":
            reasons[_reason(outcome.said)] += 1
        if outcome.wrong:
            _clear()
            print(f"# cell {seed}: {outcome.kind}: {outcome.said}\n{script}", flush=True)
        if sys.stderr.isatty():
            done = sum(kinds.values())
            line = f"{done} of {asked.count} cells, {kinds['differs'] + kinds['raised']} wrong"
            print(f"\r{line}", end="", file=sys.stderr, flush=True)
    _clear()
    spent = time.monotonic() - began
    cells = sum(kinds.values())
    print(
        f"{cells} cells from {asked.seed} in {spent:.0f} s ({cells / max(spent, 1e-9):.2f} a second)"
    )
    ran = kinds["equal"] + kinds["differs"] + kinds["unstable"]
    print(f"ran natively: {ran}; differences: {kinds['differs']}; raised: {kinds['raised']}")
    print(
        f"the eager loop itself is unstable: {kinds['unstable']}, not finite: {kinds['not finite']}"
    )
    print(f"refused: {kinds['refused']}")
    for reason, count in reasons.most_common():
        print(f"{count:6d}  {reason}")
    return int(kinds["differs"] + kinds["raised"] > 0)


def _clear() -> None:
    if sys.stderr.isatty():
        print("\r" + " " * 60 + "\r", end="", file=sys.stderr, flush=True)


def _reason(said: str) -> str:
    """Return a reason without what differs from cell to cell."""
    return re.sub(r"\d+", "N", said)


def _outcomes(first: int, count: int, jobs: int, shrink: bool) -> Any:
    """Yield (number, outcome, script), from processes that are begun anew now and then."""
    shares = [range(i, min(i + _SHARE, first + count)) for i in range(first, first + count, _SHARE)]
    context: Any = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
    running: dict[Connection, tuple[Any, list[int]]] = {}
    while shares or running:
        while shares and len(running) < jobs:
            share = list(shares.pop(0))
            ours, theirs = context.Pipe(duplex=False)
            process = context.Process(target=_work, args=(theirs, share, shrink), daemon=True)
            process.start()
            theirs.close()
            running[ours] = process, share
        for ready in wait(list(running)):
            assert isinstance(ready, Connection)
            process, left = running[ready]
            try:
                found = ready.recv()
                left.pop(0)
                yield found
            except EOFError:
                process.join()
                del running[ready]
                if left:
                    yield left[0], _DIED, draw(left[0]).script()
                    shares.insert(0, range(left[0] + 1, left[-1] + 1))


def _work(pipe: Connection, share: Sequence[int], shrink: bool) -> None:
    torch.set_num_threads(1)
    with quick_builds():
        for seed in share:
            drawn = draw(seed)
            outcome = tried(drawn)
            if outcome.wrong and shrink:
                drawn = shrunk(drawn, lambda d, kind=outcome.kind: _fails(d, kind))  # type: ignore[misc]
            pipe.send((seed, outcome, drawn.script() if outcome.wrong else ""))
    pipe.close()


def _fails(drawn: Drawn, kind: str) -> bool:
    try:
        return tried(replace(drawn)).kind == kind
    except Exception:  # the smaller cell is none
        return False


if __name__ == "__main__":
    sys.exit(main())
