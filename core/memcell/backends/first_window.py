"""The check of a stranger's cell before it trains: its first window on its backend and on the eager loop."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from memcell.backends.agreement import ComparedWindow, compare, tolerance, untouched
from memcell.backends.backend import Backend
from memcell.recurrent.refusals import Unsupported
from memcell.recurrent.step_masks import StepMasks

if TYPE_CHECKING:
    from memcell.backends.layer import Layer


class FirstWindow:
    """Checks the first window that layers train on, of a cell (or normalizer) that is not built in.

    The window is run as it is, with resets and padding put into it, and as at inference; each on the
    backend that the layer takes and on the eager loop. Nothing that training goes on from is touched.

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
        self._backend: Backend | None = None
        self._dtype, self._steps = torch.float32, 0

    def agrees(self, backend: Backend, layer: Layer, window: ComparedWindow) -> bool:
        """Check a layer's window; whether it may run on this backend.

        Args:
            backend: The backend that it would take.
            layer: The layer.
            window: What it is about to train on.
        """
        began = time.perf_counter()
        try:
            for each in _windows(layer, window):
                found = compare(backend, layer, each)
                self._share = max(self._share, found.gap / found.allowed if found.allowed else 0.0)
                if not found.kept:
                    where = f"{each.description}, {_word(window.call.x.dtype)}"
                    self.difference = f"layer {self._layers}: {found.description} ({where})"
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
        self._backend, x = backend, window.call.x
        self._dtype, self._steps = x.dtype, x.shape[0]
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
        if self.difference or self._backend is None:
            return ""
        return (
            f"first window of {self.origin} {self._backend.phrase} equals the eager loop's, values and "
            f"gradients, within rounding (limit {tolerance(self._dtype, self._steps):.1g} of the largest in "
            f"{_word(self._dtype)} over {self._steps} steps, {self._share:.0%} of it used; checking took "
            f"{self.seconds:.1f} s)"
        )


def _windows(layer: Layer, window: ComparedWindow) -> list[ComparedWindow]:
    """Return the window, the same with resets and padding, and the same as at inference.

    Where resets would make a normalizer work in another mode they are left out: code for it would be
    made for the check alone.
    """
    found, call = [window], window.call
    steps, lanes = call.x.shape[:2]
    if steps > 2:
        resets, valid = call.masks.resets.clone(), call.masks.valid.clone()
        resets[steps // 2, :: min(lanes, 3)] = True
        valid[steps - steps // 4 :, lanes // 2] = False
        masks = StepMasks.of(resets, valid, call.masks.ages[0])
        if _modes(layer, call.masks, call.update_statistics) == _modes(
            layer, masks, call.update_statistics
        ):
            found.append(replace(window, call=call._replace(masks=masks)))
    inference = call._replace(update_statistics=False)
    found.append(replace(window, call=inference, training=False, mask_state=None))
    return found


def _modes(layer: Layer, masks: StepMasks, update_statistics: bool) -> dict[str, str]:
    with untouched(layer):
        windows = layer.norms.windows(masks, update_statistics)
        return {site: window.mode for site, window in windows.items()}


def _word(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
