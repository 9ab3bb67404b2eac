"""What training on arrays in Python asks of an app: that it writes them as files that it reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class TakingArrays(Protocol):
    """An app whose option ``data`` is a folder, and that can fill one with arrays; it is optional."""

    def write_arrays(self, folder: Path, splits: Mapping[str, Sequence[Any]]) -> None:
        """Write sequences as files.

        Args:
            folder: An empty one.
            splits: ``train``, and where they are given ``valid`` and ``test``.

        Raises:
            DataError: A sequence is not of a form that the app takes.
        """
