"""The choice of channels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from memcell.errors import DataError
from memcell_data.channels import kind_of
from memcell_data.recording import Channel
from memcell_eeg.signal.channels import (
    choose,
    locate,
    native_rate,
    otherwise_measured,
    otherwise_measured_in,
)

CAP = [
    "Fp1",
    "Fp2",
    "F7",
    "F3",
    "Fz",
    "F4",
    "F8",
    "FC5",
    "FC6",
    "T7",
    "C3",
    "Cz",
    "C4",
    "T8",
    "CP5",
    "CP6",
    "P7",
    "P3",
    "Pz",
    "P4",
    "P8",
    "PO3",
    "PO4",
    "O1",
    "Oz",
    "O2",
]


def recording(recording_of, channels, name="r1"):
    return recording_of(np.zeros((len(channels), 400)), channels=channels, name=name)


def test_auto_takes_all_eeg_and_eog_of_a_small_montage(recording_of) -> None:
    choice = choose(["auto"], [recording(recording_of, ["O1", "O2", "E1"])])
    assert choice.names == ("O1", "O2", "E1")
    assert choice.eeg == ("O1", "O2")
    assert "O1, O2, E1 (auto" in str(choice)


def test_auto_takes_regions_of_a_cap(recording_of) -> None:
    choice = choose(["auto"], [recording(recording_of, [*CAP, "E1"])])
    assert choice.names == ("O1", "O2", "P3", "P4", "C3", "C4", "F3", "F4", "E1")
    assert "regions" in choice.reason


def test_auto_takes_what_all_recordings_have(recording_of) -> None:
    pair = [
        recording(recording_of, ["O1", "O2", "C3"]),
        recording(recording_of, ["C3", "O1"], "r2"),
    ]
    assert choose(["auto"], pair).names == ("O1", "C3")


def test_trailing_dots_and_old_names(recording_of) -> None:
    one = recording(recording_of, ["Fc5.", "T7..", "O1.."])
    choice = choose(["t3", "FC5"], [one])
    assert choice.names == ("T7", "Fc5")
    other = recording(recording_of, ["EEG O1", "EEG T3", "EEG FC5-REF"], "r2")
    assert [c.name for c in locate(choice.names, other)] == ["EEG T3", "EEG FC5-REF"]


def test_a_type_word_and_a_name_together_and_no_channel_twice(recording_of) -> None:
    one = recording(recording_of, ["O1", "E1", "O2"])
    assert choose(["eog", "O2", "eeg"], [one]).names == ("E1", "O2", "O1")


def test_an_unknown_name_says_which_are_near(recording_of) -> None:
    with pytest.raises(DataError, match=r"r1.*no channel 'O11'.*Did you mean 'O1'"):
        choose(["O11"], [recording(recording_of, ["O1", "C3"])])


def test_the_recording_that_lacks_a_named_channel_is_named(recording_of) -> None:
    pair = [recording(recording_of, ["O1", "O2"]), recording(recording_of, ["O1"], "late")]
    with pytest.raises(DataError, match=r"late.*O2"):
        choose(["O2"], pair)


def test_a_type_that_nobody_has(recording_of) -> None:
    with pytest.raises(DataError, match=r"'emg'.*O1 \(eeg\).*--channels"):
        choose(["emg"], [recording(recording_of, ["O1"])])


def test_no_eeg_at_all_and_none_in_common(recording_of) -> None:
    with pytest.raises(DataError, match=r"no EEG channel.*--channels"):
        choose(["auto"], [recording(recording_of, ["E1"])])
    pair = [recording(recording_of, ["O1"]), recording(recording_of, ["C3"], "r2")]
    with pytest.raises(DataError, match=r"no EEG channel is in all 2 recordings"):
        choose(["auto"], pair)


def test_rates_that_differ_are_listed(recording_of) -> None:
    mixed = (Channel(name="O1", kind="eeg", rate=100), Channel(name="E1", kind="eog", rate=50))
    with pytest.raises(DataError, match=r"O1 100 Hz, E1 50 Hz"):
        native_rate(mixed, recording(recording_of, ["O1", "E1"]))


def test_a_pattern_takes_what_matches_in_all_recordings(recording_of) -> None:
    pair = [
        recording(recording_of, ["EEG O1", "EEG O2", "EEG C3-REF", "EOG left"]),
        recording(recording_of, ["O1", "C3", "EEG O2", "EOG left"], "r2"),
    ]
    assert choose(["EEG*"], pair[:1]).names == ("EEG O1", "EEG O2", "EEG C3-REF")
    choice = choose(["o?", "EOG*"], pair)
    assert choice.names == ("EEG O1", "EEG O2", "EOG left")
    assert "EEG O1, EEG O2, EOG left (all that match o?, all that match EOG*)" in str(choice)
    # A name that looks like a pattern is a name.
    assert choose(["O1*"], [recording(recording_of, ["O1*", "O12"])]).names == ("O1*",)


def test_a_pattern_that_matches_nothing_or_nothing_common(recording_of) -> None:
    one = recording(recording_of, ["O1", "O2"])
    with pytest.raises(DataError, match=r"'r1' matches 'EEG\*'.*O1 \(eeg\).*--channels"):
        choose(["EEG*"], [one])
    other = recording(recording_of, ["C3"], "r2")
    with pytest.raises(DataError, match=r"'O\*' matches O1, O2 .*none|not one of them"):
        choose(["O*"], [one, other])


def test_eog_goes_with_a_cap_whose_names_say_no_region(recording_of) -> None:
    names = [f"Ch{i}" for i in range(40)]
    choice = choose(["auto"], [recording(recording_of, [*names, "E1", "E2"])])
    assert choice.names == (*names[:14], "E1", "E2")
    assert "EEG and EOG" in str(choice)


def test_several_near_names_are_suggested(recording_of) -> None:
    with pytest.raises(DataError, match=r"Did you mean 'EEG O2-REF' or 'EEG O1-REF'\?"):
        choose(["O3"], [recording(recording_of, ["EEG O1-REF", "EEG Cz-REF", "EEG O2-REF"])])


def test_mastoids_are_not_predicted_from_unless_they_are_named(recording_of) -> None:
    one = recording(recording_of, ["O1", "M1", "A2", "E1"])
    kinds = tuple(Channel(name=c.name, kind=kind_of(c.name), rate=c.rate) for c in one.channels)
    one = replace(one, channels=kinds)
    assert choose(["auto"], [one]).names == ("O1", "E1")
    assert choose(["O1", "M1"], [one]).names == ("O1", "M1")


def test_what_auto_leaves_out_since_one_recording_lacks_it_is_said(recording_of) -> None:
    pair = [
        recording(recording_of, ["O1", "O2", "C3"]),
        recording(recording_of, ["C3", "O1", "O2-A1"], "late"),
    ]
    choice = choose(["auto"], pair)
    assert choice.names == ("O1", "C3")
    assert "without O2 (not all of them in late)" in choice.reason


def test_another_reference_is_named_for_each_recording_and_once_for_a_training(
    recording_of,
) -> None:
    three = [
        recording(recording_of, ["O1", "O2"]),
        recording(recording_of, ["EEG O1-LE", "EEG O2-Ref"], "second"),
        recording(recording_of, ["O1-LE", "O2"], "third"),
    ]
    (line,) = otherwise_measured(["O1", "O2"], three[1])
    assert "second" in line
    assert "'O1' (no reference is given) is taken from 'EEG O1-LE' (against linked ears)" in line
    assert not otherwise_measured(["O1", "O2"], three[0])
    choice = choose(["O1", "O2"], three)
    lines = otherwise_measured_in(["O1", "O2"], choice, three)
    assert ["in 1 of 3 recordings (second)" in line for line in lines] == [True, False]
    assert "'O1-LE'" in lines[1]


def marked(recording_of, name, *bad):
    made = recording(recording_of, ["O1", "O2", "E1"], name)
    return replace(made, channels=tuple(replace(c, bad=c.name in bad) for c in made.channels))


def test_auto_leaves_out_what_is_marked_bad_in_half_of_the_recordings(recording_of) -> None:
    once, twice = (
        [marked(recording_of, f"r{k}", *(["O1"] if k < n else [])) for k in range(4)]
        for n in (1, 2)
    )
    assert choose(["auto"], once).names == ("O1", "O2", "E1")
    choice = choose(["auto"], twice)
    assert choice.names == ("O2", "E1")
    assert "without O1, marked bad in half of the recordings or more" in choice.reason
    # one that is asked for is taken
    assert choose(["O1"], twice).names == ("O1",)
    with pytest.raises(DataError, match=r"EEG channels are marked bad in 'r' \(O1, O2\)"):
        choose(["auto"], [marked(recording_of, "r", "O1", "O2")])
