"""The training loop: truncated backpropagation through time over lanes and windows.

Everything that decides what comes next is in `Position`, the parts' states and the run's generator; a
checkpoint holds all of it, so a resumed run goes on bit for bit as if it had never stopped.
"""

from __future__ import annotations

import dataclasses
import math
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from memcell.app import Task
from memcell.errors import MemcellError
from memcell.network import Ran
from memcell.progress import SILENT, Progress
from memcell.sequences import Batch, Ends, WindowTable, collate, window_table
from memcell.training.averaging import averaged, take_averages
from memcell.training.checkpoint import (
    join_tensors,
    load_checkpoint,
    save_checkpoint,
    split_tensors,
)
from memcell.training.config import TrainingConfig
from memcell.training.inference import mean_loss, probabilities
from memcell.training.interrupt import Interrupted, Interrupts
from memcell.training.memory import RunMemory
from memcell.training.parts import Parts
from memcell.training.readout_gradients import readout_gradients
from memcell.training.run_folder import RunFolder
from memcell.training.schedule import learning_rate
from memcell.training.seeds import epoch_rng, run_generator


@dataclass(kw_only=True)
class Position:
    """Where a run is.

    Args:
        update: Optimizer steps done.
        epoch: Number of the epoch in progress, from 0.
        batch: Batches done in it.
        loss: Sum of weighted losses in it, nats.
        weight: Sum of weights in it.
        best_loss: Best validation loss so far.
        best_epoch: The epoch that gave it, -1 before the first.
        finished: Training is over.
        reason: Why it is over.
    """

    update: int = 0
    epoch: int = 0
    batch: int = 0
    loss: float = 0.0
    weight: float = 0.0
    best_loss: float = math.inf
    best_epoch: int = -1
    finished: bool = False
    reason: str = ""


