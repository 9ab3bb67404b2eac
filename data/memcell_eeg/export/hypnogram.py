"""A hypnogram of wake and sleep as text, a line an epoch of 30 s, in YASA's words.

An epoch is ``SLEEP`` where half or more of its steps are, else ``WAKE``, and ``UNS`` (unscored) where less
than half of it has steps: in a gap. Lines count from the recording's first sample through its gaps, so line k
is of ``[30 k, 30 (k + 1))`` s. ``yasa.Hypnogram(lines, n_stages=2)`` takes them.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from memcell.errors import UsageError
from memcell.files.atomic import write_atomic

EPOCH = 30.0
ASLEEP, AWAKE, UNSCORED = "SLEEP", "WAKE", "UNS"


def check_staged(event: str, background: str, step: float) -> None:
    """Refuse a hypnogram of what has none.

    Raises:
        UsageError: Something else than sleep is detected, or a step is longer than an epoch.
    """
    if (event, background) != ("sleep", "wake"):
        raise UsageError(
            f"--export hypnogram: a hypnogram has sleep and wake, and this detects {event}; type "
            "'memcell predict sleep'."
        )
    if step > EPOCH:
        raise UsageError(
            f"--export hypnogram: a step of {step:g} s is longer than an epoch of {EPOCH:g} s."
        )


class HypnogramEpochs:
    """Counts the steps of a recording by epoch.

    Args:
        step: Length of a step, s.
    """

    def __init__(self, step: float) -> None:
        self._step = step
        self._steps: defaultdict[int, int] = defaultdict(int)
        self._asleep: defaultdict[int, int] = defaultdict(int)
        self._end = 0.0

    def push(self, times: NDArray[np.float64], asleep: NDArray[np.bool_]) -> None:
        """Add the next steps: their starts and whether they are sleep."""
        if len(times) == 0:
            return
        epochs = ((times + self._step / 2) // EPOCH).astype(int)
        for which, counts in ((epochs, self._steps), (epochs[asleep], self._asleep)):
            for epoch, n in zip(*np.unique(which, return_counts=True), strict=True):
                counts[int(epoch)] += int(n)
        self._end = float(times[-1]) + self._step

    def lines(self) -> list[str]:
        """Return a word an epoch; the last may be cut by the recording's end."""
        words = []
        for k in range(int(np.ceil(self._end / EPOCH - 1e-6))):
            seconds = self._steps[k] * self._step
            if seconds < min(EPOCH, self._end - k * EPOCH) / 2 - 1e-6:
                words.append(UNSCORED)
            else:
                words.append(ASLEEP if 2 * self._asleep[k] >= self._steps[k] else AWAKE)
        return words

    def write(self, path: Path) -> None:
        """Write them.

        Raises:
            MemcellError: The file cannot be written.
        """
        write_atomic(path, "\n".join(self.lines()) + "\n")
