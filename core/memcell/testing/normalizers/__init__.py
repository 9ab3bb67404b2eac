"""Checks of a normalizer: each takes ``build(width) -> Normalizer`` and the spec, as `declared`."""

from __future__ import annotations

from collections.abc import Callable

from memcell.plugins.specs import NormalizerSpec
from memcell.testing.normalizers.ages import inference_ages_are_told_apart
from memcell.testing.normalizers.function import (
    constant_input_is_finite,
    gradients_are_right,
    keeps_shape_and_dtype,
    normalize_is_pure,
    normalize_reads_no_values,
)
from memcell.testing.normalizers.lanes import (
    inference_ignores_batch_mates,
    padding_changes_nothing,
    training_ignores_batch_mates,
)
from memcell.testing.normalizers.made import BuildNormalizer
from memcell.testing.normalizers.statistics import (
    inference_changes_nothing,
    recalibration_ends_as_it_began,
    returns_the_same_statistics,
    state_dict_round_trips,
)
from memcell.testing.normalizers.within import works_inside_a_cell

NORMALIZER_CHECKS: tuple[Callable[[BuildNormalizer, NormalizerSpec], None], ...] = (
    keeps_shape_and_dtype,
    normalize_is_pure,
    normalize_reads_no_values,
    gradients_are_right,
    constant_input_is_finite,
    inference_ignores_batch_mates,
    training_ignores_batch_mates,
    padding_changes_nothing,
    inference_changes_nothing,
    inference_ages_are_told_apart,
    returns_the_same_statistics,
    state_dict_round_trips,
    recalibration_ends_as_it_began,
    works_inside_a_cell,
)

__all__ = ["NORMALIZER_CHECKS", "BuildNormalizer"]
