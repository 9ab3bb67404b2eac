"""What a stream says of itself: rate, channels, unit; and what its first seconds say."""

from __future__ import annotations

import numpy as np
import pytest

from memcell.errors import DataError, UsageError
from memcell_eeg.live.amplitude import FirstSeconds
from memcell_eeg.live.matching import match
from memcell_eeg.signal.references import References

LABELS = ["Fz", "EEG O2-REF", "o1.", "EOG"]
UNITS = ["uV"] * 4


def test_channels_are_found_by_name_and_alias_in_the_models_order(pipeline):
    found = match("cap", 250.0, LABELS, UNITS, pipeline)
    assert found.rows == (2, 1)
    assert found.names == ("o1.", "EEG O2-REF")
    assert found.microvolts.tolist() == [1.0, 1.0]


@pytest.mark.parametrize(
    ("unit", "factor"),
    [("microvolts", 1), ("µV", 1), ("-6", 1), ("mV", 1e3), ("volts", 1e6), ("0", 1e6), ("V", 1e6)],
)
def test_units_are_understood(pipeline, unit, factor):
    found = match("cap", 250.0, LABELS, [unit] * 4, pipeline)
    assert found.microvolts.tolist() == [factor] * 2


@pytest.mark.parametrize("units", [None, ["", "", "", ""], [None] * 4, ["bananas"] * 4, ["MV"] * 4])
def test_a_unit_is_never_guessed(pipeline, units):
    with pytest.raises(DataError, match=r"'o1\.' has .*unit.*--unit uV"):
        match("cap", 250.0, LABELS, units, pipeline)
    assert match("cap", 250.0, LABELS, units, pipeline, "mV").microvolts.tolist() == [1e3] * 2
    with pytest.raises(UsageError, match="--unit got 'foot'"):
        match("cap", 250.0, LABELS, units, pipeline, "foot")


@pytest.mark.parametrize(
    ("rate", "labels", "words"),
    [
        (64.0, LABELS, ["64 Hz", "100 Hz", "--rate 64"]),
        (0.0, LABELS, ["no regular rate"]),
        (250.0, None, ["does not name its channels", "O1, O2"]),
        (250.0, ["O1", "Fz"], ["'O2'", "It has: O1, Fz", "trained on the channels O1, O2"]),
        (250.0, ["C3", "Fz"], ["'O1', 'O2'", "It has: C3, Fz", "trained on"]),
        (250.0, ["O1", "O1", "O2"], ["ambiguous", "--rename 'O1-0=O1'"]),
    ],
)
def test_what_does_not_fit_is_named(pipeline, rate, labels, words):
    with pytest.raises(DataError) as raised:
        match("cap", rate, labels, ["uV"] * 4, pipeline)
    assert "'cap'" in str(raised.value)
    for word in words:
        assert word in str(raised.value)


def test_a_channel_that_the_model_can_do_without(pipeline):
    optional = References(channels=pipeline.channels)
    found = match("cap", 250.0, ["Fz", "O2"], ["uV"] * 2, pipeline, optional=optional)
    assert (found.rows, found.names, found.left_out) == ((1,), ("O2",), ("O1",))
    with pytest.raises(DataError, match=r"'cap' lacks 2 .* If it has O1 and O2 under .*--rename"):
        match("cap", 250.0, ["Fz"], ["uV"], pipeline, optional=optional)
    with pytest.raises(DataError, match=r"'cap' has no channel 'O1'.*--rename 'O1-Cz=O1'"):
        match("cap", 250.0, ["O1-Cz", "O2"], ["uV"] * 2, pipeline, optional=optional)


def first_seconds(scale, offset=0.0):
    values = np.random.default_rng(0).normal(size=(2, 700)) * scale + offset
    judge = FirstSeconds("cap", ("O1", "O2"), 100.0)
    return [line for i in range(0, 700, 50) for line in judge.push(values[:, i : i + 50])]


def test_the_first_seconds_of_a_wrong_unit():
    assert first_seconds(20) == []
    assert first_seconds(20, offset=50_000) == []  # a DC amplifier
    with pytest.raises(DataError, match=r"'cap': channel 'O1' is beyond 10 mV.*--unit"):
        first_seconds(2e7)
    assert len(first_seconds(2e-5)) == 2
    assert "its unit may be wrong" in first_seconds(2e-5)[0]
    assert "is flat" in first_seconds(0)[0]


def test_a_rate_that_no_eeg_has_is_named_before_memory_is_asked_for(pipeline):
    with pytest.raises(DataError, match=r"1e\+09 Hz, and no EEG"):
        match("amp", 1e9, ["O1", "O2"], ["uV", "uV"], pipeline)
