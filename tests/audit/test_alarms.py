"""Alarms against a list of steps that is gone through from the definition, and the time that they take."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from memcell_eeg.live.alarm import AlarmLogic, AlarmRules, Raised

STEP = Fraction(1, 5)


def raised_by_brute_force(events, rules, refractory):
    """Return the indices of the steps that raise an alarm; ``events`` are steps and gaps."""
    out, recent, on, since = [], [], False, None
    k = -1
    for kind, value in events:
        if kind == "gap":
            recent, on = [], False
            since = None if since is None else since + max(Fraction(0), value)
            continue
        k += 1
        since = None if since is None else since + STEP
        recent = [*recent, value >= rules.threshold][-rules.of :]
        if on:
            on = any(recent)
        elif recent[-1] and sum(recent) >= rules.need and (since is None or since >= refractory):
            out.append(k)
            on, since = True, Fraction(0)
    return out


@pytest.mark.parametrize("seed", range(3))
def test_alarms_equal_brute_force_whatever_the_clock_does(seed) -> None:
    """Clocks that begin again at 0, run back or jump ahead at gaps."""
    random = np.random.default_rng(seed)
    for _ in range(150):
        need = int(random.integers(1, 5))
        refractory = Fraction(int(random.integers(0, 40)), 5)
        rules = AlarmRules(
            threshold=0.5,
            need=need,
            of=need + int(random.integers(0, 3)),
            refractory=float(refractory),
            step=float(STEP),
        )
        logic, clock, events, mine, k = AlarmLogic(rules), float(random.uniform(0, 4000)), [], [], 0
        while k < 200:
            if random.random() < 0.03:
                lost = Fraction(int(random.integers(-20_000, 40)), 10)
                clock = 0.0 if random.random() < 0.3 else max(0.0, clock + float(lost))
                events.append(("gap", lost))
                logic.gap(float(lost))
            p = float(random.choice([0.2, 0.9], p=[0.45, 0.55]))
            events.append(("step", p))
            if isinstance(logic.step(clock, p), Raised):
                mine.append(k)
            clock += float(STEP)
            k += 1
        assert mine == raised_by_brute_force(events, rules, refractory)


def test_a_clock_that_begins_again_delays_no_alarm_beyond_the_time_of_rest() -> None:
    logic = AlarmLogic(AlarmRules(threshold=0.5, need=3, of=4, refractory=5.0, step=0.2))
    for k in range(10):
        logic.step(3600 + 0.2 * k, 0.9)
    logic.gap(-3602.0)
    first = next(
        k
        for k in range(500)
        if isinstance(logic.step(0.2 * k, 0.9 if k % 50 < 20 else 0.1), Raised)
    )
    assert 0.2 * (first + 1) <= 5.0
