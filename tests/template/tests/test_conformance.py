"""The plugins keep memcell's contracts."""

import memcell_template
import pytest

from memcell.testing import CELL_CHECKS, SAMPLER_CHECKS, builder, check_listing, declared
from memcell_eeg.features.checking import CHECKS

(MGU,) = memcell_template.memcell_cells()
(BOUSTROPHEDON,) = memcell_template.memcell_samplers()
(HJORTH,) = memcell_template.memcell_feature_extractors()


@pytest.mark.parametrize("bias", [0.0, -2.0])
@pytest.mark.parametrize("check", CELL_CHECKS)
def test_mgu(check, bias):
    check(builder(MGU, forget_bias=bias))


@pytest.mark.parametrize("check", SAMPLER_CHECKS)
def test_boustrophedon(check):
    check(builder(BOUSTROPHEDON), declared(BOUSTROPHEDON))


@pytest.mark.parametrize("complexity", [True, False])
@pytest.mark.parametrize("check", CHECKS)
def test_hjorth(check, complexity):
    check(builder(HJORTH, complexity=complexity))


def test_listing_imports_no_torch():
    check_listing("memcell_template")
