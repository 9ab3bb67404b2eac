"""What training on arrays in Python asks of an app: it writes them as files, and takes Python functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray


def as_words(values: NDArray[Any]) -> NDArray[Any]:
    """Return an array of Python's words as one of NumPy's, None and NaN as empty ones; any other as it is."""
    flat = values.ravel().tolist()
    none = [v is None or (isinstance(v, float) and v != v) for v in flat]
    if not any(isinstance(v, str) for v in flat):
        return values
    if not all(isinstance(v, str) or gone for v, gone in zip(flat, none, strict=True)):
        return values
    words = ["" if gone else v for v, gone in zip(flat, none, strict=True)]
    return np.array(words, dtype=np.str_).reshape(values.shape)


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


@runtime_checkable
class TakingFunctions(Protocol):
    """An app that a loss and scores can be given to as functions; it is optional."""

    def using(
        self, loss: Callable[..., Any] | None, metrics: Mapping[str, Callable[..., Any]]
    ) -> Any:
        """Return the app with functions.

        Args:
            loss: Of each step (`memcell.sequences.own_loss`), or None.
            metrics: Scores by name: ``(targets, predictions) -> float``.
        """
