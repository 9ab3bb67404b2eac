"""A baseline smoothed by a hidden Markov model of two states: the smallest memory there is.

The states are the classes. Transition probabilities are counted over neighbouring labelled training steps
of one segment, one added to each count (Laplace). What a step says for a class is the baseline's own
posterior over its prior, ``p(x | y) ~ p(y | x) / p(y)`` (Bourlard and Morgan 1994), the prior that of its
fit, class weights included. The forward filter sees no future and starts anew at a gap, from the share
of the classes in training::

    odds_t = m_t / (1 - m_t) * [q_t / (1 - q_t)] / [w n_1 / n_0]
    m_t    = p_{t-1} A_11 + (1 - p_{t-1}) A_01

with q the baseline's posterior, w its weight odds and p = odds / (1 + odds).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from memcell.applications.app import Task
from memcell.sequences.time_series import TimeSeries
from memcell_eeg.baselines.fitted import Fitted, notes, two
from memcell_eeg.baselines.plain import positive_share

#: Nothing that one step says is surer than this, in nats of log odds.
SUREST = 20.0


def smoothed(task: Task, fitted: Fitted) -> Fitted:
    """Return a baseline's filtered probabilities, as chances: no class weights are left in them.

    Args:
        task: Its training labels give transitions and shares.
        fitted: The baseline.
    """
    share = positive_share(task)
    stay = transitions(task)
    prior = math.log(fitted.odds) + math.log(share / (1 - share))

    def model(sequence: TimeSeries) -> NDArray[np.float32]:
        q = np.clip(fitted.model(sequence)[:, 1].astype(np.float64), 1e-9, 1 - 1e-9)
        said = np.clip(np.log(q) - np.log1p(-q) - prior, -SUREST, SUREST)
        return two(forward(said, sequence.starts, share, stay))

    away, back = stay[0, 1], stay[1, 0]
    return Fitted(
        name=f"{fitted.name}, HMM-smoothed",
        model=model,
        note=notes(
            fitted.note,
            f"from one step to the next {away:.2g} of negative and {back:.2g} of positive steps change class",
        ),
    )


def transitions(task: Task) -> NDArray[np.float64]:
    """Return ``A [2, 2]``: row the class of a step, column that of the next."""
    counts = np.ones((2, 2))
    for s in task.train:
        known = s.labelled
        pairs = known[1:] & known[:-1] & ~s.starts[1:]
        before, after = s.targets[:-1][pairs], s.targets[1:][pairs]
        np.add.at(counts, (before.astype(np.int64), after.astype(np.int64)), 1.0)
    return np.asarray(counts / counts.sum(axis=1, keepdims=True))


def forward(
    said: NDArray[np.float64], starts: NDArray[np.bool_], share: float, stay: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return ``[n]`` the probability of the positive state, given all steps up to each.

    Args:
        said: ``[n]`` log of ``p(x | 1) / p(x | 0)``.
        starts: ``[n]`` where the filter begins anew.
        share: Probability of the positive state there.
        stay: ``A [2, 2]`` as `transitions` gives it.
    """
    to_positive, keeps = float(stay[0, 1]), float(stay[1, 1])
    out = np.empty(len(said))
    p = share
    for t, (evidence, start) in enumerate(zip(said.tolist(), starts.tolist(), strict=True)):
        m = share if start else p * keeps + (1 - p) * to_positive
        odds = m / (1 - m) * math.exp(evidence)
        p = odds / (1 + odds)
        out[t] = p
    return out
