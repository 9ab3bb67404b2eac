"""Plugins by name: finding them, importing them late, and naming whose fault a failure is."""

from memcell.plugins.datasets import find_dataset
from memcell.plugins.loader import Failure, load
from memcell.plugins.registry import Entry, Registry, default_registry

__all__ = ["Entry", "Failure", "Registry", "default_registry", "find_dataset", "load"]
