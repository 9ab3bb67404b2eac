"""The built-in plugins against every check of their kind."""

from __future__ import annotations

import itertools

import pytest

import memcell_plugins
from memcell.plugins import default_registry
from memcell.testing import (
    CELL_CHECKS,
    NORMALIZER_CHECKS,
    OPTIMIZER_CHECKS,
    POLICY_CHECKS,
    SAMPLER_CHECKS,
    builder,
    check_plugin,
    declared,
)

#: Options beside the defaults; ``truncate`` is left out, since it makes a gradient wrong on purpose.
OPTIONS = {
    "lstm97": [{"block_size": 2}, {"gate_recurrence": False}, {"bias": False, "gate_bias": False}],
    "cec": [{"squash_output": "scaled_sigmoid"}],
    "stream": [{"jitter": True}, {"split": "always"}, {"shuffle_sequences": False}],
    "grouped": [{"by": "subject"}],
    "carry": [{"reset_each_epoch": False}],
    "carry_p": [{"p": 0.5}],
    "fitted_noise": [{"least": 2, "pool": 5}],
    "random_pass": [{"pool": 4}],
    "burn_in": [{"steps": 3}],
    "fixed_lens": [{"every": 1}, {"by": "states", "every": 0}, {"by": "states", "every": 1}],
    "stored_burn_in": [{"steps": 7}],
    "refresh": [{"windows": 3, "reset_each_epoch": False}],
}


def cases(specs, checks, slow_options=False):
    """Return every plugin with every check, those with options beside the defaults slow where asked."""
    found = []
    for spec, check in itertools.product(specs, checks):
        for options in ({}, *OPTIONS.get(spec.name, [])):
            words = ",".join(f"{k}={v}" for k, v in options.items())
            name = f"{spec.name}({words})-{check.__name__}"
            marks = pytest.mark.slow if options and slow_options else ()
            found.append(pytest.param(spec, options, check, id=name, marks=marks))
    return found


@pytest.mark.parametrize(
    ("spec", "options", "check"), cases(memcell_plugins.memcell_cells(), CELL_CHECKS)
)
def test_cell(spec, options, check):
    check(builder(spec, **options))


@pytest.mark.parametrize(
    ("spec", "options", "check"), cases(memcell_plugins.memcell_normalizers(), NORMALIZER_CHECKS)
)
def test_normalizer(spec, options, check):
    check(builder(spec, **options), declared(spec, **options))


@pytest.mark.parametrize(
    ("spec", "options", "check"), cases(memcell_plugins.memcell_samplers(), SAMPLER_CHECKS)
)
def test_sampler(spec, options, check):
    check(builder(spec, **options), declared(spec, **options))


@pytest.mark.parametrize(
    ("spec", "options", "check"),
    cases(memcell_plugins.memcell_state_policies(), POLICY_CHECKS, slow_options=True),
)
def test_policy(spec, options, check):
    check(builder(spec, **options), declared(spec, **options))


@pytest.mark.parametrize(
    ("spec", "options", "check"), cases(memcell_plugins.memcell_optimizers(), OPTIMIZER_CHECKS)
)
def test_optimizer(spec, options, check):
    check(builder(spec, **options))


@pytest.mark.parametrize("kind", ["dataset", "app"])
def test_data_sets_and_apps(kind):
    entries = default_registry().entries(kind)
    found = [f for entry in entries for f in check_plugin(entry) if not f.ok]
    assert entries
    assert not found
