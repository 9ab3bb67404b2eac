"""Paired tests behind tasks-1997.md: sequences needed with a variant against the paper's own settings.

python docs/results/tasks_1997_tests.py OUT    (OUT as in tasks-1997.sh)

A pair is a seed; the outcome is the logarithm of the ratio of sequences needed. A trial that was given up
counts with the sequences that it was given, which the line says. p is a sign-flip test's, corrected by Holm
over the lines.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from memcell.statistics.bootstrap import interval
from memcell.statistics.paired import holm, sign_flip
from memcell_memory_tasks.tasks_1997.suite import record


def main(folder: Path) -> None:
    """Print one line for each task and variant that has pairs."""
    found = record(folder)
    lines, ratios = [], []
    for task, variant in sorted({(o.task, o.variant) for o in found if o.variant}):
        sides = [
            {o.seed: o for o in found if (o.task, o.variant) == (task, v)} for v in ("", variant)
        ]
        seeds = sorted(set(sides[0]) & set(sides[1]))
        needed = np.array([[side[s].needed or side[s].trained for s in seeds] for side in sides])
        given_up = sum(not side[s].solved for side in sides for s in seeds)
        lines.append((task, variant, len(seeds), given_up))
        ratios.append(np.log(needed[1] / needed[0]))
    p = holm([sign_flip(r).p for r in ratios])
    print(
        "| task | variant / paper's own | n | given up | ratio of sequences (95 % interval) | p |"
    )
    print("|---|---|---|---|---|---|")
    for (task, variant, n, given_up), r, value in zip(lines, ratios, p, strict=True):
        low, high = np.exp(interval(r))
        ratio = f"x {np.exp(r.mean()):.2f} ({low:.2f} to {high:.2f})"
        print(f"| {task} | {variant} | {n} | {given_up} | {ratio} | {value:.2g} |")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
