"""Tables of docs/results/decisive.md, from the runs of decisive.py.

    python docs/results/decisive_report.py PLAN RUNS

RUNS is the folder of the runs or the table they were reduced to; `decisive_page` writes the page itself.

All tests are memcell's own: two-sided paired sign flips over seeds, Holm's correction over a block of the
plan (over the primary family for the primary outcome), BCa intervals of the mean. The primary family is
judged where all of its seeds are there; before that there are figures alone.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from decisive_plan import Setting, key, settings_of, targets_of
from decisive_results import read
from numpy.typing import NDArray

from memcell.statistics.bootstrap import interval
from memcell.statistics.paired import holm, sign_flip

#: Everything of a setting but its start and seed.
Cell = tuple[str, str, int, str, float, int]
FIELDS = ("data", "cell", "hidden", "optimizer", "rate", "transitions")
#: How their values are called in a table, and which of a run's may be left out there.
HEADS = ("data", "cell", "H", "optimizer", "rate", "changes a batch")
SHORT = {
    "lens-states-never": "frozen",
    "lens-states-10": "states, K = 10",
    "lens-copy-1": "copy, K = 1",
    "lens-copy-10": "copy, K = 10",
    "lens-copy-never": "copy, K = never",
}
#: What stands against what, beside each pair of the primary family.
PAIRS = (
    ("carry", "reset"), ("oracle", "carry"), ("lens-copy-1", "carry"), ("lens-copy-10", "carry"),
    ("lens-copy-never", "carry"), ("lens-states-10", "carry"), ("lens-states-never", "carry"),
    ("exchanged", "carry"), ("exchanged", "lens-states-never"),
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Compared:
    """Two starts in one cell of the grid, over the seeds that both have.

    Args:
        cell: Where.
        above: The start that is compared.
        below: With which.
        seeds: Which both have.
        differences: Of the logarithms, or of losses; one a seed.
        censored: Runs of each that did not get there.
        medians: Median updates of each (or mean losses).
    """

    cell: Cell
    above: str
    below: str
    seeds: Sequence[int]
    differences: Sequence[float]
    censored: tuple[int, int]
    medians: tuple[float, float]

    @property
    def p(self) -> float:
        """Two-sided, not corrected."""
        return sign_flip(self.differences).p


class Runs:
    """Runs, by cell of the grid, start and seed.

    Args:
        lines: The runs.
        targets: The losses that were looked for.
    """

    def __init__(self, lines: Iterable[dict[str, Any]], targets: Sequence[float]) -> None:
        self.targets = [str(target) for target in targets]
        self.by: dict[tuple[Cell, str], dict[int, dict[str, Any]]] = {}
        for line in lines:
            setting = key(line["setting"])
            self.by.setdefault((_cell(setting), setting.start), {})[setting.seed] = line

    @property
    def last(self) -> str:
        """The loss that runs end at."""
        return self.targets[-1]

    @property
    def cells(self) -> list[Cell]:
        """All that there are, in the order of the runs."""
        return list(dict.fromkeys(cell for cell, _ in self.by))

    def compare(self, cell: Cell, above: str, below: str, what: str) -> Compared | None:
        """Compare two starts; None where they share no seed.

        Args:
            cell: Where.
            above: A start.
            below: Another.
            what: ``"0.03"`` updates by own starts, ``"0.03 carry"`` under one inference, ``"valid carry"``
                the validation loss under an inference when a start is at the last target.
        """
        a, b = self.by.get((cell, above), {}), self.by.get((cell, below), {})
        seeds = sorted(set(a) & set(b))
        if what.startswith("valid"):
            at = f"{self.last} {what.split()[1]}"
            seeds = [s for s in seeds if all(at in r[s]["valid"] for r in (a, b))]
        elif " " in what:  # the pilot's first version did not look
            seeds = [s for s in seeds if all("common" in r[s] for r in (a, b))]
        if not seeds:
            return None
        pairs = [(a[s], b[s]) for s in seeds]
        if _counts(what):
            values = np.array([_values(pair, what) for pair in pairs])
        else:
            values = np.array([[np.mean(line["valid"][at]) for line in pair] for pair in pairs])
        shown = np.median(np.exp(values), axis=0) if _counts(what) else values.mean(axis=0)
        missing = [sum(not _there(r[s], what) for s in seeds) for r in (a, b)]
        return Compared(
            cell=cell,
            above=above,
            below=below,
            seeds=seeds,
            differences=(values[:, 0] - values[:, 1]).tolist(),
            censored=(missing[0], missing[1]),
            medians=(float(shown[0]), float(shown[1])),
        )


def _counts(what: str) -> bool:
    return not what.startswith("valid")


def _there(line: dict[str, Any], what: str) -> bool:
    return not _counts(what) or what in line["common" if " " in what else "reached"]


def _values(pair: Sequence[dict[str, Any]], what: str) -> list[float]:
    """Return the logarithm of each run's updates.

    Under one inference a run may end before it is there: the pair is then compared up to that update.
    """
    if " " not in what:
        return [logarithm_of_updates(line, what) for line in pair]
    found = [line["common"].get(what, math.inf) for line in pair]
    followed = [line["updates"] for line in pair if what not in line["common"]]
    return [math.log(min([u, *followed])) for u in found]


def logarithm_of_updates(line: dict[str, Any], target: str) -> float:
    """Return that of a run's updates to a loss by its own starts; of all epochs' where it is not there."""
    return math.log(line["reached"].get(target, line["per_epoch"] * line["setting"]["epochs"]))


def shown(found: Compared, p: str, counts: bool, varies: Sequence[int]) -> str:
    """Return a row of a table: of the cell, only what varies over the table; no p where it is not judged."""
    where = ", ".join(f"{found.cell[i]:g}" if i > 3 else str(found.cell[i]) for i in varies)
    starts = f"{SHORT.get(found.above, found.above)} / {SHORT.get(found.below, found.below)}"
    d = np.array(found.differences)
    low, high = interval(d)
    size, ends = (np.exp(d.mean()), np.exp([low, high])) if counts else (d.mean(), (low, high))
    sign = "× " if counts else ""
    form = ".2f" if counts else "+.3f"
    spread = d.std(ddof=1) if len(d) > 1 else math.nan
    return (
        f"| {where} | {starts} | {len(d)} | {sign}{size:{form}} "
        f"({ends[0]:{form}} to {ends[1]:{form}}) | {p}{spread:.2f} | "
        f"{_of(found.medians[0], counts)}, {_of(found.medians[1], counts)} | "
        f"{found.censored[0]}, {found.censored[1]} |"
    )


def _of(value: float, counts: bool) -> str:
    return f"{value:,.0f}" if counts else f"{value:.3f}"


def _cell(setting: Setting) -> Cell:
    return tuple(getattr(setting, f) for f in FIELDS)  # type: ignore[return-value]  # of six, as named


def as_p(p: float) -> str:
    """Return a p as tables show it."""
    return f"{p:.1g}" if p < 0.095 else f"{p:.2f}"


def table(
    found: Sequence[Compared], counts: bool = True, judged: bool = True, secondary: str = ""
) -> str:
    """Return a table, its p corrected together; without them where it may not be judged yet."""
    corrected = [""] * len(found)
    if judged:
        corrected = [f"{as_p(p)} | " for p in holm([c.p for c in found]).tolist()]
    heading = f"p, Holm over {len(found)}{secondary} | " if judged else ""
    middle = "median updates" if counts else "mean losses"
    varies = [i for i in range(len(FIELDS)) if len({c.cell[i] for c in found}) > 1] or [4]
    head = (
        f"| {', '.join(HEADS[i] for i in varies)} | starts | seeds | "
        f"{'ratio' if counts else 'difference'} (95 %) | {heading}"
        f"SD of {'ln' if counts else 'it'} | {middle} | not there |"
    )
    head += "\n" + "|---" * (head.count("|") - 1) + "|"
    rows = [shown(c, p, counts, varies) for c, p in zip(found, corrected, strict=True)]
    return "\n".join([head, *rows])


def primary(plan: dict[str, Any], runs: Runs) -> list[Compared]:
    """Return the comparisons of the primary family, as far as there are runs."""
    found = []
    for above, below, rate in plan["primary"]["tests"]:
        at = Setting(**plan["primary"]["cell"], rate=rate, start=above, seed=0)
        one = runs.compare(_cell(at), above, below, runs.last)
        if one is not None:
            found.append(one)
    return found


def state_of(plan: dict[str, Any], found: Sequence[Compared]) -> str:
    """Say whether the primary family may be judged."""
    needed, tests = plan["primary"]["seeds"], len(plan["primary"]["tests"])
    least = min((len(c.differences) for c in found), default=0) if len(found) == tests else 0
    if least < needed:
        return f"**Not complete: {least} of {needed} seeds. No verdict, and no p before that.**"
    return f"Complete: {needed} seeds. The verdicts follow from the plan's rules."


def drift(runs: Runs, cell: Cell) -> str:
    """Return how far carried start states move between epochs and within one."""
    rows: dict[int, list[tuple[float, float]]] = {}
    for line in runs.by.get((cell, "carry"), {}).values():
        for one in line["drift"]:
            rows.setdefault(one["epoch"], []).append((one["between"], one["within"]))
    head = "| epoch | runs | between epochs | S, within it | ratio |\n|---|---|---|---|---|"
    lines = []
    for epoch, pairs in sorted(rows.items()):
        if len(pairs) >= 3:
            between, within = np.mean(pairs, axis=0).tolist()
            lines.append(
                f"| {epoch} | {len(pairs)} | {between:.2f} | {within:.3f} | {between / within:.0f} |"
            )
    return "\n".join([head, *lines])


def contrasts(plan: dict[str, Any], runs: Runs) -> str:
    """Return how a ratio of updates to the last loss changes between two cells of the grid, seeds paired."""
    rows: list[tuple[str, NDArray[np.float64]]] = []
    for one in plan["contrasts"]:
        each = []
        for where in (one["of"], one["less"]):
            at = Setting(**{**plan["base"], "start": "carry", "seed": 0, **where})
            found = runs.compare(_cell(at), one["above"], one["below"], runs.last)
            each.append(dict(zip(found.seeds, found.differences, strict=True)) if found else {})
        seeds = sorted(set(each[0]) & set(each[1]))
        if len(seeds) > 1:
            starts = (
                f"{SHORT.get(one['above'], one['above'])} / {SHORT.get(one['below'], one['below'])}"
            )
            differences = np.array([each[0][s] - each[1][s] for s in seeds])
            rows.append((f"{one['name']} | {starts}", differences))
    head = (
        f"| where | starts | seeds | ratio of ratios (95 %) | p, Holm over {len(rows)} | SD of ln |"
    )
    return "\n".join([head, "|---|---|---|---|---|---|", *tested(rows)])


def tested(rows: Sequence[tuple[str, NDArray[np.float64]]]) -> list[str]:
    """Return rows of a table with seeds, ratio, p and SD, all p corrected together.

    Args:
        rows: Of each its first columns, and differences of logarithms, one a seed.
    """
    corrected = holm([sign_flip(d).p for _, d in rows]).tolist()
    lines = []
    for (what, d), p in zip(rows, corrected, strict=True):
        low, high = np.exp(interval(d))
        lines.append(
            f"| {what} | {len(d)} | × {np.exp(d.mean()):.2f} ({low:.2f} to {high:.2f}) | {as_p(p)} | "
            f"{d.std(ddof=1):.2f} |"
        )
    return lines


def outcomes(targets: Sequence[str]) -> dict[str, str]:
    """Return what is compared, by its title: the last loss first."""
    found = {}
    for target in reversed(targets):
        found[f"updates to {target.removeprefix('0')}, own starts"] = target
    loss = targets[-1].removeprefix("0")
    for inference in ("carry", "reset"):
        found[f"updates to {loss}, all inferred with {inference}"] = f"{targets[-1]} {inference}"
    for inference in ("carry", "reset"):
        found[f"validation loss at {loss}, inferred with {inference}"] = f"valid {inference}"
    return found


def _within(cell: Cell, block: dict[str, Any]) -> bool:
    """Whether a cell of the grid is one of a block's."""
    block = {"data": "simulated", **block}
    pairs = ((block[f], value) for f, value in zip(FIELDS, cell, strict=True))
    return all(value in (axis if isinstance(axis, list) else [axis]) for axis, value in pairs)


