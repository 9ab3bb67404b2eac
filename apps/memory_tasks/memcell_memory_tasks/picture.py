"""The picture of a run: inputs, and the probability of the right answer, over the first test steps."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from memcell.errors import DataError
from memcell.files.atomic import write_atomic
from memcell.reports.palette import LIGHT
from memcell.sequences.time_series import TimeSeries
from memcell_memory_tasks.problem import Probabilities

STEPS = 300
#: A colour and a mark for each network.
MARKS = tuple(zip(LIGHT.series, ("o", "s", "^", "D"), strict=False))


def draw(
    test: Sequence[TimeSeries],
    probabilities: Mapping[str, Sequence[Probabilities]],
    title: str,
    path: Path,
) -> None:
    """Write a PNG of 1400 x 700 points.

    Args:
        test: The test sequences; the first are drawn, up to 300 steps.
        probabilities: Per network ``[n_steps, n_classes]`` for each test sequence.
        title: Above the picture.
        path: The file.

    Raises:
        DataError: There is no test sequence.
    """
    if not test:
        raise DataError("there is no test sequence to draw; type more --test-streams.")
    lengths = np.cumsum([s.n_steps for s in test])
    shown = int(np.searchsorted(lengths, STEPS)) + 1
    first = list(test[:shown])
    x = np.concatenate([s.features for s in first])[:STEPS]
    y = np.concatenate([s.targets for s in first])[:STEPS]
    at = np.flatnonzero(y != -1)
    figure = Figure(figsize=(14, 7), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    above, below = figure.subplots(2, 1, sharex=True)
    above.imshow(x.T, aspect="auto", interpolation="nearest", cmap="Greys")
    above.set_ylabel("feature")
    above.set_title(title, loc="left")
    for k, (name, found) in enumerate(probabilities.items()):
        colour, mark = MARKS[k % len(MARKS)]
        p = np.concatenate([found[i] for i in range(len(first))])[:STEPS]
        below.plot(at, p[at, y[at]], mark, color=colour, ms=5, alpha=0.8, label=name)
    for edge in lengths[:shown]:
        if edge < len(x):
            above.axvline(edge - 0.5, color="black", lw=0.5)
    below.set_ylim(-0.05, 1.05)
    below.set_ylabel("probability of\nthe right answer")
    below.set_xlabel("step (lines: a new sequence)")
    below.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside lower center", ncols=4, frameon=False)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    write_atomic(path, buffer.getvalue())
