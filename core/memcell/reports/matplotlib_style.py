"""The look of pictures that are files of their own (PNG, PDF), drawn by matplotlib; pages have `charts`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from memcell.reports.palette import LIGHT

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = LIGHT.series
DASHES: tuple[Any, ...] = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 3)), (0, (8, 3)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
INK, GREY = LIGHT.ink, LIGHT.soft
#: Inches and points an inch: 960 points wide, shrunk to 350 on a phone its letters are 9 points high.
WIDTH, DPI = 6.0, 160
FONT = 11


def look(i: int) -> dict[str, Any]:
    """Return colour and dashes of the i-th line."""
    return {
        "color": COLOURS[i % len(COLOURS)],
        "linestyle": DASHES[(i + i // len(COLOURS)) % len(DASHES)],
    }


def new_figure(panels: int, height: float, columns: int = 1) -> tuple[Figure, list[Axes]]:
    """Return a figure with so many panels, each ``height`` inches high."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with rc_context({"font.size": FONT, "axes.titlesize": FONT + 1, "axes.edgecolor": GREY}):
        rows = -(-panels // columns)
        figure = Figure(figsize=(WIDTH, height * rows + 0.3), dpi=DPI, layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots(rows, columns, squeeze=False).ravel().tolist()
        for spare in axes[panels:]:
            spare.set_visible(False)
        for ax in axes[:panels]:
            ax.spines[["top", "right"]].set_visible(False)
            ax.grid(True, color="#E4E4EA", linewidth=0.7)
            ax.set_axisbelow(True)
    return figure, axes[:panels]


def finish(ax: Axes, title: str, x: str, y: str) -> None:
    """Write title and names of the axes."""
    ax.set_title(title, loc="left", fontsize=FONT + 1)
    ax.set_xlabel(x, fontsize=FONT)
    ax.set_ylabel(y, fontsize=FONT)
    ax.tick_params(labelsize=FONT - 1, colors=INK)
