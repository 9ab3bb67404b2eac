"""Other names of a recording's channels: the typed ones, or those of the run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from memcell_data.renaming import Renaming


def renaming_of(typed: Sequence[str], facts: Mapping[str, Any]) -> Renaming:
    """Return the typed rules, else those that the run with these facts was trained with.

    Raises:
        UsageError: A typed one is none.
    """
    return Renaming.of(typed or facts.get("config", {}).get("rename", ()))
