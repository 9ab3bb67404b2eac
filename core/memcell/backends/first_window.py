"""The check of foreign code before it trains: its first window natively and on the eager loop."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from memcell.backends import choose as ways
from memcell.backends.agreement import Window, compare, tolerance, untouched
from memcell.backends.step_masks import WindowMarks
from memcell_compiler.trace.unsupported import Unsupported

if TYPE_CHECKING:
    from memcell.backends.layer import Layer


class FirstWindow:
    """Checks the first window that layers train on, of a cell (or normalizer) that is not built in.

    The window is run as it is, with restarts and padding put into it, and as at inference; each in the
    way that the layer takes and on the eager loop. Nothing that training goes on from is touched.

    Args:
        origin: Whose code it is: kind, name, distribution and version, in words.

    Attributes:
        difference: What differed, empty while nothing has.
        seconds: What it took.
    """

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.difference = ""
        self.seconds = 0.0
        self._layers = 0
        self._share = 0.0
        self._way = ""
        self._dtype, self._steps = torch.float32, 0

    def agrees(self, way: str, layer: Layer, window: Window) -> bool:
        """Check a layer's window; whether it may run in this way.

        Args:
            way: The way that it would take.
            layer: The layer.
            window: What it is about to train on.
        """
        began = time.perf_counter()
        try:
            for each in _windows(layer, window):
                found = compare(way, layer, each)
                self._share = max(self._share, found.gap / found.allowed if found.allowed else 0.0)
                if not found.kept:
                    where = f"{each.words}, {_word(window.x.dtype)}"
                    self.difference = f"layer {self._layers}: {found.words} ({where})"
                    return False
        except Unsupported:  # said when the window itself is run
            return True
        except Exception as error:  # where it is the cell's own, the eager loop says so
            what = " ".join(f"{type(error).__name__}: {error}".split())[:300]
            self.difference = f"layer {self._layers}: it raised {what}"
            return False
        finally:
            self.seconds += time.perf_counter() - began
            self._layers += 1
        self._way, self._dtype, self._steps = way, window.x.dtype, window.x.shape[0]
        return True

    @property
    def reason(self) -> str:
        """Why layers run eagerly; empty where nothing has differed."""
        if not self.difference:
            return ""
        return f"in its first window {self.origin} did not agree with the eager loop: {self.difference}"

    @property
    def line(self) -> str:
        """What was found, for the person; empty where nothing ran but the eager loop."""
        if self.difference or not self._way:
            return ""
        return (
            f"first window of {self.origin} {ways.NAMES[self._way]} equals the eager loop's, values and "
            f"gradients, within rounding (limit {tolerance(self._dtype, self._steps):.1g} of the largest in "
            f"{_word(self._dtype)} over {self._steps} steps, {self._share:.0%} of it used; checking took "
            f"{self.seconds:.1f} s)"
        )


def _windows(layer: Layer, window: Window) -> list[Window]:
    """Return the window, the same with restarts and padding, and the same as at inference.

    Where restarts would make a normalizer work in another mode they are left out: code for it would be
    made for the check alone.
    """
    found = [window]
    steps, lanes = window.x.shape[:2]
    if steps > 2:
        restarts, valid = window.marks.restarts.clone(), window.marks.valid.clone()
        restarts[steps // 2, :: min(lanes, 3)] = True
        valid[steps - steps // 4 :, lanes // 2] = False
        marks = WindowMarks.of(restarts, valid, window.marks.ages[0])
        if _modes(layer, window.marks, window.gather) == _modes(layer, marks, window.gather):
            found.append(replace(window, marks=marks))
    found.append(replace(window, training=False, gather=False, masks=None))
    return found


def _modes(layer: Layer, marks: WindowMarks, gather: bool) -> dict[str, str]:
    with untouched(layer):
        return {site: w.mode for site, w in layer.norms.windows(marks, gather).items()}


def _word(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
