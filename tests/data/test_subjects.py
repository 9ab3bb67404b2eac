"""Who is who: subjects told from names, asked about where names leave it open, and said by a person."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from memcell.errors import ConfigError, DataError
from memcell_data.datasets.configs import UserRecordingsConfig
from memcell_data.datasets.user_recordings import UserRecordings
from memcell_data.formats.edf.fields import field_at
from memcell_data.formats.edf.writer import Track, write_edf
from memcell_data.subjects.names import alike, named, spelled
from memcell_data.subjects.people import patient_of
from memcell_microsleep.app import Microsleep
from memcell_microsleep.config import MicrosleepConfig

FOLDER = Path("/somewhere/lab")

TOLD = {
    "folders of patients": (
        ["Patient 1/night1", "Patient 1/night2", "Patient 2/night1"], "Patient 1|Patient 2"
    ),
    "folders of patients, other names": (["P01/a", "P01/b", "P02/c"], "P01|P02"),
    "folders of names": (["anna/rec", "bert/rec"], "anna|bert"),
    "sessions below": (["P01/session1/eeg", "P01/session2/eeg", "P02/session1/eeg"], "P01|P02"),
    "before and after": (["anna/pre", "anna/post", "bert/pre"], "anna|bert"),
    "dated folders": (["P01/2020-01-01/x", "P01/2020-02-01/x", "P02/2020-01-01/x"], "P01|P02"),
    "underscore": (["P01_n1", "P01_n2", "P02_n1"], "P01|P02"),
    "night first": (["night1_P01", "night2_P01", "night1_P02"], "P01|P02"),
    "date first": (["20200101_P1", "20200102_P1", "2020-01-02_P2"], "P1|P2"),
    "patient_1": (["patient_1", "patient_2", "patient_2_n2"], "patient_1|patient_2"),
    "bids": (["sub-01/ses-1/eeg/sub-01_ses-1_eeg", "sub-02/eeg/sub-02_eeg"], "sub-01|sub-02"),
    "bids folders": (["sub-01/night1", "sub-01/night2", "sub-02/night1"], "sub-01|sub-02"),
    "sleep-edf": (["SC4001E0-PSG", "SC4002E0-PSG", "SC4011E0-PSG"], "SC400|SC401"),
    "sleep telemetry": (["ST7011J0-PSG", "ST7012J0-PSG", "ST7022J0-PSG"], "ST701|ST702"),
    "motor movement": (["S001R01", "S001R02", "S002R01"], "S001|S002"),
    "one each": (["sim01", "sim02", "dreams10"], "sim01|sim02|dreams10"),
    "one each, short": (["a", "b", "s1", "s2", "rec3"], "a|b|s1|s2|rec3"),
    "drivers": (["01M_1_annotations", "01M_2_annotations", "02F_1_annotations"], "01M|02F"),
}  # fmt: skip


@pytest.mark.parametrize("kind", TOLD)
def test_subjects_are_told_from_names(kind) -> None:
    names, expected = TOLD[kind]
    made = named([FOLDER / f"{n}.edf" for n in names])
    assert list(dict.fromkeys(made.subjects)) == expected.split("|")
    assert made.questions == ()
    assert alike(expected.split("|"))[0] == []


ASKED = {
    "dash": ["P01-n1", "P01-n2", "P02-n1"],
    "letters": ["01a", "01b", "02a"],
    "letters behind": ["S1A", "S1B", "S2A"],
    "glued": ["P01n1", "P01n2", "P02n1"],
    "numbers": ["P1-1", "P1-2", "P2-1"],
    "blank": ["P01 2020-01-01", "P01 2020-02-01", "P02 2020-01-01"],
    "one with and one without": ["P01", "P01-retest", "P02"],
    "case": ["S01", "s01", "S2"],
    "leading zero": ["S01", "S1", "S2"],
    "words": ["Patient 1", "patient_1", "Patient-2"],
    "names": ["anna-night1", "anna-night2", "bert"],
    "numbered names": ["anna1", "anna2", "bert1", "bert2"],
    "dates behind": ["anna20200101", "anna20200102", "bert"],
    "nights alone": ["night1", "night2", "night3"],
    "bids": ["sub-01/eeg/sub-01_eeg", "sub-1/eeg/sub-1_eeg", "sub-2/eeg/sub-2_eeg"],
    "bids, sessions in the label": [
        "sub-01a/sub-01a_eeg",
        "sub-01b/sub-01b_eeg",
        "sub-2/sub-2_eeg",
    ],
    "repeated persons": ["pre/P01", "post/P01", "post/P02"],
    "two folders deep": ["anna/drug/x", "anna/placebo/x", "bert/drug/x"],
}


@pytest.mark.parametrize("kind", ASKED)
def test_what_names_leave_open_is_asked(kind) -> None:
    made = named([FOLDER / f"{n}.edf" for n in ASKED[kind]])
    pairs, _ = alike(list(dict.fromkeys(made.subjects)))
    assert pairs or made.questions


def test_different_people_are_not_asked_about() -> None:
    for names in (
        ["P01", "P02", "P10", "P11"],
        ["control-1", "control-2", "patient-1", "patient-2"],
        ["0ncr", "0xyz", "5bSg", "5cA9"],
        ["anna", "hanna", "annabel"],
        ["sub-control01", "sub-patient01", "sub-control02"],
        ["S1", "S10", "S100", "S11"],
    ):
        assert alike(names)[0] == [], names
    assert spelled("S10") != spelled("S1")
    assert spelled("S 01") == spelled("s1")


def write(path, seed):
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.random.default_rng(seed).normal(0, 20, 6000)
    write_edf(path, [Track(name="O1", values=values, rate=100)])
    path.with_suffix(".csv").write_text(
        "onset,duration,description\n10,5,microsleep\n30,5,microsleep\n"
    )


def patient(path, code):
    at, width = field_at("patient")
    content = bytearray(path.read_bytes())
    content[at : at + width] = code.encode().ljust(width)
    path.write_bytes(bytes(content))


@pytest.fixture
def lab(tmp_path):
    for k, name in enumerate(("P01-n1", "P01-n2", "P02-n1", "P03-n1", "P04-n1")):
        write(tmp_path / f"{name}.edf", k)
    return tmp_path


def task(folder, options=None, **config):
    own = UserRecordings(UserRecordingsConfig(path=str(folder), **(options or {})))
    return Microsleep(MicrosleepConfig(cache="off", **config), own).task()


@pytest.mark.parametrize("split", ["auto", "subject", "loso"])
def test_no_split_by_subject_while_it_is_open(lab, split) -> None:
    held = {"held_out": "P01-n1"} if split == "loso" else {}
    with pytest.raises(DataError) as caught:
        task(lab, split=split, **held)
    for word in (
        "'P01-n1' and 'P01-n2'",
        "P01, P02, P03, P04",
        "--data.subjects",
        "different-people",
    ):
        assert word in str(caught.value)
    pattern = str(caught.value).split("--data.subject-pattern '")[1].split("'")[0]
    held = {"held_out": "P01"} if split == "loso" else {}
    made = task(lab, {"subject_pattern": pattern}, split=split, **held)
    rows = [line.split("\t") for line in made.tables["split.tsv"].splitlines()[1:]]
    sides = {(subject, side) for _, _, subject, side, *_ in rows}
    assert len(sides) == 4  # each person on one side


def test_a_split_by_time_promises_nobody_apart(lab) -> None:
    made = task(lab, split="time")
    rows = made.tables["split.tsv"].splitlines()[1:]
    assert all("train, validation, test" in row for row in rows)


def test_a_person_says_that_they_are_different(lab) -> None:
    made = task(lab, {"different_people": True})
    assert sum(len(p) for p in made.facts["subjects"].values()) == 5


def test_a_table_of_subjects(lab, tmp_path) -> None:
    table = tmp_path / "people.tsv"
    names = ("P01-n1", "P01-n2.edf", "P02-n1", "P03-n1", "P04-n1")
    lines = [f"{name}\t{name[:3]}" for name in names]
    table.write_text("\n".join(["file\tsubject", *lines]))
    made = task(lab, {"subjects": str(table)})
    assert sorted(s for p in made.facts["subjects"].values() for s in p) == [
        "P01",
        "P02",
        "P03",
        "P04",
    ]
    table.write_text(
        "\n".join(["File;Subject ID", *(line.replace("\t", ";") for line in lines[1:])])
    )
    with pytest.raises(DataError, match=r"people\.tsv: has no line for .*P01-n1\.edf"):
        task(lab, {"subjects": str(table)})
    table.write_text("who knows\n")
    with pytest.raises(DataError, match="expected the columns file and subject"):
        task(lab, {"subjects": str(table)})
    with pytest.raises(ConfigError, match="leave out one of them"):
        task(lab, {"subjects": str(table), "subject_pattern": "(.)"})


def test_headers_that_contradict_the_names(tmp_path) -> None:
    for k, name in enumerate("abcd"):
        write(tmp_path / f"{name}.edf", k)
        patient(tmp_path / f"{name}.edf", f"MRN-{k % 3} F X X")
    with pytest.raises(DataError, match="'a' and 'd' have the same patient code") as caught:
        task(tmp_path)
    assert "MRN" not in str(caught.value)
    made = task(tmp_path, {"different_people": True})
    assert any("'a' and 'd' have the same patient code" in n and "MRN" not in n for n in made.notes)


def test_one_person_with_two_codes_and_one_code_for_all_are_said(tmp_path) -> None:
    for k, name in enumerate(("a_1", "a_2", "b_1", "c_1")):
        write(tmp_path / f"{name}.edf", k)
        patient(tmp_path / f"{name}.edf", f"MRN-{k} F X X")
    assert any("subject 'a'" in n and "different patient codes" in n for n in task(tmp_path).notes)
    for path in tmp_path.glob("*.edf"):
        patient(path, "device7 X X X")
    assert any("one patient code, and the names 3 subjects" in n for n in task(tmp_path).notes)


@pytest.mark.parametrize(
    "code", ["X X X X", "X F X Female_33yr", "anonymous X X X", "", "0 X X X", "000000"]
)
def test_no_code_is_no_person(tmp_path, code) -> None:
    write(tmp_path / "a.edf", 0)
    patient(tmp_path / "a.edf", code)
    assert patient_of(tmp_path / "a.edf") == ""


def test_thousands_of_recordings_take_a_screenful() -> None:
    from types import SimpleNamespace

    from memcell_eeg.splits.who import Who

    files = [
        SimpleNamespace(name=f"p{k:05d}", subject=f"p{k:05d}", path=Path(f"/d/p{k:05d}.edf"))
        for k in range(10_000)
    ]
    who = Who(files, {})
    assert len(who.lines()) < 20
    assert "10000 recordings of 10000 subjects" in who.lines()[0]
    assert len(who.table().splitlines()) == 10_001


def test_a_name_changes_nothing_on_the_screen() -> None:
    from types import SimpleNamespace

    from memcell_eeg.splits.who import Who

    odd = "a\x1b[31m\n\tb"
    who = Who([SimpleNamespace(name=odd, subject=odd, path=Path(f"/d/{odd}.edf"))], {})
    assert all(line.isprintable() for line in who.lines())
    assert len(who.table().splitlines()) == 2
