"""When a trial is over: the stopping rules of 1997, each fed with the error of one sequence at a time.

An error is ``|target - output|`` of each output, at the steps that have a target. A rule that counts
sequences in a row or the last 2,000 is told of the training sequences themselves, before the update that
they cause.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


class StoppingRule(Protocol):
    """A stopping rule.

    ``solved`` is None until it is met, then the sequences that it took. ``every`` is after how many sequences
    it wants the network's answers to the test set (0: never).
    """

    solved: int | None
    every: int

    def tell(self, errors: NDArray[np.float64]) -> None:
        """Take the errors ``[n, K]`` of the next training sequence."""

    def judge(self, number: int, found: tuple[int, float]) -> None:
        """Take sequences wrong in the test set and its mean error, after so many training sequences."""

    def dump(self) -> dict[str, Any]:
        """Return all that decides how it goes on, as JSON holds it."""

    def restore(self, state: dict[str, Any]) -> None:
        """Take back what `dump` gave."""


@dataclass
class InARow:
    """Every error below a bound for so many sequences in a row (2a, 2b, 2c).

    What is counted as needed are the sequences before the row begins: the published numbers are smaller
    than the row (5,040 against 10,000 in 2a).

    Args:
        bound: Of each output at each step that has a target.
        row: Sequences.
    """

    bound: float
    row: int
    number: int = 0
    since: int = 0
    solved: int | None = None
    every: int = 0

    def tell(self, errors: NDArray[np.float64]) -> None:
        """Count on, or from the start where an error is too large."""
        self.number += 1
        if float(errors.max()) >= self.bound:
            self.since = self.number
        elif self.number - self.since >= self.row:
            self.solved = self.since

    def judge(self, number: int, found: tuple[int, float]) -> None:
        """Do nothing: it looks at training sequences alone."""

    def dump(self) -> dict[str, Any]:
        """Return the counts."""
        return {"number": self.number, "since": self.since, "solved": self.solved}

    def restore(self, state: dict[str, Any]) -> None:
        """Take the counts back."""
        self.number, self.since, self.solved = state["number"], state["since"], state["solved"]


@dataclass
class LastSequences:
    """Of the last 2,000 training sequences few are wrong, and their mean error is small (4, 5, 6a, 6b).

    Args:
        bound: A sequence is wrong where an output is off by so much or more.
        mean: Their mean error has to be below this; inf for no such condition.
        wrong: At most so many of them are wrong.
        last: How many.
    """

    bound: float
    mean: float
    wrong: int = 0
    last: int = 2000
    number: int = 0
    solved: int | None = None
    every: int = 0
    _errors: list[float] = field(default_factory=list)
    _misses: list[int] = field(default_factory=list)
    _sum: float = 0.0
    _missed: int = 0

    def tell(self, errors: NDArray[np.float64]) -> None:
        """Take the next sequence in, and the one of 2,000 before out."""
        error, missed = float(errors.mean()), int(float(errors.max()) >= self.bound)
        at = self.number % self.last
        if self.number < self.last:
            self._errors.append(error)
            self._misses.append(missed)
        else:
            self._sum -= self._errors[at]
            self._missed -= self._misses[at]
            self._errors[at], self._misses[at] = error, missed
        self.number += 1
        self._sum += error
        self._missed += missed
        if self.number >= self.last and self._missed <= self.wrong:
            # summed anew, so that no rounding of millions of sequences decides
            self._sum = float(np.sum(self._errors))
            if self._sum / self.last < self.mean:
                self.solved = self.number

    def judge(self, number: int, found: tuple[int, float]) -> None:
        """Do nothing: it looks at training sequences alone."""

    def dump(self) -> dict[str, Any]:
        """Return the last errors."""
        return {
            "number": self.number,
            "solved": self.solved,
            "errors": self._errors,
            "misses": self._misses,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take the last errors back."""
        self.number, self.solved = state["number"], state["solved"]
        self._errors, self._misses = list(state["errors"]), list(state["misses"])
        self._sum, self._missed = float(np.sum(self._errors)), sum(self._misses)


@dataclass
class TestSet:
    """No sequence of a test set is wrong (or few are), and its mean error is small (1, 3a, 3b, 3c).

    Looked at every so many training sequences, so that what it takes is known to that many.

    Args:
        mean: The mean error has to be below this; inf for no such condition.
        wrong: At most so many are wrong.
        every: Training sequences from one look to the next.
    """

    __test__ = False  # not a test, whatever its name makes pytest think

    mean: float
    every: int
    wrong: int = 0
    solved: int | None = None
    #: When the condition on what is wrong alone was met first.
    first: int | None = None

    def tell(self, errors: NDArray[np.float64]) -> None:
        """Do nothing: it looks at the test set alone."""

    def judge(self, number: int, found: tuple[int, float]) -> None:
        """Look at the test set."""
        wrong, mean = found
        if wrong <= self.wrong:
            self.first = number if self.first is None else self.first
            if mean < self.mean:
                self.solved = number

    def dump(self) -> dict[str, Any]:
        """Return when it was met."""
        return {"solved": self.solved, "first": self.first}

    def restore(self, state: dict[str, Any]) -> None:
        """Take back when it was met."""
        self.solved, self.first = state["solved"], state["first"]


@dataclass
class Stalled:
    """Whether the error has stopped falling: that of a block of sequences against that of the block before.

    Args:
        block: Sequences of a block.
        least: Share of its squared error that a block has to be below the one before.
    """

    block: int = 250
    least: float = 0.1
    _sum: float = 0.0
    _count: int = 0
    _before: float = float("inf")

    def tell(self, squared: float) -> bool:
        """Take the squared error of the next sequence; True where a memory block should be added."""
        self._sum += squared
        self._count += 1
        if self._count < self.block:
            return False
        found, before = self._sum / self.block, self._before
        self._sum, self._count, self._before = 0.0, 0, found
        if found < (1 - self.least) * before:
            return False
        self._before = float("inf")  # what was added gets a block of sequences to show itself
        return True

    def dump(self) -> Sequence[float]:
        """Return the sums; -1 stands for no block before."""
        before = -1.0 if self._before == float("inf") else self._before
        return [self._sum, self._count, before]

    def restore(self, state: Sequence[float]) -> None:
        """Take the sums back."""
        self._sum, self._count = float(state[0]), int(state[1])
        self._before = float("inf") if state[2] < 0 else float(state[2])
