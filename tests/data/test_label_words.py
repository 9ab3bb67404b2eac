"""Words of labels: spelling decides no class, what nobody scored is none, and an unknown word is not wake."""

from __future__ import annotations

from collections import Counter

import pytest

from memcell.errors import DataError
from memcell_data.labels.reading import Rule
from memcell_data.labels.vocabulary import label_notes, rule_for
from memcell_data.labels.words import is_unscored, meant, same
from memcell_data.recording import Interval

SPELLINGS = [
    "microsleep",
    "Microsleep",
    "MICROSLEEP",
    "micro-sleep",
    "micro sleep",
    "micro_sleep",
    " microsleep ",
    "micro\N{NON-BREAKING HYPHEN}sleep",
    "micro\N{EN DASH}sleep",
    "micro\N{NO-BREAK SPACE}sleep",
    "micro\N{SOFT HYPHEN}sleep",
    "\N{FULLWIDTH LATIN SMALL LETTER M}icrosleep",
]
NOBODY_SCORED = [
    *("", " ", "n/a", "N/A", "NaN", "nan", "?", "-", "none", "unscored", "Not scored", "Unknown"),
    *("Movement time", "movement", "MT", "Sleep stage ?", "Sleep stage M", "sleep stage unscored"),
    *("artifact", "Artefact", "Lights off", "lights-on", "Recording starts", "Recording ends"),
    *("BAD_move", "bad segment", "boundary", "New Segment/", "no signal: last value repeated"),
]
WAKE = [
    *(
        "wake",
        "Wake",
        "W",
        "awake",
        "Sleep stage W",
        "sleep stage wake",
        "stage W",
        "Stage 0",
        "S0",
    ),
    *(
        "Wach",
        "SLEEP-S0",
        "Stade W",
        "\N{LATIN CAPITAL LETTER E WITH ACUTE}veil",
        "eveil",
        "VEILLE",
    ),
    "E\N{COMBINING ACUTE ACCENT}veil",
]


def interval(label, onset=0.0, duration=1.0):
    return Interval(onset=onset, duration=duration, label=label)


def rule(*words, **options):
    return rule_for("set", Counter(words), (), (), "wake", **options)


@pytest.mark.parametrize("word", SPELLINGS)
def test_every_spelling_is_the_positive_class_and_is_said(word) -> None:
    found = rule("microsleep", word)
    labels = found.apply([interval(word)])
    assert labels.intervals[0].label in labels.positive
    if word != "microsleep":
        (line,) = [x for x in label_notes(found, Counter({word: 2})) if "read as 'microsleep'" in x]
        assert "(2)" in line


@pytest.mark.parametrize("word", NOBODY_SCORED)
def test_what_nobody_scored_has_no_class(word) -> None:
    assert is_unscored(word)
    for negative in ((), ("*",)):
        labels = Rule(positive=("microsleep",), negative=negative, background="wake").apply(
            [interval(word)]
        )
        assert labels.intervals[0].label not in labels.positive | labels.negative
    (line,) = label_notes(rule("microsleep"), Counter({word: 3}))[:1]
    assert "no score" in line
    # unless a person says so
    typed = Rule(positive=(word,), background="wake").apply([interval(word)])
    assert typed.intervals[0].label in typed.positive


@pytest.mark.parametrize("word", WAKE)
def test_every_name_of_wake_is_negative(word) -> None:
    labels = rule("microsleep", word).apply([interval(word)])
    assert labels.intervals[0].label in labels.negative
    assert same(word) == "wake"


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("N1", "Sleep stage 1"), ("N1", "sleep stage N1"), ("S2", "Sleep stage 2"), ("N3", "Sleep stage 4"),
        ("REM", "Sleep stage R"), ("Sleep stage N2", "n2"), ("Sleep stage R", "REM"),
        ("N1", "Stade 1"), ("N2", "Schlafstadium 2"), ("S1", "Stage 1 sleep"), ("N3", "SLEEP-S4"),
        ("N1", "stade de sommeil N1"), ("REM", "Stadium REM"),
    ],
)  # fmt: skip
def test_a_stage_is_found_by_its_other_names(typed, found) -> None:
    labels = Rule(positive=(typed,), background="wake").apply([interval(found)])
    assert labels.intervals[0].label in labels.positive


@pytest.mark.parametrize(
    "slip",
    [
        "mircosleep",
        "microslep",
        "mikrosleep",
        "MS",
        "MSE",
        "nap",
        "Schlaf",
        "1",
        "Sekundenschlaf",
        "R",
    ],
)
def test_a_word_that_nobody_knows_is_not_taught_as_wake(slip) -> None:
    words = Counter({"microsleep": 99, slip: 1})
    found = rule_for("set", words, (), (), "wake")
    labels = found.apply([interval("microsleep"), interval(slip)])
    assert labels.intervals[1].label not in labels.positive | labels.negative
    (line,) = [x for x in label_notes(found, words) if "without a class" in x]
    assert f"'{slip}' (1)" in line
    assert ("may be meant for 'microsleep'" in line) == bool(meant(slip, ["microsleep"]))
    everything = rule_for("set", words, (), ("*",), "wake").apply([interval(slip)])
    assert everything.intervals[0].label in everything.negative


def test_a_slip_is_asked_about() -> None:
    for slip in ("mircosleep", "MS"):
        with pytest.raises(DataError, match=f"Is '{slip}' meant for 'microsleep'"):
            rule(slip, "wake")


def test_what_was_typed_counts_before_what_is_alike() -> None:
    found = Rule(positive=("MS",), negative=("ms",), background="")
    labels = found.apply([interval("MS"), interval("ms")])
    assert [i.label in labels.positive for i in labels.intervals] == [True, False]
    stages = Rule(positive=("Sleep stage 3",), negative=("Sleep stage 4",), background="")
    labels = stages.apply([interval("Sleep stage 3"), interval("Sleep stage 4")])
    assert [i.label in labels.positive for i in labels.intervals] == [True, False]


def test_a_typed_word_that_does_not_occur_is_said() -> None:
    words = Counter({"nap": 3, "doze": 2})
    lines = label_notes(rule_for("set", words, ("nap", "dose"), (), ""), words)
    assert any("no label is called 'dose'" in x and "Did you mean 'doze'?" in x for x in lines)


def test_thousands_of_typed_notes_take_one_line() -> None:
    from memcell_microsleep.protocols import PROTOCOLS

    words = Counter({"microsleep": 9, **{f"remark {k}": 1 for k in range(5000)}})
    found = rule_for("set", words, (), (), "wake")
    assert max(map(len, label_notes(found, words))) < 1500
    labels = found.apply([interval(w) for w in words])
    assert len(str(PROTOCOLS.choose("auto", [labels])[0])) < 500


def test_marks_last_as_long_as_they_are_said_to() -> None:
    found = Rule(positive=("microsleep",), background="wake", mark_duration=3.0)
    marks = [
        interval("Microsleep", 4.0, 0.0),
        interval("microsleep", 9.0, 2.0),
        interval("beep", 1.0, 0.0),
    ]
    assert [i.duration for i in found.apply(marks).intervals] == [3.0, 2.0, 0.0]
