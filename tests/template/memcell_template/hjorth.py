"""Hjorth's parameters of each channel over the window behind a step.

With x the samples of a channel and x' their differences: activity ``ln var(x)``, mobility ``sqrt(var(x') /
var(x))``, complexity ``mobility(x') / mobility(x)`` (Hjorth 1970).
"""

from __future__ import annotations

import numpy as np

from memcell_eeg.features.windows import SignalWindow
from memcell_template.configs import HjorthConfig

#: An amplifier's own noise, uV^2, so that a channel that stands still has finite parameters.
FLOOR = 1e-3


class Hjorth:
    """Makes ``[k, C * 3]`` (without complexity 2) of ``[k, C, w]`` uV.

    Args:
        signal: What it is built for.
        config: Its options.
    """

    normalized = True

    def __init__(self, signal: SignalWindow, config: HjorthConfig) -> None:
        self._complexity = config.complexity
        kinds = ("activity", "mobility", *(("complexity",) if config.complexity else ()))
        self.names = tuple(f"{channel} {kind}" for channel in signal.channels for kind in kinds)
        self.delay = signal.window / 2

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        """Return the features."""
        x = samples.astype(np.float64)
        first, second, third = (np.var(np.diff(x, n, axis=2), axis=2) + FLOOR for n in (0, 1, 2))
        mobility = np.sqrt(second / first)
        found = [np.log(first), mobility]
        if self._complexity:
            found.append(np.sqrt(third / second) / mobility)
        return np.stack(found, axis=2).reshape(len(x), -1)
