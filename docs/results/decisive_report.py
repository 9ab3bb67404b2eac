"""Tables and the picture of docs/results/decisive.md, from the runs of decisive.py.

    python docs/results/decisive_report.py PLAN OUT [PICTURE.png]

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
from decisive_plan import TARGETS, done, settings_of

from memcell.statistics.bootstrap import interval
from memcell.statistics.paired import holm, sign_flip

#: Everything of a setting but its start and seed.
Cell = tuple[str, int, str, float, int]
FIELDS = ("cell", "hidden", "optimizer", "rate", "transitions")
LAST = str(TARGETS[-1])
#: What stands against what, beside each pair of the primary family.
PAIRS = (
    ("carry", "reset"), ("oracle", "carry"), ("lens-copy-1", "carry"), ("lens-copy-10", "carry"),
    ("lens-copy-never", "carry"), ("lens-states-10", "carry"), ("lens-states-never", "carry"),
    ("exchanged", "carry"), ("exchanged", "lens-states-never"),
)  # fmt: skip
NAMES = {
    "reset": "no memory\n(reset)",
    "oracle": "never stale\n(oracle)",
    "lens-copy-1": "weights renewed\neach epoch (lens)",
    "lens-copy-10": "weights renewed each\n10 epochs (lens)",
    "lens-copy-never": "the first weights,\nfor ever (lens)",
    "lens-states-10": "states renewed each\n10 epochs (lens)",
    "lens-states-never": "frozen after the first\nepoch (fixed lens)",
    "exchanged": "the same, of\nanother window",
}


@dataclass(frozen=True, kw_only=True)
class Compared:
    """Two starts in one cell of the grid, over the seeds that both have.

    Args:
        cell: Where.
        above: The start that is compared.
        below: With which.
        differences: Of the logarithms, or of losses; one a seed.
        censored: Runs of each that did not get there.
        medians: Median updates of each (or mean losses).
    """

    cell: Cell
    above: str
    below: str
    differences: Sequence[float]
    censored: tuple[int, int]
    medians: tuple[float, float]

    @property
    def p(self) -> float:
        """Two-sided, not corrected."""
        return sign_flip(self.differences).p


class Runs:
    """The runs of a folder, by cell of the grid, start and seed."""

    def __init__(self, lines: Iterable[dict[str, Any]]) -> None:
        self.by: dict[tuple[Cell, str], dict[int, dict[str, Any]]] = {}
        for line in lines:
            setting = line["setting"]
            cell: Cell = tuple(setting[f] for f in FIELDS)  # type: ignore[assignment]
            self.by.setdefault((cell, setting["start"]), {})[setting["seed"]] = line

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
            seeds = [s for s in seeds if all(_loss(r[s], what) is not None for r in (a, b))]
        elif " " in what:  # the pilot's first version did not look
            seeds = [s for s in seeds if all("common" in r[s] for r in (a, b))]
        if not seeds:
            return None
        values = np.array([_values((a[s], b[s]), what) for s in seeds])
        shown = np.median(np.exp(values), axis=0) if _counts(what) else values.mean(axis=0)
        missing = [sum(not _there(r[s], what) for s in seeds) for r in (a, b)]
        return Compared(
            cell=cell,
            above=above,
            below=below,
            differences=(values[:, 0] - values[:, 1]).tolist(),
            censored=(missing[0], missing[1]),
            medians=(float(shown[0]), float(shown[1])),
        )


def _counts(what: str) -> bool:
    return not what.startswith("valid")


def _there(line: dict[str, Any], what: str) -> bool:
    return not _counts(what) or what in line["common" if " " in what else "reached"]


def _loss(line: dict[str, Any], what: str) -> float | None:
    found = line["valid"].get(f"{LAST} {what.split()[1]}")
    return None if found is None else float(np.mean(found))


def _values(pair: Sequence[dict[str, Any]], what: str) -> list[float]:
    """Return the logarithm of each run's updates, or its loss.

    Under one inference a run may end before it is there: the pair is then compared up to that update.
    """
    if not _counts(what):
        return [_loss(line, what) or 0.0 for line in pair]
    if " " not in what:
        whole = [line["per_epoch"] * line["setting"]["epochs"] for line in pair]
        found = [line["reached"].get(what, n) for line, n in zip(pair, whole, strict=True)]
    else:
        found = [line["common"].get(what, math.inf) for line in pair]
        followed = [line["updates"] for line in pair if what not in line["common"]]
        found = [min([u, *followed]) for u in found]
    return [math.log(u) for u in found]


def shown(found: Compared, p: float, counts: bool) -> str:
    """Return a row of a table."""
    d = np.array(found.differences)
    low, high = interval(d)
    size, ends = (np.exp(d.mean()), np.exp([low, high])) if counts else (d.mean(), (low, high))
    sign = "× " if counts else ""
    form = ".2f" if counts else "+.3f"
    spread = d.std(ddof=1) if len(d) > 1 else math.nan
    return (
        f"| {_cell(found.cell)} | {found.above} / {found.below} | {len(d)} | {sign}{size:{form}} "
        f"({ends[0]:{form}} to {ends[1]:{form}}) | {_p(p)} | {spread:.2f} | "
        f"{found.medians[0]:.3g}, {found.medians[1]:.3g} | {found.censored[0]}, {found.censored[1]} |"
    )


def _cell(cell: Cell) -> str:
    name, hidden, optimizer, rate, transitions = cell
    return f"{name}, H {hidden}, {optimizer} {rate:g}, {transitions} a batch"


def _p(p: float) -> str:
    return "-" if math.isnan(p) else f"{p:.1g}" if p < 0.095 else f"{p:.2f}"


def table(found: Sequence[Compared], counts: bool = True, judged: bool = True) -> str:
    """Return a table, its p corrected together; without them where it may not be judged yet."""
    corrected = holm([c.p for c in found] if judged else [math.nan] * len(found))
    middle = "median updates" if counts else "mean losses"
    head = (
        f"| where | starts | seeds | {'ratio' if counts else 'difference'} (95 %) | p, Holm over "
        f"{len(found)} | SD of {'ln' if counts else 'it'} | {middle} | not there |"
    )
    head += "\n|---|---|---|---|---|---|---|---|"
    rows = [shown(c, p, counts) for c, p in zip(found, corrected.tolist(), strict=True)]
    return "\n".join([head, *rows])


def primary(plan: dict[str, Any], runs: Runs) -> list[Compared]:
    """Return the comparisons of the primary family, as far as there are runs."""
    cell = plan["primary"]["cell"]
    found = []
    for above, below, rate in plan["primary"]["tests"]:
        at: Cell = (cell["cell"], cell["hidden"], cell["optimizer"], rate, cell["transitions"])
        one = runs.compare(at, above, below, LAST)
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


def picture(runs: Runs, cells: Sequence[Cell], path: Path) -> None:
    """Draw how many updates each start takes, as a multiple of carry's: by its own starts, and in use."""
    from memcell.reports.matplotlib_style import COLOURS, GREY, INK, MARKERS, new_figure

    starts = [s for s in NAMES if any((c, s) in runs.by for c in cells)]
    figure, panels = new_figure(2, 0.62 * len(starts) + 1.5, columns=2)
    titles = ("each with its own starts", "all used as carry is")
    for axes, what, title in zip(panels, (LAST, f"{LAST} carry"), titles, strict=True):
        for k, cell in enumerate(cells):
            place = (k - (len(cells) - 1) / 2) * 0.24
            _points(axes, runs, cell, starts, what, (place, COLOURS[k], MARKERS[k]))
        axes.axvline(1, color=INK, linewidth=1)
        axes.set_xscale("log")
        axes.set_xticks([0.8, 1, 1.25, 1.5], [".8", "1", "1.25", "1.5"])
        axes.minorticks_off()
        axes.set_xlim(0.6, 1.75)
        axes.set_ylim(len(starts) - 0.5, -0.75)
        axes.set_yticks(range(len(starts)), [NAMES[s] if what == LAST else "" for s in starts])
        axes.text(0.97, -0.52, "faster", ha="right", va="bottom", fontsize=9)
        axes.text(1.03, -0.52, "slower than carry", ha="left", va="bottom", fontsize=9)
        axes.set_title(title, fontsize=10)
        axes.grid(axis="x", color=GREY, alpha=0.3)
        axes.grid(visible=False, axis="y")
    figure.supxlabel("updates to a training loss of .03, as a multiple of carry's", fontsize=10)
    panels[0].legend(frameon=False, loc="lower left", fontsize=8, bbox_to_anchor=(-0.9, -0.22))
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)


