"""What a page needs of a run, as plain values; what is not there is empty."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from memcell.applications.app import Judged
from memcell_eeg.reports.excerpts import Excerpt
from memcell_eeg.reports.tables_in import TableRow
from memcell_eeg.task import EegTask

_NAME = re.compile(r"^(?P<cell>.*), trained with (?P<policy>.*), inferred with (?P<inference>\w+)$")


@dataclass(frozen=True, kw_only=True)
class Scored:
    """A row of the score table.

    Args:
        name: As in every table.
        kind: ``"network"`` or ``"baseline"``.
        scores: NaN where not defined.
        intervals: Score to its 95 % interval over subjects, where there is one.
        note: How it was fitted.
    """

    name: str
    kind: str
    scores: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    note: str

    @property
    def policy(self) -> str:
        """State policy of its training; empty for a baseline."""
        return self._part("policy")

    @property
    def inference(self) -> str:
        """Inference policy; empty for a baseline."""
        return self._part("inference")

    def _part(self, which: str) -> str:
        found = _NAME.match(self.name)
        return found[which] if found else ""

    def get(self, score: str) -> float:
        """Return a score; NaN where it is not there."""
        return self.scores.get(score, math.nan)


@dataclass(frozen=True, kw_only=True)
class Learning:
    """Losses of one network's training against updates.

    Args:
        name: ``"trained with carry"``.
        fold: Whose fold it is; empty in a single run.
        training: (update, nats) of each epoch.
        validation: The same.
    """

    name: str
    fold: str
    training: list[tuple[int, float]]
    validation: list[tuple[int, float]]


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run's folder.

    Args:
        task: What it detects.
        folder: Where it lies.
        folds: Those of a leave-one-subject-out run; empty in a single run.
        sections: Of config.toml, resolved; tables only.
        config_text: The same as it stands there.
        environment: What it was made with.
        main_score: The score that counts most.
        notes: What every output must carry.
        rows: The score table; the run's own network first.
        facts: What was resolved from the data.
        decisions: Inference policy to decision.
        learning: Curves of the run and of its twin, of each fold.
        tables: File name without its ending to rows.
        judged: Row name to what that model said.
        excerpts: Signal of some places, with the fold.
        staleness: Lanes of measurements, each its values.
        seeds: So many stand behind the scores; more than 1 where folds were repeated.
    """

    task: EegTask
    folder: Path
    folds: list[Path]
    sections: dict[str, Any]
    config_text: str
    environment: dict[str, Any]
    main_score: str
    notes: list[str]
    rows: list[Scored]
    facts: dict[str, Any]
    decisions: dict[str, dict[str, float]]
    learning: list[Learning]
    tables: dict[str, list[TableRow]]
    judged: dict[str, tuple[Judged, ...]]
    excerpts: list[Excerpt]
    staleness: list[dict[str, float]]
    seeds: int = 1

    @property
    def own(self) -> Scored | None:
        """The run's own network under its own inference policy."""
        return next((r for r in self.rows if r.kind == "network"), None)

    @property
    def other(self) -> Scored | None:
        """The same network under the other inference policy."""
        own = self.own
        return next(
            (r for r in self.rows if own and r.kind == "network" and r.policy == own.policy
             and r.inference != own.inference), None,
        )  # fmt: skip

    @property
    def simulated(self) -> bool:
        """Whether the recordings were made by a program."""
        return bool(self.facts.get("simulated")) or any("simulated data" in n for n in self.notes)

    def table(self, name: str, row: Scored | None = None) -> list[TableRow]:
        """Return a table's rows, of one model where it is given."""
        rows = self.tables.get(name, [])
        return rows if row is None else [r for r in rows if r.get("name") == row.name]
