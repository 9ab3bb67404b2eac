"""Other names for channels: rules as they are typed, and what is read by the new names."""

from __future__ import annotations

import numpy as np
import pytest

from memcell.errors import DataError, UsageError
from memcell_data.formats.edf.writer import Track, write_edf
from memcell_data.formats.reader import open_recording
from memcell_data.renaming import Renaming, renamed


@pytest.mark.parametrize(
    ("rules", "old", "new"),
    [
        (["O1-M2=O1"], "O1-M2", "O1"),
        (["o1-m2=O1"], "O1-M2. ", "O1"),
        (["POL *=*"], "POL O1", "O1"),
        (["POL *=*"], "pol  Fp1 ", "Fp1"),
        (["*-Avg=*"], "O1-Avg", "O1"),
        (["EEG *-Avg=*"], "EEG O1-LE", "EEG O1-LE"),
        (["*-Avg=O1"], "F3-avg", "O1"),
        (["*=X*"], "O1", "XO1"),
        (["O1=a", "O*=b"], "O1", "a"),
        (["O1 (EEG)=O1"], "O1 (EEG)", "O1"),
        (["A.B=C"], "AxB", "AxB"),
    ],
)
def test_the_first_rule_that_fits_gives_the_name(rules, old, new):
    assert Renaming.of(rules).name(old) == new


@pytest.mark.parametrize("text", ["O1", "=O1", "O1=", "O1=O2=O3", "*a*=b", "O1=*", "a*=**", " = "])
def test_what_is_no_rule_is_refused_with_an_example(text):
    with pytest.raises(UsageError, match=r"--rename got"):
        Renaming.of([text])


def test_names_in_turn_and_by_mapping():
    assert Renaming.of({"O1": "O2", "O2": "O1"}).names(["O1", "O2"], "x") == ["O2", "O1"]


def test_two_channels_of_one_name_are_refused_and_named():
    with pytest.raises(
        DataError, match="recording x: --rename would give the name 'O1' to 'O1-M2' and 'O1'"
    ):
        Renaming.of(["O1-M2=O1"]).names(["O1-M2", "O1"], "recording x")
    # two that were one name before are the file's own affair
    assert Renaming.of(["F3=F5"]).names(["O1", "O1", "F3"], "x") == ["O1", "O1", "F5"]


@pytest.fixture
def recording(tmp_path):
    values = np.random.default_rng(0).normal(0, 20, (3, 2000))
    names = ("POL O1", "O2-Avg", "Cz")
    tracks = [Track(name=n, values=v, rate=100) for n, v in zip(names, values, strict=True)]
    write_edf(tmp_path / "a.edf", tracks)
    return open_recording(tmp_path / "a.edf")


def test_a_recording_is_read_by_the_new_names(recording):
    new = Renaming.of(["POL *=*", "O2-Avg=O2"]).recording(recording)
    assert [c.name for c in new.channels] == ["O1", "O2", "Cz"]
    before = recording.read(["O2-Avg", "POL O1"])
    after = new.read(["O2", "O1"])
    assert after.channels == ("O2", "O1")
    np.testing.assert_array_equal(after.values, before.values)
    blocks = list(new.blocks(["O1"], seconds=3))
    np.testing.assert_array_equal(np.hstack([b.values for b in blocks])[0], before.values[1])
    assert renamed(new, ["O2", "Cz"]) == ["taken by --rename: 'O2-Avg' as 'O2'"]
    assert renamed(recording, ["Cz"]) == []


def test_what_was_kept_of_a_channel_is_not_that_of_another_with_its_name(recording):
    a = Renaming.of(["POL O1=X"]).recording(recording)
    b = Renaming.of(["Cz=X"]).recording(recording)
    assert len({recording.fingerprint, a.fingerprint, b.fingerprint}) == 3


def test_where_no_rule_fits_it_is_the_same_recording(recording):
    rules = Renaming.of(["O9=O1", "POL *=*"])
    assert Renaming.of(["O9=O1"]).recording(recording) is recording
    assert rules.unused([recording]) == ["O9=O1"]
