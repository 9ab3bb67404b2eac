"""Parts of a run that other distributions bring, and the tools that their code is generated with."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from memcell.plugins import Entry, Registry
from memcell.recurrent.refusals import Unsupported
from memcell.settings.run_config import RunConfig
from memcell_compiler.build.compiler import find_compiler
from memcell_compiler.build.target import chosen

#: Kinds whose code is generated into the time loop.
_GENERATED = ("cell", "normalizer")


def foreign_parts(config: RunConfig, registry: Registry) -> list[Entry]:
    """Return the cell and the normalizer of a run, those that are not of this distribution."""
    chosen_parts = ((kind, config.choices[kind].name) for kind in _GENERATED)
    found = [registry.get(kind, name) for kind, name in chosen_parts if name != "none"]
    return [entry for entry in found if not entry.built_in]


def origin_of(entries: Sequence[Entry]) -> str:
    """Return who they are in words."""
    return " with ".join(entry.origin for entry in entries)


def generated_by() -> str:
    """Return what generated code depends on beside its source: torch, instruction set, compiler."""
    try:
        said = find_compiler().version.splitlines()
        return f"torch {torch.__version__}, {chosen().name}, {said[0] if said else 'a compiler'}"
    except Unsupported as error:
        return str(error)
