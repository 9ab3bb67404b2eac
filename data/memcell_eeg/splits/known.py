"""People of the model that training goes on from: they are trained on again, and tested on never."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from memcell.applications.trained_on import spelled, trained_on
from memcell.errors import UsageError
from memcell.sequences.time_series import TimeSeries

_MOST = 5


def people_of(facts: Mapping[str, Any] | None) -> frozenset[str]:
    """Return whom a model was trained on or chosen by, as names are compared; nobody without one.

    Args:
        facts: What `memcell.applications.app.Task.facts` said when it was trained.
    """
    return frozenset(map(spelled, trained_on(facts or {})))


def apart(
    sequences: Sequence[TimeSeries], known: frozenset[str]
) -> tuple[tuple[TimeSeries, ...], tuple[TimeSeries, ...]]:
    """Return the sequences of people whom the model has not seen, and those of people whom it has."""
    return (
        tuple(s for s in sequences if spelled(s.subject) not in known),
        tuple(s for s in sequences if spelled(s.subject) in known),
    )


def check_tested(subjects: Iterable[str], tested: Sequence[str], known: frozenset[str]) -> None:
    """Refuse to test on people of the model, by name or because there are no others.

    Args:
        subjects: All people of the data.
        tested: Whom the options name to be tested on.
        known: People of the model.

    Raises:
        UsageError: Says what to type.
    """
    instead = (
        "type --split none, which trains on everybody for use and says what its scores are worth, or add "
        "recordings of other people (--data.subjects TABLE says who is who where these are others)"
    )
    people = sorted(set(subjects))
    if known and people and all(spelled(who) in known for who in people):
        raise UsageError(
            f"the model that training goes on from was trained with {few(people)}, and there is nobody else "
            f"to test on: {instead}"
        )
    if named := sorted(who for who in tested if spelled(who) in known):
        raise UsageError(
            f"the model that training goes on from was trained with {few(named)}, who would be tested on: "
            f"name other people, or {instead}"
        )


def few(names: Sequence[str]) -> str:
    """Return names for a line, the first of many."""
    more = f" and {len(names) - _MOST} more" if len(names) > _MOST else ""
    return f"{', '.join(names[:_MOST])}{more}"
