"""A sequence in pieces gives the bits of the whole, under either inference policy, over gaps."""

from __future__ import annotations

import numpy as np
import pytest

from memcell.inference import inference
from memcell.inference.inference import InferenceStream, probabilities
from memcell.inference.stepping import NetworkStepper
from memcell.sequences import TimeSeries
from memcell_compiler.build.bfloat16 import without_bfloat16


@pytest.fixture(scope="module")
def network(small_network):
    return small_network("lstm", layers=2)


@pytest.mark.parametrize("policy", ["carry", "reset"])
def test_any_cutting_gives_the_bits_of_the_whole(network, policy, monkeypatch):
    monkeypatch.setattr(inference, "CHUNK", 64)
    random = np.random.default_rng(0)
    for n in (1, 63, 64, 65, 300):
        x = random.normal(size=(n, 3)).astype(np.float32)
        breaks = tuple(b for b in (40, 64, 200) if b < n)
        sequence = TimeSeries(
            name="s", subject="s", features=x, targets=np.zeros(n, dtype=np.int64), breaks=breaks
        )
        (whole,) = probabilities(network, [sequence], policy, 7)
        assert whole.shape == (n, 2)
        cuts = np.unique(random.integers(0, n + 1, 12))
        stream = InferenceStream(network, policy, 7)
        parts = [
            stream.push(x[part], sequence.starts[part]) for part in np.split(np.arange(n), cuts)
        ]
        assert np.array_equal(np.concatenate([*parts, stream.end()]), whole)
        assert stream.end().shape == (0, 2)


@pytest.mark.parametrize("mixed", [False, True])
def test_single_steps_give_the_bits_of_the_whole(network, mixed):
    x = np.random.default_rng(2).normal(size=(70, 3)).astype(np.float32)
    sequence = TimeSeries(name="s", subject="s", features=x, targets=np.zeros(70, dtype=np.int64))
    (whole,) = probabilities(network, [sequence], "carry", 7, mixed)
    (plain,) = probabilities(network, [sequence], "carry", 7)
    stepper = NetworkStepper(network, 3, mixed)
    assert not stepper.reason
    assert np.array_equal([stepper.step(step) for step in x], whole)
    rounded = mixed and without_bfloat16() is None
    assert np.array_equal(whole, plain) != rounded
    assert np.allclose(whole, plain, atol=0.02)


def test_memory_restarts_at_a_gap_and_nowhere_else(network):
    x = np.random.default_rng(1).normal(size=(90, 3)).astype(np.float32)
    sequence = TimeSeries(
        name="s", subject="s", features=x, targets=np.zeros(90, dtype=np.int64), breaks=(40,)
    )
    (p,) = probabilities(network, [sequence], "carry", 7)
    stream = InferenceStream(network, "carry", 7)
    alone = np.concatenate([stream.push(x[40:]), stream.end()])
    assert np.array_equal(p[40:], alone)
    carried = InferenceStream(network, "carry", 7)
    through = np.concatenate([carried.push(x), carried.end()])
    assert np.array_equal(p[:40], through[:40])
    assert not np.array_equal(p[40:], through[40:])
