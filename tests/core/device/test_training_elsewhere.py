"""Training, inference, probes and checkpoints off the CPU: the same numbers, and nothing mixed."""

from __future__ import annotations

import numpy as np
import pytest

from memcell.inference.inference import probabilities
from memcell.interrupt import Interrupted
from memcell.plugins import default_registry
from memcell.training.recalibrate import recalibrate

NAMES = tuple(default_registry().names("probe"))

REGISTRY = default_registry()


def slow(how):
    return pytest.param(how, marks=pytest.mark.slow)


VARIANTS = [
    # each holds or draws something of its own
    {"cell": "lstm97", "normalizer": "batch", "network": {"layers": 2, "dropout": 0.3}},
    {"policy": "stored_burn_in", "optimizer": "adam"},
    {"policy": "refresh"},
    {"policy": "fitted_noise", "network": {"input_shift": 0.1, "input_dropout": 0.2}},
    {"policy": "carry_p", "optimizer": "gated_memory"},
    {"policy": "reset", "sampler": "grab", "optimizer": "averaged"},
    {"policy": "learned", "training": {"gradient": "artbp"}, "optimizer": "sgd"},
    *(slow({"cell": name, "network": {"layers": 2}}) for name in REGISTRY.names("cell")),
    *(slow({"normalizer": name}) for name in REGISTRY.names("normalizer")),
    *(slow({"policy": name}) for name in REGISTRY.names("policy")),
    *(slow({"policy": "reset", "sampler": name}) for name in REGISTRY.names("sampler")),
    *(slow({"optimizer": name}) for name in REGISTRY.names("optimizer")),
    slow({"optimizer": ("gated_memory", {"mode": "per_parameter"})}),
    slow({"training": {"gradient": "tbptt", "k1": 3}}),
    slow({"training": {"gradient": "random_length"}}),
    slow({"training": {"probe": tuple(NAMES), "probe_budget": 100.0}, "network": {"layers": 2}}),
]


def named(how):
    return ",".join(f"{k}={v[0] if isinstance(v, tuple) else v}" for k, v in how.items())[:70]


@pytest.mark.parametrize("how", VARIANTS, ids=named)
def test_training_gives_the_same_on_another_device(
    trainer_on, small_task, same_lines, elsewhere, how
):
    found = []
    for place in ("cpu", elsewhere):
        trainer = trainer_on(place, str(place), **how)
        trainer.train()
        recalibrate(trainer)
        seen = [
            np.concatenate(probabilities(trainer.network, small_task.test, policy, 5))
            for policy in ("carry", "reset")
        ]
        found.append((trainer, seen))
    (here, seen_here), (there, seen_there) = found
    assert not there.observer or not there.observer.off, there.observer.off
    assert there.network.device == elsewhere
    same_lines(there.folder.metrics, here.folder.metrics)
    for a, b in zip(seen_here, seen_there, strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-4, atol=1e-6)
    if here.observer:
        same_lines(there.folder.probes, here.folder.probes)


@pytest.mark.slow
@pytest.mark.parametrize("policy", REGISTRY.names("policy"))
def test_a_checkpoint_of_one_device_goes_on_on_another(
    trainer_on, same_lines, stop_after, elsewhere, policy
):
    how = {
        "policy": policy,
        "normalizer": "batch",
        "optimizer": "averaged",
        "training": {"probe": ("staleness",), "probe_budget": 10.0},
    }
    whole = trainer_on("cpu", "whole", **how)
    whole.train()
    for first, then in ((elsewhere, "cpu"), ("cpu", elsewhere)):
        trainer = trainer_on(first, str(first), **how)
        with pytest.raises(Interrupted):
            trainer.train(stop_after(whole.at.update * 3 // 4))  # within an epoch, memory carried
        trainer = trainer_on(then, str(first), **how)
        trainer.restore()
        trainer.train()
        same_lines(trainer.folder.metrics, whole.folder.metrics)
