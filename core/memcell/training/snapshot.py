"""What a checkpoint holds of a training: everything that decides what comes next, and the way back."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from torch import Tensor

from memcell.errors import CheckpointError
from memcell.training.checkpoint import (
    join_tensors,
    load_checkpoint,
    save_checkpoint,
    split_tensors,
)
from memcell.training.foreign import generated_by
from memcell.training.position import Position

if TYPE_CHECKING:
    from memcell.training.trainer import Trainer


def write(trainer: Trainer) -> None:
    """Write the checkpoint: the main process, with what each of them carries."""
    parts, folder = trainer.parts, trainer.folder
    # on the CPU, for another process need not see this one's GPU
    carried = {name: t.cpu() for name, t in parts.policy.memory_dict().items()}
    mine = (carried, trainer.memory.generator.get_state())
    memories = trainer.processes.each(mine)
    if not trainer.processes.main:
        return
    tensors: dict[str, Tensor] = {}
    meta = {
        "position": dataclasses.asdict(trainer.at),
        "metrics_size": folder.metrics_size(),
        "network": split_tensors(trainer.network.state_dict(), "network", tensors),
        "best": split_tensors(trainer.best, "best", tensors),
        "optimizer": split_tensors(parts.optimizer.state_dict(), "optimizer", tensors),
        "memory": [
            split_tensors(theirs, f"memory.{rank}", tensors)
            for rank, (theirs, _) in enumerate(memories)
        ],
        "generator": [
            split_tensors(state, f"generator.{rank}", tensors)
            for rank, (_, state) in enumerate(memories)
        ],
        "sampler": parts.sampler.state_dict(),
    }
    if trainer.probes is not None:
        meta["probes"] = trainer.probes.state_dict()
    if trainer.foreign and trainer.first_window is None:
        meta["first_window"] = {
            "eager_because": trainer.network.recurrent.each[0].eager_because,
            "generated_by": f"{trainer.foreign}, {generated_by()}",
        }
    save_checkpoint(folder.checkpoint, tensors, meta)


def take_back(trainer: Trainer) -> None:
    """Go back to the checkpoint of the folder.

    Raises:
        CheckpointError: It cannot be used.
    """
    parts, folder, processes = trainer.parts, trainer.folder, trainer.processes
    tensors, meta = load_checkpoint(folder.checkpoint)
    began_with = len(meta["memory"])
    if began_with != processes.count:
        raise CheckpointError(
            f"'{folder.checkpoint}' holds the memory of {began_with} process(es), and "
            f"{processes.count} go on with it: start as many as it began with"
        )
    rank, device = processes.rank, trainer.network.device
    trainer.at = Position(**meta["position"])
    trainer.network.load_state_dict(join_tensors(meta["network"], tensors))
    trainer.best = {k: v.to(device) for k, v in join_tensors(meta["best"], tensors).items()}
    parts.optimizer.load_state_dict(join_tensors(meta["optimizer"], tensors))
    carried = {k: v.to(device) for k, v in join_tensors(meta["memory"][rank], tensors).items()}
    parts.policy.load_memory_dict(carried, trainer.network.start.template)
    trainer.memory.generator.set_state(join_tensors(meta["generator"][rank], tensors))
    trainer.memory.update, trainer.memory.epoch = trainer.at.update, trainer.at.epoch
    parts.sampler.load_state_dict(meta["sampler"])
    _take_first_window(trainer, meta.get("first_window"))
    if processes.main:
        folder.cut_metrics(meta["metrics_size"])
    if trainer.probes is not None and "probes" in meta:
        trainer.probes.load_state_dict(meta["probes"], trainer.at.update)


def _take_first_window(trainer: Trainer, found: dict[str, str] | None) -> None:
    """Run in the way that the run has taken so far; where other tools would generate it, check it again."""
    if found is None or not trainer.foreign:
        return
    same = found["generated_by"] == f"{trainer.foreign}, {generated_by()}"
    if found["eager_because"] or same:
        trainer.run_eagerly(found["eager_because"])
