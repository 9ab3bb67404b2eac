"""The conformance kit: what memcell expects of a plugin, as functions that raise `CheckFailed`.

For any test runner, one test a check::

    from memcell.testing import CELL_CHECKS, builder

    @pytest.mark.parametrize("check", CELL_CHECKS)
    def test_mgu(check):
        check(builder(SPEC))

Checks of cells and optimizers take ``build``; those of encoders, heads, normalizers, samplers, policies and
gradient modes also take what the spec declares (`declared`); those of probes take a probe with its options
(`probe_of`).
`check_plugin` runs all of an installed plugin, as ``memcell plugins --check`` does, and `check_listing`
says whether listing it stays cheap.
"""

from memcell.testing.building import builder, declared
from memcell.testing.cells import CELL_CHECKS
from memcell.testing.failure import CheckFailed, Finding
from memcell.testing.gradient_modes import GRADIENT_MODE_CHECKS
from memcell.testing.listing import check_listing
from memcell.testing.network_parts import ENCODER_CHECKS, HEAD_CHECKS
from memcell.testing.normalizers import NORMALIZER_CHECKS
from memcell.testing.optimizers import OPTIMIZER_CHECKS
from memcell.testing.plugin import check_plugin, concerns, quick_findings
from memcell.testing.policies import POLICY_CHECKS
from memcell.testing.probes import PROBE_CHECKS, probe_of
from memcell.testing.samplers import SAMPLER_CHECKS

__all__ = [
    "CELL_CHECKS",
    "ENCODER_CHECKS",
    "GRADIENT_MODE_CHECKS",
    "HEAD_CHECKS",
    "NORMALIZER_CHECKS",
    "OPTIMIZER_CHECKS",
    "POLICY_CHECKS",
    "PROBE_CHECKS",
    "SAMPLER_CHECKS",
    "CheckFailed",
    "Finding",
    "builder",
    "check_listing",
    "check_plugin",
    "concerns",
    "declared",
    "probe_of",
    "quick_findings",
]
