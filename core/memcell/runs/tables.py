"""Tables of scores: aligned within 80 columns on a screen, tab-separated in a file; the same numbers."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from memcell.applications.app import Row
from memcell.escape import line, table

DIGITS = 3
#: Columns of a terminal that nobody has made wider.
WIDTH = 80
#: A name that a row's numbers leave less room for goes on below them; fewer numbers stand side by side.
LEAST_ROOM = 24
#: Over the three parts of a network's name.
NETWORK_HEADS = ("cell", "trained with", "inferred with")
_GAP = "  "


def score_names(rows: Sequence[Row], first: str) -> list[str]:
    """Return the names of all scores, ``first`` first, else in order of appearance."""
    names = [first]
    for row in rows:
        names += [name for name in row.scores if name not in names]
    return names


def networks_first(rows: Sequence[Row]) -> list[Row]:
    """Return rows with the networks before the baselines."""
    return sorted(rows, key=lambda row: row.kind != "network")


def as_text(rows: Sequence[Row], first: str, only: Sequence[str] = ()) -> str:
    """Return rows as aligned text.

    Args:
        rows: One a line; baselines stand below the networks, under a rule.
        first: The main score.
        only: Scores to show, all when empty.
    """
    ordered = networks_first(rows)
    columns = [
        (name.replace("_", " "), [format_score(row.scores.get(name, math.nan)) for row in ordered])
        for name in score_names(rows, first)
        if not only or name in only
    ]
    return aligned(ordered, columns)


def aligned(rows: Sequence[Row], columns: Sequence[tuple[str, Sequence[str]]]) -> str:
    """Return rows as text with the given columns; a rule stands between networks and baselines.

    Args:
        rows: One a line.
        columns: Head and a cell for each row.
    """
    names = [parts_of(row) for row in rows]
    ends = [
        i
        for i in range(1, len(rows))
        if rows[i - 1].kind == "network" and rows[i].kind != "network"
    ]
    return laid_out(names, columns, NETWORK_HEADS, ends)


def parts_of(row: Row) -> tuple[str, ...]:
    """Return what stands before a row's numbers: a network's three parts, or one name."""
    return (row.cell, row.trained_with, row.inferred_with) if row.cell else (row.name,)


def laid_out(
    names: Sequence[Sequence[str]],
    columns: Sequence[tuple[str, Sequence[str]]],
    name_heads: Sequence[str] = (),
    rules: Sequence[int] = (),
) -> str:
    """Return a table as text that is as wide as `WIDTH` where its names and numbers let it be.

    Heads and names are wrapped; columns that do not fit stand in a second table below the first.

    Args:
        names: For each row one name, or a part for each of ``name_heads``.
        columns: Head and a cell for each row.
        name_heads: Over the parts of names.
        rules: Rows that a rule stands above.
    """
    names = [tuple(map(line, name)) for name in names]
    columns = [(line(head), cells) for head, cells in columns]
    in_parts = [name for name in names if len(name) > 1]
    widths = [
        max(map(len, [*head.split(), *parts]))
        for head, *parts in zip(name_heads, *in_parts, strict=True)
    ] if in_parts else []  # fmt: skip
    least = sum(widths) + len(_GAP) * (len(widths) - 1)
    natural = max([1, least, *(len(name[0]) for name in names if len(name) == 1)])
    least = max(least, min(natural, LEAST_ROOM))
    tables = []
    for block in _blocks(columns, WIDTH - least):
        taken = sum(len(_GAP) + _width(column) for column in block)
        room = min(natural, max(least, WIDTH - taken))
        tables.append(_block(names, block, widths, name_heads if in_parts else (), room, rules))
    return "\n\n".join(tables)


def _width(column: tuple[str, Sequence[str]]) -> int:
    head, cells = column
    return max([*map(len, head.split()), *map(len, cells), 1])


def _blocks(
    columns: Sequence[tuple[str, Sequence[str]]], room: int
) -> list[list[tuple[str, Sequence[str]]]]:
    """Return columns in groups, each as wide as there is room, or of one column."""
    blocks: list[list[tuple[str, Sequence[str]]]] = [[]]
    left = room
    for column in columns:
        wide = len(_GAP) + _width(column)
        if wide > left and blocks[-1]:
            blocks.append([])
            left = room
        blocks[-1].append(column)
        left -= wide
    return blocks


def _block(
    names: Sequence[Sequence[str]],
    columns: Sequence[tuple[str, Sequence[str]]],
    widths: Sequence[int],
    name_heads: Sequence[str],
    room: int,
    rules: Sequence[int],
) -> str:
    in_column = [_width(column) for column in columns]
    heads = [
        textwrap.wrap(head, w) or [""] for (head, _), w in zip(columns, in_column, strict=True)
    ]
    left = [textwrap.wrap(head, w) for head, w in zip(name_heads, widths, strict=False)]
    high = max(map(len, [*heads, *left]), default=0)
    lines = []
    for k in range(high):
        head = _GAP.join(
            f"{_from_below(h, k, high):<{w}}" for h, w in zip(left, widths, strict=False)
        )
        cells = (f"{_from_below(h, k, high):>{w}}" for h, w in zip(heads, in_column, strict=True))
        lines.append(_GAP.join([f"{head:<{room}}", *cells]).rstrip())
    full = room + sum(len(_GAP) + w for w in in_column)
    for i, name in enumerate(names):
        if i in rules:
            lines.append("-" * full)
        if len(name) > 1:
            first, more = _GAP.join(f"{p:<{w}}" for p, w in zip(name, widths, strict=True)), []
        else:
            first, *more = textwrap.wrap(name[0], room, subsequent_indent=_GAP) or [""]
        cells = (f"{column[1][i]:>{w}}" for column, w in zip(columns, in_column, strict=True))
        lines += [_GAP.join([f"{first:<{room}}", *cells]).rstrip(), *more]
    return "\n".join(lines)


def _from_below(words: Sequence[str], k: int, high: int) -> str:
    """Return a head's words for line ``k`` of ``high``: heads stand on the numbers."""
    at = k - (high - len(words))
    return words[at] if at >= 0 else ""


def as_tsv(rows: Sequence[Row], first: str) -> str:
    """Return rows as tab-separated values with full precision; ``n/a`` where undefined (BIDS)."""
    names = score_names(rows, first)
    lines: list[list[str]] = [["name", "kind", "cell", "trained_with", "inferred_with", *names]]
    for row in rows:
        values = (row.scores.get(n, math.nan) for n in names)
        cells = ["n/a" if math.isnan(v) else repr(float(v)) for v in values]
        parts = (row.cell, row.trained_with, row.inferred_with)
        lines.append([row.name, row.kind, *(part or "n/a" for part in parts), *cells])
    return table(lines)


def with_fields(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a stored row with all its fields; version 0.1 wrote some of them into the name only."""
    name = str(row["name"])
    found = {"deployable": "not deployable" not in name, **row}
    if "cell" in row:
        return found
    network, is_network, inferred = name.rpartition(", inferred with ")
    cell, _, trained = network.partition(", trained with ")
    parts = {"cell": cell, "trained_with": trained, "inferred_with": inferred if is_network else ""}
    return {**found, **parts}


def format_score(value: float) -> str:
    """Return a score as a screen shows it; ``-`` where it is not defined."""
    if math.isnan(value):
        return "-"
    return f"{value:.{DIGITS}f}" if abs(value) < 1000 else f"{value:.0f}"
