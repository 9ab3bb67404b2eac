"""One bad recording or label does not end a training: it is left out and named; ``--strict`` refuses."""

from __future__ import annotations

import numpy as np
import pytest

from memcell.errors import DataError
from memcell_data.datasets.configs import UserRecordingsConfig
from memcell_data.datasets.user_recordings import UserRecordings
from memcell_data.formats.edf.writer import Track, write_edf
from memcell_data.recording import Interval, Labels
from memcell_eeg.targets.labels import LabelRules, targets
from memcell_microsleep.app import Microsleep
from memcell_microsleep.config import MicrosleepConfig

HEAD = "onset,duration,description\n"
GOOD = HEAD + "10,5,microsleep\n30,4,microsleep\n"


@pytest.fixture
def folder(tmp_path):
    """Five recordings of a minute, each with its csv."""
    for k in range(5):
        values = np.random.default_rng(k).normal(0, 20, 6000)
        write_edf(tmp_path / f"p{k}.edf", [Track(name="O1", values=values, rate=100)])
        (tmp_path / f"p{k}.csv").write_text(GOOD)
    return tmp_path


def task(folder, data=None, **options):
    own = UserRecordings(UserRecordingsConfig(path=str(folder), **(data or {})))
    return Microsleep(MicrosleepConfig(cache="off", **options), own).task()


def names(made):
    return sorted(s.name for s in (*made.train, *made.valid, *made.test))


def signal(path, values, channel="O1"):
    write_edf(path, [Track(name=channel, values=values, rate=100)])


def noise():
    return np.random.default_rng(9).normal(0, 20, 6000)


