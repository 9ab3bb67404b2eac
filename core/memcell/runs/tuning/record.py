"""What cross-validation chose, with the out-of-fold predictions, and its files in a run folder.

::

    RUN/tuning/plan.json                the candidates, and C of the regression that each begins from
    RUN/tuning/CANDIDATE/               while it lasts: predictions at each look, checkpoints
    RUN/tuning/out-of-fold.npz          predictions of the chosen settings for the people left out
    RUN/tuning/choice.json              what was chosen; written last
    RUN/tuning.tsv                      the losses of all candidates
    RUN/tuning_features.tsv             those of a regression on all kinds of features (--tune full)
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from memcell.applications.app import InnerFold, Probabilities, Task
from memcell.errors import MemcellError, RunFolderError
from memcell.files.atomic import make_folder, write_atomic
from memcell.files.reading import read_arrays, read_object, refusing
from memcell.sequences.time_series import TimeSeries
from memcell.settings.options import EVAL_POLICIES
from memcell.training.length import Length

FOLDER = "tuning"
PLAN = "plan.json"
TABLE = "tuning.tsv"

#: Inference policy to one list for each fold, of probabilities of its left-out sequences.
FoldPredictions = Mapping[str, Sequence[Sequence[Probabilities]]]


@dataclass(frozen=True, kw_only=True)
class OutOfFold:
    """Predictions of training people by networks that never saw them.

    Args:
        folds: Of the training sequences.
        predictions: Inference policy to those of each fold.
    """

    folds: tuple[InnerFold, ...]
    predictions: FoldPredictions

    @property
    def sequences(self) -> tuple[TimeSeries, ...]:
        """The left-out sequences of all folds."""
        return tuple(s for fold in self.folds for s in fold.valid)

    def probabilities(self, policy: str) -> tuple[Probabilities, ...]:
        """Return the probabilities of `sequences` under an inference policy."""
        return tuple(p for fold in self.predictions[policy] for p in fold)


@dataclass(frozen=True, kw_only=True)
class Tuned:
    """What cross-validation chose.

    Args:
        candidate: Name of the settings.
        options: Section to option to value.
        length: Of the training.
        out_of_fold: Predictions of the chosen settings after so many updates.
        line: For the person.
    """

    candidate: str
    options: Mapping[str, Mapping[str, Any]]
    length: Length
    out_of_fold: OutOfFold
    line: str = ""


def write_fold_predictions(path: Path, predictions: FoldPredictions) -> None:
    """Write predictions of all folds, atomically.

    Raises:
        MemcellError: It cannot be written.
    """
    make_folder(path.parent)
    arrays = {
        f"{policy}.{k}.{i}": np.asarray(p, dtype=np.float32)
        for policy, folds in predictions.items()
        for k, fold in enumerate(folds)
        for i, p in enumerate(fold)
    }
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]  # numpy's stub takes allow_pickle for any name
    write_atomic(path, buffer.getvalue())


def read_fold_predictions(path: Path, folds: Sequence[InnerFold]) -> FoldPredictions:
    """Read what `write_fold_predictions` wrote.

    Raises:
        RunFolderError: It is damaged, or of other recordings.
    """
    arrays = read_arrays(path)
    with refusing(path):
        found = {
            policy: [
                [arrays[f"{policy}.{k}.{i}"] for i in range(len(fold.valid))]
                for k, fold in enumerate(folds)
            ]
            for policy in EVAL_POLICIES
        }
    for policy in EVAL_POLICIES:
        for fold, made in zip(folds, found[policy], strict=True):
            for s, p in zip(fold.valid, made, strict=True):
                if p.ndim != 2 or len(p) != s.n_steps or not np.isfinite(p).all():
                    raise RunFolderError(
                        f"'{path}' holds predictions {list(p.shape)} of '{s.name}', which has {s.n_steps} "
                        "steps: the recordings have changed since the run began; begin anew with another "
                        "--out"
                    )
    return found


def write_tuned(folder: Path, tuned: Tuned) -> None:
    """Write a choice into a run folder, the choice itself last."""
    below = folder / FOLDER
    write_fold_predictions(below / "out-of-fold.npz", tuned.out_of_fold.predictions)
    choice = {
        "candidate": tuned.candidate,
        "options": tuned.options,
        "updates": tuned.length.stop,
        "schedule": tuned.length.schedule,
        "line": tuned.line,
    }
    write_atomic(below / "choice.json", json.dumps(choice, indent=2) + "\n")


def read_choice(folder: Path) -> dict[str, Any] | None:
    """Return what ``choice.json`` of a run folder holds; None where nothing is chosen yet.

    Raises:
        RunFolderError: It is damaged.
    """
    path = folder / FOLDER / "choice.json"
    if not os.path.lexists(path):
        return None
    found = read_object(path)
    with refusing(path):
        for name in ("updates", "schedule"):
            if type(found[name]) is not int or found[name] < 0:
                raise ValueError(f"{name} is {str(found[name])[:40]}")
        options = found["options"]
        if not all(isinstance(section, dict) for section in options.values()):
            raise ValueError("its options are no sections")
        for name in ("candidate", "line"):
            if not isinstance(found[name], str):
                raise ValueError(f"{name} is {str(found[name])[:40]}")
    return found


def read_tuned(folder: Path, folds: Sequence[InnerFold]) -> Tuned | None:
    """Read what `write_tuned` wrote; None where nothing is chosen yet.

    Raises:
        MemcellError: It cannot be used.
    """
    found = read_choice(folder)
    if found is None:
        return None
    if not folds:
        raise MemcellError(
            f"'{folder}' was tuned on folds of its training people, and now there are none: the recordings "
            "have changed; begin anew with another --out"
        )
    return Tuned(
        candidate=found["candidate"],
        options=found["options"],
        length=Length(schedule=found["schedule"], stop=found["updates"]),
        out_of_fold=OutOfFold(
            folds=tuple(folds),
            predictions=read_fold_predictions(folder / FOLDER / "out-of-fold.npz", folds),
        ),
        line=found["line"],
    )


def with_penalty(task: Task, folder: Path) -> Task:
    """Return a task under the chosen settings with the C that was chosen for a regression on its features.

    As it is where none was.

    Raises:
        RunFolderError: What was written down is damaged.
    """
    choice, path = read_choice(folder), folder / FOLDER / PLAN
    if choice is None or not os.path.lexists(path):
        return task
    found = read_object(path)
    with refusing(path):
        c = found.get("regressions", {}).get(choice["candidate"])
        if c is not None and not (type(c) is float and c > 0):
            raise ValueError(f"a penalty of it is {str(c)[:40]}")
    return replace(task, inverse_penalty=c)
