"""Whom a model was trained on, by the facts of its task, and how names of people are compared."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: The part of a model's facts about subjects where those of the models before it stand.
BEFORE = "before"


def trained_on(facts: Mapping[str, Any]) -> set[str]:
    """Return whom a model was trained on or chosen by, models that it went on from included.

    Args:
        facts: Of its task (`memcell.applications.task.Task.facts`).
    """
    subjects = facts.get("subjects")
    known = subjects if isinstance(subjects, Mapping) else {}
    return {str(who) for part in ("train", "valid", BEFORE) for who in known.get(part, ())}


def spelled(subject: str) -> str:
    """Return a name as it is compared.

    >>> spelled("P03 ") == spelled("p03")
    True
    """
    return subject.strip().casefold()
