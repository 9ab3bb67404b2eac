"""Arrays in Python as the files of a folder: ``train/000.npz`` and so on, as ``--data`` reads them."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from memcell.applications.arrays import as_words
from memcell.errors import DataError
from memcell.files.atomic import make_folder, write_atomic

#: What a dictionary of a sequence may hold, beside columns of its own.
FORMS = "(x, y), a dict of arrays such as {'x': x, 'y': y}, or with kind='next' tokens alone"


def write_arrays(
    folder: Path, splits: Mapping[str, Sequence[Any]], *, tokens: bool = False
) -> None:
    """Write sequences.

    Args:
        folder: Where; the folder of each split is made in it. Where there is one split alone, the files lie
            in the folder itself and are divided as options say.
        splits: ``train``, ``valid`` and ``test`` to sequences.
        tokens: A sequence may be one array, of tokens.

    Raises:
        DataError: A sequence is none.
    """
    alone = list(splits) == ["train"]
    for part, sequences in splits.items():
        if isinstance(sequences, np.ndarray | Mapping | str) or not isinstance(sequences, Sequence):
            raise DataError(
                f"{part} got a {type(sequences).__name__}; expected a list of sequences, each {FORMS}"
            )
        if not sequences:
            raise DataError(f"{part} got no sequences; expected a list of them, each {FORMS}")
        home = folder if alone else folder / part
        make_folder(home)
        digits = max(3, len(str(len(sequences) - 1)))
        for k, sequence in enumerate(sequences):
            name = f"{part}-{k:0{digits}d}"
            file = io.BytesIO()
            np.savez(file, **_arrays(sequence, f"{part}[{k}]", tokens))
            write_atomic(home / f"{name}.npz", file.getvalue())


def _arrays(sequence: Any, where: str, tokens: bool) -> dict[str, Any]:
    if isinstance(sequence, Mapping):
        found = {str(name): _array(v, f"{where}[{name!r}]") for name, v in sequence.items()}
    elif isinstance(sequence, tuple) and len(sequence) == 2:
        found = {"x": _array(sequence[0], f"{where}, x"), "y": _array(sequence[1], f"{where}, y")}
    elif tokens:
        found = {"token": _array(sequence, where)}
    else:
        hint = (
            "; of a list of x and a list of y: list(zip(xs, ys))"
            if hasattr(sequence, "shape")
            else ""
        )
        raise DataError(f"{where} is a {type(sequence).__name__}; expected {FORMS}{hint}")
    for name, value in found.items():
        if value.ndim > 2:
            raise DataError(
                f"{where}: {name} has the shape {list(value.shape)}; expected [steps] or [steps, columns] of "
                "one sequence: give a list of sequences"
            )
    lengths = {name: len(v) for name, v in found.items() if v.ndim and name != "gaps"}
    if len(set(lengths.values())) > 1:
        words = ", ".join(f"{name} has {n}" for name, n in lengths.items())
        raise DataError(f"{where}: {words} steps; expected the same number")
    return found


def _array(value: Any, where: str) -> Any:
    if hasattr(value, "detach"):  # a tensor of torch
        value = value.detach().cpu().numpy()
    try:
        found = np.asarray(value)
    except ValueError as error:
        raise DataError(f"{where} is no array: {error}") from None
    if found.dtype == object:
        found = as_words(found)  # as a DataFrame has them
    if found.dtype.kind not in "biufUM":
        raise DataError(
            f"{where} is of dtype {found.dtype}; expected numbers (float, int, bool) or words"
        )
    return found
