"""The embedded Reber grammar: the next symbol at every step (Hochreiter and Schmidhuber 1997, task 1).

Every split has strings of its own. After a string's last symbol there is no label, and the next string
follows at once. Where two symbols are legal nobody can know which one comes, so accuracy stays far below
1; the row of the grammar itself shows by how much. ``strings_right`` is the criterion of 1997: the share
of strings in which, at every step, every legal next symbol is above every illegal one. ``memory_right``
is that of the one step that needs memory: the last but one symbol, which is the string's second.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from memcell.sequences.time_series import UNLABELLED, TimeSeries
from memcell_memory_tasks.config import MemoryConfig
from memcell_memory_tasks.grammar import LEGAL, SYMBOLS, draw, legal_next, states
from memcell_memory_tasks.problem import (
    PARTS,
    MemoryProblem,
    Probabilities,
    Trial,
    streams,
    symbols_of,
)


def make(config: MemoryConfig) -> MemoryProblem:
    """Return the task."""
    pools = _pools(config)

    def trial(rng: np.random.Generator, part: str) -> Trial:
        pool = pools[part]
        symbols = np.array(pool[int(rng.integers(len(pool)))], dtype=np.int64)
        return symbols, np.append(symbols[1:], UNLABELLED)

    made = streams(config, len(SYMBOLS), trial)
    return MemoryProblem(
        **made,
        n_classes=len(SYMBOLS),
        notes=(
            f"embedded Reber grammar: {config.strings} strings a split, none in two splits; "
            f"{config.trials} strings a stream",
        ),
        simulated=True,
        facts={"symbols": list(SYMBOLS)},
        extra_scores=extra_scores,
        rules={"the grammar itself": _grammar(made["train"])},
    )


def _pools(config: MemoryConfig) -> dict[str, list[tuple[int, ...]]]:
    rng = np.random.default_rng([config.data_seed, len(PARTS)])
    found: dict[tuple[int, ...], None] = {}  # a set that keeps the order
    while len(found) < len(PARTS) * config.strings:
        found[draw(rng)] = None
    strings, n = list(found), config.strings
    # Frequent strings come first: dealt out in turn, the splits are alike.
    return {part: strings[k :: len(PARTS)][:n] for k, part in enumerate(PARTS)}


def extra_scores(
    sequences: Sequence[TimeSeries], probabilities: Sequence[Probabilities]
) -> dict[str, float]:
    """Return ``strings_right`` and ``memory_right`` as above."""
    whole: list[bool] = []
    memory: list[bool] = []
    for sequence, p in zip(sequences, probabilities, strict=True):
        legal = legal_next(symbols_of(sequence))
        lowest = np.where(legal, p, np.inf).min(axis=1)
        highest = np.where(legal, -np.inf, p).max(axis=1)
        right = (lowest > highest) | ~sequence.labelled
        ends = np.flatnonzero(~sequence.labelled)
        starts = np.r_[0, ends[:-1] + 1]
        whole += [bool(right[a : b + 1].all()) for a, b in zip(starts, ends, strict=True)]
        memory += right[ends - 2].tolist()
    nothing = float("nan")
    return {
        "strings_right": float(np.mean(whole)) if whole else nothing,
        "memory_right": float(np.mean(memory)) if memory else nothing,
    }


def _grammar(train: Sequence[TimeSeries]) -> Callable[[TimeSeries], Probabilities]:
    """Return the predictor that knows the state, with each state's shares of the training symbols."""
    counts = LEGAL * 1e-6
    for sequence in train:
        known = sequence.labelled
        followed = np.asarray(sequence.targets[known], dtype=np.int64)
        np.add.at(counts, (states(symbols_of(sequence))[known], followed), 1.0)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1e-12)
    return lambda s: np.asarray(shares[states(symbols_of(s))], dtype=np.float32)
