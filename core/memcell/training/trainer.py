"""The training loop: truncated backpropagation through time over lanes and windows.

Everything that decides what comes next is in `Position`, the parts' states and the run's generator; a
checkpoint holds all of it, so a resumed run goes on bit for bit as if it had never stopped.
"""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from memcell.applications.app import Task
from memcell.backends import BackendWarning
from memcell.backends.first_window import FirstWindow
from memcell.backends.precision import stays_float32
from memcell.errors import Diverged, MemcellError
from memcell.files.reading import refusing
from memcell.inference.inference import mean_loss, probabilities
from memcell.interrupt import Interrupted, Interrupts
from memcell.network.network import NetworkOutput
from memcell.progress import SILENT, Progress
from memcell.recurrent.cell import Cell
from memcell.reports.numbers import counted
from memcell.sequences import Batch, Ends, WindowTable, collate
from memcell.settings.options import TrainingConfig
from memcell.training.length import Length, updates_between_looks
from memcell.training.memory import RunMemory
from memcell.training.observing import Observer, TrainingFolder, UpdateEvent
from memcell.training.optimization import averaged, learning_rate, take_averages
from memcell.training.parts import TrainingParts
from memcell.training.passes import Passes
from memcell.training.processes import ALONE, Processes
from memcell.training.recalibrate import recalibrated
from memcell.training.resuming import load_state, state_of
from memcell.training.seeds import epoch_rng, lengths_rng, run_generator
from memcell.training.state import Position, read_state, write_state
from memcell.training.stepping import Stepping
from memcell.training.window_statistics import class_totals, readout_gradients


