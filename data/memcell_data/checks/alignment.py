"""Labels held against the recording that they belong to: shifted, too long, or hardly any."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from memcell.applications.checking import DataFinding
from memcell_data.labels.words import is_unscored
from memcell_data.recording import Interval

#: Seconds and share of a recording by which labels may reach over its edge: the last epoch often does.
OVERHANG, OVERHANG_SHARE = 30.0, 0.01
#: How nearly what is missing at one edge equals what is too much at the other, to be called a shift.
ALIKE = 0.2
MOST_NAMED = 5


@dataclass(frozen=True, kw_only=True)
class LabelCover:
    """Where the scored labels of a recording lie.

    Args:
        name: The recording's.
        seconds: Its length.
        first: When the first begins, s; clipped to the recording.
        last: When the last ends, likewise.
        outside: Seconds by which they reach over its start, and over its end.
    """

    name: str
    seconds: float
    first: float
    last: float
    outside: tuple[float, float]

    @classmethod
    def of(
        cls, name: str, seconds: float, intervals: Sequence[Interval], outside: tuple[float, float]
    ) -> LabelCover | None:
        """Return the cover of some labels; None where none is scored."""
        scored = [i for i in intervals if not is_unscored(i.label)]
        if not scored:
            return None
        first, last = min(i.onset for i in scored), max(i.onset + i.duration for i in scored)
        return cls(name=name, seconds=seconds, first=first, last=last, outside=outside)

    @property
    def allowed(self) -> float:
        """Seconds that labels may reach over an edge."""
        return max(OVERHANG, OVERHANG_SHARE * self.seconds)

    @property
    def shift(self) -> float:
        """Seconds by which the labels seem to be late (early where negative); 0 where they do not."""
        before, beyond = self.outside
        for over, missing, sign in (
            (beyond, self.first, 1),
            (before, self.seconds - self.last, -1),
        ):
            if over > self.allowed and abs(over - missing) <= max(OVERHANG, ALIKE * over):
                return sign * over
        return 0.0


def aligned(found: Sequence[LabelCover]) -> list[DataFinding]:
    """Return what is wrong with where labels lie in their recordings."""
    lines = []
    shifted = [c for c in found if c.shift]
    if shifted:
        first = shifted[0]
        over = abs(first.shift)
        where = (
            f"begin {first.first:g} s after its start and go on {over:g} s beyond its end"
            if first.shift > 0
            else f"begin {over:g} s before its start and end {first.seconds - first.last:g} s before its end"
        )
        lines.append(
            DataFinding(
                check="labels",
                severity="serious",
                sentence=f"the labels of {_also(shifted)} {where}: shifted against the recording?",
                advice="look at what their times count from; here it is the recording's first sample",
                where=_listed(shifted),
            )
        )
    longer = [c for c in found if not c.shift and max(c.outside) > c.allowed]
    if longer:
        first = longer[0]
        over, edge = max(
            (first.outside[1], "beyond its end"), (first.outside[0], "before its start")
        )
        lines.append(
            DataFinding(
                check="labels",
                severity="warning",
                sentence=f"the labels of {_also(longer)} reach {over:g} s {edge} ({first.seconds:g} s long): "
                "was the recording cut, or are they of another one?",
                advice="what lies outside is left out; look at the file names",
                where=_listed(longer),
            )
        )
    if found and not lines:
        lines.append(
            DataFinding(
                check="labels",
                severity="nothing",
                sentence="the labels lie within their recordings",
            )
        )
    return lines


def _also(found: Sequence[LabelCover]) -> str:
    more = len(found) - 1
    return f"{found[0].name} (and {more} more)" if more else found[0].name


def _listed(found: Sequence[LabelCover]) -> str:
    names = [c.name for c in found]
    more = len(names) - MOST_NAMED
    return ", ".join([*names[:MOST_NAMED], *([f"and {more} more"] if more > 0 else [])])
