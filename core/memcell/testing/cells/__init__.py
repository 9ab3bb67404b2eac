"""Checks of a cell. Each takes ``build(input_size, hidden_size) -> Cell`` and raises `CheckFailed`."""

from __future__ import annotations

from collections.abc import Callable

from memcell.testing.cells.chosen import chosen_backend_equals_eager
from memcell.testing.cells.drawing import (
    project_draws_from_its_generator,
    step_draws_no_random_numbers,
)
from memcell.testing.cells.gradients import (
    carried_state_has_no_gradient,
    every_parameter_learns,
    extremes_stay_finite,
    gradients_are_right,
)
from memcell.testing.cells.made import BuildCell
from memcell.testing.cells.parameters import (
    initialization_repeats,
    state_dict_round_trips,
    torch_form_is_exact,
)
from memcell.testing.cells.purity import (
    step_changes_nothing,
    step_reads_no_values,
    step_repeats_itself,
    step_spares_its_inputs,
)
from memcell.testing.cells.shapes import (
    dtype_is_kept,
    initial_state_is_zeros,
    smallest_window_works,
    state_matches_spec,
    step_keeps_shapes,
)
from memcell.testing.cells.sites import norm_sites_are_as_declared, norm_sites_are_used
from memcell.testing.cells.time import (
    chunks_equal_whole,
    engine_equals_step_loop,
    lanes_do_not_meet,
    padding_holds_memory,
    project_treats_each_step_alike,
    reset_touches_its_lane,
)

CELL_CHECKS: tuple[Callable[[BuildCell], None], ...] = (
    state_matches_spec,
    initial_state_is_zeros,
    step_keeps_shapes,
    dtype_is_kept,
    smallest_window_works,
    project_draws_from_its_generator,
    step_draws_no_random_numbers,
    engine_equals_step_loop,
    project_treats_each_step_alike,
    chunks_equal_whole,
    reset_touches_its_lane,
    padding_holds_memory,
    lanes_do_not_meet,
    step_repeats_itself,
    step_changes_nothing,
    step_spares_its_inputs,
    step_reads_no_values,
    norm_sites_are_as_declared,
    norm_sites_are_used,
    gradients_are_right,
    carried_state_has_no_gradient,
    every_parameter_learns,
    extremes_stay_finite,
    initialization_repeats,
    state_dict_round_trips,
    torch_form_is_exact,
    chosen_backend_equals_eager,
)

#: Those that take seconds: before training they are left out, and the first window is checked instead.
SLOW_CHECKS = (chosen_backend_equals_eager, step_reads_no_values)

__all__ = ["CELL_CHECKS", "SLOW_CHECKS", "BuildCell"]
