"""The unit of channels that state none: the typed one, or that of the run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from memcell_data.recording import Channel
from memcell_data.units import microvolts_per, override

#: Where the facts of a run have it.
FACT = "unit"


@dataclass(frozen=True, kw_only=True)
class Unit:
    """The unit of EDF channels whose own is empty or unknown.

    Args:
        name: ``"uV"``, ``"mV"``, ``"V"``, ``"nV"``, or empty if not stated.
        of_run: It is the run's own ``--data.unit``, and nobody typed another one.
    """

    name: str = ""
    of_run: bool = False

    @classmethod
    def of(cls, typed: str, facts: Mapping[str, Any]) -> Unit:
        """Return the typed unit, else that of the run with these facts."""
        own = str(facts.get(FACT, ""))
        if (
            override(own) is not None
        ):  # that was said of the files of the training, and is true of no other
            own = ""
        return cls(name=typed or own, of_run=bool(own) and not typed)

    def messages(self, path: Path, channels: Sequence[Channel]) -> list[str]:
        """Return a line if channels of a file take the run's unit rather than a typed one."""
        blank = [c.name for c in channels if microvolts_per(c.unit) is None]
        if not (self.of_run and blank):
            return []
        return [
            f"{path.name}: no unit in the file for {', '.join(blank)}: taken as {self.name}, the run's own "
            "--data.unit (--unit overrides it)"
        ]


def unit_fact(dataset: object) -> dict[str, str]:
    """Return the data set's option ``unit`` as a fact of the run; empty if it was not typed."""
    unit = getattr(getattr(dataset, "config", None), "unit", "")
    return {FACT: unit} if unit else {}
