"""Channels of a live stream that have no signal from its start on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from memcell_data.quality.still import GOOD, StillSamples
from memcell_eeg.live.source import SampleChunk
from memcell_eeg.live.still import dithers

#: Seconds within which a stream's channel has to show a signal.
SECONDS = 5.0
#: Seconds between two looks.
_LOOK = 0.1


class FirstSignal:
    """Holds back a stream's first samples until each channel has shown a signal, or for `SECONDS`.

    Nothing is late by this: a step waits longer for its window, and of a dead channel there is none.

    Args:
        names: The source's.
        rate: Samples a second, Hz.
    """

    def __init__(self, names: Sequence[str], rate: float) -> None:
        self._dither = [dithers(name) for name in names]
        self._rate = rate
        self._held: list[SampleChunk] = []
        self._n, self._next = 0, 0
        self.over = False

    def push(self, chunk: SampleChunk) -> tuple[list[SampleChunk], list[int]]:
        """Return the chunks that can be processed, and the rows without a signal, once they are known."""
        if self.over:
            return [chunk], []
        self._held.append(chunk)
        self._n += chunk.values.shape[1]
        if self._n < self._next:
            return [], []
        self._next = self._n + max(1, round(_LOOK * self._rate))
        dead = self._dead()
        if dead and self._n < SECONDS * self._rate:
            return [], []
        return self.rest(), dead

    def rest(self) -> list[SampleChunk]:
        """Return what is held back, which is no longer waited for."""
        held, self._held, self.over = self._held, [], True
        return held

    def _dead(self) -> list[int]:
        values = np.concatenate([c.values for c in self._held], axis=1)
        return [i for i, row in enumerate(values) if not self._lives(row, self._dither[i])]

    def _lives(self, row: NDArray[np.float64], dither: bool) -> bool:
        decided = StillSamples(self._rate, dither=dither).push(row)
        return bool(((decided == GOOD) & np.isfinite(row[: len(decided)])).any())