def _points(
    axes: Any,
    runs: Runs,
    cell: Cell,
    starts: Sequence[str],
    what: str,
    look: tuple[float, str, str],
) -> None:
    """Draw the mean ratio and interval of each start; hollow where runs did not get there: at least that."""
    offset, colour, marker = look
    each = [runs.compare(cell, start, "carry", what) for start in starts]
    seeds = max(len(found.differences) for found in each if found is not None)
    for row, found in enumerate(each):
        if found is None or len(found.differences) < 2:
            continue
        d, y = np.array(found.differences), row + offset
        ends = np.exp(interval(d))
        axes.plot(ends, [y, y], color=colour, linewidth=3)
        if len(d) < seeds:  # the legend has the number of the others
            axes.text(ends[1], y, f"  {len(d)} seeds", fontsize=7, va="center")
        inside = "white" if found.censored[0] else colour
        axes.plot(
            np.exp([d.mean()]), [y], marker, color=colour, markersize=7, markerfacecolor=inside
        )
    axes.plot([], [], marker, color=colour, label=f"rate {cell[3]:g}, {seeds} seeds")


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


OUTCOMES = {
    "updates to .03, own starts": LAST,
    "updates to .1, own starts": str(TARGETS[0]),
    "updates to .03, all inferred with carry": f"{LAST} carry",
    "updates to .03, all inferred with reset": f"{LAST} reset",
    "validation loss at .03, inferred with carry": "valid carry",
    "validation loss at .03, inferred with reset": "valid reset",
}


