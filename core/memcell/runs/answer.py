"""The result of a run in words: its score, and whether people tell it apart from the best baseline."""

from __future__ import annotations

import math
from collections.abc import Sequence

from memcell.applications.app import Row, smaller_is_better
from memcell.reports.numbers import counted
from memcell.runs.by_subject import score_of
from memcell.runs.tables import format_score
from memcell.statistics.paired import ALPHA, sign_flip


def answer(rows: Sequence[Row], first: str) -> str:
    """Return the result of a run in a sentence or two: its main score, beside control run and baselines.

    Above or below the best baseline it is called only where the paired test over people says so.

    Args:
        rows: The run's own network first.
        first: The main score.
    """
    own = rows[0]

    def number(row: Row) -> str:
        return format_score(row.scores.get(first, math.nan))

    name = first.replace("_", " ")
    name = f"{name[:1].upper()}{name[1:]}"
    if math.isnan(own.scores.get(first, math.nan)):
        return (
            f"{name} is not defined on what was tested ({own.name}): a class or a target that it needs is "
            "not there. Test on other recordings."
        )
    sentence = f"{name} {number(own)} ({own.name})"
    networks = [row for row in rows if row.kind == "network"]
    control = next((row for row in networks if row.trained_with != own.trained_with), None)
    if control is not None:
        sentence += f"; trained with {control.trained_with} instead, {number(control)}"
    usable = [
        row for row in rows
        if row.kind != "network" and row.deployable and first in row.scores
        and not math.isnan(row.scores[first])
    ]  # fmt: skip
    if usable:
        error = smaller_is_better(first)
        best = (min if error else max)(usable, key=lambda row: row.scores[first])
        sentence += (
            f"; {'lowest' if error else 'highest'} of {counted(len(usable), 'baseline')}, {best.name}, "
            f"{number(best)}"
        )
        return f"{sentence}. {comparison(own, best, first)}".rstrip()
    return f"{sentence}."


def comparison(own: Row, other: Row, score: str) -> str:
    """Return in a sentence whether a network is above or below another row over the test people.

    Args:
        own: The network.
        other: What it is held against.
        score: The score.
    """
    pairs = [score_of(own, u, score) - score_of(other, u, score) for u in own.subjects]
    found = [d for d in pairs if math.isfinite(d)]
    test = sign_flip(found)
    if test.n < 2:
        return "One person tells nothing of other people." if found else ""
    people = f"{test.n} people, p {test.p:.2g}"
    if test.p <= ALPHA:
        where = "above" if sum(found) > 0 else "below"
        better = ""
        if smaller_is_better(score):
            better = ", which is better" if where == "below" else ", which is worse"
        return f"It is {where} that baseline{better} ({people})."
    least = "" if test.can_decide else "; so few cannot reach .05"
    return f"The two are not told apart ({people}{least})."
