"""Counters of a live stream, and its summary."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

#: Number of latencies that are kept: the last half day of steps, so that memory is bounded.
_KEPT = 1 << 18


@dataclass(kw_only=True)
class Counts:
    """Counters of one stream.

    Args:
        rate: Samples a second, Hz.
        steps: Processed steps.
        alarms: Raised alarms; None where there can be none.
        gaps: Segments that began after another one.
        losses: How often the connection was lost.
        segments: All segments, the first included.
        samples: Received samples.
        cpu: CPU seconds of this thread for processing and writing, waiting excluded.
        latency: Seconds from the arrival of a step's last sample to its line, one for each arrival that
            completed steps.
    """

    rate: float
    steps: int = 0
    alarms: int | None = 0
    gaps: int = 0
    losses: int = 0
    segments: int = 0
    samples: int = 0
    cpu: float = 0.0
    latency: list[float] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """Seconds of signal so far, gaps not counted."""
        return self.samples / self.rate

    def late(self, seconds: float) -> None:
        """Add a latency."""
        if len(self.latency) >= _KEPT:
            del self.latency[: _KEPT // 2]
        self.latency.append(seconds)

    def summary(self, jitter: float) -> dict[str, Any]:
        """Return the counts as a JSON object.

        Args:
            jitter: Largest deviation of a stamp that was no gap, s.
        """
        late = 1e3 * np.array(self.latency)
        return {
            "steps": self.steps,
            **({} if self.alarms is None else {"alarms": self.alarms}),
            "gaps": self.gaps,
            "losses": self.losses,
            "signal_seconds": self.seconds,
            "latency_median_ms": float(np.median(late)) if len(late) else None,
            "latency_max_ms": float(late.max()) if len(late) else None,
            "cpu_per_step_ms": 1e3 * self.cpu / self.steps if self.steps else None,
            "largest_jitter_ms": 1e3 * jitter,
        }

    def messages(self) -> Iterator[str]:
        """Yield the summary as lines for the terminal."""
        lost = f", connection lost {self.losses} times" if self.losses else ""
        alarms = "" if self.alarms is None else f", {self.alarms} alarms"
        yield (
            f"{self.seconds:.1f} s of signal, {self.steps} steps{alarms}, {self.gaps} gaps{lost}"
        )
        if self.latency:
            late = 1e3 * np.array(self.latency)
            yield (
                f"latency from the last sample of a step to its line: median {np.median(late):.2f} ms, "
                f"at most {late.max():.2f} ms; {1e3 * self.cpu / self.steps:.3f} ms of CPU a step"
            )
