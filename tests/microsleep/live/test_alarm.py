"""The alarm's state machine against its equation, written down plainly."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memcell.errors import ConfigError
from memcell_eeg.live.alarm import AlarmLogic, AlarmRules, Ended, Raised
from memcell_eeg.live.options import LiveConfig

STEP = 0.2


def rules(need=3, of=4, refractory=0.0, threshold=0.5):
    return AlarmRules(threshold=threshold, need=need, of=of, refractory=refractory, step=STEP)


def run(positive, rules_, gaps=()):
    """Return (step, kind) of what changed."""
    logic, found = AlarmLogic(rules_), []
    for k, a in enumerate(positive):
        if k in gaps and logic.gap() is not None:
            found.append((k, "end"))
        change = logic.step(k * STEP, 0.9 if a else 0.1)
        if change is not None:
            found.append((k, "alarm" if isinstance(change, Raised) else "end"))
    return found


def plainly(positive, rules_, gaps=()):
    found, on, first, last = [], False, 0, None
    for k in range(len(positive)):
        if k in gaps:
            first = k
            if on:
                on, found = False, [*found, (k, "end")]
        s = sum(positive[max(first, k - rules_.of + 1) : k + 1])
        if on and s == 0:
            on, found = False, [*found, (k, "end")]
        rested = last is None or (k - last) * STEP >= rules_.refractory - 1e-9
        if not on and positive[k] and s >= rules_.need and rested:
            on, last, found = True, k, [*found, (k, "alarm")]
    return found


@given(
    st.lists(st.booleans(), max_size=60),
    st.integers(1, 6),
    st.integers(0, 4),
    st.sampled_from([0.0, 0.4, 1.0, 5.0]),
    st.sets(st.integers(0, 59), max_size=3),
)
def test_it_is_the_equation(positive, need, more, refractory, gaps):
    those = rules(need, need + more, refractory)
    assert run(positive, those, gaps) == plainly(positive, those, gaps)


def test_a_minimum_duration_is_n_of_n():
    assert run([1, 1, 0, 1, 1, 1, 0, 0, 0], rules(3, 3)) == [(5, "alarm"), (8, "end")]


def test_what_is_said_of_an_alarm():
    logic = AlarmLogic(rules(2, 3))
    changes = [
        logic.step(10 + k * STEP, p) for k, p in enumerate([0.1, 0.6, 0.2, 0.8, 0.9, 0, 0, 0])
    ]
    raised, ended = changes[3], changes[7]
    assert isinstance(raised, Raised)
    assert isinstance(ended, Ended)
    assert raised.first == pytest.approx(10.2)
    assert raised.onset == pytest.approx(10.8)
    assert raised.probability == 0.8
    assert ended.raised is raised
    assert ended.duration == pytest.approx(0.2)
    assert changes.count(None) == 6


def test_the_threshold_itself_is_positive():
    logic = AlarmLogic(rules(1, 1, threshold=0.5))
    assert logic.step(0, 0.4999) is None
    assert logic.step(STEP, 0.5) is not None


def test_with_the_defaults_a_clear_event_sounds_within_a_second_of_the_step_that_shows_it():
    options = LiveConfig(lsl="x")
    those = rules(options.alarm_steps, options.alarm_of, options.refractory)
    assert those.debounce + STEP < 1
    (k, _), *_ = run([0] * 10 + [1] * 10, those)
    assert (k - 10) * STEP == pytest.approx(those.debounce)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "neither --lsl nor --file"),
        ({"lsl": "a", "file": "b"}, "both --lsl and --file"),
        ({"lsl": "a", "alarm_steps": 5, "alarm_of": 4}, "--alarm-of 5"),
        ({"file": "a", "speed": "fast"}, "'fast'"),
        ({"file": "a", "speed": "0"}, "above 0"),
        ({"file": "a", "speed": "nan"}, "'nan'"),
    ],
)
def test_options_that_contradict_each_other(options, words):
    with pytest.raises(ConfigError, match=words):
        LiveConfig(**options).validate()
