"""The script that measures a minute of known state: it finds a shift where there is one, and no other."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

SCRIPT = Path(__file__).parents[2] / "docs" / "results" / "calibration.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("calibration", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look there
    spec.loader.exec_module(module)
    return module


def logits(seed, shift=0.0, n=360):
    """Logits of somebody who is awake for the first third, told apart well by a threshold of 0."""
    random = np.random.default_rng(seed)
    y = (np.arange(n) >= n // 3).astype(np.int64)
    return random.normal(np.where(y, 2.0, -2.0) + shift, 0.7), y


def person(script, shift, between=1.0):
    trained = tuple(logits(k, between * d) for k, d in enumerate((-1, 1, -0.5, 0.5)))
    z, y = logits(99, shift)
    return script.Person(name="p", z=z, y=y, threshold=0.0, trained=trained, step=5.0)


@pytest.mark.parametrize("shift", [-2.0, 2.0])
def test_a_person_whose_logits_are_shifted_is_shifted_back(script, shift) -> None:
    one = person(script, shift)
    for c in (0, 1):
        known = one.known(c, 1)
        assert len(known) == 12
        assert script.shrunk(one, c, known) == pytest.approx(-shift, abs=0.8)
        toward = script.cautious(one, c, known) * -np.sign(shift)
        assert 0 < toward < script.shrunk(one, c, known) * -np.sign(shift)
    before = np.mean((one.z >= 0) == one.y)
    b = script.shrunk(one, 0, one.known(0, 1))
    assert np.mean((one.z + b >= 0) == one.y) > before


def test_where_people_do_not_differ_nobody_is_shifted(script) -> None:
    one = person(script, 0.3, between=0.0)
    assert abs(script.shrunk(one, 0, one.known(0, 1))) < 0.15


def test_an_intercept_moves_only_where_the_known_steps_are_called_wrong(script) -> None:
    right, wrong = person(script, 0.0), person(script, 3.0)
    assert abs(script.intercept(right, 0, right.known(0, 1))) < 0.1
    assert script.intercept(wrong, 0, wrong.known(0, 1)) < -0.3


def test_who_has_no_more_than_the_known_minutes_is_not_calibrated(script) -> None:
    one = person(script, 0.0)
    assert len(one.known(0, 10)) == 0
    assert len(one.known(0, 9.9)) == 119


def test_the_ceiling_finds_everybody_s_shift(script) -> None:
    people = [person(script, -2.0), person(script, 2.0)]
    left = [np.ones(len(p.y), dtype=bool) for p in people]
    shifts = script.best_shifts(people, left)
    for one, shift, moved in zip(people, shifts, (-2.0, 2.0), strict=True):
        assert shift == pytest.approx(-moved, abs=1.0)
        assert np.mean((one.z + shift >= 0) == one.y) > 0.97
