"""Random numbers of a run: everything is drawn from generators made of the one seed a person gave."""

from __future__ import annotations

import numpy as np
import torch

#: Purposes, so that two generators of one run never share a stream.
WEIGHTS, RUN, ORDER, LENGTHS, PROBE, MASKS = 1, 2, 3, 4, 5, 6


def torch_seed(seed: int, purpose: int) -> int:
    """Return a 63-bit seed mixed from the run's seed and a purpose."""
    mixed = np.random.SeedSequence([seed, purpose]).generate_state(1, np.uint64)[0]
    return int(mixed) & (2**63 - 1)


def run_generator(seed: int, rank: int = 0) -> torch.Generator:
    """Return the generator of a run (dropout, random restarts), on the CPU; each process has its own."""
    generator = torch.Generator()
    generator.manual_seed(torch_seed(seed, RUN) ^ rank)
    return generator


def mask_generator(seed: int, update: int, rank: int = 0) -> torch.Generator:
    """Return the generator of the masks that cells draw at an update, on the CPU.

    A function of its arguments, so that a resumed run draws the same, and so do two runs of one seed
    whatever else they draw.
    """
    words = np.random.SeedSequence([seed, MASKS, update, rank]).generate_state(1, np.uint64)
    generator = torch.Generator()
    generator.manual_seed(int(words[0]) & (2**63 - 1))
    return generator


def epoch_rng(seed: int, epoch: int) -> np.random.Generator:
    """Return the generator of an epoch's order: the same whenever the epoch is asked for."""
    return np.random.default_rng([seed, ORDER, epoch])


def lengths_rng(seed: int, epoch: int) -> np.random.Generator:
    """Return the generator of an epoch's window lengths, apart from that of its order."""
    return np.random.default_rng([seed, LENGTHS, epoch])
