"""The causal path in pieces: whatever they are, the features are those of the whole, bit for bit."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from memcell.errors import DataError, UsageError
from memcell_data.recording import Recording, Segment
from memcell_eeg.features.chunks import signal_chunks
from memcell_eeg.features.pipeline import Pipeline
from memcell_eeg.features.stream import FeatureStream

KINDS = ("relative", "bandpower", "correlation", "stft", "raw")


def pipeline(**options) -> Pipeline:
    plain = {
        "channels": ("O1", "O2", "E1"),
        "eeg": ("O1", "O2"),
        "rate": 100.0,
        "reference": "average",
        "outlier": 500.0,
        "low": 0.5,
        "high": 35.0,
        "phase": "causal",
        "step": 0.2,
        "window": 1.0,
        "features": KINDS,
        "normalization": "causal",
        "normalization_memory": 10.0,
    }
    return Pipeline(**{**plain, **options})


def fitted(plain: Pipeline) -> Pipeline:
    """Return a pipeline with a made-up scale of the training split, where it has one."""
    n = int(plain.normalized.sum()) if plain.normalization == "training" else 0
    return replace(plain, centre=(0.5,) * n, spread=(2.0,) * n)


def made_up(native: float, seconds: float = 8, seed: int = 0) -> np.ndarray:
    """Return a wandering signal with offsets and single gross samples."""
    random = np.random.default_rng(seed)
    x = np.cumsum(random.normal(size=(3, round(seconds * native))), axis=1) * 5 + 800
    x[1, x.shape[1] // 3] += 9000
    x[:, 1] -= 3000
    return x


def in_chunks(flow: FeatureStream, x: np.ndarray, cuts) -> np.ndarray:
    bounds = [0, *sorted(cuts), x.shape[1]]
    return np.concatenate([flow.push(x[:, a:b]) for a, b in pairwise(bounds)])


@pytest.mark.parametrize("features", [*((k,) for k in KINDS), KINDS])
@pytest.mark.parametrize("normalization", ["causal", "none", "training"])
@pytest.mark.parametrize("context", [(), (0.7, 30.0)])
@settings(max_examples=5, deadline=None)
@given(
    cuts=st.sets(st.integers(1, 399), max_size=5),
    native=st.sampled_from([100.0, 128.0, 200.0, 102.4]),
    window=st.sampled_from([0.5, 1.0, 2.5]),
    step=st.sampled_from([0.05, 0.2, 1.3]),
)
def test_any_pieces_give_the_bits_of_the_whole(
    features, normalization, context, cuts, native, window, step
) -> None:
    made = fitted(
        pipeline(
            features=features,
            normalization=normalization,
            context=context,
            window=window,
            step=step,
        )
    )
    x = made_up(native, 4)
    whole = FeatureStream(made, native).push(x)
    assert whole.dtype == np.float32
    assert whole.shape == (int(4 / step + 1e-6), len(made.feature_names))
    assert np.array_equal(in_chunks(FeatureStream(made, native), x, cuts), whole)


def test_single_samples_give_the_bits_of_the_whole_and_steps_come_when_they_are_over() -> None:
    made, x = pipeline(), made_up(200.0, 3)
    flow, parts = FeatureStream(made, 200.0), []
    for n in range(x.shape[1]):
        parts.append(flow.push(x[:, n : n + 1]))
        # A step is 40 samples; resampling 2 to 1 gives its last one when sample 39 of 40 is there.
        assert flow.steps == (n + 2) // 40
    assert np.array_equal(np.concatenate(parts), FeatureStream(made, 200.0).push(x))


def test_more_steps_than_a_block_of_windows_holds() -> None:
    made, x = pipeline(features=("bandpower",), step=0.05), made_up(100.0, 30)
    whole = FeatureStream(made, 100.0).push(x)
    assert np.array_equal(in_chunks(FeatureStream(made, 100.0), x, range(37, 3000, 37)), whole)


def test_many_channels_with_an_average_reference() -> None:
    """A sum over many rows must not depend on how many samples stand in a row."""
    names = tuple(f"C{i}" for i in range(19))
    made = pipeline(channels=names, eeg=names, features=("bandpower",))
    x = np.random.default_rng(1).normal(size=(19, 300)) * 20
    whole = FeatureStream(made, 100.0).push(x)
    assert np.array_equal(in_chunks(FeatureStream(made, 100.0), x, range(1, 300)), whole)


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    seconds=st.floats(0.05, 12),
    gap=st.integers(5, 990),
    normalization=st.sampled_from(["causal", "training"]),
    context=st.sampled_from([(), (2.0, 90.0)]),
)
def test_blocks_of_a_recording_with_a_gap_change_no_bit(
    recording_of, seconds, gap, normalization, context
) -> None:
    x = made_up(100.0, 10)
    made = fitted(pipeline(normalization=normalization, context=context))
    parts = (Segment(start=0, stop=gap, onset=0.0), Segment(start=gap, stop=1000, onset=99.0))
    recording = recording_of(x, channels=("O1", "O2", "E1"), segments=parts)
    whole = made.sequence(recording)
    blocks = list(signal_chunks(made, _InBlocks(recording, seconds)))
    assert np.array_equal(np.concatenate([p.features for p in blocks]), whole.features)
    assert np.array_equal(np.concatenate([p.times for p in blocks]), whole.times)
    first = FeatureStream(made, 100.0).push(x[:, :gap])
    flow = FeatureStream(made, 100.0)
    flow.push(x[:, :gap])
    flow.after_gap(99.0 - gap / 100)
    second = flow.push(x[:, gap:])
    assert np.array_equal(whole.features, np.concatenate([first, second]))
    begun = [p for p in blocks if p.starts[0]]
    assert len(begun) == (len(first) > 0) + (len(second) > 0)
    assert whole.breaks == ((len(first),) if len(first) and len(second) else ())
    if len(second):
        assert whole.times[len(first)] == 99.0


@pytest.mark.parametrize("phase", ["causal", "zero"])
def test_the_whole_recordings_normalization_is_that_of_its_features(recording_of, phase) -> None:
    x = made_up(100.0, 30)
    recording = recording_of(x, channels=("O1", "O2", "E1"))
    plain = pipeline(features=("bandpower", "raw"), normalization="none", phase=phase)
    scaled = replace(plain, normalization="recording").sequence(recording).features
    bare = plain.sequence(recording).features
    assert np.array_equal(scaled[:, 21:], bare[:, 21:])  # raw samples keep their scale
    assert np.abs(np.median(scaled[:, :21], axis=0)).max() < 1e-6


@pytest.mark.parametrize(
    ("options", "message"),
    [({"phase": "zero"}, "--phase zero"), ({"normalization": "recording"}, "--normalization rec")],
)
def test_acausal_features_are_refused_in_a_stream(options, message) -> None:
    with pytest.raises(UsageError, match=message):
        FeatureStream(pipeline(**options), 100.0)


def test_signal_below_the_rate_is_refused() -> None:
    with pytest.raises(DataError, match=r"64 Hz.*100 Hz.*--rate 64"):
        FeatureStream(pipeline(), 64.0)


def test_samples_of_other_channels_do_not_flow() -> None:
    flow = FeatureStream(pipeline(), 100.0)
    for shape in ((2, 50), (50, 3), (150,)):
        with pytest.raises(DataError, match=r"expected \[3, n\].*O1, O2, E1"):
            flow.push(np.zeros(shape))


class _InBlocks:
    """A recording whose blocks have another length."""

    def __init__(self, recording: Recording, seconds: float) -> None:
        self._recording, self._seconds = recording, seconds
        self.name, self.channels, self.read = recording.name, recording.channels, recording.read

    def blocks(self, names, warn=str, whole=False):
        return self._recording.blocks(names, self._seconds, warn, whole)
