"""The table of windows: all that a sampler may know of the data."""

from __future__ import annotations

import itertools
from collections.abc import Sequence as ListOf
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from memcell.errors import ConfigError
from memcell.sequences.sequence import UNLABELLED, Sequence


class Ends(NamedTuple):
    """Where the lanes of a batch end.

    Args:
        sequence: ``[B]`` index of the sequence, -1 for an empty lane.
        stop: ``[B]`` one past the last step.
    """

    sequence: NDArray[np.int64]
    stop: NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class WindowTable:
    """Windows, one a row, ordered by sequence and start.

    Args:
        sequence: ``[n]`` index of the sequence.
        start: ``[n]`` first step.
        length: ``[n]`` steps, at most ``time_steps``; shorter at a sequence's end.
        subject: ``[n]`` index into ``subjects``.
        subjects: Names.
        label_counts: ``[n, n_classes]`` labelled steps of each class.
        transitions: ``[n]`` changes of label inside the window.
        weight: ``[n]`` sum of the loss weights of its steps.
        embedding: ``[n, D]`` what clusters are made from: the mean feature vector of each window.
        time_steps: T.
    """

    sequence: NDArray[np.int64]
    start: NDArray[np.int64]
    length: NDArray[np.int64]
    subject: NDArray[np.int64]
    subjects: tuple[str, ...]
    label_counts: NDArray[np.int64]
    transitions: NDArray[np.int64]
    weight: NDArray[np.float64]
    embedding: NDArray[np.float64]
    time_steps: int

    def __len__(self) -> int:
        """Number of windows."""
        return len(self.sequence)

    @property
    def label(self) -> NDArray[np.int64]:
        """``[n]`` the most frequent class of each window; -1 where no step has a label."""
        top = self.label_counts.argmax(axis=1)
        return np.where(self.label_counts.sum(axis=1) > 0, top, UNLABELLED)

    def ends(self, rows: NDArray[np.int64]) -> Ends:
        """Return where windows end, lane by lane; nowhere for an empty lane (-1)."""
        stop = self.start[rows] + self.length[rows]
        return Ends(np.where(rows >= 0, self.sequence[rows], -1), np.where(rows >= 0, stop, -1))

    def follow(self, rows: NDArray[np.int64], ends: Ends) -> NDArray[np.bool_]:
        """Return whether each lane's window begins where the lane's earlier one ended."""
        joined = (self.sequence[rows] == ends.sequence) & (self.start[rows] == ends.stop)
        return np.asarray(joined & (rows >= 0))

    def keep(self, rows: NDArray[np.bool_]) -> WindowTable:
        """Return the table of the windows where ``rows`` is True."""
        return WindowTable(
            sequence=self.sequence[rows],
            start=self.start[rows],
            length=self.length[rows],
            subject=self.subject[rows],
            subjects=self.subjects,
            label_counts=self.label_counts[rows],
            transitions=self.transitions[rows],
            weight=self.weight[rows],
            embedding=self.embedding[rows],
            time_steps=self.time_steps,
        )


def window_table(
    sequences: ListOf[Sequence],
    time_steps: int,
    n_classes: int,
    weights: ListOf[NDArray[np.float32]] | None = None,
    phase: int = 0,
) -> WindowTable:
    """Cut sequences into windows.

    Args:
        sequences: The sequences.
        time_steps: T, steps a window.
        n_classes: Number of classes.
        weights: Loss weights ``[n_steps]`` of each sequence; None for 1 at each labelled step.
        phase: Length of each sequence's first window, 0 for a full one: shifts the grid.

    Raises:
        ConfigError: ``time_steps`` is not positive, or ``phase`` is not in 0 to ``time_steps - 1``.
    """
    if time_steps < 1:
        raise ConfigError(f"time_steps must be 1 or more, got {time_steps}")
    if not 0 <= phase < time_steps:
        raise ConfigError(f"phase must be 0 to {time_steps - 1}, got {phase}")
    subjects = tuple(sorted({s.subject for s in sequences}))
    index = {name: i for i, name in enumerate(subjects)}
    rows: list[tuple[int, int, int, int, int, float]] = []
    counts, embedding = [], []
    for i, sequence in enumerate(sequences):
        weight = sequence.labelled.astype(np.float32) if weights is None else weights[i]
        edges = [0, *range(phase or time_steps, sequence.n_steps, time_steps), sequence.n_steps]
        for start, stop in itertools.pairwise(edges):
            labels = np.asarray(sequence.targets[start:stop])
            known = labels[labels != UNLABELLED].astype(np.int64)
            changes = int(np.count_nonzero(known[1:] != known[:-1]))
            total = float(weight[start:stop].sum())
            rows.append((i, start, stop - start, index[sequence.subject], changes, total))
            counts.append(np.bincount(known, minlength=n_classes)[:n_classes])
            embedding.append(
                np.asarray(sequence.features[start:stop], dtype=np.float64).mean(axis=0)
            )
    columns = np.array([r[:5] for r in rows], dtype=np.int64).reshape(len(rows), 5).T
    return WindowTable(
        sequence=columns[0],
        start=columns[1],
        length=columns[2],
        subject=columns[3],
        transitions=columns[4],
        subjects=subjects,
        label_counts=np.array(counts, dtype=np.int64).reshape(len(rows), n_classes),
        weight=np.array([r[5] for r in rows], dtype=np.float64),
        embedding=np.array(embedding, dtype=np.float64).reshape(len(rows), -1),
        time_steps=time_steps,
    )
