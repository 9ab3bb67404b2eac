"""Plugins by name: finding them, importing them late, and naming whose fault a failure is."""

from typing import TYPE_CHECKING

from memcell.old_paths import renamed_in
from memcell.plugins.loader import Failure, load
from memcell.plugins.registry import Entry, Registry, default_registry

__all__ = ["Entry", "Failure", "Registry", "default_registry", "load"]

if not TYPE_CHECKING:
    __getattr__ = renamed_in(__name__)  # names of version 0.1
