"""From what a person typed after ``--data`` to a data set: a name, or a path that one recognises."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from memcell.errors import UsageError, unknown
from memcell.registry.registry import Registry
from memcell.specs import DatasetSpec


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
    specs = [e.spec for e in registry.entries("dataset") if isinstance(e.spec, DatasetSpec)]
    chosen = [s for s in specs if s.recognise and _recognises(s.recognise, Path(word))]
    chosen = chosen or [s for s in specs if s.fallback]
    if not chosen:
        raise UsageError(
            f"no installed data set recognises '{word}'; name one: {', '.join(names)}."
        )
    return chosen[0].name, {"path": word, **values}


def _recognises(reference: str, path: Path) -> bool:
    module, _, attribute = reference.partition(":")
    return bool(getattr(import_module(module), attribute)(path))
