"""Files of sequences: each a table of columns, of which some are features, targets, subject and time.

An ``.npz`` has an array for each column, or ``[T, K]`` for several; the names are those of the arrays (the
columns of ``x`` are x0, x1, ...). A ``.csv``, ``.tsv`` or ``.parquet`` has named columns. What is missing is
empty, ``NA`` or NaN.
"""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memcell.errors import DataError, MemcellError
from memcell.files.reading import read_text

ENDINGS = (".npz", ".csv", ".tsv", ".parquet")
#: The folders that are splits.
PARTS = ("train", "valid", "test")
MOST_BYTES = 8 << 30
_MISSING = frozenset({"", "na", "n/a", "nan", "null", "none"})


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column of a table, or an array of several.

    Args:
        values: ``[T]`` or ``[T, K]`` float64, NaN where missing; or words ``[T]``, empty where missing.
        whole: Its numbers are written as whole ones.
    """

    values: NDArray[Any]
    whole: bool = False

    @property
    def of_words(self) -> bool:
        """Whether it holds words."""
        return self.values.dtype.kind == "U"

    @property
    def width(self) -> int:
        """How many columns it stands for."""
        return 1 if self.values.ndim == 1 else int(self.values.shape[1])


@dataclass(frozen=True, kw_only=True)
class FileColumns:
    """A file as it was read.

    Args:
        path: Which.
        columns: Name to column, all of the same length but for ``single``.
        single: What stands once for the file (a subject as one word, one target, gaps as steps).
        whole: Which of these are whole numbers.
        n_steps: T.
    """

    path: Path
    columns: Mapping[str, Column]
    single: Mapping[str, Any]
    whole: frozenset[str]
    n_steps: int

    def names(self) -> str:
        """Return what there is, in words."""
        return ", ".join([*self.columns, *self.single]) or "nothing"


def files_of(folder: Path) -> list[Path]:
    """Return the files of sequences in a folder, folders below it included.

    Raises:
        DataError: It is no folder, has none, or files of several kinds.
    """
    if not folder.exists():
        raise DataError(f"'{folder}' does not exist: type --data FOLDER, one file a sequence in it")
    if not folder.is_dir():
        raise DataError(
            f"'{folder}' is a file; expected a folder with one file a sequence: type --data {folder.parent}"
        )
    found = sorted(
        p
        for p in folder.rglob("*")
        if p.suffix.lower() in ENDINGS and p.is_file() and not _hidden(p.relative_to(folder))
    )
    if not found:
        other = next((p.name for p in sorted(folder.iterdir())), "")
        there = f"it has {other}" if other else "it is empty"
        raise DataError(
            f"'{folder}' has no sequences ({there}); expected files that end in {', '.join(ENDINGS)}, one a "
            "sequence"
        )
    kinds = sorted({p.suffix.lower() for p in found})
    if len(kinds) > 1:
        counts = " and ".join(f"{sum(p.suffix.lower() == k for p in found)} {k}" for k in kinds)
        raise DataError(
            f"'{folder}' has files of several kinds ({counts}): put those of one kind into a folder of "
            "their own"
        )
    return found


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def read_table(path: Path) -> FileColumns:
    """Read a file.

    Raises:
        DataError: It cannot be read; says what was expected.
    """
    ending = path.suffix.lower()
    try:
        if ending == ".npz":
            return _table(path, dict(_npz(path)))
        if ending == ".parquet":
            return _table(path, _parquet(path))
        return _table(path, _text(path, "\t" if ending == ".tsv" else ","))
    except MemcellError as error:
        if isinstance(error, DataError):
            raise
        raise DataError(str(error)) from None
    except OSError as error:
        raise DataError(f"'{path}' cannot be read: {error.strerror or error}") from None


def table_of(name: str, arrays: Mapping[str, Any]) -> FileColumns:
    """Return the table that arrays in Python are.

    Raises:
        DataError: One of them is none of numbers or words.
    """
    path = Path(name)
    return _table(path, {key: _column(path, key, np.asarray(v)) for key, v in arrays.items()})


def _npz(path: Path) -> Iterator[tuple[str, Any]]:
    try:
        with np.load(path, allow_pickle=False) as file:
            for name in file.files:
                try:
                    found = file[name]
                except ValueError:
                    raise DataError(
                        f"'{path.name}': array {name} holds Python objects; expected numbers or words: save "
                        f"it as {name}.astype(float)"
                    ) from None
                yield name, _column(path, name, found)
    except (zipfile.BadZipFile, ValueError, EOFError, KeyError):
        raise DataError(
            f"'{path.name}' is no .npz of arrays; expected one that "
            "np.savez(file, x=features, y=targets) wrote"
        ) from None


def _column(path: Path, name: str, found: NDArray[Any]) -> Column:
    if found.dtype.kind == "U":
        return Column(values=found)
    if found.dtype.kind in "biu":
        return Column(values=found.astype(np.float64), whole=True)
    if found.dtype.kind == "f":
        return Column(values=found.astype(np.float64))
    if found.dtype.kind == "M":
        return Column(values=_seconds(found))
    raise DataError(
        f"'{path.name}': array {name} is of dtype {found.dtype}; expected numbers (float, int, bool) or words"
    )


def _seconds(dates: NDArray[Any]) -> NDArray[np.float64]:
    moments = dates.astype("datetime64[us]").astype(np.int64)
    return np.asarray(np.where(np.isnat(dates), np.nan, moments / 1e6), dtype=np.float64)


def _parquet(path: Path) -> dict[str, Column]:
    try:
        import pyarrow.parquet
    except ImportError:
        raise DataError(
            f"'{path.name}' needs pyarrow, which is not installed: pip install 'memcell-rnn[parquet]', or "
            "pip install pyarrow"
        ) from None
    try:
        table = pyarrow.parquet.read_table(path)
    except Exception as error:  # whatever pyarrow raises of a damaged file
        raise DataError(f"'{path.name}' is no parquet file: {str(error)[:200]}") from None
    return {
        name: _of_arrow(path, name, values)
        for name, values in zip(table.column_names, table.columns, strict=True)
    }


def _of_arrow(path: Path, name: str, values: Any) -> Column:
    """Return a column of pyarrow: of numbers and dates as they are, of anything else that is a word."""
    from pyarrow import types

    kind = values.type
    if types.is_nested(kind) or types.is_binary(kind):
        raise DataError(
            f"'{path.name}': column {name} is of type {str(kind)[:60]}; expected numbers, words or dates, "
            "one a step"
        )
    if types.is_timestamp(kind) or types.is_date(kind):
        return Column(values=_seconds(values.cast("timestamp[us]").to_numpy()))
    if types.is_boolean(kind) or types.is_integer(kind) or types.is_floating(kind):
        whole = not types.is_floating(kind)
        numbers = values.cast("int64") if types.is_boolean(kind) else values
        return Column(values=numbers.to_numpy().astype(np.float64), whole=whole)
    return _of_words(["" if v is None else str(v) for v in values.to_pylist()])


def _text(path: Path, between: str) -> dict[str, Column]:
    text = read_text(path, MOST_BYTES)
    rows = list(csv.reader(io.StringIO(text.removeprefix("\ufeff")), delimiter=between))
    rows = [row for row in rows if any(cell.strip() for cell in row)]
    if len(rows) < 2:
        raise DataError(
            f"'{path.name}' has {len(rows)} lines; expected a line of column names, and one a step"
        )
    heads = [head.strip() for head in rows[0]]
    if all(_is_number(head) for head in heads):
        raise DataError(
            f"'{path.name}' begins with numbers ({', '.join(heads[:3])}); expected a first line of column "
            "names, such as x0,x1,y"
        )
    twice = sorted({h for h in heads if heads.count(h) > 1})
    if twice or "" in heads:
        what = f"the column '{twice[0]}' twice" if twice and twice[0] else "a column without a name"
        hint = "" if twice and twice[0] else " (pandas writes none with index=False)"
        raise DataError(
            f"'{path.name}' has {what}{hint}; expected a different name for each column"
        )
    for number, row in enumerate(rows[1:], 2):
        if len(row) != len(heads):
            other = ";" if between == "," and any(";" in cell for cell in rows[0]) else ""
            hint = (
                f"; its columns seem to be separated by '{other}', expected '{between}'"
                if other
                else ""
            )
            raise DataError(
                f"'{path.name}', line {number}, has {len(row)} cells; expected {len(heads)}, as the first "
                f"line has{hint}"
            )
    columns = zip(*rows[1:], strict=True)
    return {head: _of_words(list(cells)) for head, cells in zip(heads, columns, strict=True)}


def _of_words(cells: list[str]) -> Column:
    """Return a column of written cells: of numbers where all that are there are numbers."""
    known = ["" if cell.strip().lower() in _MISSING else cell.strip() for cell in cells]
    try:
        values = np.array([cell or "nan" for cell in known]).astype(np.float64)
    except ValueError:
        booleans = {"true": "1", "false": "0", "": ""}
        if all(cell.lower() in booleans for cell in known):
            return _of_words([booleans[cell.lower()] for cell in known])
        return Column(values=np.array(known, dtype=np.str_))
    whole = all(cell.lstrip("+-").isdigit() for cell in known if cell)
    return Column(values=values, whole=whole and any(known))


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _table(path: Path, found: Mapping[str, Column]) -> FileColumns:
    single: dict[str, Any] = {}
    whole = frozenset(name for name, c in found.items() if c.values.ndim == 0 and c.whole)
    columns: dict[str, Column] = {}
    for name, column in found.items():
        if column.values.ndim == 0:
            single[name] = column.values.item()
        elif name == "gaps":
            single[name] = tuple(column.values.astype(np.int64).tolist())
        elif column.values.ndim > 2:
            raise DataError(
                f"'{path.name}': array {name} has the shape {list(column.values.shape)}; expected [steps] or "
                "[steps, columns]: one file a sequence"
            )
        else:
            columns[name] = column
    lengths = {name: len(c.values) for name, c in columns.items()}
    if not lengths or min(lengths.values()) == 0:
        raise DataError(
            f"'{path.name}' has no steps; expected arrays or columns of one step or more"
        )
    if len(set(lengths.values())) > 1:
        words = ", ".join(f"{name} {n}" for name, n in lengths.items())
        raise DataError(
            f"'{path.name}' has arrays of different lengths ({words}); expected the same number of steps in "
            "each"
        )
    n_steps = next(iter(lengths.values()))
    return FileColumns(path=path, columns=columns, single=single, whole=whole, n_steps=n_steps)
