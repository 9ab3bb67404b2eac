"""A batch in the middle of a training, as a probe is shown it."""

from __future__ import annotations

import pytest

from memcell.probes.base import Moment
from memcell.probes.context import Scene
from memcell.sequences import collate


@pytest.fixture
def make_scene():
    def make(trainer):
        batches = len(trainer.order(0)[1])
        return Scene(
            trainer.network,
            trainer.task,
            trainer.config,
            batches=batches,
            total=trainer.total_updates,
            metrics=trainer.folder.metrics,
        )

    return make


@pytest.fixture
def moment_after():
    """Run some batches of the first epoch, updates and all, and return the next one as a moment."""

    def make(trainer, batches):
        table, order = trainer.order(0)
        ends = None
        for k in range(batches):
            trainer._update(collate(trainer.task.train, table, order[k], ends))
            ends = table.ends(order[k])
        batch = collate(trainer.task.train, table, order[batches], ends)
        began = trainer.parts.policy.begin(batch, trainer.memory)
        return Moment(update=batches + 1, epoch=0, batch=batch, began=began, trains=True)

    return make
