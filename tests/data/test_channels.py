"""Channel names."""

from __future__ import annotations

import pytest

from memcell.errors import DataError
from memcell_data.channel_lookup import MissingChannel, find
from memcell_data.channels import kind_of, taken


@pytest.mark.parametrize(
    ("wanted", "name"),
    [
        ("FC5", "Fc5."),
        ("Fc5.", "FC5"),
        ("o1", "O1"),
        ("O1", "EEG O1-REF"),
        ("O1", "EEG O1-LE"),
        ("Fpz-Cz", "EEG Fpz-Cz"),
        ("P7", "T5"),
        ("EEG T4-REF", "T8"),
        ("O1", "O1 (EEG)"),
        ("O1", "POL O1"),
        ("O1 [EEG]", "EEG O1-Ref"),
        ("C3-M2", "C3M2"),
        ("C3-A2", "EEG C3:A2"),
        ("T3-O1", "T7-O1"),
        ("E1-M2", "EOG E1-A2"),
        ("E2-M2", "E2:M2"),
        ("E1-M2", "LOC-A2"),
        ("Chin1-Chin2", "EMG Chin1-Chin2"),
    ],
)
def test_the_same_channel(wanted, name):
    assert find(wanted, ["Cz", name, "Pz"], "a.edf") == 1


@pytest.mark.parametrize(
    ("wanted", "name"),
    [
        ("O1", "O1-A2"),
        ("O1", "O1-Cz"),
        ("O1", "O1/O2"),
        ("O1-A2", "O1"),
        ("O1-Cz", "O1-A2"),
        ("C3-M2", "C3-M1"),
        ("E1-M2", "EOG E1-M1"),
        ("EEG O1-Ref", "EEG O1-Pz"),
    ],
)
def test_another_derivation_of_the_electrode_is_refused_with_what_to_type(wanted, name):
    with pytest.raises(DataError) as refused:
        find(wanted, ["Cz", name], "a.edf")
    assert f"a.edf has no channel '{wanted}'" in str(refused.value)
    quoted = f"'{name}'" if " " in name else name
    assert f"--channels {quoted})" in str(refused.value)
    assert "another signal" in str(refused.value)


@pytest.mark.parametrize(
    ("wanted", "name", "said"),
    [
        ("O1", "O1-LE", "(against linked ears)"),
        ("O1", "EEG O1-AVG", "(against an average)"),
        ("O1-LE", "O1", "(no reference is given)"),
        ("EEG O1-Ref", "O1-A1A2", "(against linked ears)"),
    ],
)
def test_another_reference_is_said(wanted, name, said):
    assert find(wanted, ["Cz", name], "a.edf") == 1
    assert f"'{wanted}'" in taken(wanted, name)
    assert f"'{name}' {said}" in taken(wanted, name)


def test_a_decoration_is_no_other_reference_and_the_same_reference_wins():
    assert not taken("O1", "POL O1-Ref")
    assert not taken("T3-A2", "EEG T7-A2")
    assert not taken("O1-A2", "EEG O1-M2")
    assert not taken("E1-M2", "EOG LOC-A2")
    assert find("O1", ["O1-AVG", "O1-Ref", "O1-A2"], "a.edf") == 1
    assert find("C3-A2", ["C3-M2", "EEG C3-A2"], "a.edf") == 1


def test_no_other_electrode_and_no_computed_channel_is_suggested():
    with pytest.raises(MissingChannel) as refused:
        find("E1-M2", ["C3-M2", "F3-M2", "F3", "M2"], "a.edf", ["F3", "M2"])
    assert str(refused.value) == "a.edf has no channel 'E1-M2'. It has: F3, M2."


def test_caps_that_number_their_electrodes_have_no_mastoids_and_eyes():
    assert kind_of("A1", ["A1", "A2", "A3", "B1"]) == "eeg"
    assert kind_of("E2", ["E1", "E2", "E17"]) == "eeg"
    assert kind_of("A1", ["A1", "A2", "C3", "E1"]) == "misc"
    assert kind_of("E2", ["E1", "E2", "ECG", "A1"]) == "eog"


def test_the_closest_way_wins():
    assert find("O1", ["EEG O1", "O1"], "a.edf") == 1
    assert find("o1", ["EEG O1", "O1."], "a.edf") == 1
    with pytest.raises(DataError, match=r"'o1' is ambiguous: number 1 'O1', number 3 'o1\.'"):
        find("o1", ["O1", "Cz", "o1."], "a.edf")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("O1", "eeg"),
        ("EEG Fpz-Cz", "eeg"),
        ("E1", "eog"),
        ("E1-M2", "eog"),
        ("EOG horizontal", "eog"),
        ("LOC", "eog"),
        ("EMG submental", "emg"),
        ("Chin1", "emg"),
        ("ECG II", "ecg"),
        ("Resp oro-nasal", "misc"),
        ("Temp rectal", "misc"),
        ("Event marker", "misc"),
        ("SaO2", "misc"),
        ("Status", "misc"),
        ("E10", "eeg"),
        ("A1", "misc"),
        ("M2", "misc"),
        ("EEG A2-Ref", "misc"),
        ("POL A1", "misc"),
        ("A1-A2", "misc"),
        ("POL DC01", "misc"),
        ("Ref", "misc"),
        ("C3-M2", "eeg"),
        ("TP9", "eeg"),
    ],
)
def test_kinds(name, kind):
    assert kind_of(name) == kind


@pytest.mark.parametrize(
    ("names", "taken_one"),
    [
        (["EOG", "EEG Pz-Oz", "EEG Fpz-Cz"], "EEG Pz-Oz"),
        (["O1", "Pz"], "Pz"),
        (["C3-M2", "C4-M1"], "C3-M2"),
        (["EEG C3-REF", "O1-A2"], "O1-A2"),
        (["C3-P3", "C3"], "C3"),
    ],
)
def test_of_alternatives_the_first_that_is_there_is_meant(names, taken_one):
    wanted = "Pz-Oz or Pz or Pz-* or O1 or O1-* or C3 or C3-*"
    assert names[find(wanted, names, "a.edf")] == taken_one


def test_none_of_the_alternatives_names_each_electrode_once():
    with pytest.raises(DataError) as refused:
        find("Pz-Oz or Pz or Pz-* or Cz or Cz-*", ["EOG left", "Fpz-Cz"], "a.edf")
    said = "a.edf has no channel Pz-Oz or Pz or Cz. It has: EOG left, Fpz-Cz."
    assert str(refused.value) == said


def test_another_channel_than_the_first_of_alternatives_is_said():
    wanted = "Pz-Oz or C3 or C3-*"
    assert taken(wanted, "EEG Pz-Oz") == ""
    assert taken(wanted, "C3-A1") == "'C3-A1' stands for 'Pz-Oz'"
