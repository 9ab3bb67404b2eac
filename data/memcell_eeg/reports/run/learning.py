"""Losses against updates."""

from __future__ import annotations

import numpy as np

from memcell.reports import Html, drawing, legend, panels, paragraph
from memcell.reports.numbers import number
from memcell.reports.svg import COLOURS, DASHES
from memcell_eeg.reports.drawings.small import Curve, curves
from memcell_eeg.reports.run.held import Learning, Run


def learning(run: Run) -> Html:
    """Return losses against updates, a panel for each way of training."""
    names = list(dict.fromkeys(c.name for c in run.learning))
    if not names:
        return paragraph("There is no learning curve: no epoch was finished.")
    every = [v for c in run.learning for _, v in (*c.training, *c.validation)]
    top = float(np.quantile(every, 0.98)) * 1.1 if every else 1.0
    last = max((u for c in run.learning for u, _ in (*c.training, *c.validation)), default=1)
    figures = []
    for name in names:
        own = [c for c in run.learning if c.name == name]
        lines = [_curve("training", c.training, 0) for c in own if c.training]
        lines += [_curve("validation", c.validation, 1) for c in own if c.validation]
        words = _ends(own)
        svg = curves(lines, (0, last), (0, top), "updates", "loss (nats)", f"{name}. {words}")
        figures.append(drawing(svg, f"{name[:1].upper()}{name[1:]}. {words}"))
    keys = legend(
        [
            ("training recordings", COLOURS[0], DASHES[0]),
            ("validation recordings", COLOURS[1], DASHES[1]),
        ]
    )
    return Html(keys + panels(*figures))


def _curve(name: str, pairs: list[tuple[int, float]], look: int) -> Curve:
    return Curve(name=name, x=[float(u) for u, _ in pairs], y=[v for _, v in pairs], look=look)


def _ends(own: list[Learning]) -> str:
    if len(own) > 1:
        best = [min(v for _, v in c.validation) for c in own if c.validation]
        middle = (
            f", the median of their best validation losses is {number(float(np.median(best)))}"
            if best
            else ""
        )
        return f"{len(own)} folds, a line each{middle}."
    c = own[0]
    if not c.validation:
        return (
            f"The training loss ends at {number(c.training[-1][1])}; there is no validation loss."
        )
    at, best_loss = min(c.validation, key=lambda pair: pair[1])
    return (
        f"Lowest validation loss {number(best_loss)} at update {at}: the weights of that epoch are kept. "
        f"It ended at update {max(u for u, _ in (*c.training, *c.validation))}."
    )
