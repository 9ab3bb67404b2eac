"""How long a training is, and how often its validation loss is looked at on the way."""

from __future__ import annotations

import math
from dataclasses import dataclass

from memcell.applications.app import Task
from memcell.settings.options import TrainingConfig

#: Most that looks within an epoch may cost, as a share of training.
_LOOKING = 0.2


@dataclass(frozen=True, kw_only=True)
class Length:
    """How long a training is whose length was chosen before it.

    Args:
        schedule: Updates that the schedule of the learning rate spans.
        stop: Updates after which it ends, 0 for none at all.
    """

    schedule: int
    stop: int


def updates_between_looks(config: TrainingConfig, task: Task) -> int:
    """Return after how many updates each the validation loss is looked at within an epoch; 0 for never.

    Left to the program, as many as fit into `_LOOKING` of the training's work. Counted are steps one after
    the other: an update costs its steps three times (there and back), and lanes side by side about a quarter
    each; validation goes there alone, one sequence after the other.
    """
    if config.validate_every >= 0:
        return config.validate_every
    update = 3 * config.time_steps * max(1.0, config.batch_size / 4)
    steps = sum(sequence.n_steps for sequence in task.valid)
    return max(1, math.ceil(steps / (_LOOKING * update)))
