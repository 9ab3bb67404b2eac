"""What memory a network is given at inference where nobody says: what its training was used to."""

from __future__ import annotations

import pytest

from memcell.plugins import default_registry
from memcell.runs.setup import inference_policy

REGISTRY = default_registry()
WITHOUT = {"reset", "learned", "noise", "fitted_noise", "random_pass"}


@pytest.mark.parametrize("policy", REGISTRY.names("policy"))
def test_policies_that_begin_with_what_came_before_are_inferred_with_carry(make_config, policy):
    wanted = "reset" if policy in WITHOUT else "carry"
    assert inference_policy(make_config(policy=policy), REGISTRY) == wanted


@pytest.mark.parametrize("asked", ["carry", "reset"])
def test_what_a_person_asks_for_is_taken(make_config, asked):
    for policy in ("oracle", "reset"):
        config = make_config(policy=policy, training={"eval_policy": asked})
        assert inference_policy(config, REGISTRY) == asked
