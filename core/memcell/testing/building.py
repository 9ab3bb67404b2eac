"""From a spec to the ``build`` callable that checks take."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, TypeVar

from memcell.plugins import Entry
from memcell.plugins.specs import Spec

S = TypeVar("S", bound=Spec)


def builder(spec: Spec, **options: Any) -> Callable[..., Any]:
    """Return ``build(*sizes)``, which imports the factory and calls it with a checked config.

    Args:
        spec: The plugin's spec.
        **options: Values of its config; defaults for the others.
    """
    return entry_builder(_entry(spec), **options)


def entry_builder(entry: Entry, **options: Any) -> Callable[..., Any]:
    """Return `builder` of an installed plugin."""

    def build(*sizes: Any) -> Any:
        return entry.build(*sizes, entry.config(options))

    return build


def declared(spec: S, **options: Any) -> S:
    """Return the spec with the capabilities that these options give it."""
    return entry_declared(_entry(spec), spec, **options)


def entry_declared(entry: Entry, spec: S, **options: Any) -> S:
    """Return `declared` of an installed plugin."""
    return dataclasses.replace(spec, **entry.capabilities(entry.config(options)))


def _entry(spec: Spec) -> Entry:
    return Entry(spec=spec, distribution="(not installed)", version="-")
