"""Parts that do not fit are refused before training, with what to choose instead."""

from __future__ import annotations

import pytest

from memcell.errors import IncompatibleError
from memcell.plugins import default_registry
from memcell.runs.compatibility import check, misfits

REGISTRY = default_registry()


@pytest.mark.parametrize("sampler", REGISTRY.names("sampler"))
@pytest.mark.parametrize("policy", REGISTRY.names("policy"))
def test_a_policy_that_needs_streams_is_refused_under_other_samplers(make_config, policy, sampler):
    found = misfits(make_config(policy=policy, sampler=sampler), REGISTRY)
    needs = REGISTRY.get("policy", policy).spec.needs_streams
    has = REGISTRY.get("sampler", sampler).spec.preserves_streams
    assert bool(found) == (needs and not has)
    if found:
        assert "use sampler 'stream'" in found[0]
        assert "'reset'" in found[0]


def test_batch_statistics_want_lanes_and_ages(make_config):
    few = make_config(normalizer="batch", training={"batch_size": 8})
    assert "--batch-size 16" in misfits(few, REGISTRY)[0]
    assert "'layer'" in misfits(few, REGISTRY)[0]
    random = make_config(normalizer="batch", policy="carry_p", training={"batch_size": 32})
    assert "at random" in misfits(random, REGISTRY)[0]
    assert not misfits(make_config(normalizer="batch", training={"batch_size": 16}), REGISTRY)


def test_all_misfits_are_said_at_once(make_config):
    config = make_config(
        normalizer="batch", policy="carry_p", sampler="reshuffle", training={"batch_size": 2}
    )
    with pytest.raises(IncompatibleError) as caught:
        check(config, REGISTRY)
    assert len(str(caught.value).splitlines()) == 3
