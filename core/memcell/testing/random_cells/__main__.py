"""``python -m memcell.testing.random_cells``: many random cells, and what is wrong with them."""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections import Counter
from collections.abc import Sequence

from memcell.testing.random_cells.drawing import JOINS
from memcell.testing.random_cells.processes import outcomes


def main(arguments: Sequence[str] | None = None) -> int:
    """Run cells, print what is wrong with any, and the counts; 1 where something was wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m memcell.testing.random_cells", description=__doc__
    )
    parser.add_argument("--count", type=int, default=100, help="how many cells (default: 100)")
    parser.add_argument(
        "--seed", type=int, default=JOINS, help=f"number of the first (default: {JOINS})"
    )
    parser.add_argument("--jobs", type=int, default=1, help="processes (default: 1)")
    parser.add_argument("--no-shrink", action="store_true", help="print failing cells as they are")
    options = parser.parse_args(arguments)
    began = time.monotonic()
    kinds: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    for seed, outcome, script in outcomes(
        options.seed, options.count, options.jobs, not options.no_shrink
    ):
        kinds[outcome.kind] += 1
        if outcome.kind == "refused":
            reasons[_reason(outcome.message)] += 1
        if outcome.wrong:
            _clear()
            print(f"# cell {seed}: {outcome.kind}: {outcome.message}\n{script}", flush=True)
        if sys.stderr.isatty():
            done = sum(kinds.values())
            line = f"{done} of {options.count} cells, {kinds['differs'] + kinds['raised']} wrong"
            print(f"\r{line}", end="", file=sys.stderr, flush=True)
    _clear()
    spent = time.monotonic() - began
    cells = sum(kinds.values())
    print(
        f"{cells} cells from {options.seed} in {spent:.0f} s ({cells / max(spent, 1e-9):.2f} a second)"
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


def _reason(message: str) -> str:
    """Return a reason without what differs from cell to cell."""
    return re.sub(r"\d+", "N", message)


if __name__ == "__main__":
    sys.exit(main())
