"""A point for each seed, and the mean with its interval: scores, and updates to the target."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from memcell.compare.report.figures.style import (
    COLOURS,
    FONT,
    GREY,
    INK,
    MARKERS,
    finish,
    new_figure,
    png,
)
from memcell.compare.report.folder import Comparison, Key
from memcell.compare.report.measured import Measured
from memcell.compare.report.summary import Summary
from memcell.statistics.targets import NEVER

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: More rows than this are not drawn.
MOST_ROWS = 40


def short(key: Key) -> str:
    """Return a setting's values in a row."""
    return ", ".join(key)


def draw_scores(
    comparison: Comparison, measured: Measured, summaries: Sequence[Summary]
) -> bytes | None:
    """Draw the main score of each run, a panel for each inference policy; None without scores."""
    policies = [p for p in measured.inferences if any(s.inference == p and s.score == s.score
                                                      for s in summaries)]  # fmt: skip
    keys = comparison.settings[:MOST_ROWS]
    if not policies or not keys:
        return None
    rows = {key: i for i, key in enumerate(keys)}
    figure, axes = new_figure(len(policies), 0.9 + 0.36 * len(keys))
    for ax, policy in zip(axes, policies, strict=True):
        for (key, seed), value in measured.values[comparison.main_score, policy].items():
            if key in rows:
                colour = COLOURS[comparison.axes[0].values.index(key[0]) % len(COLOURS)]
                ax.plot(
                    value, rows[key] + 0.24 * _jitter(seed), "o", ms=4, color=colour, alpha=0.55
                )
        for s in summaries:
            if s.inference == policy and s.setting in rows and s.score == s.score:
                i = rows[s.setting]
                ax.plot([s.low, s.high], [i, i], color=INK, lw=2.5, solid_capstyle="butt")
                ax.plot(s.score, i, "D", ms=7, color="white", mec=INK, mew=1.8)
        _rows(ax, keys)
        title = f"memory at inference: {policy}"
        finish(ax, title, comparison.main_score.replace("_", " "), "")
    return png(figure)


def draw_updates(comparison: Comparison, measured: Measured) -> bytes | None:
    """Draw each run's updates to the target loss; runs that never got there stand apart at the right."""
    keys = comparison.settings[:MOST_ROWS]
    reached = [u for u in measured.updates.values() if u < NEVER]
    if measured.target != measured.target or not measured.updates or not keys:
        return None
    rows = {key: i for i, key in enumerate(keys)}
    figure, (ax,) = new_figure(1, 1.3 + 0.36 * len(keys))
    never = measured.budget * 1.6
    for (key, seed), updates in measured.updates.items():
        if key in rows:
            colour = COLOURS[comparison.axes[0].values.index(key[0]) % len(COLOURS)]
            y = rows[key] + 0.24 * _jitter(seed)
            there = updates < NEVER
            ax.plot(updates if there else never, y, "o" if there else "x", ms=5, color=colour,
                    alpha=0.7)  # fmt: skip
    for key, i in rows.items():
        every = sorted(u for (k, _), u in measured.updates.items() if k == key)
        if every:
            middle = every[len(every) // 2]
            ax.plot(min(middle, never), i, "D", ms=7, color="white", mec=INK, mew=1.8)
    ax.set_xscale("log")
    ticks = sorted({float(f"{t:.2g}") for t in np.geomspace(min([*reached, measured.budget]),
                                                           measured.budget, 4)})  # fmt: skip
    ax.set_xticks(ticks, [f"{t:.0f}" for t in ticks])
    ax.set_xticks([], minor=True)
    ax.axvline(measured.budget * 1.25, color=GREY, lw=1, ls=":")
    ax.text(never, -0.62, "never", ha="center", va="bottom", fontsize=FONT - 1, color=INK)
    ax.set_xlim(min([*reached, measured.budget]) * 0.7, never * 1.35)
    _rows(ax, keys)
    finish(ax, "", f"updates until the validation loss was {measured.target:.4g}", "")
    return png(figure)


def draw_two_by_two(
    comparison: Comparison, measured: Measured, summaries: Sequence[Summary]
) -> bytes | None:
    """Draw mean scores with intervals as a grid: settings down, inference policies across."""
    keys, policies = comparison.settings[:MOST_ROWS], measured.inferences
    grid = np.full((len(keys), max(1, len(policies))), np.nan)
    found = {(s.setting, s.inference): s for s in summaries}
    for i, key in enumerate(keys):
        for j, policy in enumerate(policies):
            grid[i, j] = found[key, policy].score
    if len(policies) < 2 or np.isnan(grid).all():
        return None
    figure, (ax,) = new_figure(1, 1.0 + 0.55 * len(keys))
    ax.grid(False)
    ax.imshow(grid, cmap="cividis", aspect="auto")
    middle = (np.nanmin(grid) + np.nanmax(grid)) / 2
    for (i, j), value in np.ndenumerate(grid):
        s = found[keys[i], policies[j]]
        words = "none" if value != value else f"{value:.3f}"
        words += f"\n{s.low:.3f} to {s.high:.3f}" if s.low == s.low else ""
        ax.text(j, i, words, ha="center", va="center", fontsize=FONT - 1,
                color="black" if value != value or value > middle else "white")  # fmt: skip
    _rows(ax, keys)
    ax.set_ylim(len(keys) - 0.5, -0.5)
    ax.set_xticks(range(len(policies)), [f"inference: {p}" for p in policies], fontsize=FONT)
    finish(ax, "", "", "trained with")
    return png(figure)


def draw_subjects(panels: dict[str, dict[str, float]], score: str) -> bytes | None:
    """Draw each subject's mean difference, a panel for each comparison, subjects sorted by it.

    Args:
        panels: Title to subject to difference.
        score: Name of the main score.
    """
    panels = {title: d for title, d in panels.items() if d}
    if not panels:
        return None
    most = max(len(d) for d in panels.values())
    figure, axes = new_figure(len(panels), 1.2 + 0.22 * min(most, 40))
    bound = 1.1 * max(abs(v) for d in panels.values() for v in d.values()) or 1.0
    for ax, (title, d) in zip(axes, panels.items(), strict=True):
        ordered = sorted(d.items(), key=lambda pair: pair[1])
        values = np.array([v for _, v in ordered])
        for sign, i in ((values > 0, 0), (values < 0, 1), (values == 0, 6)):
            ax.plot(values[sign], np.flatnonzero(sign), MARKERS[i], color=COLOURS[i], ms=6)
        ax.axvline(0, color=GREY, lw=1.2)
        if len(ordered) <= 40:
            ax.set_yticks(range(len(ordered)), [name for name, _ in ordered])
        else:
            ax.set_yticks([])
        ax.set_xlim(-bound, bound)
        up = int((values > 0).sum())
        finish(ax, f"{title}: higher in {up} of {len(values)}", f"difference in {score}", "subject")
    return png(figure)


def _rows(ax: Axes, keys: Sequence[Key]) -> None:
    ax.set_yticks(range(len(keys)), [short(k) for k in keys])
    ax.set_ylim(len(keys) - 0.4, -0.8)


def _jitter(seed: int) -> float:
    """Return a place between -1 and 1 that is the same for one seed in every row."""
    return ((seed * 0.6180339887) % 1) * 2 - 1
