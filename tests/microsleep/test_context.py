"""Means of the past as features: the equation, chunks, gaps, and steps without a full window."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memcell.errors import ConfigError
from memcell_data.recording import Segment
from memcell_eeg.features.context import ContextMeans, names
from memcell_eeg.features.pipeline import Pipeline
from memcell_eeg.signal.channels import choose
from memcell_microsleep.config import MicrosleepConfig


def weighted(x, tau, step, times):
    """Return the means by the sum itself."""
    out = []
    for t in range(len(x)):
        w = np.exp(-(times[t] - times[: t + 1]) / tau)
        out.append((w[:, None] * x[: t + 1]).sum(axis=0) / w.sum())
    return np.array(out)


def test_the_mean_is_the_weighted_sum_of_the_past() -> None:
    x = np.random.default_rng(0).normal(size=(200, 3)) + 5
    out = ContextMeans((20.0, 90.0), 5.0).push(x)
    times = 5.0 * np.arange(200)
    expected = np.concatenate([weighted(x, tau, 5.0, times) for tau in (20.0, 90.0)], axis=1)
    assert np.allclose(out, expected, rtol=1e-12)
    assert np.array_equal(out[0], np.tile(x[0], 2))  # not a mean with zeros


def test_a_gap_fades_what_was_before_it() -> None:
    x = np.random.default_rng(1).normal(size=(60, 2))
    means = ContextMeans((20.0,), 5.0)
    first = means.push(x[:30])
    means.gap(7)
    second = means.push(x[30:])
    times = 5.0 * np.arange(60) + np.where(np.arange(60) >= 30, 35.0, 0.0)
    assert np.allclose(np.concatenate([first, second]), weighted(x, 20.0, 5.0, times))


def test_nothing_is_left_after_a_long_gap() -> None:
    means = ContextMeans((20.0,), 5.0)
    means.push(np.full((100, 1), 1000.0))
    means.gap(1e6)
    assert means.push(np.array([[1.0], [3.0]]))[0, 0] == 1.0


def test_steps_without_a_full_window_count_as_missing() -> None:
    x = np.random.default_rng(2).normal(size=(50, 2))
    x[:3] = 1e6
    out = ContextMeans((20.0,), 5.0).push(x, unknown=3)
    assert np.array_equal(out[:3], x[:3])  # nothing is known yet
    assert np.allclose(out[3:], ContextMeans((20.0,), 5.0).push(x[3:]))
    means = ContextMeans((20.0,), 5.0)
    before = means.push(x[3:])
    after = means.push(np.full((4, 2), 1e6), unknown=4)
    assert np.allclose(after, before[-1])


@settings(max_examples=30, deadline=None)
@given(
    cuts=st.sets(st.integers(1, 149), max_size=8),
    unknown=st.integers(0, 9),
    seed=st.integers(0, 99),
)
def test_chunks_change_no_bit(cuts, unknown, seed) -> None:
    x = np.random.default_rng(seed).normal(size=(150, 3)) * 3 + 7
    segments = (x[:70], x[70:])

    def run(cuts):
        means, parts = ContextMeans((3.0, 40.0), 0.7), []
        for first, segment in zip((0, 70), segments, strict=True):
            if first:
                means.gap(4)
            inside = sorted(c - first for c in cuts if 0 < c - first < len(segment))
            for a, b in pairwise([0, *inside, len(segment)]):
                parts.append(means.push(segment[a:b], min(max(0, unknown - a), b - a)))
        return np.concatenate(parts)

    assert np.array_equal(run(cuts), run(()))


def test_names_say_what_a_column_is() -> None:
    assert names(("Fz alpha",), (20.0, 90.0)) == (
        "Fz alpha, mean of 20 s",
        "Fz alpha, mean of 90 s",
    )


def build(recording, **options) -> Pipeline:
    config = MicrosleepConfig(**options)
    config.validate()
    return Pipeline.of(config, choose(config.channels, [recording]), 100.0)


def test_a_recordings_means_are_those_of_its_features(recording_of) -> None:
    x = np.random.default_rng(3).normal(size=(2, 6000)) * 20
    parts = (Segment(start=0, stop=2500, onset=0.0), Segment(start=2500, stop=6000, onset=60.0))
    recording = recording_of(x, segments=parts)
    options = {"features": ("relative", "raw"), "normalization": "none", "step": 1.0, "window": 2.0}
    plain = build(recording, context=("none",), **options)
    with_means = build(recording, context=("10", "4"), **options)
    assert with_means.context == (4.0, 10.0)
    bare, full = plain.sequence(recording), with_means.sequence(recording)
    n = bare.n_features
    assert full.n_features == len(with_means.feature_names) == n + 2 * 14
    assert with_means.feature_names[-1] == "O2 mobility, mean of 10 s"
    assert np.array_equal(full.features[:, :n], bare.features)  # raw samples have no mean
    known = np.ones(len(bare.features), dtype=bool)
    blind = plain.blind_steps(100.0)
    for start in (0, *bare.breaks):
        known[start : start + blind] = False
    for k, tau in enumerate((4.0, 10.0)):
        expected = weighted(
            bare.features[known, :14].astype(np.float64), tau, 1.0, bare.times[known]
        )
        found = full.features[known, n + 14 * k : n + 14 * (k + 1)]
        assert np.allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize(("normalization", "waits"), [("none", False), ("causal", True)])
def test_a_partly_filled_window_has_features_and_no_part_in_what_follows(
    recording_of, normalization, waits
) -> None:
    recording = recording_of(np.random.default_rng(3).normal(size=(2, 3000)) * 20)
    options = {"features": ("relative",), "step": 2.0, "window": 4.0, "context": ("20",)}
    options["normalization"] = normalization
    some, all_of_it = (build(recording, filled=f, **options) for f in (0.4, 1.0))
    assert (some.blind(100.0), all_of_it.blind(100.0)) == (4.0 if waits else 1.6, 4.0)
    early, late = (p.sequence(recording).features for p in (some, all_of_it))
    assert np.array_equal(early[1:], late[1:])  # the means too, which remember for a minute
    fitted = [replace(p, centre=(0.0,) * 28, spread=(1.0,) * 28) for p in (some, all_of_it)]
    if not waits:
        first = [
            replace(p, normalization="training").sequence(recording).features[0] for p in fitted
        ]
        assert first[0].any()
        assert not first[1].any()
    older = {k: v for k, v in some.facts().items() if k != "filled"}
    assert Pipeline.from_facts(older).filled == 1.0


def test_the_context_is_stored_with_the_run(recording_of) -> None:
    recording = recording_of(np.random.default_rng(3).normal(size=(2, 3000)))
    made = build(recording, context=("20",))
    assert Pipeline.from_facts(made.facts()) == made
    older = {k: v for k, v in made.facts().items() if k not in ("context", "centre", "spread")}
    assert Pipeline.from_facts(older) == replace(made, context=())


@pytest.mark.parametrize("word", ["soon", "0", "-3", "nan", "1e9"])
def test_a_wrong_time_constant_is_refused(word) -> None:
    with pytest.raises(ConfigError, match=r"'context' got.*expected seconds.*20,90"):
        MicrosleepConfig(context=(word,)).validate()
