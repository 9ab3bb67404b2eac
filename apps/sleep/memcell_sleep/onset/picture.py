"""The picture of a run: predicted against true seconds on the test people."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from memcell.applications.app import Probabilities, Task
from memcell.files.atomic import write_atomic
from memcell.reports.matplotlib_style import COLOURS, GREY, finish, new_figure
from memcell.sequences.targets import Values

#: Points of each network at most, evenly spaced.
MOST = 3000


def draw(task: Task, probabilities: Mapping[str, Sequence[Probabilities]], path: Path) -> None:
    """Write a PNG: a panel for each network, a point for each test step, and the median along true time.

    Args:
        task: Its test split is drawn.
        probabilities: Of each network ``[n_steps, 1]`` for each test sequence.
        path: The file.
    """
    known = [s.labelled for s in task.test]
    true = np.concatenate(
        [np.empty(0), *(s.targets[k] for s, k in zip(task.test, known, strict=True))]
    ).astype(np.float64)
    figure, panels = new_figure(len(probabilities), 4.0)
    most = (
        task.target.limits[1] if isinstance(task.target, Values) and task.target.limits else 600.0
    )
    for i, (ax, (name, found)) in enumerate(zip(panels, probabilities.items(), strict=True)):
        predicted = np.concatenate(
            [np.empty(0), *(p[k, 0] for p, k in zip(found, known, strict=True))]
        ).astype(np.float64)
        kept = np.linspace(0, max(0, len(true) - 1), min(MOST, len(true))).astype(np.int64)
        colour = COLOURS[i % len(COLOURS)]
        ax.plot([0, most], [0, most], "--", color=GREY, lw=1)
        ax.plot(true[kept], predicted[kept], "o", color=colour, ms=3, alpha=0.35, mew=0)
        centres, middle = medians(true, predicted, most)
        ax.plot(centres, middle, "-", color=colour, lw=2)
        ax.set_xlim(0, most)
        ax.set_ylim(0, most)
        finish(ax, name, "true seconds to onset", "predicted seconds")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    write_atomic(path, buffer.getvalue())


def medians(
    true: NDArray[np.float64], predicted: NDArray[np.float64], most: float, bins: int = 12
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return centres of equal spans of true time, and the median prediction in each that has a step."""
    edges = np.linspace(0, most, bins + 1)
    place = np.clip(np.searchsorted(edges, true, side="right") - 1, 0, bins - 1)
    filled = np.unique(place)
    centres = (edges[:-1] + edges[1:])[filled] / 2
    return centres, np.array([float(np.median(predicted[place == b])) for b in filled])
