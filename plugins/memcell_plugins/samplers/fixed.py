"""Random choices that stay the same over the epochs of a run."""

from __future__ import annotations

import numpy as np

#: Mixed with the run's seed, so that this stream is none of the engine's.
_FIXED = 0xA11


def fixed_rng(seed: int) -> np.random.Generator:
    """Return the generator of a run's fixed choices.

    Nothing is remembered: asked again, also by a resumed run, it begins anew and draws the same.

    Args:
        seed: The run's seed, which the engine sets as `Sampler.seed`.
    """
    return np.random.default_rng([seed, _FIXED])
