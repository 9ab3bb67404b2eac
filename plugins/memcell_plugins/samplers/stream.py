"""Streams: row i of batch k+1 continues row i of batch k.

Either each lane runs through whole sequences, one after the other (a sequence goes to the lane that is
shortest so far), or the line of all windows is cut into B equal parts, one a lane, as language models do
with one long text. A cut makes a lane begin in the middle of a recording, without memory of what came
before; so sequences stay whole where there are enough of them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from memcell.errors import ConfigError
from memcell.reports.numbers import counted
from memcell.sequences.sampler import EMPTY, Sampler
from memcell.sequences.windows import WindowTable
from memcell_plugins.samplers.configs import StreamConfig


class Stream(Sampler):
    """Lanes of consecutive windows.

    Args:
        config: Options.
    """

    def __init__(self, config: StreamConfig) -> None:
        self.config = config

    def phase(self, epoch: int, time_steps: int, rng: np.random.Generator) -> int:
        """Return 0, or with ``jitter`` a random shift of the grid."""
        return int(rng.integers(time_steps)) if self.config.jitter else 0

    def order(
        self, windows: WindowTable, batch_size: int, epoch: int, rng: np.random.Generator
    ) -> NDArray[np.int64]:
        """Return ``[n_batches, B]``, each column a lane."""
        runs = [np.flatnonzero(windows.sequence == s) for s in np.unique(windows.sequence)]
        split = self.config.split
        if split == "whole" and len(runs) < batch_size:
            raise ConfigError(
                f"sampler 'stream' with split=whole gives each lane whole sequences, and {batch_size} lanes "
                f"are more than the {counted(len(runs), 'sequence')} there are: type --batch-size "
                f"{len(runs)} or less, or --sampler.split always to cut them"
            )
        if self.config.shuffle_sequences and split != "whole":
            runs = [runs[i] for i in rng.permutation(len(runs))]
        if split == "always" or (split == "auto" and len(runs) < batch_size):
            return _columns(np.array_split(_joined(runs), batch_size))
        lanes: list[list[NDArray[np.int64]]] = [[] for _ in range(batch_size)]
        lengths = np.zeros(batch_size, dtype=np.int64)
        for run in runs:
            shortest = int(lengths.argmin())
            lanes[shortest].append(run)
            lengths[shortest] += len(run)
        return _columns([_joined(lane) for lane in lanes])


def _joined(runs: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    return np.concatenate(runs) if runs else np.empty(0, dtype=np.int64)


def _columns(lanes: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    order = np.full((max(map(len, lanes)), len(lanes)), EMPTY, dtype=np.int64)
    for i, lane in enumerate(lanes):
        order[: len(lane), i] = lane
    return order
