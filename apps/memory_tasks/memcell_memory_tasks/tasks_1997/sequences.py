"""How each task of 1997 draws a sequence: inputs ``[T, I]`` and targets, at every step or at the last.

A sequence is a function of a generator and of the task's lengths; nothing is kept from one to the next.
Symbols are one-hot. Where the paper says "between", both ends are meant.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memcell_memory_tasks.grammar import SYMBOLS, draw

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Example:
    """One sequence.

    Args:
        inputs: ``[T, I]``.
        targets: ``[T, K]`` where there is an error at every step, ``[1, K]`` where only at the last.
        noise_free: Targets as they are judged, where those that are trained on are noisy (3c).
    """

    inputs: Array
    targets: Array
    noise_free: Array | None = None

    @property
    def judged(self) -> Array:
        """Targets ``[n, K]`` that outputs are held against."""
        return self.targets if self.noise_free is None else self.noise_free


#: Draws a sequence.
Draw = Callable[[np.random.Generator], Example]


def one_hot(symbols: Any, width: int) -> Array:
    """Return ``[n, width]``."""
    found = np.zeros((len(symbols), width), dtype=np.float32)
    found[np.arange(len(symbols)), symbols] = 1.0
    return found


@cache
def reber_strings(seed: int, count: int) -> tuple[tuple[tuple[int, ...], ...], ...]:
    """Return two disjoint sets of different strings of the embedded Reber grammar, to train and to test."""
    rng = np.random.default_rng([seed, 1])
    found: dict[tuple[int, ...], None] = {}
    while len(found) < 2 * count:
        found.setdefault(draw(rng))
    strings = tuple(found)
    # short strings come early in such a list, so the two sets are dealt from a shuffled one
    dealt = [strings[k] for k in rng.permutation(len(strings))]
    return tuple(dealt[:count]), tuple(dealt[count:])


def reber_example(string: tuple[int, ...]) -> Example:
    """Task 1: the next symbol at every step; the last symbol has no next one."""
    symbols = one_hot(string, len(SYMBOLS))
    return Example(symbols[:-1], symbols[1:])


def local_regularities(rng: np.random.Generator, p: int, random: bool) -> Example:
    """Tasks 2a and 2b: ``(y, a_1 .. a_{p-1}, y)`` or ``(x, a_1 .. a_{p-1}, x)``.

    Symbols 0 to p - 2 are a_1 to a_{p-1}, then x and y. In 2a the next symbol is asked for at every step;
    in 2b the ones between are drawn at random, and the last one alone is asked for.
    """
    framing = p - 1 + int(rng.integers(2))
    middle = rng.integers(0, p - 1, p - 1) if random else np.arange(p - 1)
    symbols = one_hot([framing, *middle, framing], p + 1)
    return Example(symbols[:-1], symbols[-1:] if random else symbols[1:])


def long_lag(rng: np.random.Generator, q: int, p: int) -> Example:
    """Task 2c: b, then x or y, at least q distractors of p, e; the answer is whether it was x or y.

    After q distractors another follows with probability .9, else e, so that there are q + 9 in the mean.
    Symbols: p distractors, then b, e, x, y.
    """
    b, e, x = p, p + 1, p + 2
    which = int(rng.integers(2))
    distractors = q + int(rng.geometric(0.1)) - 1
    symbols = np.concatenate([[b, x + which], rng.integers(0, p, distractors), [e]])
    return Example(one_hot(symbols, p + 4), one_hot([which], 2))


def same_channel(rng: np.random.Generator, t: int, n: int, variant: str) -> Example:
    """Tasks 3a to 3c: a class says +1 or -1 in the first n steps, noise follows; T to 1.1 T steps in all.

    The noise is Gaussian of variance .2. In 3b it also lies on the first n steps; in 3c the targets are .2
    and .8 with noise of variance .1, else 0 and 1.
    """
    length = int(rng.integers(t, t + t // 10 + 1))
    which = int(rng.integers(2))
    x = rng.normal(0, np.sqrt(0.2), length)
    sign = 2.0 * which - 1.0
    x[:n] = sign + x[:n] if variant == "3b" else sign
    inputs = x.astype(np.float32)[:, None]
    if variant != "3c":
        return Example(inputs, np.array([[which]], dtype=np.float32))
    wanted = 0.2 + 0.6 * which
    noisy = wanted + rng.normal(0, np.sqrt(0.1))
    return Example(
        inputs, np.array([[noisy]], dtype=np.float32), np.array([[wanted]], dtype=np.float32)
    )


def adding(rng: np.random.Generator, t: int, multiply: bool) -> Example:
    """Tasks 4 and 5: of T to 1.1 T pairs two are marked; at the end their scaled sum or product is asked for.

    A pair is a number, from [-1, 1] (task 5: [0, 1]), and a mark: -1 at the first and the last step, 1 at the
    two that count, else 0. The first marked one is among the first ten, the second among the first T/2 - 1
    that are not marked yet. Where the very first is marked its number counts as 0 (task 5: as 1), since its
    mark is -1.
    """
    length = int(rng.integers(t, t + t // 10 + 1))
    numbers = rng.uniform(0 if multiply else -1, 1, length)
    marks = np.zeros(length)
    first = int(rng.integers(10))
    others = [k for k in range(t // 2 - 1) if k != first]
    second = others[int(rng.integers(len(others)))]
    marks[[first, second]] = 1.0
    marks[[0, -1]] = -1.0
    one, two = (numbers[k] if k else (1.0 if multiply else 0.0) for k in (first, second))
    target = one * two if multiply else 0.5 + (one + two) / 4.0
    return Example(
        np.stack([numbers, marks], axis=1).astype(np.float32),
        np.array([[target]], dtype=np.float32),
    )


#: Symbols of tasks 6a and 6b: E begins, B ends.
E, B, A, X = 0, 1, 2, 6


def temporal_order(rng: np.random.Generator, places: tuple[tuple[int, int], ...]) -> Example:
    """Tasks 6a and 6b: at each place an X or a Y among random a, b, c, d; which ones, in order, is the class.

    E begins and B ends; 100 to 110 steps. Places are the first and the last number of a step, from 0.
    """
    length = int(rng.integers(100, 111))
    symbols = rng.integers(A, X, length)
    symbols[0], symbols[-1] = E, B
    which = rng.integers(0, 2, len(places))
    for (low, high), kind in zip(places, which, strict=True):
        symbols[int(rng.integers(low, high + 1))] = X + kind
    answer = int(which @ (2 ** np.arange(len(places))[::-1]))
    return Example(one_hot(symbols, 8), one_hot([answer], 2 ** len(places)))
