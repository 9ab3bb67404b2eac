"""Labels: from tables and annotations, checked against the recording."""

from __future__ import annotations

import pytest

from memcell.errors import DataError
from memcell_data.labels.reading import FileLabels, Rule, labels_in, read_labels, read_table
from memcell_data.recording import Interval

RULE = Rule(positive=("microsleep",), background="wake")


def table(tmp_path, text, name="labels.csv"):
    path = tmp_path / name
    path.write_text(text)
    return path


def test_annotations_inside(make_edf, episode):
    labels = FileLabels(recording=make_edf(annotations=[episode]).path, rule=RULE)()
    assert labels is not None
    assert labels.intervals == (episode,)
    assert labels.background == "wake"
    assert labels.positive == {"microsleep"}
    assert labels.negative == {"wake"}


def test_annotation_after_a_gap_keeps_its_real_time(make_edf):
    late = Interval(onset=47.5, duration=1.0, label="microsleep")
    file = make_edf(onsets=[float(i if i < 6 else i + 40) for i in range(10)], annotations=[late])
    assert read_labels(file.path)[0] == (late,)


def test_none_where_there_is_none(make_edf):
    assert FileLabels(recording=make_edf().path, rule=RULE)() is None


def test_bids_and_csv(make_edf, tmp_path):
    path = make_edf().path
    tsv = table(
        tmp_path, "onset\tduration\ttrial_type\n1.5\t2\tmicrosleep\n0\tn/a\tstart\n", "a.tsv"
    )
    assert read_labels(path, tsv)[0] == (
        Interval(onset=0, duration=0, label="start"),
        Interval(onset=1.5, duration=2, label="microsleep"),
    )
    csv = table(tmp_path, "\ufeffOnset,Duration,Description\n\n1,2,drowsy\n")
    assert read_labels(path, csv)[0] == (Interval(onset=1, duration=2, label="drowsy"),)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("onset,duration,description\n-2,1,wake\n", ["line 2", "'wake'", "negative"]),
        ("onset,duration,description\n1,-1,nap\n", ["line 2", "'nap'", "negative"]),
        ("onset,duration,description\n10,5,nap\n", ["line 2", "'nap'", "beyond", "10 s"]),
        ("onset,duration,description\n2000,0,nap\n", ["line 2", "'nap'", "beyond"]),
        ("onset,duration,description\nsoon,1,nap\n", ["line 2", "onset", "'soon'"]),
        ("onset,duration,description\nnan,1,nap\n", ["line 2", "onset"]),
        ("onset,duration,description\n1\n", ["line 2", "columns"]),
        ("start,end\n1,2\n", ["line 1", "onset, duration", "start, end"]),
        ("", ["is empty", "onset,duration,description"]),
    ],
)
def test_bad_labels_name_file_line_and_label(make_edf, tmp_path, text, words):
    with pytest.raises(DataError) as caught:
        read_labels(make_edf().path, table(tmp_path, text))
    for word in ["labels.csv", *words]:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("row", "kept"),
    [("8,30,nap", (8.0, 2.0)), ("-3,5,nap", (0.0, 2.0)), ("-3,90,nap", (0.0, 10.0))],
)
def test_a_label_over_the_edge_of_the_recording_is_clipped(make_edf, tmp_path, row, kept):
    source = table(tmp_path, f"onset,duration,description\n1,1,wake\n{row}\n")
    read = labels_in(make_edf().path, source)
    assert kept in [(i.onset, i.duration) for i in read.intervals]
    assert len(read.intervals) == 2
    assert any("line 3" in w and "clipped" in w for w in read.warnings)
    assert read.left_out == ()
    assert read.whole


def test_labels_outside_are_left_out_and_named(make_edf, tmp_path):
    rows = "1,1,wake\n2,1,nap\n12,1,nap\n-7,2,nap\n"
    read = labels_in(make_edf().path, table(tmp_path, "onset,duration,description\n" + rows))
    assert [i.onset for i in read.intervals] == [1, 2]
    assert [("line 4" in x, "line 5" in x) for x in read.left_out] == [(True, False), (False, True)]
    assert read.whole


def test_a_file_mostly_of_another_recording_makes_no_background(make_edf, tmp_path):
    rows = "".join(f"{1000 * k},500,nap\n" for k in range(20))  # milliseconds
    source = table(tmp_path, "onset,duration,description\n" + rows)
    labels = FileLabels(recording=make_edf().path, rule=RULE, source=source)()
    assert labels.background is None
    assert any("19 of 20 labels lie outside" in w for w in labels.warnings)


def test_a_line_that_cannot_be_read_takes_the_background_with_it(make_edf, tmp_path):
    # the lost episode may be anywhere: time without a label is no longer known to be wake
    source = table(tmp_path, "onset,duration,description\n1,2,microsleep\nsoon,2,microsleep\n")
    labels = FileLabels(recording=make_edf().path, rule=RULE, source=source)()
    assert [i.onset for i in labels.intervals] == [1]
    assert labels.background is None
    assert "line 3" in labels.left_out[0]


def test_a_mark_of_the_recorder_beyond_the_end_refuses_nothing(make_edf):
    marks = [
        Interval(onset=2.0, duration=3.0, label="microsleep"),
        Interval(onset=63.0, duration=0.0, label="Recording ends"),
    ]
    read = labels_in(make_edf(annotations=marks).path)
    assert [i.label for i in read.intervals] == ["microsleep"]
    assert labels_in(make_edf(annotations=marks[1:]).path).intervals == ()


def test_slightly_past_the_end_is_clipped(make_edf, tmp_path):
    source = table(tmp_path, "onset,duration,description\n8,3,nap\n")
    intervals, warnings = read_labels(make_edf().path, source)
    assert intervals == (Interval(onset=8, duration=2, label="nap"),)
    assert len(warnings) == 1
    assert "line 2" in warnings[0]


def test_labels_of_a_lost_part_are_left_out(make_edf, tmp_path):
    file = make_edf()
    file.cut(file.path.stat().st_size - 5 * 440)
    source = table(tmp_path, "onset,duration,description\n1,1,nap\n8,1,nap\n")
    intervals, warnings = read_labels(file.path, source)
    assert intervals == (Interval(onset=1, duration=1, label="nap"),)
    assert any("1 labels lie in the part" in w for w in warnings)


def test_rule():
    marks = [Interval(onset=0, duration=1, label=x) for x in ("microsleep", "drowsy", "BAD_move")]
    assert RULE.apply(marks).negative == {"drowsy", "wake"}
    strict = Rule(positive=("microsleep",), negative=("wake",), background="wake")
    assert strict.apply(marks).negative == {"wake"}
    assert Rule(positive=("microsleep",)).apply(marks).background is None


def test_hypnogram_as_a_label_file(real_data):
    from memcell_data.formats.edf.header import read_header
    from memcell_data.formats.edf.times import read_times

    path = sorted(real_data("sleep-edf").glob("*-Hypnogram.edf"))[0]
    labels = read_times(read_header(path, labels_only=True)).annotations
    assert labels[0].label == "Sleep stage W"
    assert labels[0].onset == 0
    assert labels[0].duration == 30630


def test_latin_1_table(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes("onset,duration,description\n1,2,müde\n".encode("latin-1"))
    assert read_table(path)[0][1].label == "müde"
