"""Features on a common scale: by the running mean and spread of the past, or of the whole recording.

Causal, for each feature by itself. Mean and spread stand still over a block of n steps that begins at step
t of the segment and are renewed at its end, with ``x_0`` the segment's first value::

    z_i = clip((x_i - m) / s, -5, 5)                   i = t .. t + n - 1
    d_i = clip(x_i - m, -3 s, 3 s)
    m  += sum_i d_i / min(t + n, tau)                               m = x_0 at first
    s  += (1.2533 sum_i |d_i| - n s) / min(t + n - 1 + p, tau)      s = 1 at first

so that ``z_0 = 0``, both are plain averages until ``tau`` steps have passed and forget exponentially
from then on, and a value beyond three spreads pulls no harder than one at three (Huber 1964). 1.2533
is sqrt(pi / 2): of a normal variable, s is its standard deviation. The spread starts at 1, the order
of magnitude of a log power, as if p = 25 steps had shown it.

After a gap of g steps the past counts as if so many steps had been forgotten: mean and spread stay, and t
becomes ``min(t, tau) exp(-g / tau)``. So a lost sample changes nothing, and after some times tau (36 minutes
of 5 min) nothing is left and the scale begins anew.

A block is a tenth of the steps before it, at least 1 and at most ``tau / 60`` steps (5 s of 5 min): long
enough to be quick, short enough that it makes no difference to the scale.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from memcell_data.native.library import address, functions

LIMIT = 5.0
HUBER = 3.0
PRIOR_STEPS = 25
SMALLEST = 1e-3
TO_SIGMA = float(np.sqrt(np.pi / 2))


class CausalNormalizer:
    """Normalizes steps that come in chunks; chunked equals whole, bit for bit.

    Args:
        memory: ``tau``, steps that the running mean and spread remember.
    """

    def __init__(self, memory: float) -> None:
        self.memory = max(memory, 2.0)
        self._longest = max(1, int(self.memory / 60))
        self._rule = np.array([self.memory, PRIOR_STEPS, HUBER, TO_SIGMA, SMALLEST])
        self._mean: NDArray[np.float64] | None = None
        self._t = 0  # steps before the block
        self._n = 1  # steps of the block
        self._at = 0  # of which are done

    def push(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return ``[n, F]`` normalized, for the next ``[n, F]`` steps of the segment."""
        out = np.empty(values.shape)
        if len(values) == 0:
            return out
        if self._mean is None:
            self._mean = values[0].copy()
            self._spread = np.ones_like(self._mean)
            self._block = np.empty((self._longest, values.shape[1]))
        # numpy adds a single column in another order
        native = functions() if values.shape[1] > 1 else None
        if native is not None:
            values = np.ascontiguousarray(values, dtype=np.float64)
            place = np.array([self._t, self._n, self._at], dtype=np.int64)
            kept = map(address, (self._mean, self._spread, self._block, place))
            native.normalize(
                address(values),
                *values.shape,
                *kept,
                self._longest,
                address(self._rule),
                address(out),
            )
            self._t, self._n, self._at = place.tolist()
            return np.clip(out, -LIMIT, LIMIT, out=out)
        first = 0
        while first < len(values):
            stop = min(len(values), first + self._n - self._at)
            here = out[first:stop]
            np.subtract(values[first:stop], self._mean, out=here)
            # The block's own array: its sums have the same bits however its steps came.
            self._block[self._at : self._at + len(here)] = here
            here /= self._spread
            self._at += len(here)
            first = stop
            if self._at == self._n:
                self._renew()
        return np.clip(out, -LIMIT, LIMIT, out=out)

    def gap(self, steps: float) -> None:
        """Let the past fade before the next step.

        Args:
            steps: That are missing, 0 or more.
        """
        if self._at:
            self._n = self._at
            self._renew()
        self._t = int(min(self._t, self.memory) * np.exp(-max(0.0, steps) / self.memory))
        self._n = min(max(1, self._t // 10), self._longest)
        if self._t == 0:
            self._mean = None

    def _renew(self) -> None:
        """Renew mean and spread from a whole block, and begin the next one."""
        mean, spread, n, past = self._mean, self._spread, self._n, self._t + self._n
        assert mean is not None
        block = self._block[:n]
        farthest = HUBER * spread
        np.minimum(np.maximum(block, -farthest, out=block), farthest, out=block)
        mean += block.sum(axis=0) / min(past, self.memory)
        np.abs(block, out=block)
        size = TO_SIGMA * block.sum(axis=0)
        spread += (size - n * spread) / min(past - 1 + PRIOR_STEPS, self.memory)
        np.maximum(spread, SMALLEST, out=spread)
        self._t, self._at = past, 0
        self._n = min(max(1, past // 10), self._longest)


def by_recording(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ``[n, F]`` by the median and 1.4826 median absolute deviations of all steps.

    It looks into the future: fit for a recording that is over, not for an alarm.
    """
    centre = np.median(values, axis=0)
    spread = 1.4826 * np.median(np.abs(values - centre), axis=0)
    return np.clip((values - centre) / np.maximum(spread, SMALLEST), -LIMIT, LIMIT)
