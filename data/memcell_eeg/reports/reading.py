"""Tolerant reading of a report's files: what cannot be read is missing from the report."""

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
    """Return the rows of a tab-separated file by column name; none without the file.

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
    """Return a number of a row; NaN if undefined or missing."""
    try:
        return float(row.get(name, "nan"))
    except ValueError:
        return math.nan


def read_json(path: Path) -> dict[str, Any]:
    """Return a JSON object of a file; empty if it cannot be read."""
    try:
        return read_object(path)
    except MemcellError:
        return {}


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Return the objects of a JSON-lines file; a truncated line is left out."""
    try:
        return list(read_json_lines(path))
    except MemcellError:
        return []


def as_float(x: Any) -> float:
    """Return a JSON number; NaN for null, anything else, and an integer that no float holds."""
    if not isinstance(x, int | float) or isinstance(x, bool):
        return math.nan
    try:
        return float(x)
    except OverflowError:
        return math.nan


def as_object(x: Any) -> dict[str, Any]:
    """Return a JSON object; an empty one for anything else."""
    return x if isinstance(x, dict) else {}


def as_list(x: Any) -> list[Any]:
    """Return a JSON list; an empty one for anything else."""
    return x if isinstance(x, list) else []


def read_facts(found: Any) -> dict[str, Any]:
    """Return the facts of a model that reports show, those of the expected types.

    Args:
        found: ``facts`` of a model or of ``prediction.json``, which may be damaged.
    """
    facts = as_object(found)
    pipeline = as_object(facts.get("pipeline"))
    objects = {
        "subjects": {k: as_list(v) for k, v in as_object(facts.get("subjects")).items()},
        "pipeline": _of_type(
            pipeline, numbers=("step",), words=("normalization",), lists=("features", "context")
        ),
    }
    recordings = [
        {**r, "warnings": as_list(r.get("warnings"))}
        for r in as_list(facts.get("recordings"))
        if isinstance(r, dict)
    ]
    protocol = as_object(facts.get("protocol")).get("name", facts.get("protocol"))
    return {
        **_of_type(
            facts,
            numbers=("delay_seconds", "onset_delay_seconds", "blind_seconds", "rate"),
            words=("dataset", "split"),
            lists=("channels", "feature_names"),
        ),
        **{name: value for name, value in objects.items() if value},
        **({"recordings": recordings} if recordings else {}),
        **({"protocol": protocol} if isinstance(protocol, str) else {}),
        **({"simulated": True} if facts.get("simulated") else {}),
    }


def _of_type(
    found: dict[str, Any], numbers: tuple[str, ...], words: tuple[str, ...], lists: tuple[str, ...]
) -> dict[str, Any]:
    return {
        **{n: as_float(found[n]) for n in numbers if math.isfinite(as_float(found.get(n)))},
        **{n: found[n] for n in words if isinstance(found.get(n), str)},
        **{n: found[n] for n in lists if isinstance(found.get(n), list)},
    }
