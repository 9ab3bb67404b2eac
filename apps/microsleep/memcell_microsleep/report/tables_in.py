"""Reading the files that a report is made of; what cannot be read is missing, never a crash."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

TableRow = dict[str, str]


def read_tsv(path: Path, most: int | None = None) -> list[TableRow]:
    """Return the rows of a tab-separated file by its heads; without the file, or a cut line, fewer.

    Args:
        path: The file.
        most: Rows to read; None for all.
    """
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            heads = file.readline().rstrip("\n").split("\t")
            rows: list[TableRow] = []
            for line in file:
                if most is not None and len(rows) >= most:
                    break
                cells = line.rstrip("\n").split("\t")
                if len(cells) == len(heads):
                    rows.append(dict(zip(heads, cells, strict=True)))
    except OSError:
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
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Return the objects of a JSON-lines file; a line cut by a crash is left out."""
    found = []
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    for line in lines:
        try:
            one = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(one, dict):
            found.append(one)
    return found


def as_float(x: Any) -> float:
    """Return a JSON number; NaN for null or anything else."""
    return float(x) if isinstance(x, int | float) and not isinstance(x, bool) else math.nan
