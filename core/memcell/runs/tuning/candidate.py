"""One candidate of a choice, trained on all inner folds side by side, from look to look."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from memcell.applications.app import InnerFold, Probabilities
from memcell.applications.task import inner_task
from memcell.backends.first_window import FirstWindow
from memcell.errors import RunFolderError
from memcell.files.atomic import make_folder
from memcell.inference.overflow import probabilities_without_overflow
from memcell.interrupt import Interrupted
from memcell.progress import SILENT, Progress
from memcell.runs.setup import Job, inference_policy
from memcell.runs.tuning.record import (
    FoldPredictions,
    read_fold_predictions,
    write_fold_predictions,
)
from memcell.sequences.time_series import TimeSeries
from memcell.settings.options import EVAL_POLICIES
from memcell.training.foreign import foreign_parts, origin_of
from memcell.training.length import Length
from memcell.training.optimization import averaged
from memcell.training.parts import build_parts
from memcell.training.recalibrate import recalibrate
from memcell.training.trainer import Trainer

#: Probabilities of sequences.
Predict = Callable[[Sequence[TimeSeries]], Sequence[Probabilities]]


class InnerTrainings:
    """The trainings of one candidate, one for each inner fold, each by the ordinary trainer.

    What was predicted at a look is written down; a training that goes on begins at its last checkpoint, or
    anew, and comes to the same bits.

    Args:
        job: Under the candidate's settings; its task has inner folds.
        folder: Where predictions and checkpoints go.
        schedule: Updates that the schedule of the learning rate spans; None for the longest that the folds'
            epochs make.
        progress: Told of updates.
    """

    def __init__(
        self, job: Job, folder: Path, schedule: int | None = None, progress: Progress = SILENT
    ) -> None:
        self.job, self.folder, self.progress = job, folder, progress
        #: The inference policy by which looks are judged.
        self.policy = inference_policy(job.config, job.registry)
        self._trainers: list[Trainer] = []
        #: Inference policies under which memory overflowed: said once each.
        self._overflowed: set[str] = set()
        self._schedule = schedule

    @property
    def schedule(self) -> int:
        """Updates of a whole training, the same for every fold."""
        if self._schedule is None:
            self._begun()
            assert self._schedule is not None
        return self._schedule

    def updates_of(self, epochs: int) -> int:
        """Return the updates of so many epochs, in the fold that has the most."""
        return epochs * max(len(trainer.order(0)[1]) for trainer in self._begun())

    def predictions(self, update: int) -> FoldPredictions:
        """Return what the folds' networks say of the people they have not seen, after so many updates.

        Raises:
            Interrupted: The person asked to stop.
            Diverged: A fold's loss is no longer a number.
        """
        folds = self.job.task.inner
        path = self.folder / f"update-{update:07d}.npz"
        if os.path.lexists(path):
            self.progress.at(update * len(folds))
            return read_fold_predictions(path, folds)
        made: dict[str, list[Any]] = {policy: [] for policy in EVAL_POLICIES}
        for trainer, fold in zip(self._trained(update), folds, strict=True):
            for policy, found in self._predict(trainer, fold).items():
                made[policy].append(found)
        write_fold_predictions(path, made)
        return made

    def predictors(self, update: int) -> list[Predict]:
        """Return, for each fold, its network after so many updates: what it says of any sequences.

        Under the inference policy that it was trained for.

        Raises:
            Interrupted: The person asked to stop.
        """

        def predictor(trainer: Trainer, fold: InnerFold) -> Predict:
            def predict(sequences: Sequence[TimeSeries]) -> Sequence[Probabilities]:
                others = dataclasses.replace(fold, valid=tuple(sequences))
                return list(self._predict(trainer, others)[self.policy])

            return predict

        folds = self.job.task.inner
        return [predictor(t, f) for t, f in zip(self._trained(update), folds, strict=True)]

    def train_to(self, update: int) -> None:
        """Train all folds up to an update; they are predicted by nobody.

        Raises:
            Interrupted: The person asked to stop.
            Diverged: A fold's loss is no longer a number.
        """
        self._trained(update)

    def _trained(self, update: int) -> list[Trainer]:
        trainers = self._begun()
        for trainer in trainers:
            if trainer.at.update > update:
                raise RunFolderError(
                    f"'{self.folder}' lacks predictions that its checkpoints are beyond: remove the folder"
                )
            if self.job.interrupts.requested:
                raise Interrupted(
                    f"stopped while settings were chosen, after {trainer.at.update} updates"
                )
            trainer.train_to(update, self.job.interrupts)
            self.progress.at(sum(each.at.update for each in trainers))
        return trainers

    def _begun(self) -> list[Trainer]:
        """Return the trainers, each where its checkpoint left it."""
        if self._trainers:
            return self._trainers
        self._trainers = [self._trainer(k) for k in range(len(self.job.task.inner))]
        if self._schedule is None:
            self._schedule = max(trainer.total_updates for trainer in self._trainers)
        for trainer in self._trainers:
            trainer.measure_out(Length(schedule=self._schedule, stop=0))
            if os.path.lexists(trainer.folder.checkpoint):
                trainer.restore()
        return self._trainers

    def _trainer(self, k: int) -> Trainer:
        job = self.job
        folder = _Unmeasured(self.folder / f"fold-{k}")
        make_folder(folder.checkpoint.parent)
        task = inner_task(job.task, job.task.inner[k])
        foreign = foreign_parts(job.config, job.registry)
        return Trainer(
            job.config.training,
            self.policy,
            task,
            build_parts(job.config, job.registry, job.app, task, job.device),
            folder,
            first_window=FirstWindow(origin_of(foreign)) if foreign else None,
        )

    def _predict(self, trainer: Trainer, fold: InnerFold) -> Mapping[str, list[Any]]:
        """Predict as the trained network of a run does: with averaged weights and fresh statistics."""
        config, network = self.job.config.training, trainer.network
        with averaged(trainer.parts.optimizer):
            before = {name: value.clone() for name, value in network.state_dict().items()}
            changed = config.recalibrate and recalibrate(trainer)
            made = {
                policy: probabilities_without_overflow(
                    network, fold.valid, policy, config.time_steps
                )
                for policy in EVAL_POLICIES
            }
            if changed:
                with torch.no_grad():
                    network.load_state_dict(before)
        for policy, (_, overflow) in made.items():
            if overflow and policy not in self._overflowed:
                self._overflowed.add(policy)
                self.job.say(f"cross-validation, after {trainer.at.update} updates: {overflow}")
        return {policy: found for policy, (found, _) in made.items()}


class _Unmeasured:
    """The folder of an inner training: checkpoints, and no metrics.

    Args:
        path: The folder.
    """

    def __init__(self, path: Path) -> None:
        self.checkpoint = path / "checkpoint.safetensors"

    def append(self, record: Mapping[str, Any]) -> None:
        pass

    def metrics_size(self) -> int:
        return 0

    def cut_metrics(self, size: int) -> None:
        pass
