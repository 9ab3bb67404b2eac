"""Profiles the generated loop: runs with clocks in it, in turn with runs without."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from operator import attrgetter

from memcell_benchmarks.native import Native, NativeBfloat16, autocast
from memcell_benchmarks.profile import Profile, ProfilePart
from memcell_benchmarks.timing import Clock
from memcell_compiler.emit.timers import SECTIONS
from memcell_compiler.runtime.timed import TimedCall, TimedProgram

#: Runs of a round that are looked at, at least.
_LEAST = 4
#: What a call does besides its program's sections.
_AROUND = {"packing": "packing weights", "handing": "buffers, starting threads"}
_OUTSIDE = "torch and Python around it: autograd, statistics, sums of gradients"


@dataclass(frozen=True)
class _ProfiledRun:
    began: float
    ended: float
    forward: TimedCall
    backward: TimedCall


def profile(native: Native, clock: Clock, rounds: int, sample: float) -> Profile:
    """Profile a contender's training.

    Args:
        native: It.
        clock: For the runs without clocks in them.
        rounds: How often it runs, with clocks and without in turn.
        sample: Seconds that a round of either should last.
    """
    native.train()
    calls = max(_LEAST, round(sample / min(clock(native.train, 1) for _ in range(3))))
    plain: list[float] = []
    runs: list[_ProfiledRun] = []
    with autocast() if isinstance(native, NativeBfloat16) else nullcontext():
        timed = TimedProgram(native.window)
    for _ in range(rounds):
        plain += [clock(native.train, 1) for _ in range(calls)]
        with timed.running():
            native.train()  # the first finds nothing of it in the caches
            for _ in range(calls):
                began = time.perf_counter()
                native.train()
                ended = time.perf_counter()
                there, back = timed.forward.calls[-1], timed.backward.calls[-1]
                runs.append(_ProfiledRun(began, ended, there, back))
    return Profile(_undisturbed(plain), len(runs), _parts(runs))


def _undisturbed(seconds: Sequence[float]) -> float:
    """Return the lower quartile: what other processes took hits another line in every run."""
    return sorted(seconds)[len(seconds) // 4]


def _parts(runs: Sequence[_ProfiledRun]) -> tuple[ProfilePart, ...]:
    def part(name: str, what: str, of: Callable[[TimedCall], float]) -> ProfilePart:
        there = _undisturbed([of(r.forward) for r in runs])
        return ProfilePart(name, what, there, _undisturbed([of(r.backward) for r in runs]))

    parts = [part(name, what, _section(name)) for name, what in SECTIONS.items()]
    parts += [part(name, what, attrgetter(name)) for name, what in _AROUND.items()]
    # between them it is forward's: statistics are folded there
    before = _undisturbed(
        [r.forward.began - r.began + r.backward.began - r.forward.ended for r in runs]
    )
    after = _undisturbed([r.ended - r.backward.ended for r in runs])
    return (*parts, ProfilePart("outside", _OUTSIDE, before, after))


def _section(name: str) -> Callable[[TimedCall], float]:
    return lambda call: call.sections[name]
