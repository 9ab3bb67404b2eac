"""The plugins keep memcell's contracts."""

import memcell_template
import pytest

from memcell.testing import (
    CELL_CHECKS,
    GRADIENT_MODE_CHECKS,
    HEAD_CHECKS,
    PROBE_CHECKS,
    SAMPLER_CHECKS,
    builder,
    check_listing,
    declared,
    probe_of,
)
from memcell_eeg.features.checking import CHECKS

(MGU,) = memcell_template.memcell_cells()
(LEAKY_MEAN,) = memcell_template.memcell_heads()
(BOUSTROPHEDON,) = memcell_template.memcell_samplers()
(ALTERNATING,) = memcell_template.memcell_gradient_modes()
(WEIGHT_NORMS,) = memcell_template.memcell_probes()
(HJORTH,) = memcell_template.memcell_feature_extractors()


@pytest.mark.parametrize("bias", [0.0, -2.0])
@pytest.mark.parametrize("check", CELL_CHECKS)
def test_mgu(check, bias):
    check(builder(MGU, forget_bias=bias))


@pytest.mark.parametrize("check", HEAD_CHECKS)
def test_leaky_mean(check):
    check(builder(LEAKY_MEAN, steps=3), declared(LEAKY_MEAN, steps=3))


@pytest.mark.parametrize("check", SAMPLER_CHECKS)
def test_boustrophedon(check):
    check(builder(BOUSTROPHEDON), declared(BOUSTROPHEDON))


@pytest.mark.parametrize("check", GRADIENT_MODE_CHECKS)
def test_alternating(check):
    check(builder(ALTERNATING), declared(ALTERNATING))


@pytest.mark.parametrize("check", PROBE_CHECKS)
def test_weight_norms(check):
    check(probe_of(WEIGHT_NORMS))


@pytest.mark.parametrize("complexity", [True, False])
@pytest.mark.parametrize("check", CHECKS)
def test_hjorth(check, complexity):
    check(builder(HJORTH, complexity=complexity))


def test_listing_imports_no_torch():
    check_listing("memcell_template")