BROKEN = {
    "header": lambda f, n: (f / f"{n}.edf").write_bytes(b"0       "),
    "flat": lambda f, n: signal(f / f"{n}.edf", np.zeros(6000)),
    "labels outside": lambda f, n: (f / f"{n}.csv").write_text(HEAD + "1000,5,microsleep\n"),
    "labels unreadable": lambda f, n: (f / f"{n}.csv").write_text("a,b\n1,2\n"),
    "marks": lambda f, n: (f / f"{n}.csv").write_text(HEAD + "10,n/a,microsleep\n"),
    "channel": lambda f, n: signal(f / f"{n}.edf", noise(), "Fp1"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_bad_recording_is_left_out_and_named(folder, kind) -> None:
    BROKEN[kind](folder, "p2")
    made = task(folder, channels=("O1",))
    assert names(made) == ["p0", "p1", "p3", "p4"]
    rows = made.tables["left_out.tsv"].splitlines()
    assert len(rows) == 2
    assert "p2" in rows[1]
    assert any("left out: 1 of 5 recordings" in note for note in made.notes)
    assert "p2" not in made.tables["split.tsv"]
    with pytest.raises(DataError, match="--strict"):
        task(folder, channels=("O1",), strict=True)


@pytest.mark.parametrize("kind", ["labels outside", "labels unreadable", "marks"])
def test_all_recordings_bad_is_refused(folder, kind) -> None:
    for k in range(5):
        BROKEN[kind](folder, f"p{k}")
    with pytest.raises(DataError, match=r"p0.*and 4 more"):
        task(folder)


def test_a_bad_line_is_left_out_and_named(folder) -> None:
    (folder / "p2.csv").write_text(GOOD + "soon,3,microsleep\n70,3,microsleep\n")
    made = task(folder)
    assert len(names(made)) == 5
    rows = made.tables["left_out.tsv"].splitlines()
    assert ["line 4" in r for r in rows[1:]] == [True, False]
    assert "line 5" in rows[2]
    assert any("left out: 2 labels of 1 recording" in note for note in made.notes)
    (p2,) = [s for s in (*made.train, *made.valid, *made.test) if s.name == "p2"]
    assert set(p2.targets.tolist()) == {-1, 1}  # the lost one may be anywhere
    with pytest.raises(DataError, match=r"p2\.csv: line 4.*--strict"):
        task(folder, strict=True)


def test_a_slip_in_one_file_is_not_taught_as_wake(folder) -> None:
    (folder / "p2.csv").write_text(HEAD + "10,5,microsleep\n30,4,mircosleep\n")
    made = task(folder, step=0.2, window=1.0)
    (p2,) = [s for s in (*made.train, *made.valid, *made.test) if s.name == "p2"]
    assert set(p2.targets[150:170].tolist()) == {-1}
    assert any("'mircosleep' (1)" in note and "may be meant" in note for note in made.notes)


def test_marks_last_as_long_as_was_said(folder) -> None:
    for k in range(5):
        (folder / f"p{k}.csv").write_text(HEAD + "10,0,microsleep\n30,n/a,microsleep\n")
    with pytest.raises(
        DataError, match=r"2 labels 'microsleep' \(the first at 10 s\).*mark-duration"
    ):
        task(folder)
    with pytest.raises(
        DataError, match=r"mark-duration 0\.5 is shorter than --min-duration \(1 s\)"
    ):
        task(folder, {"mark_duration": 0.5})
    made = task(folder, {"mark_duration": 3.0}, step=0.2, window=1.0)
    for s in made.train:
        assert np.flatnonzero(s.targets == 1).tolist() == [*range(50, 65), *range(150, 165)]


def test_a_positive_mark_never_becomes_wake() -> None:
    def labels(*intervals):
        return Labels(
            intervals=intervals,
            background="wake",
            positive=frozenset({"microsleep"}),
            negative=frozenset({"wake"}),
        )

    mark = Interval(onset=4.0, duration=0.0, label="microsleep")
    steps = 0.2 * np.arange(50)
    with pytest.raises(DataError, match="no duration"):
        targets(labels(mark), steps, 0.2, LabelRules())
    # a mark inside an episode says nothing new
    episode = Interval(onset=3.0, duration=2.0, label="microsleep")
    y = targets(labels(episode, mark), steps, 0.2, LabelRules())
    assert np.flatnonzero(y == 1).tolist() == list(range(15, 25))


@pytest.mark.parametrize("word", ["?", None])
def test_a_short_episode_in_unlabelled_time_has_no_class(word) -> None:
    short = Interval(onset=4.0, duration=0.4, label="microsleep")
    around = () if word is None else (Interval(onset=0.0, duration=10, label=word),)
    labels = Labels(
        intervals=(*around, short),
        background=None,
        positive=frozenset({"microsleep"}),
        negative=frozenset({"wake"}),
    )
    steps = 0.2 * np.arange(50)
    assert set(targets(labels, steps, 0.2, LabelRules()).tolist()) == {-1}
    # where both sides are known to be wake it is a blink
    sides = (
        Interval(onset=0.0, duration=4.0, label="wake"),
        short,
        Interval(onset=4.4, duration=5.6, label="wake"),
    )
    known = Labels(
        intervals=sides, background=None, positive=labels.positive, negative=labels.negative
    )
    assert set(targets(known, steps, 0.2, LabelRules()).tolist()) == {0}


@pytest.mark.parametrize(("onset", "duration"), [(9.8, 0.2), (0.0, 0.3), (9.7, 0.3)])
def test_what_the_edge_of_the_recording_cut_is_no_blink(onset, duration) -> None:
    # a microsleep of 3 s of which the recording has .2 s: clipped, and still none that is wake
    labels = Labels(
        intervals=(Interval(onset=onset, duration=duration, label="microsleep"),),
        background="wake",
        positive=frozenset({"microsleep"}),
        negative=frozenset({"wake"}),
    )
    y = targets(labels, 0.2 * np.arange(50), 0.2, LabelRules())
    at = 49 if onset else 0
    assert y[at] == -1
    assert (y[2:48] == 0).all()


def test_a_split_that_lacks_a_class_says_what_was_left_out(folder) -> None:
    for k in range(5):
        (folder / f"p{k}.csv").write_text(HEAD + "10,5,microsleep\nsoon,4,microsleep\n")
    with pytest.raises(
        DataError,
        match=r"are positive, none is negative.*left out may be why: .*p0\.csv: line 3.*4 more",
    ):
        task(folder)


def test_what_is_alike_in_many_files_takes_one_line():
    from memcell_eeg.preparation.notes import few

    lines = [f"r{k}.edf: channel 'O2' is marked bad" for k in range(9)]
    rare = [f"r3.edf: something else {k}" for k in range(6)]
    said = few([*lines, *rare])
    assert said[0] == "r0.edf: channel 'O2' is marked bad (and likewise for 8 more)"
    assert said[1:] == [*rare[:4], "and 2 more warnings"]
