"""A memory that overflows over a recording: refused, counted as knowing nothing, restarted in a stream."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from memcell.backends import Layer, RecurrentStack
from memcell.errors import DataError
from memcell.inference.inference import probabilities
from memcell.inference.overflow import probabilities_without_overflow, refuse_overflow
from memcell.inference.stepping import NetworkStepper
from memcell.network.network import Network
from memcell.plugins import default_registry
from memcell.sequences import TimeSeries


class Same(torch.nn.Module):
    output_size = 3

    def forward(self, x):
        return x


@pytest.fixture(scope="module")
def network():
    """Rectified units that grow by a twentieth a step: infinite after some 1,800 steps, never within 50."""
    registry = default_registry()
    torch.manual_seed(0)
    entry = registry.get("cell", "indrnn")
    layer = Layer(entry.build(3, 6, entry.config({"bound": 1.05})), None)
    stack = RecurrentStack([layer])
    policy = registry.get("policy", "carry").build(registry.get("policy", "carry").config({}))
    made = Network(Same(), stack, 2, policy.make_start(stack.initial_state(1)))
    for weight in made.parameters():
        torch.nn.init.normal_(weight, std=0.5)
    with torch.no_grad():
        layer.cell.weight_recurrent.fill_(1.05)
    return made.eval()


@pytest.fixture(scope="module")
def sequence():
    x = np.random.default_rng(0).normal(size=(3000, 3)).astype(np.float32)
    return TimeSeries(name="s", subject="s", features=x, targets=np.zeros(3000, dtype=np.int64))


def test_a_recording_over_which_memory_overflows_is_refused(network, sequence):
    (found,) = probabilities(network, [sequence], "carry", 50)
    first = int(np.flatnonzero(np.isnan(found[:, 0]))[0])
    assert 1500 < first < 2500
    with pytest.raises(DataError, match=f"from step {100 + first} on.*--eval-policy reset"):
        refuse_overflow(found, 100, "carry")
    refuse_overflow(found[:first], 0, "carry")
    (short,) = probabilities(network, [sequence], "reset", 50)
    refuse_overflow(short, 0, "reset")


def test_steps_without_numbers_are_scored_as_if_nothing_were_known(network, sequence):
    (plain,) = probabilities(network, [sequence], "carry", 50)
    (found,), said = probabilities_without_overflow(network, [sequence], "carry", 50)
    lost = np.isnan(plain[:, 0])
    assert np.array_equal(found[~lost], plain[~lost])
    assert (found[lost] == 0.5).all()
    assert f"{lost.sum():,} of 3,000 steps are no numbers" in said
    (short,), said = probabilities_without_overflow(network, [sequence], "reset", 50)
    assert np.isfinite(short).all()
    assert said == ""


def test_a_stream_restarts_memory_that_overflowed_and_says_so_once(network, sequence):
    said: list[str] = []
    stepper = NetworkStepper(network, 3, say=said.append)
    (whole,) = probabilities(network, [sequence], "carry", 50)
    first = int(np.flatnonzero(np.isnan(whole[:, 0]))[0])
    steps = np.array([stepper.step(row) for row in sequence.features])
    assert np.array_equal(steps[:first], whole[:first])
    assert np.isfinite(steps).all()
    assert stepper.overflows == 1
    assert said == [said[0]]
    assert f"at step {first + 1} " in said[0]
    # as if a gap had been there
    (anew,) = probabilities(
        network,
        [TimeSeries(name="s", subject="s", features=sequence.features, targets=sequence.targets,
                    breaks=(first,))],
        "carry", 50,
    )  # fmt: skip
    assert np.array_equal(steps, anew)
    stepper.begin()
    assert stepper.overflows == 0
