"""Live steps are the bits of the whole recording, however the samples come."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memcell.errors import UsageError
from memcell.inference.inference import probabilities
from memcell.inference.stepping import NetworkStepper
from memcell.sequences import TimeSeries
from memcell_eeg.features.pipeline import Pipeline
from memcell_eeg.features.stream import FeatureStream
from memcell_eeg.live.alarm import AlarmRules
from memcell_eeg.live.cost import step_cost
from memcell_eeg.live.detector import Detector
from memcell_eeg.signal.channels import ChannelChoice
from memcell_microsleep.config import MicrosleepConfig


@pytest.mark.parametrize(("cell", "norm"), [("lstm", None), ("gru", "batch"), ("lstm97", "layer")])
def test_single_steps_are_the_bits_of_inference(build_network, cell, norm):
    network = build_network(14, cell, norm)
    x = np.random.default_rng(0).normal(size=(521, 14)).astype(np.float32)
    breaks = (3, 100, 301)  # 521 = 2 chunks of 256, and 9: a block and a step alone
    sequence = TimeSeries(
        name="a",
        subject="a",
        features=x,
        targets=np.zeros(len(x), dtype=np.int64),
        breaks=breaks,
        start_time=0.0,
        step_seconds=0.2,
    )
    expected = probabilities(network, [sequence], "carry", 50)[0]
    stepper = NetworkStepper(network, 14)
    assert stepper.reason == ""
    for _ in range(2):
        stepper.begin()
        for k, row in enumerate(x):
            if k in breaks:
                stepper.restart()
            np.testing.assert_array_equal(stepper.step(row), expected[k])


def push(detector, values, sizes):
    found, at = [], 0
    for size in sizes:
        found += detector.push(values[:, at : at + size])
        at += size
    return [(s.start, s.probability) for s in found]


@settings(max_examples=12, deadline=None)
@given(st.lists(st.integers(1, 400), min_size=1, max_size=12))
def test_pieces_change_no_bit(pipeline, network, gapped, sizes):
    n_features = len(pipeline.feature_names)
    values = gapped.values[:, : sum(sizes)]
    one = Detector(pipeline, 128.0, NetworkStepper(network, n_features))
    other = Detector(pipeline, 128.0, NetworkStepper(network, n_features))
    assert push(one, values, sizes) == push(other, values, [values.shape[1]])


@pytest.fixture(scope="module")
def one_channel(build_network):
    return NetworkStepper(build_network(21), 21)


@pytest.mark.parametrize(
    ("rate", "native"), [(100, 128), (64, 128), (128, 128), (100, 200), (100, 250)]
)
@pytest.mark.parametrize("step", [0.2, 0.25, 0.13])
def test_a_step_is_told_with_the_sample_that_completes_it(one_channel, rate, native, step):
    choice = ChannelChoice(names=("O1",), eeg=("O1",), reason="")
    pipeline = Pipeline.of(MicrosleepConfig(rate=float(rate), step=step), choice, float(native))
    detector, flow = Detector(pipeline, native, one_channel), FeatureStream(pipeline, native)
    detector.begin(0.0)
    values = np.random.default_rng(1).normal(size=(1, int(1.1 * native)))
    for i in range(values.shape[1]):
        sample = values[:, i : i + 1]
        assert len(detector.push(sample)) == len(flow.push(sample)), i


def test_times_count_from_the_segments_beginning(pipeline, stepper, gapped):
    detector = Detector(pipeline, 128.0, stepper)
    detector.begin(100.0)
    found = push(detector, gapped.values, [300])
    assert [t for t, _ in found] == [100.0 + 0.2 * k for k in range(11)]
    detector.begin(7.0)
    shifted = detector.push(gapped.values[:, :64], offset=0.5)
    assert [s.start for s in shifted] == pytest.approx([7.5, 7.7])


def test_a_run_that_looks_ahead_has_no_detector(stepper):
    choice = ChannelChoice(names=("O1", "O2"), eeg=(), reason="")
    for options in ({"phase": "zero"}, {"normalization": "recording"}):
        pipeline = Pipeline.of(MicrosleepConfig(**options), choice, 128.0)
        with pytest.raises(UsageError, match="future"):
            Detector(pipeline, 128.0, stepper)


def test_what_a_step_costs_is_measured_part_by_part(pipeline, stepper):
    rules = AlarmRules(threshold=0.5, need=3, of=4, refractory=5.0, step=pipeline.step)
    cost = step_cost(pipeline, 128.0, stepper, rules, steps=40)
    assert cost.steps == 36
    parts = (cost.filters, cost.features, cost.network, cost.alarm)
    assert all(p > 0 for p in parts)
    assert cost.highest >= cost.whole > 0
