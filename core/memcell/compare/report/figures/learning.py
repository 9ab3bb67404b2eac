"""Validation loss against updates, and its paired difference to the reference."""

from __future__ import annotations

from collections.abc import Sequence

from memcell.compare.report.curves import Curve
from memcell.compare.report.figures.style import (
    GREY,
    MOST_PANELS,
    finish,
    legend,
    look,
    new_figure,
    png,
)
from memcell.compare.report.folder import Comparison, Key


def draw_learning(
    comparison: Comparison, curves: Sequence[Curve], target: float | None, difference: bool
) -> bytes | None:
    """Draw a line for each value of the first axis, a panel for each combination of the others.

    Args:
        comparison: For names and order.
        curves: Losses, or differences.
        target: Drawn as a line where given.
        difference: The curves are differences to the reference.

    Returns:
        A PNG, or None without curves.
    """
    panels: dict[Key, list[Curve]] = {}
    for curve in curves:
        if len(curve.updates):
            panels.setdefault(curve.setting[1:], []).append(curve)
    if not panels:
        return None
    shown = list(panels)[:MOST_PANELS]
    values = list(comparison.axes[0].values)
    figure, axes = new_figure(len(shown), 3.6)
    for ax, rest in zip(axes, shown, strict=True):
        for curve in panels[rest]:
            way = look(values.index(curve.setting[0]))
            marker = "o" if len(curve.updates) < 3 else None
            ax.plot(curve.updates, curve.mean, label=curve.setting[0], lw=2, marker=marker, **way)
            ax.fill_between(
                curve.updates, curve.low, curve.high, color=way["color"], alpha=0.18, lw=0
            )
        if difference:
            ax.axhline(0, color=GREY, lw=1.2)
        elif target is not None and target == target:
            ax.axhline(target, color=GREY, lw=1.2, label="target")
        others = zip(comparison.axes[1:], rest, strict=True)
        title = ", ".join(f"{a.name.replace('_', ' ')} {v}" for a, v in others)
        y = f"loss less that of {values[0]}" if difference else "validation loss (nats)"
        finish(ax, title, "updates", y)
        legend(ax, 4)
    return png(figure)
