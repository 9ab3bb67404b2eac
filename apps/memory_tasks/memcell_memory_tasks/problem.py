"""What a task is to the application: sequences by split, and what can be said of them without a network."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from memcell.sequences.time_series import UNLABELLED, TimeSeries
from memcell_memory_tasks.config import MemoryConfig

#: Class probabilities ``[n_steps, n_classes]`` of one sequence.
Probabilities = NDArray[np.float32]

PARTS = ("train", "valid", "test")


@dataclass(frozen=True, kw_only=True)
class MemoryProblem:
    """A task, made.

    Args:
        train, valid, test: Its sequences.
        n_classes: Classes of a labelled step.
        notes: What must be said with every score.
        simulated: Made by a program; otherwise real images.
        facts: What else was resolved, as JSON holds it.
        extra_scores: Further scores of sequences under probabilities, or None.
        possible: ``possible(sequence, window) -> [n_labelled]``: how many classes are equally likely at
            each labelled step to one whose memory restarts every ``window`` steps from the sequence's
            start; None where it cannot be told.
        rules: Class probabilities, by name, of those who know a rule that does not tell all, or how often
            what followed what; one called "this step alone" takes the place of the fitted one.
    """

    train: tuple[TimeSeries, ...]
    valid: tuple[TimeSeries, ...]
    test: tuple[TimeSeries, ...]
    n_classes: int
    notes: tuple[str, ...]
    simulated: bool
    facts: Mapping[str, object]
    extra_scores: (
        Callable[[Sequence[TimeSeries], Sequence[Probabilities]], Mapping[str, float]] | None
    ) = None
    possible: Callable[[TimeSeries, int], NDArray[np.int64]] | None = None
    rules: Mapping[str, Callable[[TimeSeries], Probabilities]] = field(default_factory=dict)


class Splits(TypedDict):
    """Sequences by split."""

    train: tuple[TimeSeries, ...]
    valid: tuple[TimeSeries, ...]
    test: tuple[TimeSeries, ...]


#: One trial: symbols ``[n]`` and targets ``[n]``.
Trial = tuple[NDArray[np.int64], NDArray[np.int64]]


def streams(
    config: MemoryConfig,
    n_symbols: int,
    trial: Callable[[np.random.Generator, str], Trial],
) -> Splits:
    """Return streams of trials by split, symbols as one-hot features.

    Every stream has a generator of its own, made of the data's seed, its split and its number, and is
    its own subject.

    Args:
        config: How many streams and trials.
        n_symbols: Width of the features.
        trial: Makes one trial from a stream's generator, for a split.
    """
    made = []
    one_hot = np.eye(n_symbols, dtype=np.float32)
    for number, part in enumerate(PARTS):
        found = []
        for k in range(config.streams if part == "train" else config.test_streams):
            rng = np.random.default_rng([config.data_seed, number, k])
            trials = [trial(rng, part) for _ in range(config.trials)]
            name = f"{part}-{k:03d}"
            found.append(
                TimeSeries(
                    name=name,
                    subject=name,
                    features=one_hot[np.concatenate([symbols for symbols, _ in trials])],
                    targets=np.concatenate([targets for _, targets in trials]),
                )
            )
        made.append(tuple(found))
    return Splits(train=made[0], valid=made[1], test=made[2])


def symbols_of(sequence: TimeSeries) -> NDArray[np.int64]:
    """Return ``[n_steps]`` symbols of one-hot features."""
    return np.asarray(sequence.features.argmax(axis=1), dtype=np.int64)


def answers(symbols: NDArray[np.int64], answer: int) -> NDArray[np.int64]:
    """Return targets that are unlabelled but for the last step."""
    targets = np.full(len(symbols), UNLABELLED, dtype=np.int64)
    targets[-1] = answer
    return targets