def _all(runs: Runs, cells: Sequence[Cell], starts: Sequence[str], what: str) -> list[Compared]:
    """Return what a block compares, where a run of either start is there and there are two seeds."""
    found = [
        runs.compare(cell, above, below, what)
        for cell in cells
        for above, below in PAIRS
        if above in starts
    ]
    return [
        one
        for one in found
        if one is not None
        and len(one.differences) > 1
        and sum(one.censored) < 2 * len(one.differences)
    ]


def parts(plan: dict[str, Any], runs: Runs) -> dict[str, str]:
    """Return all tables by name: of the primary family, of each block and outcome, of the start states."""
    planned = list(settings_of(plan))
    there = sum(s.seed in runs.by.get((_cell(s), s.start), {}) for s in planned)
    found = {"runs": f"{there:,} of {len(planned):,} runs are there."}
    if "primary" in plan:
        family = primary(plan, runs)
        state = state_of(plan, family)
        judged = state.startswith("Complete")
        found["Primary"] = f"{state}\n\n{table(family, judged=judged)}"
    for block in plan["blocks"]:
        cells = [cell for cell in runs.cells if _within(cell, {**plan["base"], **block})]
        for title, what in outcomes(runs.targets).items():
            if block.get("name") == "primary" and what == runs.last:
                continue
            rows = _all(runs, cells, block["start"], what)
            if rows:
                name = f"{block.get('name', 'all')}: {title}"
                judged = "primary" in plan
                found[name] = table(rows, _counts(what), judged, secondary=", secondary")
    if "contrasts" in plan:
        found["contrasts"] = contrasts(plan, runs)
    for cell in shown_cells(plan, runs):
        found[f"start states, rate {cell[4]:g}"] = drift(runs, cell)
    return found


def shown_cells(plan: dict[str, Any], runs: Runs) -> list[Cell]:
    """Return the cells of the picture: those of the primary family, or the first three of a pilot."""
    if "primary" not in plan:
        return runs.cells[:3]
    rates = dict.fromkeys(rate for _, _, rate in plan["primary"]["tests"])
    cells = [
        _cell(Setting(**plan["primary"]["cell"], rate=r, start="carry", seed=0)) for r in rates
    ]
    return [cell for cell in cells if cell in runs.cells]


def main(argv: Sequence[str]) -> None:
    """Print all tables."""
    plan = json.loads(Path(argv[0]).read_text())
    runs = Runs(read(Path(argv[1])), targets_of(plan))
    for title, part in parts(plan, runs).items():
        print(f"## {title}\n\n{part}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
