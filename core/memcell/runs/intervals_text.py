"""What a person sees of several test subjects: scores with intervals, and differences between models."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from memcell.applications.app import Row
from memcell.escape import line
from memcell.runs.by_subject import SubjectDifferences, mean_of
from memcell.statistics.bootstrap import NONE, Interval

#: Scores that have their intervals on a screen; the files have all.
MOST = 3


def with_intervals(
    rows: Sequence[Row], shown: Sequence[str], pooled: Mapping[str, Mapping[str, Interval]]
) -> str:
    """Return a line a row: each score pooled with its interval, networks first.

    Args:
        rows: The rows.
        shown: Scores; the first `MOST` are shown.
        pooled: Row name to score to interval.
    """
    shown = shown[:MOST]
    ordered = [r for r in rows if r.kind == "network"] + [r for r in rows if r.kind != "network"]
    width = max([len(line(r.name)) for r in rows] + [8])
    lines = [" " * width + "".join(f"  {name.replace('_', ' '):<22}" for name in shown)]
    for i, row in enumerate(ordered):
        if i and row.kind != "network" and ordered[i - 1].kind == "network":
            lines.append("-" * len(lines[0]))
        cells = (
            between(row.scores.get(n, math.nan), pooled.get(row.name, {}).get(n, NONE))
            for n in shown
        )
        lines.append(f"{line(row.name):<{width}}" + "".join(f"  {c:<22}" for c in cells))
    return "\n".join(each.rstrip() for each in lines)


def by_subject(rows: Sequence[Row], name: str) -> str:
    """Return a line a row: a score of each subject, and their mean with its interval."""
    subjects = sorted({u for row in rows for u in row.subjects})
    width = max([len(line(r.name)) for r in rows] + [8])
    column = max([len(line(u)) for u in subjects] + [5])
    heads = "".join(f"  {line(u):>{column}}" for u in subjects)
    lines = [f"{name.replace('_', ' '):<{width}}{heads}  mean"]
    for row in rows:
        cells = (_number(row.subjects.get(u, {}).get(name, math.nan)).strip() for u in subjects)
        mean = mean_of(row, name)
        lines.append(
            f"{line(row.name):<{width}}"
            + "".join(f"  {c:>{column}}" for c in cells)
            + f"  {between(mean.value, mean.interval)}"
        )
    return "\n".join(lines)


def of_differences(made: Sequence[SubjectDifferences], name: str) -> str:
    """Return a line for each difference in one score."""
    mine = [d for d in made if d.score == name]
    if not mine:
        return ""
    width = max(len(line(d.minus)) for d in mine) + 6
    lines = [f"{line(mine[0].name)}, {name.replace('_', ' ')}, mean over subjects"]
    for d in mine:
        sign = f"p {d.test.p:.3g}"
        if not d.test.can_decide:
            sign += f" ({d.test.n} subjects cannot give less than {d.test.smallest_p:.3g})"
        shown = between(d.mean.value, d.mean.interval, signed=True)
        lines.append(f"{'minus ' + line(d.minus):<{width}}  {shown:<24}  {sign}")
    return "\n".join(lines)


def between(value: float, ends: Interval, signed: bool = False) -> str:
    """Return ``0.934 [0.912, 0.950]``; without ends where there are none."""
    if math.isnan(value):
        return "-"
    shown = f"{value:+.3f}" if signed else _number(value)
    if any(math.isnan(end) for end in ends):
        return shown
    low, high = (f"{end:+.3f}" if signed else _number(end) for end in ends)
    return f"{shown} [{low}, {high}]"


def _number(value: float) -> str:
    if math.isnan(value):
        return "-"
    return f"{value:.3f}" if abs(value) < 1000 else f"{value:.0f}"