def _within(cell: Cell, block: dict[str, Any]) -> bool:
    """Whether a cell of the grid is one of a block's."""
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


def main(argv: Sequence[str]) -> None:
    """Print all tables, and draw the picture."""
    plan, runs = json.loads(Path(argv[0]).read_text()), Runs(done(Path(argv[1]) / "runs.jsonl"))
    planned = len(list(settings_of(plan)))
    print(f"{sum(len(seeds) for seeds in runs.by.values())} of {planned} runs\n")
    first = runs.cells[: 2 if "primary" in plan else 3]
    if "primary" in plan:
        found = primary(plan, runs)
        state = state_of(plan, found)
        judged = state.startswith("Complete")
        print(f"## Primary\n\n{state}\n\n{table(found, judged=judged)}\n")
    for block in plan["blocks"]:
        cells = [cell for cell in runs.cells if _within(cell, {**plan["base"], **block})]
        for title, what in OUTCOMES.items():
            if block.get("name") == "primary" and what == LAST:
                continue
            found = _all(runs, cells, block["start"], what)
            if found:
                print(f"## {block.get('name', '')}: {title}\n\n{table(found, _counts(what))}\n")
    for cell in first:
        print(f"## Start states under carry, {_cell(cell)}\n\n{drift(runs, cell)}\n")
    if len(argv) > 2:
        picture(runs, first, Path(argv[2]))


if __name__ == "__main__":
    main(sys.argv[1:])
