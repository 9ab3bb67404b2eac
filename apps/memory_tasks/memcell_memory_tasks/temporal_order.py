"""Temporal order: in which order two symbols came (Hochreiter and Schmidhuber 1997, task 6a).

A trial begins with E, ends with B, and is otherwise random symbols of a, b, c, d but for two, each X or
Y: the first at ``t1`` (10 to 20 of a length of 100 to 110), the second at ``t2`` (50 to 60). The class,
asked for at B, is which they were: XX, XY, YX or YY. Other lengths scale all of it. Without memory
beyond a window the class is known as far as the two lie in B's own window.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from memcell.sequences.time_series import TimeSeries
from memcell_memory_tasks.config import MemoryConfig
from memcell_memory_tasks.problem import MemoryProblem, Trial, answers, streams, symbols_of

SYMBOLS = ("E", "B", "a", "b", "c", "d", "X", "Y")
E, B, A, X = 0, 1, 2, 6


def make(config: MemoryConfig) -> MemoryProblem:
    """Return the task; classes are 0 XX, 1 XY, 2 YX, 3 YY."""
    n = config.length

    def trial(rng: np.random.Generator, part: str) -> Trial:
        length = int(rng.integers(n, n + n // 10 + 1))
        symbols = rng.integers(A, X, length)
        symbols[0], symbols[-1] = E, B
        first = int(rng.integers(n // 10, n // 5 + 1))
        second = int(rng.integers(n // 2, 6 * n // 10 + 1))
        one, two = (int(v) for v in rng.integers(0, 2, 2))
        symbols[first], symbols[second] = X + one, X + two
        return symbols, answers(symbols, 2 * one + two)

    return MemoryProblem(
        **streams(config, len(SYMBOLS), trial),
        n_classes=4,
        notes=(
            f"temporal order (task 6a of 1997): trials of {n} to {n + n // 10} steps, 4 classes; "
            f"{config.trials} trials a stream",
        ),
        simulated=True,
        facts={"symbols": list(SYMBOLS)},
        possible=possible,
    )


def possible(sequence: TimeSeries, window: int) -> NDArray[np.int64]:
    """Return how many of the four classes are left to one who sees B's window alone."""
    symbols = symbols_of(sequence)
    asked = np.flatnonzero(symbols == B)
    pairs = np.flatnonzero(symbols >= X).reshape(-1, 2)
    hidden = (pairs // window != asked[:, None] // window).sum(axis=1)
    return np.asarray(2**hidden)
