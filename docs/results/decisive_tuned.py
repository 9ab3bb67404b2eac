"""What the learning rate does in the decisive experiment: tuned for each start, and between two rates.

    python docs/results/decisive_tuned.py PLAN RUNS

`tuned` compares starts each at a rate of its own, chosen on seeds that are not compared: the one with the
lowest mean logarithm of its updates to the plan's last loss, by its own start states, over the first
`TUNING_SEEDS` seeds; compared are all later seeds that both starts have. `between_rates` asks whether a
ratio of updates is higher at a higher rate, seeds paired. Both leave out what has one rate alone.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from decisive_plan import targets_of
from decisive_report import SHORT, Cell, Runs, logarithm_of_updates, tested
from decisive_results import read

#: Rates are chosen on seeds below this one.
TUNING_SEEDS = 20
#: What is compared has as many seeds at least.
FEWEST = 8
PAIRS = (("carry", "reset"), ("oracle", "carry"), ("lens-states-never", "carry"))
#: Where the rate stands in a cell.
RATE = 4


def tuned(runs: Runs) -> str:
    """Return a table: of each network, changes of label and pair, the rates and the ratio of updates."""
    rows = []
    for cells in _alike(runs):
        for pair in PAIRS:
            chosen = [_best(runs, cells, start) for start in pair]
            logs = [
                _logs(runs, cell, start) for cell, start in zip(chosen, pair, strict=True) if cell
            ]
            if len(logs) < 2:
                continue
            seeds = sorted(s for s in set(logs[0]) & set(logs[1]) if s >= TUNING_SEEDS)
            if len(seeds) >= FEWEST:
                starts = " / ".join(SHORT.get(start, start) for start in pair)
                rates = ", ".join(f"{cell[RATE]:g}" for cell in chosen if cell)
                differences = np.array([logs[0][s] - logs[1][s] for s in seeds])
                rows.append((f"{_named(cells[0])} | {starts} | {rates}", differences))
    head = (
        "| data | cell, H, optimizer, changes a batch | starts | their rates | seeds | ratio (95 %) | "
        f"p, Holm over {len(rows)}, secondary | SD of ln |\n|---|---|---|---|---|---|---|---|"
    )
    return "\n".join([head, *tested(rows)])


def between_rates(runs: Runs) -> str:
    """Return a table: the ratio of updates of carry and reset at a rate over that at the next lower one."""
    rows = []
    for cells in _alike(runs):
        for below, above in pairwise(sorted(cells, key=lambda cell: cell[RATE])):
            four = [
                _logs(runs, cell, start) for cell in (above, below) for start in ("carry", "reset")
            ]
            seeds = sorted(set.intersection(*(set(logs) for logs in four)))
            if len(seeds) >= FEWEST:
                a, b, c, d = (np.array([logs[seed] for seed in seeds]) for logs in four)
                rates = f"{above[RATE]:g} / {below[RATE]:g}"
                rows.append((f"{_named(above)} | {rates}", (a - b) - (c - d)))
    head = (
        "| data | cell, H, optimizer, changes a batch | rates | seeds | ratio of ratios (95 %) | "
        f"p, Holm over {len(rows)}, secondary | SD of ln |\n|---|---|---|---|---|---|---|"
    )
    return "\n".join([head, *tested(rows)])


def _alike(runs: Runs) -> list[list[Cell]]:
    """The cells of the grid, those together that differ in nothing but the rate; without single ones."""
    groups: dict[tuple[object, ...], list[Cell]] = {}
    for cell in runs.cells:
        groups.setdefault((*cell[:RATE], *cell[RATE + 1 :]), []).append(cell)
    return [cells for cells in groups.values() if len(cells) > 1]


def _named(cell: Cell) -> str:
    """What a row is of, in two columns."""
    data, name, hidden, optimizer, _, transitions = cell
    return f"{data} | {name}, {hidden}, {optimizer}, {f'{transitions:g}' if transitions else 'as they are'}"


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
    """Print the tables."""
    runs = Runs(read(Path(argv[1])), targets_of(json.loads(Path(argv[0]).read_text())))
    print(tuned(runs), between_rates(runs), sep="\n\n")


if __name__ == "__main__":
    main(sys.argv[1:])