class Trainer:
    """Trains one network into one run folder.

    Args:
        config: How to train.
        eval_policy: ``"carry"`` or ``"reset"``: memory at inference, also for validation.
        task: The data.
        parts: Network, sampler, policy, optimizer.
        folder: Where checkpoints and metrics go.
        progress: Told of each update.
    """

    def __init__(
        self,
        config: TrainingConfig,
        eval_policy: str,
        task: Task,
        parts: Parts,
        folder: RunFolder,
        progress: Progress = SILENT,
    ) -> None:
        self.config, self.eval_policy, self.task = config, eval_policy, task
        self.parts, self.folder, self.progress = parts, folder, progress
        self.network = parts.network
        self.memory = RunMemory(self.network, task.train, run_generator(config.seed))
        self.at = Position()
        self.best: dict[str, Tensor] = {}
        self._class_weights = (
            None
            if task.class_weights is None
            else torch.tensor(task.class_weights, device=self.network.device)
        )
        an_epoch = len(self.order(0)[1])
        self._epochs = max(config.epochs, -(-config.min_updates // an_epoch))
        self._total = self._epochs * an_epoch
        self._saved = time.monotonic()

    @property
    def total_updates(self) -> int:
        """Updates of a run that is not stopped early."""
        return self._total

    def train(self, interrupts: Interrupts | None = None) -> None:
        """Train to the end, from wherever the run is.

        Raises:
            Interrupted: The person asked to stop; the checkpoint is written.
            MemcellError: The loss is no longer a number; the last checkpoint stays.
        """
        self.progress.at(self.at.update)
        while not self.at.finished:
            self._epoch(interrupts)
            self._end_of_epoch()
            self.save()
        if self.best:
            self.network.load_state_dict(self.best)
        else:
            take_averages(self.parts.optimizer)

    def order(self, epoch: int) -> tuple[WindowTable, NDArray[np.int64]]:
        """Return the windows of an epoch and their order ``[n_batches, B]``: always the same."""
        rng = epoch_rng(self.config.seed, epoch)
        sampler, steps = self.parts.sampler, self.config.time_steps
        table = window_table(
            self.task.train,
            steps,
            self.task.n_classes,
            self.task.train_weights,
            sampler.phase(epoch, steps, rng),
        )
        if self.task.drop_unweighted and not self.parts.streams:
            table = table.keep(table.weight > 0)
        if not len(table):
            raise MemcellError(
                "no training window holds a labelled step; there is nothing to learn from"
            )
        return table, sampler.order(table, self.config.batch_size, epoch, rng)

    def _epoch(self, interrupts: Interrupts | None) -> None:
        table, order = self.order(self.at.epoch)
        self.memory.epoch = self.at.epoch
        if self.at.batch == 0:
            self.parts.policy.begin_epoch(self.memory)
        ends = self._ends_before(table, order)
        for k in range(self.at.batch, len(order)):
            batch = collate(self.task.train, table, order[k], ends, self.task.train_weights)
            ends = table.ends(order[k])
            self._update(batch.to(self.network.device))
            self.at.batch = k + 1
            self.progress.at(self.at.update, f"epoch {self.at.epoch + 1}/{self._epochs}")
            if interrupts is not None and interrupts.requested:
                self.save()
                raise Interrupted(
                    f"stopped after update {self.at.update} of {self._total}; the checkpoint is written"
                )
            if time.monotonic() - self._saved > self.config.checkpoint_seconds:
                self.save()

    def _ends_before(self, table: WindowTable, order: NDArray[np.int64]) -> Ends | None:
        """Return where the lanes ended before the next batch, in the epoch before at an epoch's start."""
        if self.at.batch:
            return table.ends(order[self.at.batch - 1])
        if self.at.epoch == 0:
            return None
        table, order = self.order(self.at.epoch - 1)
        return table.ends(order[-1])

    def _update(self, batch: Batch) -> None:
        rate = learning_rate(
            self.config.schedule,
            self.config.learning_rate,
            self.at.update,
            self._total,
            self.config.warmup,
        )
        for group in self.parts.optimizer.param_groups:
            group["lr"] = rate
        weight = float(batch.weight.sum())
        # A batch without a label still runs: memory must be carried through it.
        with torch.set_grad_enabled(weight > 0):
            ran, losses = self.forward(batch)
        if weight > 0:
            loss = losses.sum() / weight
            if not bool(torch.isfinite(loss)):
                raise MemcellError(
                    f"the loss is {float(loss.detach())} at update {self.at.update + 1} (learning rate "
                    f"{rate:g}); the last checkpoint is kept. Try a smaller --learning-rate or --clip."
                )
            self.parts.optimizer.zero_grad(set_to_none=True)
            torch.autograd.backward(loss)
            norm = self._clip()
            self.parts.optimizer.step()
            self.at.loss += float(losses.detach().sum())
            self.at.weight += weight
            record = {
                "update": self.at.update + 1,
                "epoch": self.at.epoch,
                "loss": float(loss.detach()),
            }
            self.folder.append({**record, "gradient_norm": norm, "learning_rate": rate})
        self.at.update += 1
        self.memory.update = self.at.update
        if self.parts.observes:
            lane_weight = batch.weight.sum(0).clamp_min(1e-12)
            mean = (losses.detach().sum(0) / lane_weight).double().cpu().numpy()
            seen = [batch.window.cpu().numpy(), mean]
            if self.parts.observes_gradients:
                found = readout_gradients(ran.logits, ran.hidden, batch, self._class_weights)
                seen.append(found.cpu().numpy())
            self.parts.sampler.observe(*seen)

    def run(self, batch: Batch, gather: bool = True) -> Tensor:
        """Run a batch under the training policy and return weighted losses ``[T, B]``, nats."""
        return self.forward(batch, gather)[1]

    def forward(self, batch: Batch, gather: bool = True) -> tuple[Ran, Tensor]:
        """Run a batch under the training policy; what it gave, and weighted losses ``[T, B]``, nats."""
        policy, memory, network = self.parts.policy, self.memory, self.network
        network.train()
        with torch.autocast(
            network.device.type, torch.bfloat16, enabled=self.config.mixed_precision
        ):
            ran = network(
                batch.x,
                policy.begin(batch, memory),
                policy.fresh(batch, memory),
                policy.restarts(batch, memory) | batch.starts,
                batch.valid,
                keep=policy.wants(batch),
                gather=gather,
                generator=memory.generator,
            )
        policy.end(batch, ran.states, memory)
        target = batch.y.long().clamp_min(0)
        losses = nn.functional.cross_entropy(
            ran.logits.float().flatten(0, 1),
            target.flatten(),
            weight=self._class_weights,
            reduction="none",
        )
        return ran, losses.view_as(batch.weight) * batch.weight

    def _clip(self) -> float:
        limit = self.config.clip or math.inf
        parameters = [p for p in self.network.parameters() if p.grad is not None]
        return float(nn.utils.clip_grad_norm_(parameters, limit))

    def _end_of_epoch(self) -> None:
        at = self.at
        record: dict[str, Any] = {
            "update": at.update,
            "epoch": at.epoch,
            "train_loss": at.loss / at.weight if at.weight else None,
        }
        if self.task.valid:
            with averaged(self.parts.optimizer):
                valid = self.validation_loss()
                record["valid_loss"] = valid
                if valid < at.best_loss:
                    at.best_loss, at.best_epoch = valid, at.epoch
                    self.best = {k: v.clone() for k, v in self.network.state_dict().items()}
        self.folder.append(record)
        at.epoch, at.batch, at.loss, at.weight = at.epoch + 1, 0, 0.0, 0.0
        waited = at.epoch - 1 - at.best_epoch
        patience = self.config.patience if at.update >= self.config.min_updates else 0
        # a sampler that leaves windows out has short epochs: it gets its updates all the same
        enough = self.parts.covers_once or at.update >= self._total
        if at.epoch >= self._epochs and enough:
            at.finished, at.reason = True, f"all {at.epoch} epochs done"
        elif self.task.valid and patience and waited >= patience:
            at.finished = True
            at.reason = f"no better validation loss for {self.config.patience} epochs"

    def validation_loss(self) -> float:
        """Return the loss on the validation split under the inference policy, nats."""
        found = probabilities(
            self.network, self.task.valid, self.eval_policy, self.config.time_steps
        )
        return mean_loss(found, self.task.valid, self.task.class_weights)

    def save(self) -> None:
        """Write the checkpoint."""
        tensors: dict[str, Tensor] = {}
        meta = {
            "position": dataclasses.asdict(self.at),
            "metrics_size": self.folder.metrics_size(),
            "network": split_tensors(self.network.state_dict(), "network", tensors),
            "best": split_tensors(self.best, "best", tensors),
            "optimizer": split_tensors(self.parts.optimizer.state_dict(), "optimizer", tensors),
            "memory": split_tensors(self.parts.policy.memory_dict(), "memory", tensors),
            "generator": split_tensors(self.memory.generator.get_state(), "generator", tensors),
            "sampler": self.parts.sampler.state_dict(),
        }
        save_checkpoint(self.folder.checkpoint, tensors, meta)
        self._saved = time.monotonic()

    def restore(self) -> None:
        """Go back to the checkpoint of the folder.

        Raises:
            CheckpointError: It cannot be used.
        """
        tensors, meta = load_checkpoint(self.folder.checkpoint)
        device = self.network.device
        self.at = Position(**meta["position"])
        self.network.load_state_dict(join_tensors(meta["network"], tensors))
        self.best = {k: v.to(device) for k, v in join_tensors(meta["best"], tensors).items()}
        self.parts.optimizer.load_state_dict(join_tensors(meta["optimizer"], tensors))
        carried = {k: v.to(device) for k, v in join_tensors(meta["memory"], tensors).items()}
        self.parts.policy.load_memory_dict(carried, self.network.start.template)
        self.memory.generator.set_state(join_tensors(meta["generator"], tensors))
        self.memory.update, self.memory.epoch = self.at.update, self.at.epoch
        self.parts.sampler.load_state_dict(meta["sampler"])
        self.folder.cut_metrics(meta["metrics_size"])
