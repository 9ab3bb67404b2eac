"""What the last seconds and minutes were like: causal means of the features, as further features.

For each time constant tau and each feature, the mean of the steps that are known so far, each weighted by its
age::

    m_t = sum_s exp(-(t - s) / tau) x_s / sum_s exp(-(t - s) / tau)

so that the first steps have the plain mean of what there is and not a mean with zeros. Time in a gap, and
steps whose window is not full yet, pass without a value: what was before them fades and stays until something
new comes. Sums are carried from one call to the next, so that chunks change no bit.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

#: Below this sum of weights nothing is known any more (36 times tau).
FORGOTTEN = 2e-16


def names(features: Sequence[str], seconds: Sequence[float]) -> tuple[str, ...]:
    """Return the names of the means: those of the first time constant, then of the next."""
    return tuple(f"{name}, mean of {tau:g} s" for tau in seconds for name in features)


def is_mean(name: str) -> bool:
    """Whether a feature is one of the means that `names` names."""
    return ", mean of " in name


class ContextMeans:
    """Exponential means of features that come in chunks; chunked equals whole, bit for bit.

    Args:
        seconds: Time constants.
        step: Seconds of a step.
    """

    def __init__(self, seconds: Sequence[float], step: float) -> None:
        self._keeps = [float(np.exp(-step / tau)) for tau in seconds]
        self._weights = [0.0 for _ in seconds]
        self._sums: list[NDArray[np.float64]] = []

    def gap(self, steps: float) -> None:
        """Let the past fade before the next step.

        Args:
            steps: That are missing, 0 or more.
        """
        for k in range(len(self._sums)):
            self._fade(k, self._keeps[k] ** max(0.0, steps))

    def push(self, values: NDArray[np.float64], unknown: int = 0) -> NDArray[np.float64]:
        """Return ``[n, F * K]``, the means at the next ``[n, F]`` steps, those of the first tau first.

        Args:
            values: The features.
            unknown: So many of them, the first, are no values of a full window and count as missing. Their
                mean is that of what is known, and where nothing is, they are their own.
        """
        if not self._sums:
            self._sums = [np.zeros(values.shape[1]) for _ in self._keeps]
        parts = []
        for k in range(len(self._keeps)):
            out = np.empty_like(values)
            for i in range(unknown):
                self._fade(k, self._keeps[k])
                known = self._weights[k] > 0
                out[i] = self._sums[k] / self._weights[k] if known else values[i]
            if len(values) > unknown:
                out[unknown:] = self._means(k, values[unknown:])
            parts.append(out)
        return np.concatenate(parts, axis=1)

    def _means(self, k: int, values: NDArray[np.float64]) -> NDArray[np.float64]:
        from scipy.signal import lfilter

        keep = self._keeps[k]
        x = np.concatenate([values, np.ones((len(values), 1))], axis=1)
        before = keep * np.append(self._sums[k], self._weights[k])
        sums, _ = lfilter([1.0], [1.0, -keep], x, axis=0, zi=before[None])
        self._sums[k], self._weights[k] = sums[-1, :-1].copy(), float(sums[-1, -1])
        return np.asarray(sums[:, :-1] / sums[:, -1:])

    def _fade(self, k: int, factor: float) -> None:
        self._sums[k] *= factor
        self._weights[k] *= factor
        if self._weights[k] < FORGOTTEN:
            self._sums[k][:] = 0.0
            self._weights[k] = 0.0
