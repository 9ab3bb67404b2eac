"""Figures of docs/results/memory.md, made from the same runs as memory_tests.py.

python docs/results/memory_figures.py OUT FOLDER    (OUT as in memory-study.sh)
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from memory_tests import lanes_of, period, probed, records, settings

from memcell.probes.estimate import known, rank_correlation
from memcell.statistics.bootstrap import interval

Rows = Sequence[tuple[str, Sequence[float]]]


def points(axes: Any, rows: Rows, label: str) -> None:
    """Draw the mean and interval of each row, and every seed."""
    for k, (_, values) in enumerate(rows):
        low, high = interval(values)
        axes.plot([low, high], [k, k], color="#30506b", linewidth=3, solid_capstyle="butt")
        axes.plot(values, [k] * len(values), "o", color="#c77c2a", markersize=3, alpha=0.6)
        axes.plot([np.mean(values)], [k], "o", color="#30506b", markersize=6)
    axes.axvline(0, color="grey", linewidth=0.7)
    axes.set_yticks(range(len(rows)), [name for name, _ in rows])
    axes.invert_yaxis()
    axes.set_xlabel(label)


def causes(folder: Path) -> Any:
    """Draw the correlation of dL_stale with what should make it worse."""
    names = {
        "transitions": "changes of label, window",
        "transitions_batch": "changes of label, batch",
        "distance": "distance from the window before",
    }
    figure, axes = plt.subplots(1, len(names), figsize=(11, 3.2), sharey=True, sharex=True)
    for cause, panel in zip(names, axes, strict=True):
        rows = []
        for setting, runs in settings(folder):
            lanes = [lanes_of(probed(folder, r, "staleness", "values")) for r in runs]
            rho = [rank_correlation(x["dL_stale"], x[cause])[0] for x in lanes if x["dL_stale"]]
            rows.append((setting, known(rho)))
        points(panel, rows, names[cause])
    figure.suptitle("Spearman's correlation with dL_stale, within each run")
    return figure


def slope(folder: Path) -> Any:
    """Draw the mean slope of each tanh against updates."""
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.2), sharey=True)
    for panel, name, title in zip(
        axes, ("0.tanh 0", "0.tanh 1"), ("candidate", "cell on its way out"), strict=True
    ):
        for setting, runs in settings(folder):
            looks = [probed(folder, r, "cell_state", "values") for r in runs]
            n = min(map(len, looks))
            y = np.mean([[v["slope"][name] for v in look[:n]] for look in looks], axis=0)
            panel.plot([v["update"] for v in looks[0][:n]], y, label=f"gamma {setting}")
        panel.set(title=f"tanh of the {title}", xlabel="update", ylim=(0, 1))
        panel.legend()
    axes[0].set_ylabel("mean slope")
    return figure


def periods(folder: Path) -> Any:
    """Draw how alike the losses of an epoch are to those of the next."""
    figure, axes = plt.subplots(figsize=(7, 3))
    rows = [(s, known([period(folder, r) for r in runs])) for s, runs in settings(folder)]
    points(axes, rows, "correlation of losses with those at the same place of the next epoch")
    return figure


def curves(folder: Path) -> Any:
    """Draw each run's validation loss."""
    figure, axes = plt.subplots(figsize=(6, 3.4))
    names = [setting for setting, _ in settings(folder)]
    colours = dict(zip(names, ("#c77c2a", "#30506b", "#6b8e4e"), strict=False))
    for r in records(folder):
        setting = ", ".join(r.setting.values())
        first = all(line.get_label() != setting for line in axes.lines)
        axes.plot(*zip(*r.validation, strict=True), color=colours[setting], alpha=0.7,
                  label=setting if first else None)  # fmt: skip
    axes.set(xlabel="update", ylabel="validation loss, nats")
    axes.legend()
    return figure


FIGURES: dict[str, tuple[str, Callable[[Path], Any]]] = {
    "staleness-causes": ("staleness-recall", causes),
    "staleness-causes-sleep": ("staleness-sleep", causes),
    "gamma-slopes": ("gamma-slopes", slope),
    "order-periodicity": ("order-digits", periods),
    "mnist-curves": ("norms-mnist", curves),
}


def main(out: Path, to: Path) -> None:
    """Draw every figure whose comparison is there."""
    for name, (comparison, draw) in FIGURES.items():
        if (out / comparison / "comparison.json").exists():
            figure = draw(out / comparison)
            figure.savefig(to / f"{name}.png", dpi=110, bbox_inches="tight")
            plt.close(figure)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
