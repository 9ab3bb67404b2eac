"""Checks of a state policy: each takes ``build() -> StatePolicy`` and the spec, as `declared`.

Policies are run as in training: with the engine's own network, memory and batches, over recordings with
gaps, short ends and empty lanes.
"""

from __future__ import annotations

from collections.abc import Callable

from memcell.plugins.specs import StatePolicySpec
from memcell.testing.policies.declared import (
    chance_is_as_declared,
    streams_are_needed_as_declared,
)
from memcell.testing.policies.form import (
    age_is_possible,
    begin_has_the_form_of_a_state,
    resets_include_starts,
    returned_steps_exist,
)
from memcell.testing.policies.harness import BuildPolicy
from memcell.testing.policies.leaks import (
    begin_has_no_gradient_to_the_past,
    memory_stays_in_its_sequence,
    state_knows_only_the_past,
)
from memcell.testing.policies.resuming import memory_dict_resumes
from memcell.testing.policies.start import start_is_always_blended_in, start_is_part_of_the_model

POLICY_CHECKS: tuple[Callable[[BuildPolicy, StatePolicySpec], None], ...] = (
    resets_include_starts,
    begin_has_the_form_of_a_state,
    age_is_possible,
    returned_steps_exist,
    memory_stays_in_its_sequence,
    state_knows_only_the_past,
    begin_has_no_gradient_to_the_past,
    chance_is_as_declared,
    streams_are_needed_as_declared,
    memory_dict_resumes,
    start_is_part_of_the_model,
    start_is_always_blended_in,
)

__all__ = ["POLICY_CHECKS", "BuildPolicy"]
