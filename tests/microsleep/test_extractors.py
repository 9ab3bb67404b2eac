"""Feature extractors as plugins: the checks pass and fail where they should, and options are typed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from memcell import FeatureExtractorSpec, option
from memcell.errors import ConfigError
from memcell.plugins import Registry
from memcell.plugins.loader import Loaded
from memcell.testing import CheckFailed, builder
from memcell_eeg.cache.key import key_of
from memcell_eeg.features import extractors
from memcell_eeg.features.built_in import BUILT_IN
from memcell_eeg.features.checking import (
    CHECKS,
    delay_lies_within_the_window,
    names_fit_the_columns,
    parts_change_nothing,
    the_future_changes_nothing,
    values_are_finite,
)
from memcell_eeg.features.pipeline import Pipeline
from memcell_eeg.features.windows import SignalWindow
from memcell_eeg.signal.channels import choose
from memcell_microsleep.app import Microsleep
from memcell_microsleep.config import MicrosleepConfig

SIGNAL = SignalWindow(channels=("O1", "O2"), rate=100.0, window=1.0, high=35.0)


@pytest.mark.parametrize("name", BUILT_IN)
@pytest.mark.parametrize("check", CHECKS)
def test_built_in_extractors_keep_the_contract(check, name) -> None:
    check(builder(BUILT_IN[name]))


def test_the_hook_gives_the_built_in_extractors() -> None:
    import memcell_eeg

    assert [s.name for s in memcell_eeg.memcell_feature_extractors()] == list(BUILT_IN)


class Means:
    """The mean of each channel over the window; what breaks is changed by subclasses."""

    normalized = True

    def __init__(self, signal, config=None) -> None:
        self.names = tuple(f"{c} mean" for c in signal.channels)
        self.delay = signal.window / 2

    def __call__(self, samples):
        return samples.mean(axis=2, dtype=np.float64)


class Remembers(Means):
    last = 0.0

    def __call__(self, samples):
        out = super().__call__(samples) + self.last
        self.last = float(samples[-1, 0, -1])
        return out


class Twice(Means):
    def __init__(self, signal, config=None) -> None:
        super().__init__(signal)
        self.names = ("mean",) * len(signal.channels)


class Logs(Means):
    def __call__(self, samples):
        with np.errstate(divide="ignore"):
            return np.log(np.abs(super().__call__(samples)))


class Late(Means):
    def __init__(self, signal, config=None) -> None:
        super().__init__(signal)
        self.delay = 2 * signal.window


class Neighbours(Means):
    """Each step less the mean of the steps that happen to be worked on with it."""

    def __call__(self, samples):
        out = super().__call__(samples)
        return out - out.mean(axis=0)


def test_a_plain_extractor_passes() -> None:
    for check in CHECKS:
        check(Means)


@pytest.mark.parametrize(
    ("broken", "check"),
    [
        (Remembers, parts_change_nothing),
        (Neighbours, parts_change_nothing),
        (Neighbours, the_future_changes_nothing),
        (Twice, names_fit_the_columns),
        (Logs, values_are_finite),
        (Late, delay_lies_within_the_window),
    ],
)
def test_a_broken_extractor_is_found(broken, check) -> None:
    with pytest.raises(CheckFailed):
        check(broken)


@dataclass(frozen=True, kw_only=True)
class ScaledConfig:
    scale: float = option(1.0, low=0, help="Factor.")
    both: bool = option(False, help="The mean and its square.")


class Scaled(Means):
    def __init__(self, signal, config) -> None:
        super().__init__(signal)
        self.config = config
        if config.both:
            self.names += tuple(f"{c} square" for c in signal.channels)

    def __call__(self, samples):
        mean = self.config.scale * super().__call__(samples)
        return np.concatenate([mean, mean**2], axis=1) if self.config.both else mean


@pytest.fixture
def scaled(monkeypatch):
    """An extractor of a third party, installed."""
    spec = FeatureExtractorSpec(
        name="scaled", factory=f"{__name__}:Scaled", config=f"{__name__}:ScaledConfig"
    )
    monkeypatch.setitem(
        __import__("sys").modules,
        __name__,
        __import__("types").SimpleNamespace(
            Scaled=Scaled, ScaledConfig=ScaledConfig, __file__=__file__
        ),
    )
    registry = Registry([Loaded(spec=spec, distribution="theirs", version="2")])
    monkeypatch.setattr(extractors, "default_registry", lambda: registry)


def test_options_stand_behind_the_name(scaled) -> None:
    plain = extractors.build("scaled", SIGNAL)
    typed = extractors.build("scaled:scale=3:both=true", SIGNAL)
    samples = np.random.default_rng(0).normal(size=(1, 2, 100)).astype(np.float32)
    assert plain.names == ("O1 mean", "O2 mean")
    assert typed.names == ("O1 mean", "O2 mean", "O1 square", "O2 square")
    assert np.allclose(typed(samples)[:, :2], 3 * plain(samples))


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("bandpwer", "Did you mean 'bandpower'"),
        ("fft", "'features'.*bandpower"),
        ("bandpower:scale=2", "has no options"),
        ("scaled:scal=2", "Did you mean 'scale'"),
        ("scaled:scale=-1", "expected"),
    ],
)
def test_a_wrong_word_is_refused_before_anything_is_read(scaled, word, says) -> None:
    with pytest.raises(ConfigError, match=says):
        Microsleep(MicrosleepConfig(features=(word,)))


def test_a_recording_has_the_features_of_a_plugin(scaled, recording_of) -> None:
    recording = recording_of(np.random.default_rng(0).normal(size=(2, 6000)) * 10)
    config = MicrosleepConfig(features=("bandpower", "scaled:both=true"))
    pipeline = Pipeline.of(config, choose(("auto",), [recording]), 100.0)
    assert pipeline.facts()["features"] == ["bandpower", "scaled:both=true"]
    assert [n.rpartition(" ")[2] for n in pipeline.feature_names[-4:]] == [
        *("mean", "mean", "square", "square")
    ]
    assert pipeline.sequence(recording).n_features == 2 * 7 + 4


def test_another_version_of_a_plugin_is_another_cache_entry(
    scaled, recording_of, monkeypatch
) -> None:
    from dataclasses import replace

    recording = replace(recording_of(np.ones((2, 6000))), fingerprint="f")
    one = key_of(recording, {"features": ["scaled"]})
    assert one == key_of(recording, {"features": ["scaled"]})
    spec = extractors.default_registry().get("feature_extractor", "scaled").spec
    newer = Registry([Loaded(spec=spec, distribution="theirs", version="3")])
    monkeypatch.setattr(extractors, "default_registry", lambda: newer)
    assert one != key_of(recording, {"features": ["scaled"]})
