"""Running statistics of normalizers, estimated anew over the training data at fixed weights.

A moving average lags behind the weights; population statistics of the finished network are what
Cooijmans et al. (2016) use for inference.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

from memcell.recurrent.normalizer import Normalizer
from memcell.sequences import collate
from memcell.training.memory import RunMemory
from memcell.training.seeds import run_generator

if TYPE_CHECKING:
    from memcell.training.trainer import Trainer


@torch.no_grad()
def recalibrate(trainer: Trainer) -> bool:
    """Run one epoch of training windows under the training policy and average the statistics plainly.

    Returns:
        Whether any normalizer wanted it.
    """
    wanting = _wanting(trainer)
    if not wanting:
        return False
    policy, memory = trainer.parts.policy, trainer.memory
    # The run's own memory and random numbers stay as they are: the pass is a side trip.
    aside = copy.deepcopy(policy.memory_dict())
    rank = trainer.processes.rank
    trainer.memory = RunMemory(
        trainer.network, trainer.task.train, run_generator(trainer.config.seed, rank)
    )
    for module in wanting:
        module.begin_recalibration()
    try:
        # an observing sampler's last order stands as it was; asked for an old one, it would decide anew
        at = trainer.at
        within = at.epoch if at.batch else max(0, at.epoch - 1)
        last = within if trainer.parts.observes else 0
        table, order = trainer.order(last)
        policy.begin_epoch(trainer.memory)
        ends = None
        for all_lanes in order:
            rows = trainer.processes.share(all_lanes)
            batch = collate(
                trainer.task.train, table, rows, ends, trainer.task.train_weights, all_lanes
            )
            ends = table.ends(rows)
            trainer.run(batch.to(trainer.network.device))
    finally:
        for module in wanting:
            module.end_recalibration()
        trainer.memory = memory
        policy.load_memory_dict(aside, trainer.network.start.template)
    return True


@contextmanager
def recalibrated(trainer: Trainer) -> Iterator[None]:
    """Hold running statistics estimated anew while a network is looked at; training goes on with its own.

    Where the run does not want it, or no normalizer does, nothing is done.
    """
    wanting = _wanting(trainer) if trainer.config.recalibrate else []
    kept = [(buffer, buffer.clone()) for module in wanting for buffer in module.buffers()]
    if wanting:
        recalibrate(trainer)
    try:
        yield
    finally:
        for buffer, before in kept:
            buffer.copy_(before)


def _wanting(trainer: Trainer) -> list[Normalizer]:
    found = [m for _, m in trainer.network.recurrent.normalizers() if isinstance(m, Normalizer)]
    return [m for m in found if m.needs_recalibration]
