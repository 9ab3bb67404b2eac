"""Normalizers in which lanes do not meet."""

import pytest
import torch
from torch.nn import functional as F

from memcell_plugins.normalizers.configs import LayerConfig, RMSConfig
from memcell_plugins.normalizers.layer import LayerNorm
from memcell_plugins.normalizers.none import NoNorm
from memcell_plugins.normalizers.rms import RMSNorm

W = 5


def test_layer_is_torchs_layer_norm(fill):
    norm = fill(LayerNorm(W, LayerConfig(eps=1e-3)).double())
    z = torch.randn(4, W).double()
    expected = F.layer_norm(z, (W,), norm.gain, norm.bias, 1e-3)
    torch.testing.assert_close(norm.normalize(z, "plain", ())[0], expected)


def test_rms_is_torchs_rms_norm(fill):
    norm = fill(RMSNorm(W, RMSConfig(eps=1e-3)).double())
    z = torch.randn(4, W).double()
    expected = F.rms_norm(z, (W,), norm.gain, 1e-3)
    torch.testing.assert_close(norm.normalize(z, "plain", ())[0], expected)


def test_no_norm_is_the_identity():
    z = torch.randn(4, W)
    assert NoNorm(W).normalize(z, "plain", ()) == (z, ())
    assert not list(NoNorm(W).parameters())


@pytest.mark.parametrize("norm", [LayerNorm(W, LayerConfig()), RMSNorm(W, RMSConfig())])
def test_lanes_do_not_meet_and_the_gain_starts_at_one(norm):
    z = torch.randn(4, W)
    together, statistics = norm.normalize(z, "plain", ())
    assert statistics == ()
    assert torch.equal(norm.gain, torch.ones(W))
    for lane in range(4):
        alone, _ = norm.normalize(z[lane : lane + 1], "plain", ())
        torch.testing.assert_close(alone[0], together[lane])
    assert not norm.needs_recalibration
