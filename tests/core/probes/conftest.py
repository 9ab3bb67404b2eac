"""A batch in the middle of a training, as a probe is shown it."""

from __future__ import annotations

import pytest

from memcell.probes.context import ProbeContext
from memcell.sequences import collate
from memcell.training.observing import UpdateEvent


@pytest.fixture
def make_context():
    def make(trainer):
        batches = len(trainer.order(0)[1])
        return ProbeContext(
            trainer.network,
            trainer.task,
            trainer.config,
            batches=batches,
            total=trainer.total_updates,
            metrics=trainer.folder.metrics,
        )

    return make


@pytest.fixture
def event_after():
    """Run some batches of the first epoch, updates and all, and return the event of the next one."""

    def make(trainer, batches):
        table, order = trainer.order(0)
        ends = None
        for k in range(batches):
            trainer._update(collate(trainer.task.train, table, order[k], ends))
            ends = table.ends(order[k])
        batch = collate(trainer.task.train, table, order[batches], ends)
        carried = trainer.parts.policy.begin(batch, trainer.memory)
        return UpdateEvent(update=batches + 1, epoch=0, batch=batch, state=carried, trains=True)

    return make
