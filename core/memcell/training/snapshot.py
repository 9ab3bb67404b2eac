"""What a checkpoint holds of a training: everything that decides what comes next, and the way back."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from memcell.applications.app import App, Task
from memcell.errors import CheckpointError, RunFolderError
from memcell.files.reading import refusing
from memcell.plugins import Registry
from memcell.runs.run_config import RunConfig
from memcell.training.checkpoint import (
    join_tensors,
    load_checkpoint,
    read_head,
    save_checkpoint,
    split_tensors,
)
from memcell.training.fits import builder, check_fits, compare, shapes_of
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
        RunFolderError: It cannot be used.
    """
    folder = trainer.folder
    tensors, meta = load_checkpoint(folder.checkpoint)
    with refusing(folder.checkpoint):
        _take_back(trainer, tensors, meta)


def check_checkpoint(
    path: Path, config: RunConfig, registry: Registry, app: App, task: Task
) -> None:
    """Refuse a checkpoint whose weights are not those of a config, before a network is made.

    Raises:
        RunFolderError: They are not; names the file and the first that differs.
    """
    head = read_head(path)
    names = {name for name, _ in head.meta["network"]["pairs"]}
    stored = {
        name.removeprefix("network."): found
        for name, found in head.tensors.items()
        if name.startswith("network.")
    }
    if names != stored.keys():
        raise RunFolderError(f"'{path}' does not hold the weights that it names")
    n_features = task.train[0].n_features
    build = builder(config, registry, app, n_features, task.n_classes, task.facts)
    check_fits(path, stored, config, build)


def _take_back(trainer: Trainer, tensors: dict[str, Tensor], meta: dict[str, Any]) -> None:
    parts, folder, processes = trainer.parts, trainer.folder, trainer.processes
    began_with = len(meta["memory"])
    if began_with != processes.count:
        raise CheckpointError(
            f"'{folder.checkpoint}' holds the memory of {began_with} process(es), and "
            f"{processes.count} go on with it: start as many as it began with"
        )
    rank, device = processes.rank, trainer.network.device
    trainer.at = _position(meta["position"])
    network = join_tensors(meta["network"], tensors)
    best = join_tensors(meta["best"], tensors)
    wanted = shapes_of(trainer.network)
    for state in (network, *([best] if best else [])):
        found = {name: (t.dtype, tuple(t.shape)) for name, t in state.items()}
        compare(folder.checkpoint, found, wanted)
    trainer.network.load_state_dict(network)
    trainer.best = {k: v.to(device) for k, v in best.items()}
    _load_optimizer(parts.optimizer, join_tensors(meta["optimizer"], tensors))
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


def _position(values: dict[str, Any]) -> Position:
    """Return a position whose values are of the types that a run writes."""
    at = Position(**values)
    for field in dataclasses.fields(at):
        value, plain = getattr(at, field.name), getattr(Position(), field.name)
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if type(value) is not type(plain) and not (isinstance(plain, float) and number):
            raise ValueError(f"position: {field.name} is {str(value)[:40]}")
        if isinstance(value, list) and not all(isinstance(v, float) for v in value):
            raise ValueError(f"position: {field.name} is {str(value)[:40]}")
        if isinstance(plain, int) and not isinstance(plain, bool) and value < min(0, plain):
            raise ValueError(f"position: {field.name} is {value}")
        if isinstance(plain, list) and not all(type(each) in (int, float) for each in value):
            raise ValueError(f"position: {field.name} holds what is no number")
    return at


def _load_optimizer(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Load an optimizer's state whose options and shapes are those of the one that was built."""
    # an optimizer of another form checks by itself what it takes
    groups = state.get("param_groups")
    for mine, theirs in zip(optimizer.param_groups, groups, strict=True) if groups else ():
        lost = {k for k in mine if k != "params"} - theirs.keys()
        if lost:
            raise ValueError(f"its optimizer lacks {', '.join(sorted(lost))}")
        for name, value in mine.items():
            if name != "params" and _sort(value) != _sort(theirs[name]):
                raise ValueError(f"its optimizer's {name} is {str(theirs[name])[:40]}")
    optimizer.load_state_dict(state)
    own = type(optimizer).__module__.startswith(("torch.optim", "memcell"))
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            for name, value in optimizer.state.get(parameter, {}).items():
                if own and isinstance(value, Tensor) and not _belongs(value, parameter):
                    raise ValueError(f"its optimizer's {name} has the shape {list(value.shape)}")


def _sort(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return "true, false or nothing"
    if isinstance(value, int | float) or (isinstance(value, Tensor) and value.numel() == 1):
        return "a number"
    return "a list" if isinstance(value, list | tuple) else type(value).__name__


def _belongs(value: Tensor, parameter: Tensor) -> bool:
    """Whether a state is one number, or of its parameter's shape, or means over parts of it."""
    if value.numel() == 1:
        return True
    if value.dim() != parameter.dim():
        return False
    return all(a in (1, b) for a, b in zip(value.shape, parameter.shape, strict=True))


def _take_first_window(trainer: Trainer, found: dict[str, str] | None) -> None:
    """Run in the way that the run has taken so far; where other tools would generate it, check it again."""
    if found is None or not trainer.foreign:
        return
    same = found["generated_by"] == f"{trainer.foreign}, {generated_by()}"
    if found["eager_because"] or same:
        trainer.run_eagerly(str(found["eager_because"])[:500])
