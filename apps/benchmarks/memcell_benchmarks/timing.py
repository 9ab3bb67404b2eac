"""Clocks, and samples of many contenders taken in turn."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

Work = Callable[[], object]
#: Runs the work n times and returns seconds.
Clock = Callable[[Work, int], float]


def cpu_time(work: Work, n: int) -> float:
    """CPU time of this process: with one thread it is the work's own, whoever else wants the machine."""
    start = time.process_time()
    for _ in range(n):
        work()
    return time.process_time() - start


def wall_time(work: Work, n: int) -> float:
    """Time on the wall."""
    start = time.perf_counter()
    for _ in range(n):
        work()
    return time.perf_counter() - start


def event_time(work: Work, n: int) -> float:
    """Time on the GPU between two events around the work."""
    torch.cuda.synchronize()
    begin, end = (_event() for _ in range(2))
    begin.record()
    for _ in range(n):
        work()
    end.record()
    torch.cuda.synchronize()
    return float(begin.elapsed_time(end)) / 1e3


def _event() -> Any:
    made: Any = torch.cuda.Event  # untyped in some versions of torch
    return made(enable_timing=True)


def clock_for(device: str, threads: int) -> tuple[Clock, str]:
    """Return the fitting clock and its name."""
    if device == "cuda":
        return event_time, "CUDA events"
    return (cpu_time, "process CPU time") if threads == 1 else (wall_time, "wall time")


@dataclass(frozen=True)
class Samples:
    """Seconds a call, one number a round."""

    seconds: tuple[float, ...]

    @property
    def least(self) -> float:
        """The fastest round, what the work costs when nothing disturbs it."""
        return min(self.seconds)

    @property
    def median(self) -> float:
        """The middle round."""
        return statistics.median(self.seconds)

    def ratio(self, peer: Samples) -> float:
        """Fastest round against the peer's fastest."""
        return self.least / peer.least

    def median_ratio(self, peer: Samples) -> float:
        """Median of the ratios within each round: both saw the same machine."""
        return statistics.median(self._ratios(peer))

    def ratio_spread(self, peer: Samples) -> tuple[float, float]:
        """Smallest and largest of the ratios within each round."""
        ratios = self._ratios(peer)
        return min(ratios), max(ratios)

    def _ratios(self, peer: Samples) -> list[float]:
        pairs = zip(self.seconds, peer.seconds, strict=True)
        return [mine / theirs for mine, theirs in pairs]


def interleaved(
    works: Mapping[str, Work], clock: Clock, rounds: int, sample: float
) -> dict[str, Samples]:
    """Sample each work in turn, round after round, so that a slow minute hits all of them.

    Args:
        works: What to time, warm.
        clock: How.
        rounds: How many samples of each.
        sample: Seconds that one sample should last.
    """
    often = {name: _calls(work, clock, sample) for name, work in works.items()}
    taken: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            taken[name].append(clock(work, often[name]) / often[name])
    return {name: Samples(tuple(seconds)) for name, seconds in taken.items()}


def _calls(work: Work, clock: Clock, sample: float) -> int:
    once = min(clock(work, 1), clock(work, 1))
    # a clock ticks: below 1 ms ask a longer run before dividing by it
    if once < 1e-3:
        once = max(clock(work, 20) / 20, 1e-7)
    return max(1, round(sample / once))
