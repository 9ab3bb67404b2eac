"""Recall: a cue, distractors, and then the question which cue it was.

A trial is one of k cues, ``lag`` distractors drawn at random (their number drawn anew for each trial), and
the question; only there is a label, the cue. Trials follow each other without a mark, so that a window of
the network begins anywhere in them. Without memory beyond a window of T steps the cue is known where it
lies in the question's own window, and else is one of k.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from memcell.sequences.time_series import TimeSeries
from memcell_memory_tasks.config import MemoryConfig
from memcell_memory_tasks.problem import MemoryProblem, Trial, answers, streams, symbols_of


def make(config: MemoryConfig) -> MemoryProblem:
    """Return the task. Symbols: the cues, the distractors, the question."""
    k, question = config.symbols, config.symbols + config.distractors

    def trial(rng: np.random.Generator, part: str) -> Trial:
        cue = int(rng.integers(k))
        lag = int(rng.integers(config.lag_from, config.lag + 1))
        symbols = np.concatenate([[cue], rng.integers(k, question, lag), [question]])
        return symbols, answers(symbols, cue)

    def possible(sequence: TimeSeries, window: int) -> NDArray[np.int64]:
        symbols = symbols_of(sequence)
        asked, cued = np.flatnonzero(symbols == question), np.flatnonzero(symbols < k)
        return np.where(asked // window == cued // window, 1, k)

    return MemoryProblem(
        **streams(config, question + 1, trial),
        n_classes=k,
        notes=(
            f"recall: one of {k} cues, {config.lag_from} to {config.lag} distractors, the question; "
            f"{config.trials} trials a stream",
        ),
        simulated=True,
        facts={"symbols": question + 1},
        possible=possible,
    )
