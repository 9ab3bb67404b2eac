"""Every defect that is known by name, damaged files by the hundred, and that the judging can fail."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from campaigns.damaged_files import __main__ as command
from campaigns.damaged_files import mutations
from campaigns.damaged_files.defects import DEFECTS, edf
from campaigns.damaged_files.mutations import damaged, try_one
from campaigns.damaged_files.named import faults_of
from campaigns.damaged_files.samples import write_samples

DAMAGED = 165


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda d: d.name)
def test_a_defect_by_name(defect, tmp_path):
    assert faults_of(defect, tmp_path) == []


def test_every_row_of_the_table_has_its_defects():
    assert len({d.name for d in DEFECTS}) == len(DEFECTS) == 45
    assert sum(bool(d.refused) for d in DEFECTS) == 22


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    return write_samples(tmp_path_factory.mktemp("samples"))


def test_damaged_files_are_read_rightly_or_refused_by_name(samples):
    outcomes = [try_one(number, 1, samples) for number in range(DAMAGED)]
    assert [f"{o.number} {o.sample}: {o.faults}" for o in outcomes if o.faults] == []
    results = [o.result for o in outcomes]
    assert results.count("read") > DAMAGED / 3
    assert results.count("refused") > DAMAGED / 10
    assert {o.sample for o in outcomes} == {s.name for s in samples}


@pytest.mark.slow
def test_ten_thousand_damaged_files(capsys):
    assert command.main(["--count", "10000"]) == 0
    assert "0 faults" in capsys.readouterr().out


def test_damage_is_the_same_again_and_is_put_back(samples):
    content = bytes(range(256)) * 20
    for way in range(5):
        first = damaged(content, np.random.default_rng(3), way)
        assert first != content
        assert first == damaged(content, np.random.default_rng(3), way)
    before = [path.read_bytes() for s in samples for path in s.damage]
    for number in range(22):
        try_one(number, 5, samples)
    assert [path.read_bytes() for s in samples for path in s.damage] == before


def test_the_judging_of_a_named_defect_can_fail(tmp_path):
    by_name = {d.name: d for d in DEFECTS}
    wrong = [
        replace(by_name["unit blank"], refused=()),
        replace(by_name["unit UV"], refused=("unit",)),
        replace(by_name["truncated in mid-record"], said=("nothing like it",)),
        replace(by_name["EDF+D with a gap"], segments=1),
        replace(by_name["unit UV"], make=edf(physical=(-32768, 32767))),
    ]
    for number, defect in enumerate(wrong[:4]):
        folder = tmp_path / str(number)
        folder.mkdir()
        assert faults_of(defect, folder), defect.name
    assert "uV off" in " ".join(faults_of(wrong[4], tmp_path))


def test_the_judging_of_damage_can_fail(samples, monkeypatch):
    """A reader that takes every unit for microvolts, forgets gaps or names the patient is caught."""
    read = mutations.open_recording

    def without_gap(path):
        recording = read(path)
        whole = recording.read(["O1"])
        one = replace(whole.segments[0], stop=whole.values.shape[1])
        return replace(recording, read=lambda names: replace(whole, segments=(one,)))

    def a_thousandth(path):
        recording = read(path)
        whole = recording.read(["O1"])
        return replace(
            recording, read=lambda names: replace(whole, values=whole.values * 1e-3, warnings=())
        )

    def faults(opened, name):
        monkeypatch.setattr(mutations, "open_recording", opened)
        sample = next(s for s in samples if s.name == name)
        found = [f for number in range(8) for f in try_one(number, 0, [sample]).faults]
        monkeypatch.undo()
        return " ".join(found)

    assert "the gap is lost" in faults(without_gap, "EDF+D")
    assert "silent unit error" in faults(a_thousandth, "EDF+C")

    def crashing(path):
        raise KeyError("Doe_Jane")

    assert "uncaught KeyError" in faults(crashing, "EDF")
    assert "the patient is named" in faults(crashing, "EDF")


def test_the_command_counts(capsys):
    assert command.main(["--count", "22", "--start", "100"]) == 0
    said = capsys.readouterr().out
    assert "45 named defects, 45 as they should be" in said
    assert "22 damaged files:" in said
    assert "0 not caught" in said
