"""Who is who: which file is of which subject, and on which side of the split that puts it.

The first and the last lines stand on the screen before training; ``split.tsv`` in the run folder has all.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from memcell import escape
from memcell.sequences.time_series import TimeSeries
from memcell_data.recording import Recording
from memcell_eeg.splits.split import PARTS, Split

FILE = "split.tsv"
COLUMNS = ("file", "recording", "subject", "split", "steps", "labelled", "positive")
FIRST, LAST = 8, 3
_WORDS = {"train": "train", "valid": "validation", "test": "test"}


@dataclass
class _Line:
    """A recording with where it is."""

    file: str
    subject: str
    parts: list[str] = field(default_factory=list)
    steps: int = 0
    labelled: int = 0
    positive: int = 0

    def add(self, s: TimeSeries, part: str) -> None:
        self.parts.append(part)
        self.steps += s.n_steps
        self.labelled += int(s.labelled.sum())
        self.positive += int((s.targets == 1).sum())


class Who:
    """The table of who is who.

    Args:
        recordings: All that can be used, labelled or not.
        parts: Part of the split to its sequences, in order.
    """

    def __init__(
        self, recordings: Sequence[Recording], parts: Mapping[str, Sequence[TimeSeries]]
    ) -> None:
        files = _files(recordings)
        lines = {r.name: _Line(file=files[r.name], subject=r.subject) for r in recordings}
        for part, sequences in parts.items():
            for s in sequences:
                # a split by time has put the part behind the recording's name
                name = s.name if s.name in lines else s.name.rpartition("@")[0]
                lines[name].add(s, part)
        self._lines = lines

    @classmethod
    def of_split(cls, recordings: Sequence[Recording], split: Split) -> Who:
        """Return the table of a split."""
        return cls(recordings, {_WORDS[p]: split.part(p) for p in PARTS})

    @classmethod
    def of_folds(
        cls,
        recordings: Sequence[Recording],
        sequences: Sequence[TimeSeries],
        seen: Sequence[TimeSeries] = (),
    ) -> Who:
        """Return the table of folds: each recording is tested in the fold of its subject alone.

        Args:
            recordings: All that can be used, labelled or not.
            sequences: Of those who are left out in turn.
            seen: Of those who are in no fold's test part, for a model before has seen them.
        """
        parts: dict[str, list[TimeSeries]] = {}
        for s in sequences:
            parts.setdefault("tested in its own fold", []).append(s)
        if seen:
            parts["train in every fold"] = list(seen)
        return cls(recordings, parts)

    def table(self) -> str:
        """Return ``split.tsv``: a line for each recording."""
        rows: list[Sequence[object]] = [COLUMNS]
        for name, line in self._lines.items():
            counts = (line.steps, line.labelled, line.positive)
            rows.append([line.file, name, line.subject, _side(line), *counts])
        return escape.table(rows)

    def lines(self) -> list[str]:
        """Return the table for the screen: how many, then the first and the last lines."""
        n, subjects = len(self._lines), len({line.subject for line in self._lines.values()})
        rows = [(line.file, line.subject, _side(line)) for line in self._lines.values()]
        listed = rows if n <= FIRST + LAST + 1 else [*rows[:FIRST], *rows[-LAST:]]
        width = [max(len(escape.line(row[k])) for row in listed) for k in range(2)]
        drawn = [
            f"  {escape.line(file):<{width[0]}}  subject {escape.line(subject):<{width[1]}}  {side}"
            for file, subject, side in listed
        ]
        if len(listed) < n:
            drawn.insert(FIRST, f"  ... {n - len(listed)} more")
        return [
            f"{n} recording{'s' if n != 1 else ''} of {subjects} "
            f"subject{'s' if subjects != 1 else ''}; {FILE} in the run folder has all",
            *drawn,
        ]


def _side(line: _Line) -> str:
    return ", ".join(line.parts) or "left out (no labelled step)"


def _files(recordings: Sequence[Recording]) -> dict[str, str]:
    """Return the file of each recording, below the folder that all have in common."""
    paths = {r.name: r.path.absolute() for r in recordings if r.path is not None}
    common = os.path.commonpath([p.parent for p in paths.values()]) if paths else ""
    return {
        r.name: str(paths[r.name].relative_to(Path(common))) if r.name in paths else r.name
        for r in recordings
    }
