"""The kit's checks of probes and gradient modes: each rejects what breaks its own promise."""

from __future__ import annotations

import random
import sys
import types

import numpy as np
import pytest
import torch

from memcell import GradientMode, GradientModeSpec, Probe, ProbeSpec
from memcell.testing import (
    GRADIENT_MODE_CHECKS,
    PROBE_CHECKS,
    CheckFailed,
    builder,
    declared,
    probe_of,
)


class Looks(Probe):
    """A probe that keeps its contract."""

    sizes = (8, 2)

    def __init__(self, context, size, config=None):
        super().__init__(context, size, config)
        self.sample = context.sample(size)

    @classmethod
    def cost(cls, context, size):
        return context.price(size)

    def after_update(self, event, due):
        return {"losses": self.context.window_losses(self.sample)} if due else None

    def end(self):
        return {"measurements": len(self.past)}


class Fails(Looks):
    def after_update(self, event, due):
        raise ValueError("no such thing")


class Silent(Looks):
    def after_update(self, event, due):
        return None


class Pushes(Looks):
    def after_update(self, event, due):
        with torch.no_grad():
            next(self.context.network.parameters()).mul_(1.001)
        return super().after_update(event, due)


class PushesWhenBuilt(Looks):
    def __init__(self, context, size, config=None):
        super().__init__(context, size, config)
        with torch.no_grad():
            next(context.network.parameters()).mul_(1.001)


class Draws(Looks):
    def after_update(self, event, due):
        torch.rand(1)
        return super().after_update(event, due)


class DrawsPlainly(Looks):
    def after_update(self, event, due):
        random.random()
        return super().after_update(event, due)


class Cheap(Looks):
    @classmethod
    def cost(cls, context, size):
        return context.price(size) / 3


class Free(Looks):
    @classmethod
    def cost(cls, context, size):
        return 0.0

    def after_update(self, event, due):
        found = super().after_update(event, due)
        self.context.spent = 0.0
        return found


class Forgets(Looks):
    def __init__(self, context, size, config=None):
        super().__init__(context, size, config)
        self.seen = 0

    def after_update(self, event, due):
        self.seen += 1
        return {"seen": self.seen} if due else None


PROBES = {
    Fails: "it_measures",
    Silent: "it_measures",
    Pushes: "it_measures",
    PushesWhenBuilt: "training_stays_the_same",
    Draws: "training_stays_the_same",
    DrawsPlainly: "training_stays_the_same",
    Cheap: "cost_is_counted",
    Free: "cost_is_counted",
    Forgets: "it_resumes",
}


class Skips(GradientMode):
    def cuts(self, sequences, rng):
        return {"lengths": np.array([self.time_steps])}


class Unseeded(GradientMode):
    def cuts(self, sequences, rng):
        first = np.random.default_rng().integers(1, 10**6) % self.time_steps + 1
        return {"lengths": np.array([first] + [self.time_steps] * 30)}


class Moves(GradientMode):
    def cuts(self, sequences, rng):
        return {
            "lengths": np.array([rng.integers(1, self.time_steps + 1)] + [self.time_steps] * 30)
        }


class Stops(GradientMode):
    def share(self, weight):
        return 0.0


class Louder(GradientMode):
    def cell(self, cell):
        with torch.no_grad():
            cell.step = lambda p, state, norm, step=cell.step: tuple(
                2 * x if i == 0 else x for i, x in enumerate(step(p, state, norm))
            )
        return cell


class NoCell(GradientMode):
    def cell(self, cell):
        return None


MODES = {
    Skips: "every_step_counts_once",
    Unseeded: "windows_come_from_the_given_numbers",
    Moves: "windows_come_from_the_given_numbers",
    Stops: "batches_can_be_made",
    Louder: "cell_keeps_its_values",
    NoCell: "cell_keeps_its_values",
}


@pytest.fixture(autouse=True)
def module(monkeypatch):
    """A module to import the factories from, as a spec names them."""
    found = types.ModuleType("kit_probes")
    for each in (Looks, GradientMode, *PROBES, *MODES):
        setattr(found, each.__name__, each)
    monkeypatch.setitem(sys.modules, "kit_probes", found)


@pytest.mark.parametrize("check", PROBE_CHECKS)
def test_a_probe_that_keeps_its_contract_passes(check):
    check(probe_of(ProbeSpec(name="looks", factory="kit_probes:Looks")))


@pytest.mark.parametrize(
    ("probe", "check"), PROBES.items(), ids=lambda v: getattr(v, "__name__", v)
)
def test_a_probe_that_breaks_a_promise_is_rejected(probe, check):
    (function,) = (c for c in PROBE_CHECKS if c.__name__ == check)
    with pytest.raises(CheckFailed):
        function(probe_of(ProbeSpec(name="broken", factory=f"kit_probes:{probe.__name__}")))


def test_what_a_probe_writes_over_is_put_back_and_the_probe_is_stopped():
    subject = probe_of(ProbeSpec(name="broken", factory="kit_probes:Pushes"))
    checks = {c.__name__: c for c in PROBE_CHECKS}
    with pytest.raises(CheckFailed, match=r"after_update changed '.+' of the network.*put back"):
        checks["it_measures"](subject)
    checks["training_stays_the_same"](subject)


def test_a_probe_that_raises_is_stopped_with_its_authors_line():
    (check,) = (c for c in PROBE_CHECKS if c.__name__ == "it_measures")
    line = Fails.after_update.__code__.co_firstlineno + 1
    with pytest.raises(
        CheckFailed, match=rf"test_probe_checks.py, line {line}: ValueError: no such"
    ):
        check(probe_of(ProbeSpec(name="broken", factory="kit_probes:Fails")))


@pytest.mark.parametrize("check", GRADIENT_MODE_CHECKS)
def test_the_plain_mode_passes(check):
    spec = GradientModeSpec(name="plain", factory="kit_probes:GradientMode")
    check(builder(spec), declared(spec))


@pytest.mark.parametrize(("mode", "check"), MODES.items(), ids=lambda v: getattr(v, "__name__", v))
def test_a_mode_that_breaks_a_promise_is_rejected(mode, check):
    (function,) = (c for c in GRADIENT_MODE_CHECKS if c.__name__ == check)
    spec = GradientModeSpec(name="broken", factory=f"kit_probes:{mode.__name__}")
    with pytest.raises(CheckFailed):
        function(builder(spec), declared(spec))
