"""What an application gives the engine: sequences by split, a loss, scores, and what to hold beside them.

An app is built from its config alone; the engine trains, evaluates and predicts without knowing what
the features mean.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence as ListOf
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from memcell.progress import SILENT, Progress
from memcell.sequences.sequence import Sequence

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row of a score table: a network or a baseline on one split.

    Args:
        name: ``"lstm, carry"``, ``"majority class"``, ...
        scores: Name of a score to its value; NaN where it is not defined (said in ``notes``).
        kind: ``"network"`` or ``"baseline"``.
        subjects: Test subject to the scores on that subject's sequences alone, under the same decision;
            empty where nobody made them.
        note: What must be known to read the row (how it was fitted, why it cannot be used); may be
            empty.
    """

    name: str
    scores: Mapping[str, float]
    kind: str = "network"
    subjects: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Task:
    """Everything an app prepares for one run.

    Args:
        train: Sequences to train on.
        valid: Sequences for early stop and thresholds; may be empty.
        test: Sequences that are scored and otherwise never seen.
        n_classes: Outputs a step.
        main_score: The score that early stop and tables put first; larger is better.
        shown_scores: The scores that a screen has room for; files have all of them.
        class_weights: ``[n_classes]`` weights of the loss, or None.
        train_weights: Per training sequence ``[n_steps]`` float32 weights of the loss; None for 1 at
            each labelled step. Unlabelled steps always weigh 0.
        drop_unweighted: Windows whose weights are all 0 may be dropped (never under a sampler that
            preserves streams: memory has to run through them).
        notes: Lines that every output on this task must carry (``"simulated data"``, the protocol).
        facts: What was resolved from the data (channels, rate, subjects by split ...), stored with the
            run and needed by `App.predict`.
    """

    train: tuple[Sequence, ...]
    valid: tuple[Sequence, ...]
    test: tuple[Sequence, ...]
    n_classes: int
    main_score: str
    shown_scores: tuple[str, ...] = ()
    class_weights: tuple[float, ...] | None = None
    train_weights: tuple[NDArray[np.float32], ...] | None = None
    drop_unweighted: bool = False
    notes: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)


#: Class probabilities of one sequence, ``[n_steps, n_classes]`` float32.
Probabilities = NDArray[np.float32]


class App(Protocol):
    """An application, built from its config."""

    def task(self, progress: Progress = SILENT) -> Task:
        """Prepare the sequences.

        Args:
            progress: Told how many recordings there are, and of each that is done.

        Raises:
            DataError: The recordings cannot be used as asked.
        """

    def encoder(self, n_features: int) -> torch.nn.Module:
        """Return the module from a step's features to the cell's input.

        It is called on ``[T, B, F]`` and must treat each step by itself, so that carrying and
        streaming stay exact. It has an attribute ``output_size``.
        """

    def fit_decision(self, task: Task, valid: ListOf[Probabilities]) -> Mapping[str, float]:
        """Choose what turns probabilities into decisions (a threshold) on the validation split."""

    def scores(
        self,
        sequences: ListOf[Sequence],
        probabilities: ListOf[Probabilities],
        decision: Mapping[str, float],
    ) -> Mapping[str, float]:
        """Score probabilities against the sequences' targets."""

    def baselines(self, task: Task, every: bool = False) -> ListOf[Row]:
        """Score what needs no network on the test split: the majority class, the clock alone ...

        Args:
            task: What `task` gave.
            every: All that there are; otherwise an app may leave out those that take long.
        """

    def picture(
        self,
        task: Task,
        probabilities: Mapping[str, ListOf[Probabilities]],
        decision: Mapping[str, float],
        path: Path,
    ) -> None:
        """Draw one test recording with the probabilities over it, one line for each named network."""

    def predict(
        self,
        paths: ListOf[str],
        facts: Mapping[str, Any],
        decision: Mapping[str, float],
        infer: Infer,
        out: Path,
        progress: Progress,
    ) -> ListOf[Mapping[str, Any]]:
        """Run a trained network over recordings and write results; one record for each recording."""


class Infer(Protocol):
    """Runs the trained network over a sequence."""

    def __call__(self, sequence: Sequence) -> Probabilities:
        """Return class probabilities ``[n_steps, n_classes]`` under the run's inference policy."""
