"""A training's state: everything that decides what comes next, and the checkpoint file that holds it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from memcell.applications.app import App, Task
from memcell.errors import RunFolderError
from memcell.files.reading import refusing
from memcell.plugins import Registry
from memcell.settings.run_config import RunConfig
from memcell.training.checkpoint import (
    join_tensors,
    load_checkpoint,
    read_head,
    save_checkpoint,
    split_tensors,
)
from memcell.training.fits import builder, check_fits


@dataclass(kw_only=True)
class Position:
    """A resumable position in training: epoch, batch and update.

    Args:
        update: Optimizer steps done.
        epoch: Number of the epoch in progress, from 0.
        batch: Batches done in it.
        loss: Sum of weighted losses in it, nats.
        weight: Sum of weights in it.
        best_loss: Best validation loss so far.
        best_epoch: The epoch that gave it, -1 before the first.
        class_totals: Sum of the loss weights of each class over the epochs that are done, class weights
            aside; empty before the first.
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
    class_totals: list[float] = field(default_factory=list)
    finished: bool = False
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class TrainingState:
    """Everything that decides how a training goes on.

    Args:
        position: Epoch, batch and update.
        metrics_size: Bytes of the metrics that were written.
        network: The weights.
        best: The weights of the best epoch; empty before there is one.
        optimizer: The optimizer's state.
        memories: What each process's state policy carries.
        generators: State of each process's random numbers.
        sampler: The sampler's state.
        observer: The observer's state; None where nobody observes.
        first_window: The verdict on the first window of foreign code; None where there is none.
    """

    position: Position
    metrics_size: int
    network: Mapping[str, Tensor]
    best: Mapping[str, Tensor]
    optimizer: dict[str, Any]
    memories: Sequence[Mapping[str, Tensor]]
    generators: Sequence[Tensor]
    sampler: Any
    observer: Mapping[str, Any] | None = None
    first_window: Mapping[str, str] | None = None


def write_state(path: Path, state: TrainingState) -> None:
    """Write a checkpoint, atomically.

    Raises:
        MemcellError: It cannot be written; an older file stays as it was.
    """
    tensors: dict[str, Tensor] = {}
    meta = {
        "position": dataclasses.asdict(state.position),
        "metrics_size": state.metrics_size,
        "network": split_tensors(state.network, "network", tensors),
        "best": split_tensors(state.best, "best", tensors),
        "optimizer": split_tensors(state.optimizer, "optimizer", tensors),
        "memory": [
            split_tensors(memory, f"memory.{rank}", tensors)
            for rank, memory in enumerate(state.memories)
        ],
        "generator": [
            split_tensors(generator, f"generator.{rank}", tensors)
            for rank, generator in enumerate(state.generators)
        ],
        "sampler": state.sampler,
    }
    if state.observer is not None:
        meta["probes"] = dict(state.observer)
    if state.first_window is not None:
        meta["first_window"] = dict(state.first_window)
    save_checkpoint(path, tensors, meta)


def read_state(path: Path) -> TrainingState:
    """Read a checkpoint.

    Raises:
        RunFolderError: It cannot be used.
    """
    tensors, meta = load_checkpoint(path)
    with refusing(path):
        return TrainingState(
            position=_position(meta["position"]),
            metrics_size=meta["metrics_size"],
            network=join_tensors(meta["network"], tensors),
            best=join_tensors(meta["best"], tensors),
            optimizer=join_tensors(meta["optimizer"], tensors),
            memories=[join_tensors(each, tensors) for each in meta["memory"]],
            generators=[join_tensors(each, tensors) for each in meta["generator"]],
            sampler=meta["sampler"],
            observer=meta.get("probes"),
            first_window=meta.get("first_window"),
        )


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
    build = builder(config, registry, app, n_features, task.target, task.facts)
    check_fits(path, stored, config, build)


def _position(values: dict[str, Any]) -> Position:
    """Return a position whose values are of the types that a run writes."""
    at = Position(**values)
    for each in dataclasses.fields(at):
        value, plain = getattr(at, each.name), getattr(Position(), each.name)
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if type(value) is not type(plain) and not (isinstance(plain, float) and number):
            raise ValueError(f"position: {each.name} is {str(value)[:40]}")
        if isinstance(value, list) and not all(isinstance(v, float) for v in value):
            raise ValueError(f"position: {each.name} is {str(value)[:40]}")
        if isinstance(plain, int) and not isinstance(plain, bool) and value < min(0, plain):
            raise ValueError(f"position: {each.name} is {value}")
        if isinstance(plain, list) and not all(type(v) in (int, float) for v in value):
            raise ValueError(f"position: {each.name} holds what is no number")
    return at


def load_optimizer(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
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
