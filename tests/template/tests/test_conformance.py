"""Both plugins keep memcell's contracts."""

import memcell_template
import pytest

from memcell.testing import CELL_CHECKS, SAMPLER_CHECKS, builder, check_listing, declared

(MGU,) = memcell_template.memcell_cells()
(BOUSTROPHEDON,) = memcell_template.memcell_samplers()


@pytest.mark.parametrize("bias", [0.0, -2.0])
@pytest.mark.parametrize("check", CELL_CHECKS)
def test_mgu(check, bias):
    check(builder(MGU, forget_bias=bias))


@pytest.mark.parametrize("check", SAMPLER_CHECKS)
def test_boustrophedon(check):
    check(builder(BOUSTROPHEDON), declared(BOUSTROPHEDON))


def test_listing_imports_no_torch():
    check_listing("memcell_template")
