"""Labels written in formats of other programs, and read by those programs' own readers."""

from __future__ import annotations

import datetime as dt
import json

import numpy as np
import pytest

from memcell.cli.main import run
from memcell_data.labels.reading import labels_in
from memcell_data.labels.writing import FORMATS
from memcell_data.recording import Interval

LABELS = (
    Interval(onset=1.5, duration=2.0, label="microsleep"),
    Interval(onset=6.0, duration=1.25, label="müde & <wach>"),
    Interval(onset=8.25, duration=0.0, label="mark"),
)
STAGES = tuple(
    Interval(onset=30.0 * k, duration=30.0, label=word)
    for k, word in enumerate(("Sleep stage W", "N1", "Sleep stage 4", "?", "REM"))
)


@pytest.fixture
def night(make_edf):
    """A recording of 10 s with labels inside, which began half a second after its header says."""
    file = make_edf(annotations=LABELS, onsets=[0.5 + k for k in range(10)])
    file.field("start date", "03.05.19").field("start time", "22.10.00")
    return file.field("recording", "Startdate 03-MAY-2019 X X X").path


@pytest.fixture
def gapped(make_edf):
    onsets = [*range(5), *range(60, 65)]
    labels = (Interval(onset=61.0, duration=2.0, label="nap"),)
    return make_edf(name="gap.edf", onsets=onsets, annotations=labels).path


@pytest.fixture
def staged(make_edf):
    return make_edf(name="stages.edf", records=150, annotations=STAGES).path


def convert(recording, to, folder, *more):
    code = run(["labels", "convert", str(recording), "--to", to, "--out", str(folder), *more])
    paths = sorted(folder.iterdir()) if folder.is_dir() else []
    return code, paths[0] if paths else None


def of(recording, source=None):
    return [
        (round(i.onset, 5), i.duration, i.label) for i in labels_in(recording, source).intervals
    ]


@pytest.mark.parametrize("to", [f for f in FORMATS if f != "yasa"])
def test_what_is_written_comes_back(night, tmp_path, to) -> None:
    code, path = convert(night, to, tmp_path / "out")
    assert code == 0
    label = LABELS[1].label.replace("ü", "u" if to == "mne-txt" else "ü")
    assert of(night, path) == [
        (1.0, 2.0, LABELS[0].label),
        (5.5, 1.25, label),
        (7.75, 0.0, "mark"),
    ]


@pytest.mark.parametrize("to", ["edf", "mne-csv", "mne-txt"])
def test_mne_reads_it_at_the_same_place(night, tmp_path, to) -> None:
    mne = pytest.importorskip("mne")
    _, path = convert(night, to, tmp_path / "out")
    raw = mne.io.read_raw_edf(night, verbose="error")
    raw.set_annotations(mne.read_annotations(path), verbose="error")
    np.testing.assert_allclose(raw.annotations.onset, [1.0, 5.5, 7.75], atol=1e-5)
    plain = [i.label.replace("ü", "u" if to == "mne-txt" else "ü") for i in LABELS]
    assert list(raw.annotations.description) == plain


def test_mne_reads_it_after_a_gap(gapped, tmp_path) -> None:
    mne = pytest.importorskip("mne")
    code, path = convert(gapped, "mne-txt", tmp_path / "out")
    assert code == 0
    assert mne.read_annotations(path).onset[0] == 61 - 55  # MNE joins what lies before and after
    assert of(gapped, path) == [(61.0, 2.0, "nap")]


def test_a_csv_cannot_say_that_gaps_are_left_out(gapped, tmp_path, capsys) -> None:
    code, path = convert(gapped, "mne-csv", tmp_path / "out")
    assert (code, path) == (1, None)
    assert "--to mne-txt" in capsys.readouterr().err


def test_other_libraries_read_the_edf(night, tmp_path) -> None:
    edfio, pyedflib = pytest.importorskip("edfio"), pytest.importorskip("pyedflib")
    _, path = convert(night, "edf", tmp_path / "out")
    found = edfio.read_edf(path)
    assert [(a.onset, a.text) for a in found.annotations] == [
        (1.0, "microsleep"), (5.5, "müde & <wach>"), (7.75, "mark")
    ]  # fmt: skip
    assert (found.startdate, found.starttime) == (dt.date(2019, 5, 3), dt.time(22, 10, 0, 500_000))
    with pyedflib.EdfReader(str(path)) as reader:
        onsets, durations, _ = reader.readAnnotations()
        assert reader.getStartdatetime().replace(microsecond=0) == dt.datetime(2019, 5, 3, 22, 10)
    assert list(onsets) == [1.0, 5.5, 7.75]
    assert list(durations)[:2] == [2.0, 1.25]


