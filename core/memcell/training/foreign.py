"""Parts of a run that other distributions bring, and the tools that their code is generated with."""

from __future__ import annotations

from collections.abc import Sequence

from memcell.backends.choose import NATIVE
from memcell.plugins import Entry, Registry
from memcell.settings.run_config import RunConfig

#: Kinds whose code is generated into the time loop.
_GENERATED = ("cell", "normalizer", "encoder", "head")


def foreign_parts(config: RunConfig, registry: Registry) -> list[Entry]:
    """Return cell, normalizer, encoder and head of a run, those that are not of this distribution."""
    chosen_parts = ((kind, config.choices[kind].name) for kind in _GENERATED)
    found = [registry.get(kind, name) for kind, name in chosen_parts if name != "none"]
    return [entry for entry in found if not entry.built_in]


def origin_of(entries: Sequence[Entry]) -> str:
    """Return who they are in words."""
    return " with ".join(entry.origin for entry in entries)


def generated_by() -> str:
    """Return what generated code depends on beside its source: torch, instruction set, compiler."""
    return NATIVE.toolchain()
