"""What a data set is to the engine (a card, a way to get it, recordings), and how ``--data`` finds one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from memcell.applications.checking import Checker
from memcell.errors import DataError, UsageError, unknown
from memcell.plugins.registry import Registry
from memcell.plugins.specs import DatasetSpec


@dataclass(frozen=True, kw_only=True)
class Card:
    """What a person must know of a data set before using it.

    Args:
        name: The word typed after ``--data``.
        title: Its full name.
        source: Who publishes it and where (an address of the publisher, never of a mirror).
        licence: The licence, with how it is known.
        citation: What to cite.
        checksum: Checksum of the published files where the publisher gives one, else how the
            fetching library verifies them.
        simulated: Made by a program; a score on it is not a result about people.
    """

    name: str
    title: str
    source: str
    licence: str
    citation: str
    checksum: str = ""
    simulated: bool = False


class DataUnavailable(DataError):
    """A data set that cannot be fetched here; the message says how to hand over a local copy."""


class DataSet(Protocol):
    """A data set built from its config."""

    @property
    def card(self) -> Card:
        """What it is."""

    def get(self, folder: Path | None = None) -> Path:
        """Make the data set present on this machine and return its folder.

        Args:
            folder: Where to put it; None for the user's data folder.

        Raises:
            DataUnavailable: It cannot be fetched. Says what was wanted from where, and what to type
                when there is a local copy.
        """

    def recordings(self) -> Sequence[Any]:
        """Return its recordings, described and not yet read."""


def find_dataset(
    registry: Registry, word: Any, values: Mapping[str, Any]
) -> tuple[str, dict[str, Any]]:
    """Return the name of the data set and its options.

    Args:
        registry: What is installed.
        word: The name of a data set, or the path of a file or folder.
        values: Options of the data set that were given.

    Raises:
        UsageError: It is neither.
    """
    names = registry.names("dataset")
    if word in names:
        return str(word), dict(values)
    if not isinstance(word, str) or not (Path(word).exists() or any(c in word for c in "*?[")):
        raise UsageError(f"{unknown('data set', str(word), names)} Nor is it a path that exists.")
    chosen = _by_path(registry, Path(word))
    if not chosen:
        raise UsageError(
            f"no installed data set recognises '{word}'; name one: {', '.join(names)}."
        )
    return chosen[0], {"path": word, **values}


def find_checker(registry: Registry, typed: str) -> Checker:
    """Return what looks into a path: the checker of the data set that recognises it, else the fallback's.

    Args:
        registry: What is installed.
        typed: A file, a folder or a glob.

    Raises:
        UsageError: Nothing installed looks into files.
        PluginError: The checker cannot be built; names the plugin.
    """
    fallbacks = [s.name for s in _specs(registry) if s.fallback]
    for name in [*_by_path(registry, Path(typed)), *fallbacks]:
        found: Checker | None = registry.get("dataset", name).build_checker()
        if found is not None:
            return found
    raise UsageError(f"no installed data set looks into files, so '{typed}' cannot be checked.")


def _by_path(registry: Registry, path: Path) -> list[str]:
    """Return the data sets that recognise a path, or where none does those that take any."""
    specs = _specs(registry)
    chosen = [s.name for s in specs if s.recognise and _recognises(s.recognise, path)]
    return chosen or [s.name for s in specs if s.fallback]


def _specs(registry: Registry) -> list[DatasetSpec]:
    return [e.spec for e in registry.entries("dataset") if isinstance(e.spec, DatasetSpec)]


def _recognises(reference: str, path: Path) -> bool:
    module, _, attribute = reference.partition(":")
    return bool(getattr(import_module(module), attribute)(path))
