"""The clocks of a live stream: LSL's and this machine's, for what onsets count in seconds.

An onset counts from the stream's first sample. `StreamClock` says which LSL time its sample has, as the
sender stamped it (mapped to this machine), and which time of day that was. A recording has neither: when it
was made says something about a person and is copied into no output (`NoClock`). Where it is played into
LSL outlets, as a rehearsal, what is sent is stamped when it is sent (`PlayedClock`).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

#: How far time stamps may be from LSL's clock, s: what a sender buffers, and its clock's drift in a night.
PLAUSIBLE = 60.0


@dataclass(frozen=True, kw_only=True)
class Times:
    """The times of a sample.

    Args:
        lsl: Seconds of LSL's clock on this machine; None if there are none.
        wall: Seconds since 1970; None if nobody knows.
    """

    lsl: float | None = None
    wall: float | None = None

    @property
    def iso(self) -> str | None:
        """The time of day as ISO 8601, UTC, to the millisecond; None if nobody knows."""
        if self.wall is None:
            return None
        return datetime.fromtimestamp(self.wall, UTC).isoformat(timespec="milliseconds")

    def after(self, seconds: float) -> Times:
        """Return the times some seconds later."""
        return Times(
            lsl=None if self.lsl is None else self.lsl + seconds,
            wall=None if self.wall is None else self.wall + seconds,
        )


NO_TIMES = Times()


class SampleClock(Protocol):
    """What is known of the times of a stream."""

    def at(self, onset: float) -> Times:
        """Return the times of the sample at so many seconds from the stream's first one."""

    def now(self) -> Times:
        """Return the times of this moment."""

    def saw(self, stamp: float) -> str:
        """Take the stamp of a sample that has just arrived; return what the user should be told of it."""

    def jumped(self, seconds: float) -> None:
        """Take note that the sender's clock was set and onsets continue, so many seconds were added."""


class NoClock:
    """The clock of a recording: none."""

    def at(self, onset: float) -> Times:
        """Return no times."""
        return NO_TIMES

    def now(self) -> Times:
        """Return no times."""
        return NO_TIMES

    def saw(self, stamp: float) -> str:
        """Say nothing."""
        return ""

    def jumped(self, seconds: float) -> None:
        """Do nothing."""


class PlayedClock(NoClock):
    """The clock of a recording that is played into outlets: every sample is of the moment it is played.

    Args:
        lsl: Returns LSL's clock, s.
    """

    def __init__(self, lsl: Callable[[], float]) -> None:
        self._lsl = lsl

    def at(self, onset: float) -> Times:
        """Return the times of this moment."""
        return self.now()

    def now(self) -> Times:
        """Return the times of this moment."""
        return Times(lsl=self._lsl(), wall=time.time())


class StreamClock:
    """The clock of an LSL stream.

    Args:
        zero: Returns the LSL time of the stream's first sample.
        lsl: Returns LSL's clock, s.
    """

    def __init__(self, zero: Callable[[], float], lsl: Callable[[], float]) -> None:
        self._zero, self._lsl = zero, lsl
        self._jumps = 0.0
        self._plausible = True
        self._told = False

    def at(self, onset: float) -> Times:
        """Return the times of a sample as its sender stamped it."""
        stamp = onset + self._zero() - self._jumps
        if not self._plausible:
            return Times(lsl=stamp)
        return Times(lsl=stamp, wall=time.time() - (self._lsl() - stamp))

    def now(self) -> Times:
        """Return the times of this moment."""
        return Times(lsl=self._lsl(), wall=time.time())

    def saw(self, stamp: float) -> str:
        """Compare a stamp with LSL's clock: what is far from it says no time of day."""
        off = stamp - self._lsl()
        self._plausible = abs(off) <= PLAUSIBLE
        if self._plausible or self._told:
            return ""
        self._told = True
        return (
            f"the time stamps are {abs(off):.6g} s {'ahead of' if off > 0 else 'behind'} LSL's clock "
            "and say no time of day: 'time' is empty, and 'lsl_time' is what the sender wrote"
        )

    def jumped(self, seconds: float) -> None:
        """Take note of a change of the sender's clock."""
        self._jumps += seconds
