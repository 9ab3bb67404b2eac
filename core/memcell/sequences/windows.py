"""The table of windows: all that a sampler may know of the data."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from memcell.errors import ConfigError
from memcell.sequences.time_series import UNLABELLED, TimeSeries


class Ends(NamedTuple):
    """Where the lanes of a batch end.

    Args:
        sequence: ``[B]`` index of the sequence, -1 for an empty lane.
        stop: ``[B]`` the step at which the lane goes on: one past the last, unless windows overlap.
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
        label_counts: ``[n, n_classes]`` labelled steps of each class, among those that count.
        transitions: ``[n]`` changes of label among them.
        weight: ``[n]`` sum of their loss weights.
        embedding: ``[n, D]`` what clusters are made from: the mean feature vector of each window.
        counted_from: ``[n]`` the first step of the window that counts in the loss: 0, unless windows
            overlap, where an earlier window counts the steps before.
        time_steps: T, of the longest where lengths are drawn.
        stride: Steps from a window's start to the next one's, where they overlap; None where a window
            begins at the other's end.
        ragged: Lengths are drawn, so a batch is as long as its longest window.
        of_classes: Steps have classes; otherwise labelled ones count as of one.
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
    counted_from: NDArray[np.int64]
    time_steps: int
    stride: int | None = None
    ragged: bool = False
    of_classes: bool = True

    def __len__(self) -> int:
        """Number of windows."""
        return len(self.sequence)

    @property
    def label(self) -> NDArray[np.int64]:
        """``[n]`` the most frequent class of each window; -1 where no step has a label.

        Raises:
            ConfigError: Steps have no classes.
        """
        self.check_classes()
        top = self.label_counts.argmax(axis=1)
        return np.where(self.label_counts.sum(axis=1) > 0, top, UNLABELLED)

    def check_classes(self) -> None:
        """Refuse steps without classes, for a sampler that goes by them.

        Raises:
            ConfigError: Says what to type.
        """
        if not self.of_classes:
            raise ConfigError(
                "the sampler goes by the classes of steps, and this task's targets are values or several "
                "labels: type --sampler reshuffle or stream"
            )

    def ends(self, rows: NDArray[np.int64]) -> Ends:
        """Return where lanes go on after windows; nowhere for an empty lane (-1)."""
        length = self.length[rows]
        stop = self.start[rows] + (length if self.stride is None else length.clip(max=self.stride))
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
            counted_from=self.counted_from[rows],
            time_steps=self.time_steps,
            stride=self.stride,
            ragged=self.ragged,
            of_classes=self.of_classes,
        )


def window_table(
    sequences: Sequence[TimeSeries],
    time_steps: int,
    n_classes: int,
    weights: Sequence[NDArray[np.float32]] | None = None,
    phase: int = 0,
    *,
    stride: int | None = None,
    lengths: NDArray[np.int64] | None = None,
) -> WindowTable:
    """Cut sequences into windows.

    Without ``stride`` and ``lengths`` windows of T steps lie end to end. With a stride they overlap, and
    each step counts in the first window that holds it: all of a sequence's first window, and of the
    others what is new (at most ``stride`` steps, at the window's end).

    Args:
        sequences: The sequences.
        time_steps: T, steps a window.
        n_classes: Number of classes; 1 where targets are no classes.
        weights: Loss weights ``[n_steps]`` of each sequence; None for 1 at each labelled step.
        phase: Length of each sequence's first window, 0 for a full one: shifts the grid.
        stride: Steps from a window's start to the next one's, 1 to ``time_steps``; None for T.
        lengths: Lengths of the windows of every sequence, first to last, each 1 or more, and enough of
            them for the longest sequence; None for T each. Not together with ``stride``.

    Raises:
        ConfigError: ``time_steps`` is not positive, ``phase`` is not in 0 to ``time_steps - 1``,
            ``stride`` not in 1 to ``time_steps``, ``stride`` is combined with a phase or with
            lengths, or the lengths are too few.
    """
    if time_steps < 1:
        raise ConfigError(f"time_steps must be 1 or more, got {time_steps}")
    if not 0 <= phase < time_steps:
        raise ConfigError(f"phase must be 0 to {time_steps - 1}, got {phase}")
    if stride is not None and not 1 <= stride <= time_steps:
        raise ConfigError(f"stride must be 1 to {time_steps}, got {stride}")
    if stride is not None and (phase or lengths is not None):
        raise ConfigError("windows that overlap have a fixed grid: no phase, and no drawn lengths")
    overlap = 0 if stride is None else time_steps - stride
    subjects = tuple(sorted({s.subject for s in sequences}))
    index = {name: i for i, name in enumerate(subjects)}
    rows: list[tuple[int, int, int, int, int, int, float]] = []
    counts, embedding = [], []
    for i, sequence in enumerate(sequences):
        weight = sequence.labelled.astype(np.float32) if weights is None else weights[i]
        classes = sequence.targets if sequence.of_classes else sequence.classes
        for start, stop in _spans(sequence.n_steps, time_steps, phase, stride, lengths):
            counted = overlap if start else 0
            labels = np.asarray(classes[start + counted : stop])
            known = labels[labels != UNLABELLED].astype(np.int64)
            changes = int(np.count_nonzero(known[1:] != known[:-1]))
            total = float(weight[start + counted : stop].sum())
            rows.append((i, start, stop - start, index[sequence.subject], changes, counted, total))
            counts.append(np.bincount(known, minlength=n_classes)[:n_classes])
            embedding.append(
                np.asarray(sequence.features[start:stop], dtype=np.float64).mean(axis=0)
            )
    columns = np.array([r[:6] for r in rows], dtype=np.int64).reshape(len(rows), 6).T
    return WindowTable(
        sequence=columns[0],
        start=columns[1],
        length=columns[2],
        subject=columns[3],
        transitions=columns[4],
        counted_from=columns[5],
        subjects=subjects,
        label_counts=np.array(counts, dtype=np.int64).reshape(len(rows), n_classes),
        weight=np.array([r[6] for r in rows], dtype=np.float64),
        embedding=np.array(embedding, dtype=np.float64).reshape(len(rows), -1),
        time_steps=time_steps if lengths is None else int(columns[2].max(initial=1)),
        stride=stride,
        ragged=lengths is not None,
        of_classes=all(s.of_classes for s in sequences),
    )


def _spans(
    n_steps: int,
    time_steps: int,
    phase: int,
    stride: int | None,
    lengths: NDArray[np.int64] | None,
) -> list[tuple[int, int]]:
    """Return first step and one past the last of each window of a sequence."""
    if stride is not None:
        last = max(0, n_steps - time_steps)
        starts = range(0, last + stride, stride) if last else range(1)
        return [(s, min(s + time_steps, n_steps)) for s in starts]
    if lengths is None:
        edges = list(range(phase or time_steps, n_steps, time_steps))
    else:
        ends = (np.concatenate([[phase], lengths]) if phase else lengths).cumsum()
        if not len(ends) or ends[-1] < n_steps:
            raise ConfigError(f"lengths end at step {ends[-1:]} of a sequence of {n_steps}")
        edges = ends[ends < n_steps].tolist()
    return list(itertools.pairwise([0, *edges, n_steps]))
