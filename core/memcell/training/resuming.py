"""A trainer's state, taken out of it for a checkpoint and put back, so that a run goes on bit for bit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from torch import Tensor

from memcell.errors import CheckpointError
from memcell.training.checkpoint import shapes_of
from memcell.training.fits import compare
from memcell.training.foreign import generated_by
from memcell.training.state import TrainingState, load_optimizer

if TYPE_CHECKING:
    from memcell.training.trainer import Trainer


def state_of(
    trainer: Trainer, memories: Sequence[tuple[dict[str, Tensor], Tensor]]
) -> TrainingState:
    """Return everything that decides what comes next.

    Args:
        trainer: Between two updates.
        memories: What each process's policy carries, and the state of its random numbers.
    """
    settled = trainer.foreign and trainer.first_window is None
    return TrainingState(
        position=trainer.at,
        metrics_size=trainer.folder.metrics_size(),
        network=trainer.network.state_dict(),
        best=trainer.best,
        optimizer=trainer.parts.optimizer.state_dict(),
        memories=[carried for carried, _ in memories],
        generators=[generator for _, generator in memories],
        sampler=trainer.parts.sampler.state_dict(),
        observer=None if trainer.observer is None else trainer.observer.state_dict(),
        first_window={
            "eager_because": trainer.network.recurrent.each[0].eager_because,
            "generated_by": f"{trainer.foreign}, {generated_by()}",
        }
        if settled
        else None,
    )


def load_state(trainer: Trainer, state: TrainingState) -> None:
    """Put a state into a trainer that was built of the same config.

    Raises:
        CheckpointError: The state does not fit it.
    """
    processes, device = trainer.processes, trainer.network.device
    checkpoint, memory, parts = trainer.folder.checkpoint, trainer.memory, trainer.parts
    if len(state.memories) != processes.count:
        raise CheckpointError(
            f"'{checkpoint}' holds the memory of {len(state.memories)} process(es), and "
            f"{processes.count} go on with it: start as many as it began with"
        )
    trainer.at = state.position
    expected = shapes_of(trainer.network)
    for weights in (state.network, *([state.best] if state.best else [])):
        found = {name: (t.dtype, tuple(t.shape)) for name, t in weights.items()}
        compare(checkpoint, found, expected)
    trainer.network.load_state_dict(state.network)
    trainer.best = {k: v.to(device) for k, v in state.best.items()}
    load_optimizer(parts.optimizer, state.optimizer)
    carried = {k: v.to(device) for k, v in state.memories[processes.rank].items()}
    parts.policy.load_memory_dict(carried, trainer.network.start.template)
    memory.generator.set_state(state.generators[processes.rank])
    memory.update, memory.epoch = trainer.at.update, trainer.at.epoch
    parts.sampler.load_state_dict(state.sampler)
    _load_first_window(trainer, state.first_window)
    if processes.main:
        trainer.folder.cut_metrics(state.metrics_size)
    if trainer.observer is not None and state.observer is not None:
        trainer.observer.load_state_dict(state.observer, trainer.at.update)


def _load_first_window(trainer: Trainer, found: Mapping[str, str] | None) -> None:
    """Run as the run has run so far; where other tools would generate the code, check it again."""
    if found is None or not trainer.foreign:
        return
    same = found["generated_by"] == f"{trainer.foreign}, {generated_by()}"
    if found["eager_because"] or same:
        trainer.run_eagerly(str(found["eager_because"])[:500])
