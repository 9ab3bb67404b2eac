"""Checks of a sampler: each takes ``build() -> Sampler`` and the spec, as `declared`."""

from __future__ import annotations

from collections.abc import Callable

from memcell.plugins.specs import SamplerSpec
from memcell.testing.samplers.made import BuildSampler
from memcell.testing.samplers.order import (
    covers_as_declared,
    grid_is_as_declared,
    preserves_streams_as_declared,
    rows_are_windows,
    small_tables_work,
    table_is_left_alone,
)
from memcell.testing.samplers.resuming import observing_is_declared, order_repeats

SAMPLER_CHECKS: tuple[Callable[[BuildSampler, SamplerSpec], None], ...] = (
    rows_are_windows,
    covers_as_declared,
    preserves_streams_as_declared,
    grid_is_as_declared,
    small_tables_work,
    table_is_left_alone,
    order_repeats,
    observing_is_declared,
)

__all__ = ["SAMPLER_CHECKS", "BuildSampler"]
