"""Sequences of one's own: a folder with one file a sequence, or arrays in Python.

This module only registers the application; it imports nothing heavy. `reading` reads the files, `targets`
says what a step's target is, `splits` who is tested on, `preparing` makes of it what the engine trains on;
`scores`, `baselines` and `report` judge it, `prediction` and `model` use it.
"""

from __future__ import annotations

from collections.abc import Iterable

from memcell import AppSpec, hookimpl


@hookimpl
def memcell_apps() -> Iterable[AppSpec]:
    """Register ``memcell train sequences`` and the commands beside it."""
    yield AppSpec(
        name="sequences",
        factory="memcell_sequences.app:Sequences",
        config="memcell_sequences.config:SequencesConfig",
        summary="Your own sequences: npz, csv, tsv or parquet, one file a sequence; classes, values, "
        "labels or the next token of each step.",
    )
