"""The step that labels ask for, where none was typed: as long as their own grid, and no longer than 5 s.

A hypnogram changes every 20 or 30 s and a hand-scored sheet every second; steps much shorter than that are
many times the same question, and each has less signal to answer it from. What counts is where labels begin
and end within a recording. Labels of one class for a whole recording say nothing.

The labels of *all* recordings are looked at, of those that are tested on as well, since a run has one step:
where they change decides it, and which class they are does not.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from memcell_data.recording import Labels, Recording
from memcell_eeg.config import EegConfig

#: Steps that are looked at, the longest first, s; the last is taken where labels lie on no grid.
STEPS = (5.0, 4.0, 3.0, 2.5, 2.0, 1.5, 1.0, 0.5, 0.25, 0.2)
#: How far a label may lie from the grid, s.
NEAR = 0.01
#: Shortest window behind a step, s.
SHORTEST_WINDOW = 1.0
#: Step and window where no label changes within a recording, as with eyes open and closed.
UNCHANGING = (2.0, 4.0)

_Config = TypeVar("_Config", bound=EegConfig)


@dataclass(frozen=True, kw_only=True)
class Timing:
    """Step and window of a run.

    Args:
        step: Seconds.
        window: Seconds.
        reason: Why, for the notes; empty where both were typed.
    """

    step: float
    window: float
    reason: str = ""

    def applied(self, config: _Config) -> _Config:
        """Return a config with these, checked against its other options.

        Raises:
            ConfigError: Another option does not fit them.
        """
        timed = replace(config, step=self.step, window=self.window)
        timed.validate()
        return timed


def timing(config: EegConfig, recordings: Sequence[Recording] = ()) -> Timing:
    """Return the step and the window of a run: what was typed, else what the labels ask for.

    Args:
        config: The options; 0 follows the labels.
        recordings: Whose labels are at hand.
    """
    step, window, reason = config.step, config.window, ""
    if not step:
        found = _edges((r.labels(), r.duration) for r in recordings)
        if found is None:
            step, window, reason = STEPS[-1], window or SHORTEST_WINDOW, "no labels to follow"
        elif len(found) == 0:
            step = min(UNCHANGING[0], window or UNCHANGING[0])
            window = window or UNCHANGING[1]
            reason = "labels do not change within a recording"
        else:
            step, reason = _longest(found, [s for s in STEPS if not window or s <= window])
    if not window:
        window = max(SHORTEST_WINDOW, step)
        reason = reason or "the window follows the step"
    return Timing(step=step, window=window, reason=reason)


def _longest(edges: NDArray[np.float64], steps: Sequence[float]) -> tuple[float, str]:
    """Return the longest step on whose grid all edges lie."""
    for step in steps:
        if np.abs(edges - step * np.rint(edges / step)).max() <= NEAR:
            return step, f"labels change on a grid of {step:g} s or a multiple"
    return STEPS[-1], "labels change on no grid of seconds"


def _edges(
    labelled: Iterable[tuple[Labels | None, float]],
) -> NDArray[np.float64] | None:
    """Return where labels begin and end within recordings, s; None where there are no labels."""
    found: list[float] = []
    some = False
    for labels, duration in labelled:
        if labels is None:
            continue
        some = True
        classes = {i.label for i in labels.intervals}
        if labels.background in labels.positive | labels.negative:
            classes.add(str(labels.background))
        if len(classes) > 1:
            ends = [t for i in labels.intervals for t in (i.onset, i.onset + i.duration)]
            found += [t for t in ends if NEAR < t < duration - NEAR]
    return np.array(sorted(set(found))) if some else None
