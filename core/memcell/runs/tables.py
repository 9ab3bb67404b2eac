"""Tables: aligned on a screen, tab-separated in a file; the same numbers in both."""

from __future__ import annotations

import math
from collections.abc import Sequence

from memcell.applications.app import Row
from memcell.escape import line, table

DIGITS = 3


def score_names(rows: Sequence[Row], first: str) -> list[str]:
    """Return the names of all scores, ``first`` first, else in order of appearance."""
    names = [first]
    for row in rows:
        names += [name for name in row.scores if name not in names]
    return names


def as_text(rows: Sequence[Row], first: str, only: Sequence[str] = ()) -> str:
    """Return rows as aligned text.

    Args:
        rows: One a line; baselines stand below the networks, under a rule.
        first: The main score.
        only: Scores to show, all when empty.
    """
    names = [n for n in score_names(rows, first) if not only or n in only]
    ordered = [r for r in rows if r.kind == "network"] + [r for r in rows if r.kind != "network"]
    width = max([len(line(r.name)) for r in rows] + [8])
    heads = [line(n.replace("_", " ")) for n in names]
    lines = [" " * width + "".join(f"  {head:>{_column(head)}}" for head in heads)]
    for i, row in enumerate(ordered):
        if i and row.kind != "network" and ordered[i - 1].kind == "network":
            lines.append("-" * len(lines[0]))
        cells = [_number(row.scores.get(n, math.nan)) for n in names]
        pairs = zip(cells, heads, strict=True)
        lines.append(
            f"{line(row.name):<{width}}" + "".join(f"  {c:>{_column(h)}}" for c, h in pairs)
        )
    return "\n".join(lines)


def as_tsv(rows: Sequence[Row], first: str) -> str:
    """Return rows as tab-separated values with full precision; ``n/a`` where undefined (BIDS)."""
    names = score_names(rows, first)
    lines: list[list[str]] = [["name", "kind", *names]]
    for row in rows:
        values = (row.scores.get(n, math.nan) for n in names)
        cells = ["n/a" if math.isnan(v) else repr(float(v)) for v in values]
        lines.append([row.name, row.kind, *cells])
    return table(lines)


def _column(head: str) -> int:
    return max(len(head), DIGITS + 3)


def _number(value: float) -> str:
    if math.isnan(value):
        return "-"
    return f"{value:.{DIGITS}f}" if abs(value) < 1000 else f"{value:.0f}"
