"""Features on a common scale: by the running mean and spread of the past, or of the whole recording.

Causal, for each feature by itself, with ``x_0`` the stretch's first value::

    z_t     = clip((x_t - m_{t-1}) / s_{t-1}, -5, 5)
    d_t     = clip(x_t - m_{t-1}, -3 s_{t-1}, 3 s_{t-1})
    m_t     = m_{t-1} + d_t / min(t + 1, tau)                       m_{-1} = x_0
    s_t     = s_{t-1} + (1.2533 |d_t| - s_{t-1}) / min(t + p, tau)  s_{-1} = 1

so that ``z_0 = 0``, both are plain averages until ``tau`` steps have passed and forget exponentially
from then on, and a value beyond three spreads pulls no harder than one at three (Huber 1964). 1.2533
is sqrt(pi / 2): of a normal variable, s is its standard deviation. The spread starts at 1, the order
of magnitude of a log power, as if p = 25 steps had shown it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LIMIT = 5.0
HUBER = 3.0
PRIOR_STEPS = 25
SMALLEST = 1e-3
TO_SIGMA = float(np.sqrt(np.pi / 2))


class CausalNormalizer:
    """Normalizes the steps of one stretch that come in chunks; chunked equals whole, bit for bit.

    Args:
        memory: ``tau``, steps that the running mean and spread remember.
    """

    def __init__(self, memory: float) -> None:
        self.memory = max(memory, 2.0)
        self._mean: NDArray[np.float64] | None = None
        self._spread: NDArray[np.float64] | None = None
        self._t = 0

    def push(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return ``[n, F]`` normalized, for the next ``[n, F]`` steps of the stretch."""
        out = np.empty_like(values)
        if len(values) == 0:
            return out
        mean = values[0].copy() if self._mean is None else self._mean
        spread = np.ones_like(mean) if self._spread is None else self._spread
        for n, x in enumerate(values):
            scaled = (x - mean) / spread
            out[n] = scaled
            pull = np.clip(scaled, -HUBER, HUBER) * spread
            mean = mean + pull / min(self._t + 1, self.memory)
            spread = spread + (TO_SIGMA * np.abs(pull) - spread) / min(
                self._t + PRIOR_STEPS, self.memory
            )
            spread = np.maximum(spread, SMALLEST)
            self._t += 1
        self._mean, self._spread = mean, spread
        return np.clip(out, -LIMIT, LIMIT)


def by_recording(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ``[n, F]`` by the median and 1.4826 median absolute deviations of all steps.

    It looks into the future: fit for a recording that is over, not for an alarm.
    """
    centre = np.median(values, axis=0)
    spread = 1.4826 * np.median(np.abs(values - centre), axis=0)
    return np.clip((values - centre) / np.maximum(spread, SMALLEST), -LIMIT, LIMIT)
