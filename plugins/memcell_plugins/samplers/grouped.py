"""Grouped: one group of windows after the other.

B. Badger, "Training Memory": the strongest order effect there is, since what comes last is remembered
best. Groups come in ascending order (labels, subjects' names) in every epoch; within a group the order is
new in every epoch. Clusters are made by k-means (scikit-learn) on the windows' embedding, each dimension
scaled to variance 1, seeded with the run's seed: the same clusters in every epoch. A window counts for its
most frequent label; those without any come first.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from memcell.sequences.sampler import Sampler, in_rows
from memcell.sequences.windows import WindowTable
from memcell_plugins.samplers.configs import GroupedConfig
from memcell_plugins.samplers.fixed import fixed_rng


class Grouped(Sampler):
    """Windows by label, subject or cluster.

    Args:
        config: Options.
    """

    def __init__(self, config: GroupedConfig) -> None:
        self.config = config

    def order(
        self, windows: WindowTable, batch_size: int, epoch: int, rng: np.random.Generator
    ) -> NDArray[np.int64]:
        """Return the groups, each shuffled."""
        shuffled = rng.permutation(len(windows))
        by_group = np.argsort(self.groups(windows)[shuffled], kind="stable")
        return in_rows(shuffled[by_group], batch_size)

    def groups(self, windows: WindowTable) -> NDArray[np.int64]:
        """Return ``[n]`` the group of each window."""
        if self.config.by == "label":
            return windows.label
        if self.config.by == "subject":
            return windows.subject
        return self._clusters(windows.embedding)

    def _clusters(self, embedding: NDArray[np.float64]) -> NDArray[np.int64]:
        from sklearn.cluster import KMeans  # most runs never cluster

        distinct = len(np.unique(embedding, axis=0))
        if distinct < 2:
            return np.zeros(len(embedding), dtype=np.int64)
        spread = embedding.std(axis=0)
        scaled = (embedding - embedding.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
        seed = int(fixed_rng(self.seed).integers(2**31))
        k_means = KMeans(min(self.config.clusters, distinct), n_init=4, random_state=seed)
        return np.asarray(k_means.fit_predict(scaled), dtype=np.int64)
