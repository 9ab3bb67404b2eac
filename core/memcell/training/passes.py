"""A batch through the network under the run's state policy, and the way back to its gradient."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

import torch
from torch import Tensor

from memcell.applications.app import Task
from memcell.backends.precision import mixed_precision
from memcell.backends.subnormal import flushed
from memcell.network.network import NetworkOutput
from memcell.recurrent.policy import CarriedState
from memcell.recurrent.state import State
from memcell.sequences import Batch
from memcell.settings.options import TrainingConfig
from memcell.training.direct import Listeners, TrainingPass, direct, run_directly
from memcell.training.memory import RunMemory
from memcell.training.parts import TrainingParts
from memcell.training.processes import Processes
from memcell.training.seeds import mask_generator


class _Begun(NamedTuple):
    """What the policy says of a batch before it is run; each asked once."""

    carried: CarriedState
    initial_state: State
    resets: Tensor
    return_steps: tuple[int, ...]


class Passes:
    """Runs batches under a state policy.

    Args:
        config: How to train.
        task: The data, for targets and their weights.
        parts: Network and policy.
        processes: Those that train together.
    """

    def __init__(
        self, config: TrainingConfig, task: Task, parts: TrainingParts, processes: Processes
    ) -> None:
        self._config, self._target = config, task.target
        self._parts, self._processes = parts, processes
        self.network = parts.network
        self._training: Callable[..., Any] = processes.wrapped(parts.network)
        weights = task.class_weights
        #: Weights of the loss by class, or None.
        self.class_weights = (
            None if weights is None else torch.tensor(weights, device=self.network.device)
        )
        #: What the last batch began with.
        self.carried: CarriedState | None = None
        self._listeners = Listeners(self.network)
        #: Whether gradients are written out as far as the network's parts and the run go; until one cannot.
        self._direct = (
            processes.count == 1
            and not (config.mixed_precision and self.network.device.type != "cpu")
            and not parts.observes_gradients
            and task.target == self.network.target
            and direct(self.network)
        )

    def forward(
        self,
        batch: Batch,
        memory: RunMemory,
        update_statistics: bool = True,
        masks: torch.Generator | None = None,
    ) -> tuple[NetworkOutput, Tensor]:
        """Run a batch; what the network gave, and weighted losses ``[T, B]``.

        Args:
            batch: The batch.
            memory: What the policy is offered.
            update_statistics: Normalizers use and accumulate batch statistics.
            masks: Random numbers for cells that draw masks; the run's generator unless given.
        """
        return self._through_autograd(batch, memory, None, update_statistics, masks)

    def train(self, batch: Batch, memory: RunMemory, update: int, trains: bool) -> TrainingPass:
        """Run a batch of an update: as `forward`, and what puts gradients into the parameters.

        Args:
            batch: The batch.
            memory: What the policy is offered.
            update: Number of the update, from 0.
            trains: Whether a gradient is wanted.
        """
        begun = None
        if trains and self._direct and self._ready():
            with self._precision():
                begun = self._begin(batch, memory)
                found = run_directly(
                    self.network, batch, *begun, self.class_weights, memory.generator
                )
            if found is not None:
                self._parts.policy.end(batch, found.ran.states, memory)
                return found
            self._direct = False
        with torch.set_grad_enabled(trains):
            ran, losses = self._through_autograd(batch, memory, begun, True, self._masks(update))

        def backward(share: float) -> None:
            with flushed():  # as the eager loop forward and the generated loop both ways
                torch.autograd.backward(losses.sum() * share)

        return TrainingPass(ran, losses, float(losses.detach().sum()), backward)

    def _ready(self) -> bool:
        """Prepare a direct pass; return whether there is nothing that needs autograd this time."""
        network = self.network
        if self._listeners:
            return False
        if not network.training:
            network.train()
        return True

    def _begin(self, batch: Batch, memory: RunMemory) -> _Begun:
        policy = self._parts.policy
        carried = self.carried = policy.begin(batch, memory)
        resets = policy.resets(batch, memory)
        return _Begun(
            carried,
            policy.initial_state(batch, memory),
            resets if resets is batch.starts else resets | batch.starts,
            policy.return_steps(batch),
        )

    def _through_autograd(
        self,
        batch: Batch,
        memory: RunMemory,
        begun: _Begun | None,
        update_statistics: bool,
        masks: torch.Generator | None,
    ) -> tuple[NetworkOutput, Tensor]:
        network = self.network
        network.train()
        with self._precision():
            begun = begun or self._begin(batch, memory)
            call = self._training if torch.is_grad_enabled() else network
            ran = call(
                batch.x,
                begun.carried,
                begun.initial_state,
                begun.resets,
                batch.valid,
                return_steps=begun.return_steps,
                update_statistics=update_statistics,
                generator=memory.generator,
                mask_generator=masks,
            )
        self._parts.policy.end(batch, ran.states, memory)
        losses = self._target.losses(ran.logits.float(), batch.y, self.class_weights)
        return ran, losses * batch.weight

    def _precision(self) -> AbstractContextManager[object]:
        if not self._config.mixed_precision:
            # entering costs microseconds, of an update's few hundred
            return nullcontext()
        return mixed_precision(self.network.device, True)

    def _masks(self, update: int) -> torch.Generator | None:
        """Return the random numbers of an update for cells that draw masks; None where none does."""
        if not any(layer.cell.draws for layer in self.network.layers):
            return None
        return mask_generator(self._config.seed, update, self._processes.rank)
