"""A memory that overflows over a recording: refused, counted as knowing nothing, restarted in a stream."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from memcell.errors import DataError
from memcell.inference.inference import probabilities
from memcell.inference.overflow import probabilities_without_overflow, refuse_overflow
from memcell.inference.stepping import NetworkStepper
from memcell.sequences import TimeSeries


@pytest.fixture(scope="module")
def network(small_network):
    """Rectified units that grow by a twentieth a step: infinite after some 1,800 steps, never within 50."""
    made = small_network("indrnn", {"bound": 1.05})
    with torch.no_grad():
        made.recurrent.layers[0].cell.weight_recurrent.fill_(1.05)
    return made


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


def test_steps_that_are_not_finite_are_scored_as_if_nothing_were_known(network, sequence):
    (plain,) = probabilities(network, [sequence], "carry", 50)
    (found,), said = probabilities_without_overflow(network, [sequence], "carry", 50)
    lost = np.isnan(plain[:, 0])
    assert np.array_equal(found[~lost], plain[~lost])
    assert (found[lost] == 0.5).all()
    assert f"{lost.sum():,} of 3,000 steps are not finite" in said
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


def test_a_step_that_is_not_finite_without_memory_either_is_refused(network, sequence):
    said: list[str] = []
    stepper = NetworkStepper(network, 3, say=said.append)
    (first, second) = (stepper.step(row) for row in sequence.features[:2])
    with pytest.raises(
        DataError, match=r"^1 of the 3 features of step 3 are not finite.*restart\(\)"
    ):
        stepper.step(np.array([0, np.nan, 1], dtype=np.float32))
    with pytest.raises(DataError, match=r"not finite at step 4, .*to 3e\+38\); .*--learning-rate"):
        stepper.step(np.full(3, 3e38, dtype=np.float32))
    assert not said
    assert stepper.overflows == 0
    assert np.isfinite(first).all()
    assert np.isfinite(second).all()
    # the next step begins anew
    after = stepper.step(sequence.features[0])
    assert np.allclose(after, first, atol=1e-6)
