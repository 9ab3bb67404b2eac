"""Starts of the decisive experiment compared each at a rate of its own, tuned on seeds that are not compared.

    python docs/results/decisive_tuned.py PLAN RUNS

The rate of a start is the one with the lowest mean logarithm of its updates to the plan's last loss, by its
own start states, over the first `TUNING_SEEDS` seeds; compared are all later seeds that both starts have.
Cells of the grid that have one rate alone are left out.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from decisive_plan import targets_of
from decisive_report import SHORT, Cell, Runs, as_p, logarithm_of_updates
from decisive_results import read

from memcell.statistics.bootstrap import interval
from memcell.statistics.paired import holm, sign_flip

#: Rates are chosen on seeds below this one.
TUNING_SEEDS = 20
PAIRS = (("carry", "reset"), ("oracle", "carry"), ("lens-states-never", "carry"))
#: Where the rate stands in a cell.
RATE = 4


def tuned(runs: Runs) -> str:
    """Return a table: of each network, changes of label and pair, the rates and the ratio of updates."""
    groups: dict[tuple[object, ...], list[Cell]] = {}
    for cell in runs.cells:
        groups.setdefault((*cell[:RATE], *cell[RATE + 1 :]), []).append(cell)
    rows = []
    for cells in groups.values():
        for pair in PAIRS:
            chosen = [_best(runs, cells, start) for start in pair]
            logs = [
                _logs(runs, cell, start) for cell, start in zip(chosen, pair, strict=True) if cell
            ]
            if len(cells) < 2 or len(logs) < 2:
                continue
            seeds = sorted(s for s in set(logs[0]) & set(logs[1]) if s >= TUNING_SEEDS)
            if len(seeds) > 1:
                rows.append((chosen, pair, np.array([logs[0][s] - logs[1][s] for s in seeds])))
    head = (
        "| cell, H, optimizer, changes a batch | starts | their rates | seeds | ratio (95 %) | "
        f"p, Holm over {len(rows)}, secondary | SD of ln |\n|---|---|---|---|---|---|---|"
    )
    lines = [head]
    corrected = holm([sign_flip(d).p for *_, d in rows]).tolist()
    for (chosen, pair, d), p in zip(rows, corrected, strict=True):
        _, name, hidden, optimizer, _, transitions = chosen[0]
        low, high = np.exp(interval(d))
        lines.append(
            f"| {name}, {hidden}, {optimizer}, {transitions:g} | "
            f"{' / '.join(SHORT.get(s, s) for s in pair)} | "
            f"{', '.join(f'{cell[RATE]:g}' for cell in chosen)} | {len(d)} | "
            f"× {np.exp(d.mean()):.2f} ({low:.2f} to {high:.2f}) | {as_p(p)} | {d.std(ddof=1):.2f} |"
        )
    return "\n".join(lines)


def _logs(runs: Runs, cell: Cell, start: str) -> dict[int, float]:
    """The logarithm of updates to the last loss, by seed; those of all epochs where a run is not there."""
    lines = runs.by.get((cell, start), {})
    return {seed: logarithm_of_updates(line, runs.last) for seed, line in lines.items()}


def _best(runs: Runs, cells: Sequence[Cell], start: str) -> Cell | None:
    """The cell with the fewest updates over the tuning seeds; None where a rate lacks one of them."""
    means: dict[Cell, float] = {}
    for cell in cells:
        logs = _logs(runs, cell, start)
        if logs and all(seed in logs for seed in range(TUNING_SEEDS)):
            means[cell] = float(np.mean([logs[seed] for seed in range(TUNING_SEEDS)]))
    return min(means, key=means.__getitem__) if len(means) > 1 else None


def main(argv: Sequence[str]) -> None:
    """Print the table."""
    plan = json.loads(Path(argv[0]).read_text())
    print(tuned(Runs(read(Path(argv[1])), targets_of(plan))))


if __name__ == "__main__":
    main(sys.argv[1:])