def test_edfbrowsers_xml_has_the_times_that_it_places_by(night, tmp_path) -> None:
    from xml.etree import ElementTree

    _, path = convert(night, "edfbrowser-xml", tmp_path / "out")
    first = ElementTree.parse(path).getroot().find("annotation")
    assert first.findtext("onset") == "2019-05-03T22:10:01.5000000"
    assert first.findtext("duration") == "2"


def test_yasas_words_and_epochs(staged, tmp_path) -> None:
    code, path = convert(staged, "yasa", tmp_path / "out")
    assert code == 0
    assert path.read_text().split() == ["WAKE", "N1", "N3", "UNS", "REM"]
    assert of(staged, path) == [
        (0, 30, "WAKE"), (30, 30, "N1"), (60, 30, "N3"), (90, 30, "UNS"), (120, 30, "REM")
    ]  # fmt: skip


@pytest.mark.slow  # its import takes seconds
def test_yasa_reads_its_hypnogram(staged, tmp_path) -> None:
    yasa = pytest.importorskip("yasa")
    _, path = convert(staged, "yasa", tmp_path / "out")
    hypnogram = yasa.Hypnogram(np.loadtxt(path, dtype=str), n_stages=5)
    assert hypnogram.as_int().tolist() == [0, 1, 3, -2, 4]


def test_an_epoch_has_the_stage_that_covers_most(staged, tmp_path) -> None:
    _, path = convert(staged, "yasa", tmp_path / "out", "--epoch", "50")
    assert path.read_text().split() == ["WAKE", "N3", "REM"]


def test_no_stages_make_no_hypnogram(night, tmp_path, capsys) -> None:
    assert convert(night, "yasa", tmp_path / "out")[0] == 1
    assert "there are no labels of one (there are: mark, microsleep" in capsys.readouterr().err


def test_nothing_is_overwritten_unless_one_says_so(night, tmp_path, capsys) -> None:
    assert convert(night, "events", tmp_path / "out")[0] == 0
    assert convert(night, "events", tmp_path / "out")[0] == 1
    assert "--overwrite" in capsys.readouterr().err
    assert convert(night, "events", tmp_path / "out", "--overwrite")[0] == 0


def test_an_unknown_format_lists_those_there_are(night, tmp_path, capsys) -> None:
    assert convert(night, "edfbrowser", tmp_path / "out")[0] == 2
    assert "edfbrowser-xml" in capsys.readouterr().err


def test_without_the_recording_seconds_do_and_dates_do_not(tmp_path, capsys) -> None:
    source = tmp_path / "a.csv"
    source.write_text("onset,duration,description\n-1,2,nap\n5,1,nap\n")
    assert convert(source, "mne-txt", tmp_path / "out")[0] == 0
    assert "1 labels begin before the recording's start" in capsys.readouterr().err
    source.write_text("onset,duration,description\n2019-05-03T22:10:01,2,nap\n")
    assert convert(source, "events", tmp_path / "out2")[0] == 1
    assert "onsets are dates" in capsys.readouterr().err


def test_a_folder_with_two_files_of_one_recording(night, tmp_path, capsys) -> None:
    folder = tmp_path / "labels"
    folder.mkdir()
    (folder / "night_events.tsv").write_text("onset\tduration\ttrial_type\n1\t2\tnap\n")
    (folder / "night_annot.txt").write_text(
        "# MNE-Annotations\n# onset, duration, description\n5,1,x\n"
    )
    (folder / "night_probability.tsv").write_text("onset\tprobability\tstate\n0.0\t0.5\t1\n")
    code, path = convert(folder, "mne-txt", tmp_path / "out", "--recordings", str(night))
    assert code == 0
    assert "read night_events.tsv, not night_annot.txt" in capsys.readouterr().err
    assert of(night, path) == [(1.0, 2.0, "nap")]


def compared(capsys, a, b, *more):
    code = run(["labels", "compare", str(a), str(b), "--json", *map(str, more)])
    out = capsys.readouterr().out.splitlines()
    rows = [json.loads(line) for line in out]
    return code, {(r["recording"], r["label"]): r for r in rows}


