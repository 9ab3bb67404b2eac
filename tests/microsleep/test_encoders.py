"""Spectra and raw samples as features, and the network that reads raw samples."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from memcell.applications.app import encoder_of
from memcell.errors import ConfigError
from memcell_eeg.features import raw, stft
from memcell_eeg.features.encoder import RawCnn
from memcell_eeg.features.windows import SignalWindow, WindowedFeatures
from memcell_microsleep.app import Microsleep
from memcell_microsleep.config import MicrosleepConfig

RATE = 100.0


def window_of(*channels):
    return SignalWindow(channels=channels, rate=RATE, window=1.0, high=35.0)


def made(extractor, x, window=1.0):
    return WindowedFeatures([extractor], len(x), RATE, 0.2, window).push(x)


def test_a_sine_is_at_its_own_frequency() -> None:
    x = 10 * np.sin(2 * np.pi * 6 * np.arange(500) / RATE)[None]
    extractor = stft.Magnitudes(window_of("O1"))
    assert extractor.names == tuple(f"O1 {f} Hz" for f in range(1, 36))
    last = made(extractor, x)[-1]
    assert int(np.argmax(last)) == 5
    # A Hann window spreads a line over three bins of 1 Hz, 2/3 of its power in the middle one.
    assert np.exp(2 * last[5]) == pytest.approx(50 * 2 / 3, rel=0.05)
    assert last[20] < np.log(np.sqrt(2e-3))


def test_frequencies_end_at_half_the_rate() -> None:
    names = stft.names(["O1"], 64.0, 0.5, 100.0)
    assert (names[0], names[-1]) == ("O1 2 Hz", "O1 32 Hz")


def test_raw_samples_are_the_window_oldest_first() -> None:
    x = np.vstack([np.arange(200.0), -np.arange(200.0)])
    extractor = raw.Raw(window_of("O1", "E1"))
    out = made(extractor, x)
    assert extractor.names[0] == "O1 -1 s"
    assert extractor.names[99:101] == ("O1 -0.01 s", "E1 -1 s")
    assert np.allclose(out[-1, :100] * 50, np.arange(100, 200))
    assert np.allclose(out[-1, 100:] * 50, -np.arange(100, 200))
    # The second step has 40 samples of past, at the end of its window.
    assert np.allclose(out[1, :60], 0)
    assert np.allclose(out[1, 60:100] * 50, np.arange(40))
    assert np.abs(made(extractor, x * 1e6)).max() == raw.FARTHEST


@pytest.mark.parametrize("others", [0, 3])
def test_the_network_treats_each_step_and_lane_by_itself(others) -> None:
    torch.manual_seed(0)
    net = RawCnn(2 * 50 + others, 2, 50, first=others, size=8)
    x = torch.randn(5, 3, 2 * 50 + others)
    y = net(x)
    assert y.shape == (5, 3, net.output_size) == (5, 3, 8 + others)
    for t, b in ((0, 0), (4, 2), (2, 1)):
        assert torch.allclose(net(x[t : t + 1, b : b + 1])[0, 0], y[t, b], atol=1e-6)
    assert torch.equal(y[..., 8:], x[..., :others])
    changed = x.clone()
    changed[2, 1, others] += 1
    assert (net(changed) != y).any(dim=2).nonzero().tolist() == [[2, 1]]


def test_the_network_is_plain_enough_to_be_traced() -> None:
    """No step of it depends on a value, so an exporter can follow it for any number of steps."""
    net, x = RawCnn(40, 2, 20), torch.randn(4, 3, 40)
    traced = torch.fx.symbolic_trace(net)
    assert torch.equal(traced(x), net(x))
    assert torch.equal(traced(x[:1]), net(x[:1]))


@pytest.mark.parametrize(
    ("options", "kinds", "shape"),
    [
        ({"encoder": "raw_cnn"}, ("raw",), (2, 100, 0, 7)),
        (
            {"encoder": "raw_cnn", "features": ("bandpower", "raw")},
            ("bandpower", "raw"),
            (2, 100, 14, 21),
        ),
    ],
)
def test_the_network_finds_the_samples_among_the_features(
    theta_dataset, options, kinds, shape
) -> None:
    app = Microsleep(MicrosleepConfig(encoder_size=7, cache="off", **options), theta_dataset)
    task = app.task()
    assert tuple(task.facts["pipeline"]["features"]) == kinds
    n_features = task.train[0].n_features
    # As the stored facts alone would have it, without a data set.
    net = encoder_of(Microsleep(app.config), n_features, task.facts)
    assert (net.n_channels, net.width, net.first, net.output_size) == shape
    assert net(torch.from_numpy(task.train[0].features[:4, None])).shape == (4, 1, shape[3])


def test_the_network_without_samples_is_refused(theta_dataset) -> None:
    with pytest.raises(ConfigError, match=r"raw_cnn.*stft.*--features raw,stft"):
        MicrosleepConfig(encoder="raw_cnn", features=("stft",)).validate()
    app = Microsleep(MicrosleepConfig(encoder="raw_cnn"))
    for facts in ({"precomputed": True}, {"ready": True}):  # the second in version 0.1
        with pytest.raises(ConfigError, match=r"raw_cnn.*precomputed.*linear"):
            app.encoder_for(20, {"pipeline": facts})