class Trainer:
    """Trains one network into one run folder.

    Args:
        config: How to train.
        eval_policy: ``"carry"`` or ``"reset"``: memory at inference, also for validation.
        task: The data.
        parts: Network, sampler, policy, optimizer.
        folder: Where checkpoints and metrics go.
        progress: Told of each update.
        processes: Those that train together; only the main one writes.
        first_window: Checks the first window of foreign code; None where there is none.
        length: How long it trains where that was chosen before; None for the epochs of the config.
    """

    def __init__(
        self,
        config: TrainingConfig,
        eval_policy: str,
        task: Task,
        parts: TrainingParts,
        folder: TrainingFolder,
        progress: Progress = SILENT,
        processes: Processes = ALONE,
        first_window: FirstWindow | None = None,
        length: Length | None = None,
    ) -> None:
        processes.check(config.batch_size)
        self.processes = processes
        self.config, self.eval_policy, self.task = config, eval_policy, task
        #: Inference policy that each epoch is validated under too; nothing is chosen by it. Empty for none.
        self.also_under = ""
        #: CPU time that this took, seconds.
        self.also_seconds = 0.0
        self.parts, self.folder, self.progress = parts, folder, progress
        self.network = parts.network
        self.gradients = parts.gradient
        self.memory = RunMemory(
            self.network, task.train, run_generator(config.seed, processes.rank)
        )
        #: Whether validation has a label: without one no epoch is the best, and none is waited for.
        self.validates = any(bool(s.labelled.any()) for s in task.valid)
        if task.valid and not self.validates:
            warnings.warn(
                "no step of the validation split is labelled, so that no epoch is chosen as the best and "
                "training goes on to its end; give labels to it, or split another way",
                stacklevel=2,
            )
        self.at = Position()
        #: Receives lines for the person.
        self.say: Callable[[str], None] = _silent
        self.first_window = first_window
        #: Whose code it checks, empty where all is memcell's own.
        self.foreign = "" if first_window is None else first_window.origin
        for layer in self.network.layers:
            layer.first_window = first_window
        self.best: dict[str, Tensor] = {}
        self.passes = Passes(config, task, parts, processes)
        self._parameters = list(self.network.parameters())
        native = config.backend in ("auto", "native") and self.network.device.type == "cpu"
        self._step = Stepping(parts.optimizer, native)
        an_epoch = len(self.order(0)[1])
        self._epochs = max(config.epochs, -(-config.min_updates // an_epoch))
        self._total = self._epochs * an_epoch
        self._stop: int | None = None
        #: Updates between looks at the validation loss within an epoch; 0 for none.
        self._looks = updates_between_looks(config, task) if self.validates else 0
        if length is not None:
            self.measure_out(length)
        self._saved = time.monotonic()
        #: Told of every update; it must not change anything.
        self.observer: Observer | None = None

    @property
    def epochs(self) -> int:
        """Epochs of a run that is not stopped early: those asked for, or what ``min_updates`` takes."""
        return self._epochs

    @property
    def total_updates(self) -> int:
        """Updates of a run that is not stopped early."""
        return self._total if self._stop is None else self._stop

    def train(self, interrupts: Interrupts | None = None) -> None:
        """Train to the end, from wherever the run is.

        Raises:
            Interrupted: The person asked to stop; the checkpoint is written.
            MemcellError: The loss is no longer a number; the last checkpoint stays.
        """
        self.progress.at(self.at.update)
        if self.validates and self.parts.starts_fitted and self.at == Position():
            self._judge_start()
        while not self.at.finished:
            if self.at.update == self._stop:
                self._end_at_stop()
            elif self._epoch(interrupts):
                self._end_of_epoch()
            self.save()
        if self.best:
            self.network.load_state_dict(self.best)
        else:
            take_averages(self.parts.optimizer)

    def _judge_start(self) -> None:
        """Let the network of before the first update be the best so far: it is a fitted model already."""
        at = self.at
        with recalibrated(self):
            at.best_loss = self._validated()
            self.best = {k: v.clone() for k, v in self.network.state_dict().items()}
        self._note({"update": 0, "epoch": -1, "valid_loss": at.best_loss})

    def measure_out(self, length: Length) -> None:
        """Train for another length than the config's epochs; before the first update."""
        an_epoch = len(self.order(0)[1])
        self._epochs = max(1, -(-length.schedule // an_epoch))
        self._total, self._stop = length.schedule, length.stop

    def train_to(self, update: int, interrupts: Interrupts | None = None) -> None:
        """Train up to an update and pause there; the next call goes on. No checkpoint is written but by time.

        Raises:
            Interrupted: The person asked to stop; the checkpoint is written.
            MemcellError: The loss is no longer a number.
        """
        self._stop = update
        while self.at.update < update:
            if self._epoch(interrupts):
                self._end_of_epoch()

    def order(self, epoch: int) -> tuple[WindowTable, NDArray[np.int64]]:
        """Return the windows of an epoch and their order ``[n_batches, B]``: always the same."""
        rng = epoch_rng(self.config.seed_of_order, epoch)
        sampler = self.parts.sampler
        table = self.gradients.table(
            self.task.train,
            self.task.n_classes,
            self.task.train_weights,
            sampler.phase(epoch, self.config.time_steps, rng),
            lengths_rng(self.config.seed_of_order, epoch),
        )
        if self.task.drop_unweighted and not self.parts.streams:
            table = table.keep(table.weight > 0)
        if not len(table):
            raise MemcellError(
                "no training window holds a labelled step; there is nothing to learn from"
            )
        return table, sampler.order(table, self.config.batch_size, epoch, rng)

    def _epoch(self, interrupts: Interrupts | None) -> bool:
        """Train on what is left of the epoch, or up to the stop; return whether the epoch is done."""
        table, order = self.order(self.at.epoch)
        self.memory.epoch = self.at.epoch
        self.gradients.begin_epoch(table, order)
        if self.at.batch == 0:
            self.parts.policy.begin_epoch(self.memory)
        ends = self._ends_before(table, order)
        self._parameters = list(self.network.parameters())
        for k in range(self.at.batch, len(order)):
            if self.at.update == self._stop:
                return False
            rows = self.processes.share(order[k])
            batch = collate(self.task.train, table, rows, ends, self.task.train_weights, order[k])
            ends = table.ends(rows)
            self._update(batch.to(self.network.device))
            self.at.batch = k + 1
            if self._looks and self.at.update % self._looks == 0 and k + 1 < len(order):
                with averaged(self.parts.optimizer), recalibrated(self):
                    look = {"update": self.at.update, "epoch": self.at.epoch}
                    self._note({**look, "look": self._validated()})
            self.progress.at(self.at.update, f"epoch {self.at.epoch + 1}/{self._epochs}")
            if interrupts is not None and self.processes.any(interrupts.requested):
                self.save()
                raise Interrupted(
                    f"stopped after update {self.at.update} of {self._total}; the checkpoint is written"
                )
            waited = time.monotonic() - self._saved > self.config.checkpoint_seconds
            if self.processes.any(waited and self.processes.main):
                self.save()
        self._count_classes(table, order)
        return True

    def _count_classes(self, table: WindowTable, order: NDArray[np.int64]) -> None:
        totals = class_totals(self.task.train, self.task.train_weights, table, order)
        before = self.at.class_totals or np.zeros(len(totals))
        self.at.class_totals = (totals + before).tolist()

    def _end_at_stop(self) -> None:
        """End the training where its length says, in the middle of an epoch or not."""
        if self.at.batch:
            table, order = self.order(self.at.epoch)
            self._count_classes(table, order[: self.at.batch])
        self.at.finished = True
        self.at.reason = "as many as cross-validation chose"

    def _ends_before(self, table: WindowTable, order: NDArray[np.int64]) -> Ends | None:
        """Return where the lanes ended before the next batch, in the epoch before at an epoch's start."""
        if self.at.batch:
            return table.ends(self.processes.share(order[self.at.batch - 1]))
        if self.at.epoch == 0:
            return None
        table, order = self.order(self.at.epoch - 1)
        return table.ends(self.processes.share(order[-1]))

    def _update(self, batch: Batch) -> None:
        rate = learning_rate(
            self.config.schedule,
            self.config.learning_rate,
            self.at.update,
            self._total,
            self.config.warmup,
        )
        rate *= self.gradients.rate(batch, self.processes.total)
        for group in self.parts.optimizer.param_groups:
            group["lr"] = rate
        weight = self.processes.total(float(batch.weight.sum()))
        # A batch without a label still runs: memory must be carried through it.
        passed = self.passes.train(batch, self.memory, self.at.update, weight > 0)
        if self.observer is not None and self.passes.carried is not None:
            event = UpdateEvent(
                update=self.at.update + 1,
                epoch=self.at.epoch,
                batch=batch,
                state=self.passes.carried,
                trains=bool(batch.weight.sum() > 0),
            )
            self.observer.before_update(event)
        if weight > 0 and self.first_window is not None:
            self._settle_first_window()
        if weight > 0:
            total = self.processes.total(passed.total)
            if not math.isfinite(total):
                raise self._diverged(f"the loss is {total}", rate)
            for parameter in self._parameters:
                parameter.grad = None
            # averaged over the processes, so each one's share counts as often as there are
            share = self.gradients.share(weight) * self.processes.count / weight
            passed.backward(share)
            norm = self._step(self._parameters, self.config.clip or math.inf)
            if not math.isfinite(norm):
                raise self._diverged(f"the gradient's norm is {norm}", rate)
            self.at.loss += total
            self.at.weight += weight
            record = {
                "update": self.at.update + 1,
                "epoch": self.at.epoch,
                "loss": total / weight,
            }
            self._note({**record, "gradient_norm": norm, "learning_rate": rate})
        self.at.update += 1
        self.memory.update = self.at.update
        if self.observer is not None:
            self.observer.after_update()
        if self.parts.observes:
            lane_weight = batch.weight.sum(0).clamp_min(1e-12)
            seen = [batch.window, (passed.losses.detach().sum(0) / lane_weight).double()]
            if self.parts.observes_gradients:
                seen.append(
                    readout_gradients(
                        self.task.target,
                        passed.ran.logits,
                        passed.ran.hidden,
                        batch,
                        self.passes.class_weights,
                    )
                )
            lanes = [self.processes.lanes(values).cpu().numpy() for values in seen]
            self.parts.sampler.observe(*lanes)

    def _settle_first_window(self) -> None:
        """Let all layers, in all processes, run as their first windows tell."""
        check = self.first_window
        assert check is not None
        reason = next(filter(None, self.processes.each(check.reason)), "")
        self.run_eagerly(reason)
        if not self.processes.main:
            return
        if reason:
            message = f"{reason}. It trains on the eager loop: slower, and as its step says"
            warnings.warn(message, BackendWarning, stacklevel=2)
        elif check.line:
            self.say(check.line)

    def run_eagerly(self, reason: str) -> None:
        """Take the verdict on the first window: ``reason`` for the eager loop, or empty."""
        self.first_window = None
        for layer in self.network.layers:
            layer.first_window, layer.eager_because = None, reason

    def run(self, batch: Batch, update_statistics: bool = True) -> Tensor:
        """Run a batch under the training policy and return weighted losses ``[T, B]``."""
        return self.forward(batch, update_statistics)[1]

    def forward(
        self, batch: Batch, update_statistics: bool = True, masks: torch.Generator | None = None
    ) -> tuple[NetworkOutput, Tensor]:
        """Run a batch under the training policy; what it gave, and weighted losses ``[T, B]``.

        Args:
            batch: The batch.
            update_statistics: Normalizers use and accumulate batch statistics.
            masks: Random numbers for cells that draw masks; the run's generator unless given.
        """
        return self.passes.forward(batch, self.memory, update_statistics, masks)

    def _diverged(self, what: str, rate: float) -> Diverged:
        or_float32 = ""
        if self.config.mixed_precision and stays_float32(self.network.device) is None:
            what, or_float32 = f"{what} in bfloat16", ", or leave out --mixed-precision for float32"
        or_noise = ""
        if any(layer.norms.tells_training for layer in self.network.recurrent.each):
            or_noise = (
                ", or --policy noise where steps have the same input in all lanes (black pixels, silence): "
                "statistics of a batch have no variance there"
            )
        return Diverged(
            f"{what} at update {self.at.update + 1} (learning rate {rate:g}); the last checkpoint is kept. "
            f"Try a smaller --learning-rate or --clip{or_float32}{or_noise}."
        )

    def _note(self, record: dict[str, Any]) -> None:
        if self.processes.main:
            self.folder.append(record)

    def _end_of_epoch(self) -> None:
        at = self.at
        record: dict[str, Any] = {
            "update": at.update,
            "epoch": at.epoch,
            "train_loss": at.loss / at.weight if at.weight else None,
            **self.parts.policy.counts(),
        }
        if self.validates:
            with averaged(self.parts.optimizer), recalibrated(self):
                record["valid_loss"] = valid = self._validated()
                if self.also_under and self.processes.main:
                    began = time.process_time()
                    other = self.validation_loss(self.also_under)
                    self.also_seconds += time.process_time() - began
                    record["valid_losses"] = {self.eval_policy: valid, self.also_under: other}
                if valid < at.best_loss:
                    at.best_loss, at.best_epoch = valid, at.epoch
                    self.best = {k: v.clone() for k, v in self.network.state_dict().items()}
        if changed := self._tell_cells():
            record["changed"] = changed
        self._note(record)
        if self.observer is not None:
            self.observer.end_of_epoch(at.epoch)
        at.epoch, at.batch, at.loss, at.weight = at.epoch + 1, 0, 0.0, 0.0
        waited = at.epoch - 1 - at.best_epoch
        patience = self.config.patience if at.update >= self.config.min_updates else 0
        # a sampler that leaves windows out has short epochs: it gets its updates all the same; and epochs
        # of streams or of drawn lengths may be shorter than the first, by which they were counted
        least = self.config.min_updates if self.parts.covers_once else self._total
        enough = at.update >= least
        if self._stop is not None:
            return
        if at.epoch >= self._epochs and enough:
            at.finished, at.reason = (
                True,
                f"{'all ' if at.epoch > 1 else ''}{counted(at.epoch, 'epoch')} done",
            )
        elif self.validates and patience and waited >= patience:
            at.finished = True
            at.reason = f"no better validation loss for {self.config.patience} epochs"

    def _validated(self) -> float:
        """Return the main process's validation loss, in all of them."""
        return self.processes.from_main(self.validation_loss() if self.processes.main else 0.0)

    def _tell_cells(self) -> str:
        """Tell the cells of the epoch's end; return what they changed, in words."""
        if not self.at.weight:
            return ""
        loss = self.at.loss / self.at.weight
        cells = [m for m in self.network.modules() if isinstance(m, Cell)]
        changed = "; ".join(filter(None, (cell.after_epoch(loss) for cell in cells)))
        if changed and self.processes.main:
            self.say(f"epoch {self.at.epoch + 1}: {changed}")
        return changed

    def validation_loss(self, policy: str = "") -> float:
        """Return the loss on the validation split under an inference policy; under the run's unless given."""
        under = policy or self.eval_policy
        found = probabilities(self.network, self.task.valid, under, self.config.time_steps)
        return mean_loss(found, self.task.valid, self.task.class_weights, self.task.target)

    def save(self) -> None:
        """Write the checkpoint: the main process, with what each of them carries."""
        self._saved = time.monotonic()
        # on the CPU, for another process need not see this one's GPU
        carried = {name: t.cpu() for name, t in self.parts.policy.memory_dict().items()}
        each = self.processes.each((carried, self.memory.generator.get_state()))
        if self.processes.main:
            write_state(self.folder.checkpoint, state_of(self, each))

    def restore(self) -> None:
        """Go back to the checkpoint of the folder.

        Raises:
            CheckpointError: It cannot be used.
        """
        state = read_state(self.folder.checkpoint)
        with refusing(self.folder.checkpoint):
            load_state(self, state)


def _silent(line: str) -> None:
    """Say nothing: nobody asked."""
