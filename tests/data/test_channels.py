"""Channel names."""

from __future__ import annotations

import pytest

from memcell.errors import DataError
from memcell_data.channels import find, kind_of


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
    ],
)
def test_the_same_channel(wanted, name):
    assert find(wanted, ["Cz", name, "Pz"], "a.edf") == 1


def test_a_real_reference_is_not_dropped():
    with pytest.raises(DataError, match=r"a\.edf has no channel 'O1'"):
        find("O1", ["O1-A2", "O1-M1"], "a.edf")


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
    ],
)
def test_kinds(name, kind):
    assert kind_of(name) == kind
