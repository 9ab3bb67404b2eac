"""The made parts of docs/results/decisive.md: its tables and pictures, from the runs as they are kept here.

    python docs/results/decisive_page.py                     # from docs/results/decisive/*.tsv
    python docs/results/decisive_page.py core=runs/decisive  # from new runs, first kept as core.tsv

A made part stands between two marks, ``<!-- made: core: Primary -->`` (a plan, and the title of a table as
`decisive_report` prints it) and ``<!-- end -->``. Nothing else of the page is touched; a page without
marks, or with one that there is no table for, is left as it is and refused.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from decisive_plan import targets_of
from decisive_report import Cell, Runs, parts, shown_cells
from decisive_results import read, reduced
from decisive_tuned import between_rates, tuned

from memcell.files.atomic import write_atomic
from memcell.statistics.bootstrap import interval

HERE = Path(__file__).parent
MARK = re.compile(r"(<!-- made: ([\w-]+): (.+?) -->\n)(.*?)(<!-- end -->)", re.DOTALL)
OPENS = "<!-- made:"
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


def rewritten(page: str, made: Callable[[str], dict[str, str]]) -> str:
    """Return a page with its made parts made anew.

    Args:
        page: The page.
        made: All parts of a plan, by title.

    Raises:
        SystemExit: It has no marks, one that is not closed, or one that there is no part for.
    """
    found = MARK.findall(page)
    if not found or len(found) != page.count(OPENS) or len(found) != page.count("<!-- end -->"):
        raise SystemExit(
            f"expected parts between '{OPENS} PLAN: TITLE -->' and '<!-- end -->', found {len(found)} whole "
            f"of {page.count(OPENS)} begun; nothing was changed"
        )
    every = {plan: made(plan) for plan in dict.fromkeys(plan for _, plan, _, _, _ in found)}
    for _, plan, title, body, _ in found:
        if OPENS in body:
            raise SystemExit(f"'{title}' is not closed before the next mark; nothing was changed")
        if title not in every[plan]:
            known = "; ".join(every[plan])
            raise SystemExit(f"'{plan}' has no '{title}', but: {known}. Nothing was changed")
    return MARK.sub(lambda m: f"{m[1]}\n{every[m[2]][m[3]]}\n\n{m[5]}", page)


def plan_of(name: str) -> dict[str, Any]:
    """Return a plan by its short name.

    Raises:
        SystemExit: There is none.
    """
    path = HERE / f"decisive-{name}.json"
    if not path.exists():
        known = sorted(p.stem.removeprefix("decisive-") for p in HERE.glob("decisive-*.json"))
        raise SystemExit(f"there is no plan '{name}', but: {', '.join(known)}")
    plan: dict[str, Any] = json.loads(path.read_text())
    return plan


def kept(name: str) -> Path:
    """Return where the runs of a plan are kept."""
    return HERE / "decisive" / f"{name}.tsv"


def runs_of(name: str) -> Runs:
    """Return the runs of a plan that are kept, with those of the plan that it stands beside."""
    plan = plan_of(name)
    lines = [line for each in (name, plan.get("beside")) if each for line in read(kept(each))]
    return Runs(lines, targets_of(plan))


def parts_of(name: str) -> dict[str, str]:
    """Return all tables of a plan."""
    runs = runs_of(name)
    return parts(plan_of(name), runs) | {"tuned": tuned(runs), "between rates": between_rates(runs)}


def picture(runs: Runs, cells: Sequence[Cell], path: Path) -> None:
    """Draw how many updates each start takes, as a multiple of carry's: by its own starts, and in use."""
    from memcell.reports.matplotlib_style import COLOURS, GREY, INK, MARKERS, new_figure

    starts = [s for s in NAMES if any((c, s) in runs.by for c in cells)]
    figure, panels = new_figure(2, 0.62 * len(starts) + 1.5, columns=2)
    titles = ("each with its own starts", "all used as carry is")
    for axes, what, title in zip(panels, (runs.last, f"{runs.last} carry"), titles, strict=True):
        for k, cell in enumerate(cells):
            place = (k - (len(cells) - 1) / 2) * 0.24
            _points(axes, runs, cell, starts, what, (place, COLOURS[k], MARKERS[k]))
        axes.axvline(1, color=INK, linewidth=1)
        axes.set_xscale("log")
        axes.set_xticks([0.6, 0.8, 1, 1.25, 1.6], [".6", ".8", "1", "1.25", "1.6"])
        axes.minorticks_off()
        axes.set_xlim(0.48, 1.75)
        axes.set_ylim(len(starts) - 0.5, -0.75)
        axes.set_yticks(range(len(starts)), [NAMES[s] if what == runs.last else "" for s in starts])
        axes.text(0.97, -0.52, "faster", ha="right", va="bottom", fontsize=9)
        axes.text(1.03, -0.52, "slower than carry", ha="left", va="bottom", fontsize=9)
        axes.set_title(title, fontsize=10)
        axes.grid(axis="x", color=GREY, alpha=0.3)
        axes.grid(visible=False, axis="y")
    loss = runs.last.removeprefix("0")
    figure.supxlabel(f"updates to a training loss of {loss}, as a multiple of carry's", fontsize=10)
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
    axes.plot([], [], marker, color=colour, label=f"rate {cell[4]:g}, {seeds} seeds")


def main(argv: Sequence[str]) -> None:
    """Keep new runs, and write the page and its pictures."""
    for word in argv:
        name, _, folder = word.partition("=")
        if not folder:
            raise SystemExit(f"'{word}': expected PLAN=FOLDER, as in core=runs/decisive")
        text = reduced(read(Path(folder)), targets_of(plan_of(name)))
        kept(name).parent.mkdir(exist_ok=True)
        write_atomic(kept(name), text)
        print(f"{kept(name)}: {text.count(chr(10)) - 2} runs")
    page = HERE / "decisive.md"
    before = page.read_text()
    after = rewritten(before, parts_of)
    write_atomic(page, after)
    for name, file in (("core", "updates.png"), ("nights", "nights.png")):
        if kept(name).exists():
            runs = runs_of(name)
            picture(runs, shown_cells(plan_of(name), runs), HERE / "decisive" / file)
    print(
        f"{page}: {len(MARK.findall(after))} parts, {'as before' if after == before else 'changed'}"
    )


if __name__ == "__main__":
    main(sys.argv[1:])
