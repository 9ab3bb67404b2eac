"""Names of scores and models as a person reads them."""

from __future__ import annotations

import math

from memcell.reports.numbers import count, number
from memcell_eeg.reports.run.held import Run, Scored
from memcell_eeg.reports.tables_in import TableRow, value


def name_of(score: str) -> str:
    """Return a score's name as words."""
    return score.replace("_", " ")


def short(row: Scored) -> str:
    """Return a row's name for a person: what was trained how, and how memory was handled when scoring."""
    if row.inference:
        way = {"carry": "memory carried when scoring", "reset": "memory reset when scoring"}
        return f"trained with {row.policy}, {way.get(row.inference, row.inference)}"
    return row.name


def confusion_of(run: Run, row: Scored, subject: str = "all") -> TableRow | None:
    """Return the counts of one model, over all test steps or of one subject."""
    rows = run.table("confusion", row)
    return next((r for r in rows if r.get("subject") == subject), None)


def _difference(run: Run, other: Scored) -> TableRow | None:
    """Return the row of the run's own network minus another model, in the main score."""
    rows = (
        r for r in run.table("differences")
        if r.get("score") == run.main_score and r.get("minus") == other.name
    )  # fmt: skip
    return next(rows, None)


def open_question(run: Run, other: Scored) -> bool:
    """Whether the interval over subjects leaves open which of the two is better."""
    row = _difference(run, other)
    return row is not None and value(row, "low") <= 0 <= value(row, "high")


def paired(run: Run, other: Scored) -> str:
    """Return what the paired difference over subjects says."""
    row = _difference(run, other)
    if row is None:
        return ""
    n, low, high, p = (value(row, k) for k in ("subjects", "low", "high", "p"))
    if math.isnan(low) or n < 3:
        few = f"{count(n)} test subject{'' if n == 1 else 's'}"
        return f" With {few} nothing can be said about other people."
    least = value(row, "smallest_p")
    doubt = f"; with so few subjects p cannot be below {number(least, 3)}" if least > 0.05 else ""
    return (
        f" Subject by subject (n = {count(n)}) the difference is {number(value(row, 'mean'))} on average "
        f"(95 % interval {number(low)} to {number(high)}; p = {number(p, 3)}{doubt})."
    )


def sentence(line: str) -> str:
    """Return a note as a sentence."""
    line = line.strip()
    return line[:1].upper() + line[1:].rstrip(".") + "." if line else line


def way(row: Scored) -> str:
    """Return how memory was handled when scoring, in a word."""
    return "carried" if row.inference == "carry" else "reset"
