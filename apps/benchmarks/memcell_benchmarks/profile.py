"""Where the time of a contender goes, and how that is shown."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

#: How a profile is read, printed once.
LEGEND = (
    "profile: wall time, mean over the threads; an instant of a run belongs to one line, a line is the lower "
    "quartile of all runs. Beside it the same of runs without clocks in them, by the clock named above."
)


@dataclass(frozen=True)
class ProfilePart:
    """A line of a profile, in seconds of wall time.

    Args:
        name: Of the section.
        what: It in words.
        forward: Of forward.
        backward: Of backward.
    """

    name: str
    what: str
    forward: float
    backward: float


@dataclass(frozen=True)
class Profile:
    """A profile of forward and backward.

    Args:
        plain: Seconds of a run without clocks in it.
        runs: How many runs with clocks there were.
        parts: Of the whole.
    """

    plain: float
    runs: int
    parts: tuple[ProfilePart, ...]

    @property
    def timed(self) -> float:
        """Seconds of a run with clocks in it: all parts."""
        return sum(p.forward + p.backward for p in self.parts)

    def as_json(self) -> dict[str, Any]:
        """Return everything."""
        return {**asdict(self), "timed": self.timed}

    def lines(self, label: str) -> list[str]:
        """Return it as a table: milliseconds and per cent of the whole."""
        parts = [p for p in self.parts if p.forward or p.backward]
        wide = max(len(p.what) for p in parts)
        found = [
            f"{label}: {_ms(self.plain)} ms, {_ms(self.timed)} with clocks in it",
            f"{'':{wide}}  forward ms    %  backward ms    %  both ms    %",
        ]
        whole = ("all of it", sum(p.forward for p in parts), sum(p.backward for p in parts))
        for what, there, back in [*((p.what, p.forward, p.backward) for p in parts), whole]:
            numbers = zip((there, back, there + back), (10, 11, 7), strict=True)
            columns = (f"{_ms(t):>{w}}  {100 * t / self.timed:3.0f}" for t, w in numbers)
            found.append(f"{what:{wide}}  {'  '.join(columns)}")
        return [found[0], *(f"  {line}" for line in found[1:])]


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:.2f}"
