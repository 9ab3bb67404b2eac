"""Every check of a sampler rejects at least one wrong one, and accepts the right ones."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from memcell import SamplerSpec
from memcell.sequences.sampler import Sampler, in_rows
from memcell.testing import SAMPLER_CHECKS, CheckFailed
from memcell.testing import samplers as checks

PLAIN = SamplerSpec(name="s", factory="m:a")
STREAM = dataclasses.replace(PLAIN, preserves_streams=True)
MOVING = dataclasses.replace(PLAIN, fixed_grid=False)
OBSERVING = dataclasses.replace(PLAIN, observes=True)


class InOrder(Sampler):
    def order(self, windows, batch_size, epoch, rng):
        return in_rows(np.arange(len(windows)), batch_size)


class Shuffled(Sampler):
    def order(self, windows, batch_size, epoch, rng):
        return in_rows(rng.permutation(len(windows)), batch_size)


class Lines(Sampler):
    """The line of all windows, cut into lanes."""

    def order(self, windows, batch_size, epoch, rng):
        lanes = np.array_split(np.arange(len(windows)), batch_size)
        order = np.full((max(map(len, lanes)), batch_size), -1)
        for i, lane in enumerate(lanes):
            order[: len(lane), i] = lane
        return order


class Moving(InOrder):
    def phase(self, epoch, time_steps, rng):
        return int(rng.integers(time_steps))


class HardestFirst(Sampler):
    """Ordered by the losses of the epoch before."""

    def __init__(self):
        self.epoch, self.before, self.now = 0, {}, {}

    def order(self, windows, batch_size, epoch, rng):
        if epoch != self.epoch:
            self.epoch, self.before, self.now = epoch, self.now, {}
        rows = sorted(range(len(windows)), key=lambda r: -self.before.get(r, 0.0))
        return in_rows(np.array(rows), batch_size)

    def observe(self, windows, losses):
        self.now |= {int(w): float(x) for w, x in zip(windows, losses, strict=True) if w >= 0}

    def state_dict(self):
        return {
            "epoch": self.epoch,
            "before": list(self.before.items()),
            "now": list(self.now.items()),
        }

    def load_state_dict(self, state):
        self.epoch = state["epoch"]
        self.before, self.now = (dict(map(tuple, state[k])) for k in ("before", "now"))


class BeyondTable(InOrder):
    def order(self, windows, batch_size, epoch, rng):
        return super().order(windows, batch_size, epoch, rng) + 1


class Flat(Sampler):
    def order(self, windows, batch_size, epoch, rng):
        return np.arange(len(windows))


class EmptyBatches(InOrder):
    def order(self, windows, batch_size, epoch, rng):
        order = super().order(windows, batch_size, epoch, rng)
        return np.concatenate([order, np.full((1, batch_size), -1)])


class DropsLastBatch(InOrder):
    def order(self, windows, batch_size, epoch, rng):
        return super().order(windows, batch_size, epoch, rng)[:-1]


class TakesSomeTwice(Sampler):
    def order(self, windows, batch_size, epoch, rng):
        return in_rows(rng.integers(len(windows), size=len(windows)), batch_size)


class NeedsFullBatch(Sampler):
    def order(self, windows, batch_size, epoch, rng):
        return np.arange(len(windows)).reshape(-1, batch_size)


class ShufflesTable(Shuffled):
    def order(self, windows, batch_size, epoch, rng):
        rng.shuffle(windows.start)
        return super().order(windows, batch_size, epoch, rng)


class GlobalNumbers(Sampler):
    def order(self, windows, batch_size, epoch, rng):
        return in_rows(np.random.permutation(len(windows)), batch_size)  # noqa: NPY002


class GeneratorOfItsOwn(Sampler):
    def __init__(self):
        self.rng = np.random.default_rng(1)

    def order(self, windows, batch_size, epoch, rng):
        return in_rows(self.rng.permutation(len(windows)), batch_size)


class ForgetsLosses(HardestFirst):
    def state_dict(self):
        return {}

    def load_state_dict(self, state):
        pass


class HardestAtOnce(HardestFirst):
    """Losses of the epoch in progress change its own order."""

    def order(self, windows, batch_size, epoch, rng):
        rows = sorted(range(len(windows)), key=lambda r: -self.now.get(r, 0.0))
        return in_rows(np.array(rows), batch_size)


class ChokesOnEmptyLanes(InOrder):
    def observe(self, windows, losses):
        if (windows < 0).any():
            raise IndexError("no such window")


MUTANTS = {
    checks.rows_are_windows: [(BeyondTable, PLAIN), (Flat, PLAIN), (EmptyBatches, PLAIN)],
    checks.covers_as_declared: [(DropsLastBatch, PLAIN), (TakesSomeTwice, PLAIN)],
    checks.preserves_streams_as_declared: [(InOrder, STREAM), (Shuffled, STREAM)],
    checks.grid_is_as_declared: [(Moving, PLAIN)],
    checks.small_tables_work: [(NeedsFullBatch, PLAIN), (DropsLastBatch, PLAIN)],
    checks.table_is_left_alone: [(ShufflesTable, PLAIN)],
    checks.order_repeats: [
        (GlobalNumbers, PLAIN),
        (GeneratorOfItsOwn, PLAIN),
        (ForgetsLosses, OBSERVING),
        (HardestAtOnce, OBSERVING),
    ],
    checks.observing_is_declared: [(HardestFirst, PLAIN), (ChokesOnEmptyLanes, PLAIN)],
}
CASES = [(check, *mutant) for check, mutants in MUTANTS.items() for mutant in mutants]
RIGHT = [
    (InOrder, PLAIN),
    (Shuffled, PLAIN),
    (Lines, STREAM),
    (Moving, MOVING),
    (HardestFirst, OBSERVING),
    (TakesSomeTwice, dataclasses.replace(PLAIN, covers_once=False)),
]


def name_of(value):
    return getattr(value, "__name__", "")


def test_every_check_has_a_mutant():
    assert set(MUTANTS) == set(SAMPLER_CHECKS)


@pytest.mark.parametrize(("check", "mutant", "spec"), CASES, ids=name_of)
def test_mutant_is_rejected(check, mutant, spec):
    with pytest.raises(CheckFailed, match=r"^expected .*; .*\. .*\.$"):
        check(mutant, spec)


@pytest.mark.parametrize("check", SAMPLER_CHECKS, ids=name_of)
@pytest.mark.parametrize(("sampler", "spec"), RIGHT, ids=name_of)
def test_right_sampler_is_accepted(check, sampler, spec):
    check(sampler, spec)


def test_something_else_than_a_sampler():
    with pytest.raises(CheckFailed, match="returned a list"):
        checks.rows_are_windows(list, PLAIN)
