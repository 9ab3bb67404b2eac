"""Reading the files that a report is made of; what cannot be read is missing, never a crash."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from memcell.errors import MemcellError
from memcell.files.reading import read_json_lines, read_object
from memcell.files.reading import read_lines as lines_of

#: Of a table; a file with more is no table of ours.
MOST_ROWS, MOST_COLUMNS = 2_000_000, 1000

TableRow = dict[str, str]


def read_tsv(path: Path, most: int | None = None) -> list[TableRow]:
    """Return the rows of a tab-separated file by its heads; without the file, or a cut line, fewer.

    Args:
        path: The file.
        most: Rows to read; None for all.
    """
    rows: list[TableRow] = []
    heads: list[str] | None = None
    try:
        for line in lines_of(path):
            cells = line.split("\t")
            if heads is None:
                heads = cells
            elif len(rows) == (MOST_ROWS if most is None else most):
                break
            elif len(cells) == len(heads) <= MOST_COLUMNS:
                rows.append(dict(zip(heads, cells, strict=True)))
    except MemcellError:
        return []
    return rows


def value(row: TableRow, name: str) -> float:
    """Return a number of a row; NaN where it is not defined or not there."""
    try:
        return float(row.get(name, "nan"))
    except ValueError:
        return math.nan


def read_json(path: Path) -> dict[str, Any]:
    """Return an object; empty where there is none that can be read."""
    try:
        return read_object(path)
    except MemcellError:
        return {}


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Return the objects of a JSON-lines file; a line cut by a crash is left out."""
    try:
        return list(read_json_lines(path))
    except MemcellError:
        return []


def as_float(x: Any) -> float:
    """Return a JSON number; NaN for null or anything else."""
    number = isinstance(x, int | float) and not isinstance(x, bool)
    return float(x) if number else math.nan