def test_agreement_is_scikit_learns(tmp_path, capsys) -> None:
    from sklearn.metrics import cohen_kappa_score

    rng = np.random.default_rng(0)
    words = np.array(["W", "N1", "N2", "REM"])
    a = words[rng.integers(0, 4, 200)]
    b = np.where(rng.random(200) < 0.6, a, words[rng.integers(0, 4, 200)])
    for name, stages in (("a", a), ("b", b)):
        (tmp_path / f"{name}.txt").write_text("\n".join(stages) + "\n")
    code, rows = compared(capsys, tmp_path / "a.txt", tmp_path / "b.txt")
    assert code == 0
    assert rows["a", "all"]["kappa"] == pytest.approx(cohen_kappa_score(a, b))
    assert rows["a", "N2"]["kappa"] == pytest.approx(cohen_kappa_score(a == "N2", b == "N2"))
    assert rows["a", "all"]["agreement"] == pytest.approx(np.mean(a == b))


def events(path, *rows):
    lines = [f"{onset}\t{duration}\t{label}" for onset, duration, label in rows]
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(["onset\tduration\ttrial_type", *lines]) + "\n")
    return path


def test_agreement_by_event(tmp_path, capsys) -> None:
    """Two of three match; of the stretches that either marks both mark 2, and 5 pauses lie between."""
    a = events(tmp_path / "a/x.tsv", (10, 5, "nap"), (30, 5, "nap"), (50, 5, "nap"))
    b = events(tmp_path / "b/x.tsv", (12, 5, "nap"), (30, 2, "nap"), (80, 20, "nap"))
    code, rows = compared(capsys, a, b)
    row = rows["x", "nap"]
    assert (code, row["events_a"], row["events_b"], row["events_matched"]) == (0, 3, 3, 2)
    assert row["event_f1"] == pytest.approx(2 / 3)
    observed, expected = (2 + 4) / 8, (3 * 3 + 5 * 5) / 64
    assert row["event_kappa"] == pytest.approx((observed - expected) / (1 - expected))
    assert rows["x", "none"]["events_a"] == 0


def test_folders_are_matched_by_recording_and_pooled(tmp_path, capsys) -> None:
    for who in "ab":
        events(tmp_path / who / "x_events.tsv", (10, 5, "nap"), (95, 5, "nap"))
        events(tmp_path / who / f"y{who}.tsv", (10, 5, "nap"))
    events(tmp_path / "a/z.csv", (0, 10, "nap"), (90, 10, "n/a"))
    events(tmp_path / "b/Z_annotations.tsv", (5, 10, "nap"), (90, 10, "n/a"))
    (tmp_path / "a/z.csv").write_text((tmp_path / "a/z.csv").read_text().replace("\t", ","))
    code, rows = compared(capsys, tmp_path / "a", tmp_path / "b")
    assert code == 0  # ya and yb have no partner
    assert {name for name, _ in rows} == {"x", "z", "all"}
    assert rows["x", "all"]["kappa"] == 1
    # what both call unscored is left out: 90 s of z, 100 s of x
    assert rows["all", "all"]["hours"] == pytest.approx(190 / 3600)
    assert rows["z", "nap"]["agreement"] == pytest.approx(80 / 90)


def test_a_folder_of_both_has_annotations_inside_too(night, tmp_path, capsys) -> None:
    for who in "ab":
        events(tmp_path / who / "x_events.tsv", (10, 5, "nap"), (95, 5, "nap"))
    events(tmp_path / "a" / f"{night.stem}_events.tsv", (1.5, 2, "microsleep"))
    night.rename(tmp_path / "b" / night.name)
    code, rows = compared(capsys, tmp_path / "a", tmp_path / "b", "--recordings", tmp_path / "b")
    assert code == 0
    assert {name for name, _ in rows} == {"x", night.stem, "all"}
    assert rows[night.stem, "microsleep"]["events_matched"] == 1


def test_the_table_is_80_columns_wide(tmp_path, capsys) -> None:
    name = "sub-01_ses-02_task-resting_run-1.tsv"
    for who in "ab":
        events(tmp_path / who / name, (10, 5, "a very long name of a label"), (12, 5, "nap"))
    out = tmp_path / "all.tsv"
    assert (
        run(["labels", "compare", str(tmp_path / "a"), str(tmp_path / "b"), "--out", str(out)]) == 0
    )
    done = capsys.readouterr()
    assert max(map(len, done.out.splitlines())) <= 80 or str(tmp_path) in done.out
    table = [line for line in done.out.splitlines() if str(tmp_path) not in line]
    assert max(map(len, table)) <= 80
    assert "1 labels overlap another class" in done.err
    assert out.read_text().startswith("recording\tlabel\thours")
