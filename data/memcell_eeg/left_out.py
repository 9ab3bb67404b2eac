"""What of the data could not be used: recordings and labels that are left out, each named with its reason.

One bad file or line among hundreds does not end a training, and is never left out in silence: the notes of
every output say how much it was, and ``left_out.tsv`` in the run folder has a line for each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from memcell import escape
from memcell.errors import DataError
from memcell.reports.numbers import counted
from memcell_data.recording import Recording

FILE = "left_out.tsv"
#: Lines about single ones among the notes.
MOST_NAMED = 5
RECORDING, LABELS, LABEL = "recording", "labels", "label"


@dataclass(frozen=True, kw_only=True)
class LeftOutItem:
    """One thing that is left out.

    Args:
        recording: Its name; empty for a file that is no recording yet.
        what: ``"recording"``, ``"labels"`` (all of a recording, and so the recording) or ``"label"``.
        reason: Names the file and says why.
    """

    recording: str
    what: str
    reason: str


class LeftOut:
    """Collects what is left out.

    Args:
        strict: Refuse instead, with the first reason.
    """

    def __init__(self, strict: bool = False) -> None:
        self.strict = strict
        self.items: list[LeftOutItem] = []

    def add(self, recording: Recording | None, what: str, reason: str) -> None:
        """Leave something out.

        Raises:
            DataError: Nothing may be left out (``--strict``).
        """
        if self.strict:
            raise DataError(f"{reason} (--strict: nothing is left out)")
        name = "" if recording is None else recording.name
        self.items.append(LeftOutItem(recording=name, what=what, reason=" ".join(reason.split())))

    def refuse_if_nothing_is_left(self, left: Sequence[object]) -> None:
        """Raise the first reason where everything was left out.

        Raises:
            DataError: Says how many more there are.
        """
        reasons = list(dict.fromkeys(i.reason for i in self.items if i.what != LABEL))
        if not left and reasons:
            more = f" (and {len(reasons) - 1} more)" if len(reasons) > 1 else ""
            raise DataError(f"{reasons[0]}{more}")

    @property
    def recordings(self) -> int:
        """How many recordings are left out."""
        return sum(i.what != LABEL for i in self.items)

    def notes(self, of: int, where: str = "in the run folder") -> list[str]:
        """Return what every output must say.

        Args:
            of: How many recordings there are with those that were left out.
            where: Where the table of them is.
        """
        if not self.items:
            return []
        whole = self.recordings
        labels = [i for i in self.items if i.what == LABEL]
        counts = [f"{whole} of {counted(of, 'recording')}"] if whole else []
        if labels:
            n = len({i.recording for i in labels})
            counts.append(f"{counted(len(labels), 'label')} of {counted(n, 'recording')}")
        lines = [f"left out: {' and '.join(counts)}; {FILE} {where} names each"]
        listed = sorted(self.items, key=lambda i: i.what == LABEL)[:MOST_NAMED]
        lines += [f"left out: {i.reason}" for i in listed]
        return lines

    def table(self) -> str:
        """Return ``left_out.tsv``: a line for each."""
        rows = [(i.recording or "n/a", i.what, i.reason) for i in self.items]
        return escape.table([("recording", "what", "reason"), *rows])
