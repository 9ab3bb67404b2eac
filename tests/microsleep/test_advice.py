"""Checks before training, each as a function: a planted fault is found, and good data have none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from memcell.applications.checking import CHECK_COLUMNS, DataFinding, checks_shown, checks_table
from memcell.sequences.time_series import TimeSeries
from memcell_data.checks.alignment import LabelCover, aligned
from memcell_eeg.advice import classes
from memcell_eeg.advice.elapsed import changes, clock_score, fixed_distances
from memcell_eeg.advice.findings import moved, short, sparse, time_alone
from memcell_eeg.advice.scaling import between_recordings, hidden
from memcell_eeg.advice.shifted import shifts
from memcell_eeg.splits.split import Split


def series(y, name="r0", subject=None, step=1.0, features=None, start=0.0):
    y = np.asarray(y)
    if features is None:
        features = np.zeros((len(y), 1), dtype=np.float32)
    return TimeSeries(
        name=name,
        subject=subject or name,
        features=features,
        targets=y,
        step_seconds=step,
        start_time=start,
    )


def people(n=6, steps=600, seed=0, **options):
    """People with a few events at random times, and features that show them."""
    random, made = np.random.default_rng(seed), []
    for k in range(n):
        y = np.zeros(steps, dtype=np.int64)
        for at in random.integers(0, steps - 40, 5):
            y[at : at + int(random.integers(10, 30))] = 1
        x = np.stack([y + 0.5 * random.normal(size=steps), random.normal(size=steps)], axis=1)
        made.append(series(y, f"r{k}", f"s{k}", features=x.astype(np.float32), **options))
    return made


def severities(findings):
    return [f.severity for f in findings]


def of(findings, word):
    return [f for f in findings if word in str(f)]


# --- time


def test_random_events_are_no_clock() -> None:
    for seed in range(20):
        assert fixed_distances(people(seed=seed)) == []
        assert severities(time_alone(people(seed=seed))) == ["nothing"]


@pytest.mark.parametrize(("edge", "seconds"), [("start", 90.0), ("end", 60.0)])
def test_a_change_at_a_fixed_distance_from_an_edge(edge, seconds) -> None:
    made = []
    for k, s in enumerate(people()):
        n = s.n_steps - 30 * k  # of many lengths
        y = np.zeros(n, dtype=np.int64)
        y[90:] = 1 if edge == "start" else 0
        if edge == "end":
            y[n - 60 :] = 1
        made.append(series(y, s.name, s.subject))
    (found,) = [d for d in fixed_distances(made) if d.edge == edge]
    assert found.seconds == seconds
    assert (found.recordings, found.of) == (6, 6)
    (finding,) = of(time_alone(made), "cut by the label")
    assert finding.severity == "serious"
    assert f"{seconds:g} s" in finding.sentence


def test_one_recording_of_another_cut_does_not_hide_it() -> None:
    made = [
        series(np.r_[np.zeros(300 + 20 * k), np.ones(60)].astype(int), f"r{k}") for k in range(6)
    ]
    made[2] = series(np.r_[np.zeros(100), np.ones(200)].astype(int), "r2")
    assert [(d.edge, d.recordings) for d in fixed_distances(made)] == [("end", 5)]


def test_too_few_people_to_say_so() -> None:
    made = [series(np.r_[np.zeros(90), np.ones(90)].astype(int), f"r{k}", "one") for k in range(9)]
    assert fixed_distances(made) == []
    assert clock_score(made) is None


def test_seconds_to_the_next_event_where_recordings_end_at_it() -> None:
    """A target that is a number: each recording is cut at the event that it counts down to."""
    cut, whole = [], []
    random = np.random.default_rng(1)
    for k in range(6):
        countdown = np.arange(600, 0, -5, dtype=np.float32)
        cut.append(series(countdown, f"r{k}", step=5.0))
        at = int(random.integers(20, 100))
        whole.append(series(np.r_[5.0 * np.arange(at, 0, -1), np.full(140 - at, -1)].astype(np.float32),
                            f"r{k}", step=5.0))  # fmt: skip
    assert changes(cut[0]).tolist() == [600.0]
    assert [(d.edge, d.seconds) for d in fixed_distances(cut)] == [("start", 600.0), ("end", 0.0)]
    clock = clock_score(cut)
    assert clock is not None
    assert not clock.is_class
    assert clock.follows_clock
    assert clock.score > 0.95
    assert of(time_alone(cut), "at the end")
    assert fixed_distances(whole) == []
    assert "serious" not in severities(time_alone(whole))


def test_a_label_that_follows_the_clock() -> None:
    """A timetable with some seconds of jitter, and events beside it: no fixed distance, but the clock."""
    random, made = np.random.default_rng(0), []
    for k in range(6):
        y = np.zeros(900, dtype=np.int64)
        for at in (200, 500, 800):
            begin = at + int(random.integers(-20, 20))
            y[begin : begin + 60] = 1
        at = int(random.integers(0, 150))
        y[at : at + 3] = 1
        made.append(series(y, f"r{k}"))
    (finding,) = time_alone(made)
    assert finding.severity in ("warning", "serious")
    assert "the time since the start alone tells" in finding.sentence
    # turned by another time in each recording it is no clock
    turned = [replace(s, targets=np.roll(s.targets, 137 * k)) for k, s in enumerate(made)]
    assert severities(time_alone(turned)) == ["nothing"]


def test_a_whole_night_is_no_warning() -> None:
    """The hours of a day tell sleep from wake, and nobody has made a mistake."""
    random, made = np.random.default_rng(0), []
    for k in range(6):
        y = np.zeros(2400, dtype=np.int64)
        first = int(random.integers(700, 1000))
        y[first : first + int(random.integers(700, 1000))] = 1
        made.append(series(y, f"r{k}", step=30.0))
    assert severities(time_alone(made)) == ["note"]


# --- classes


def test_people_who_have_enough_of_both() -> None:
    assert severities(classes.all_people(people())) == ["nothing"]
    assert classes.few_tested(classes.by_person(people()), folded=True) == []


def test_few_steps_of_a_person_and_of_all() -> None:
    made = people()
    y = np.zeros(600, dtype=np.int64)
    y[100:112] = 1
    made[2] = series(y, "r2", "s2")
    (finding,) = classes.few_tested(classes.by_person(made), folded=True)
    assert finding.severity == "note"
    assert finding.where == "s2"
    assert "s2 12 positive" in finding.sentence
    (finding,) = classes.few_tested(classes.by_person([made[2]]), folded=False)
    assert finding.severity == "serious"
    assert "--split loso" in finding.advice
    few = [series(y[:200], f"r{k}") for k in range(1)] + [
        series(np.zeros(200, int), f"n{k}") for k in range(3)
    ]
    (finding, *_) = classes.all_people(few)
    assert finding.severity == "serious"
    assert "12 positive steps (12 s in 1 event)" in finding.sentence


def test_a_class_of_one_percent() -> None:
    y = np.zeros(10_000, dtype=np.int64)
    for at in range(100, 10_000, 400):
        y[at : at + 4] = 1
    (finding,) = classes.all_people([series(y, f"r{k}") for k in range(4)])
    assert finding.severity == "note"
    assert "1 % of the labelled steps are positive" in finding.sentence


def test_a_class_that_is_a_person() -> None:
    wake, sleep = np.zeros(300, dtype=np.int64), np.ones(300, dtype=np.int64)
    each = [series(sleep if k % 2 else wake, f"r{k}") for k in range(6)]
    assert severities(of(classes.all_people(each), "each person has steps of one class only")) == [
        "serious"
    ]
    one = [series(np.r_[wake, sleep], "r0"), *(series(wake, f"r{k}") for k in range(1, 6))]
    (finding,) = of(classes.all_people(one), "only one person has positive steps")
    assert (finding.severity, finding.where) == ("serious", "r0")
    # both classes of the same people, a recording each, is how one should record them
    both = [series(sleep if k % 2 else wake, f"r{k}", f"s{k // 2}") for k in range(6)]
    assert severities(classes.all_people(both)) == ["nothing"]


def test_those_who_validate() -> None:
    made = people()
    y = np.zeros(600, dtype=np.int64)
    y[:12] = 1
    parts = Split(
        train=tuple(made[:3]),
        valid=(series(y, "v"),),
        test=tuple(made[3:]),
        kind="subject",
        notes=(),
    )
    (finding,) = classes.of_split(parts, validated=True)
    assert finding.severity == "warning"
    assert "the person who validates has 12 positive steps" in finding.sentence
    assert "--tune quick" in finding.advice
    assert classes.of_split(parts, validated=False) == []
    (finding,) = classes.of_split(replace(parts, valid=()), validated=True)
    assert "nobody validates" in finding.sentence


def test_one_and_two_people() -> None:
    assert "one person" in classes.all_people(people(1))[0].sentence
    assert "two people" in classes.all_people(people(2))[0].sentence


def test_people_of_twenty_seconds() -> None:
    made = [series(np.r_[np.zeros(10), np.ones(10)].astype(int), f"r{k}") for k in range(4)]
    (finding,) = short(made)
    assert finding.severity == "warning"
    assert "(20 s)" in finding.sentence
    assert short(people()) == []
    assert severities(short([*people(), made[0]])) == ["note"]


# --- scale


def test_a_state_that_fills_whole_recordings() -> None:
    made = [series(np.full(60, k % 2), f"r{k}", f"s{k // 2}") for k in range(8)]
    assert between_recordings(made) == 1.0
    for scale in ("causal", "recording"):
        (finding,) = hidden(made, scale, 300.0)
        assert finding.severity == "serious"
        assert "8 of 8 recordings" in finding.sentence
        assert "--normalization training" in finding.advice
    for scale in ("training", "none"):
        assert severities(hidden(made, scale, 300.0)) == ["nothing"]


def test_the_share_of_a_class_between_recordings() -> None:
    random = np.random.default_rng(0)
    made = [
        series((random.random(400) < (0.95 if k % 2 else 0.05)).astype(int), f"r{k}")
        for k in range(6)
    ]
    (finding,) = hidden(made, "causal", 300.0)
    assert finding.severity == "serious"
    assert "lies between recordings" in finding.sentence
    assert severities(hidden(people(), "causal", 300.0)) == ["note"]


def test_a_state_longer_than_the_running_scale() -> None:
    y = np.r_[np.zeros(3000), np.ones(1500), np.zeros(1500)].astype(int)
    made = [series(y, f"r{k}") for k in range(4)]
    (finding,) = hidden(made, "causal", 300.0)
    assert finding.severity == "warning"
    assert "lasts 1500 s" in finding.sentence
    assert severities(hidden(made, "causal", 3000.0)) == ["note"]


# --- labels and recordings


def cover(name="r", seconds=1800.0, first=0.0, last=1800.0, outside=(0.0, 0.0)):
    return LabelCover(name=name, seconds=seconds, first=first, last=last, outside=outside)


def test_labels_within_their_recording() -> None:
    # the last epoch of 30 s hangs over, and a part was not scored
    fine = [cover(), cover(outside=(0.0, 20.0)), cover(first=300.0, last=1500.0)]
    assert severities(aligned(fine)) == ["nothing"]


@pytest.mark.parametrize("late", [True, False])
def test_a_hypnogram_that_is_shifted(late) -> None:
    moved_by = (
        cover(first=120.0, outside=(0.0, 120.0))
        if late
        else cover(last=1680.0, outside=(120.0, 0.0))
    )
    (finding,) = aligned([cover("fine"), moved_by])
    assert finding.severity == "serious"
    assert "120 s" in finding.sentence
    assert "shifted" in finding.sentence
    assert finding.where == "r"


def test_labels_that_go_on_beyond_the_end() -> None:
    (finding,) = aligned([cover(outside=(0.0, 600.0)), cover("fine")])
    assert finding.severity == "warning"
    assert "600 s beyond its end" in finding.sentence


def test_labels_that_fit_the_signal_at_another_time() -> None:
    made = people()
    assert shifts(made) == []
    late = np.roll(made[3].targets, 100)
    made[3] = replace(made[3], targets=np.where(np.arange(600) < 100, -1, late))
    (found,) = shifts(made)
    assert (found.name, found.seconds) == ("r3", -100.0)
    (finding,) = moved(made)
    assert "moved by -100 s" in finding.sentence
    assert finding.where == "r3"


def test_labels_of_all_that_are_late_alike() -> None:
    random, made = np.random.default_rng(0), []
    for k in range(6):
        y = np.zeros(2000, dtype=np.int64)
        for at in (random.integers(0, 600), random.integers(1000, 1500)):
            y[at : at + 300] = 1
        x = (y + 0.3 * random.normal(size=2000)).astype(np.float32)[:, None]
        made.append(series(np.r_[np.full(60, -1), y[:-60]], f"r{k}", features=x))
    assert {f.seconds for f in shifts(made)} == {-60.0}
    assert "(and those of 5 more)" in moved(made)[0].sentence


def test_features_that_show_nothing_place_no_labels() -> None:
    for seed in range(10):
        random = np.random.default_rng(100 + seed)
        blind = [
            replace(s, features=random.normal(size=(600, 4)).astype(np.float32))
            for s in people(seed=seed)
        ]
        assert shifts(blind) == []


def test_hardly_anything_labelled() -> None:
    y = np.full(1000, -1)
    y[:20] = 1
    made = [series(y, f"r{k}") for k in range(3)]
    (finding,) = sparse(made)
    assert finding.severity == "warning"
    assert "r0: 20 s of 1000 s" in finding.sentence
    assert sparse(people()) == []
    assert severities(sparse([*people(), made[0]])) == ["note"]


# --- the table and the screen


def test_the_worst_comes_first_and_few_are_shown() -> None:
    made = [
        DataFinding(check="a", severity=s, sentence=f"sentence {k}", advice="type this")
        for k, s in enumerate(("note", "nothing", "serious", "warning", "note", "note", "warning"))
    ]
    rows = [line.split("\t") for line in checks_table(made).splitlines()]
    assert tuple(rows[0]) == CHECK_COLUMNS
    assert [r[0] for r in rows[1:]] == [
        "serious",
        "warning",
        "warning",
        "note",
        "note",
        "note",
        "nothing",
    ]
    shown = checks_shown(made)
    assert "1 serious, 2 warnings, 3 notes" in shown[0]
    assert shown[1:] == [
        "  serious: sentence 2. Type this",
        "  warning: sentence 3. Type this",
        "  warning: sentence 6. Type this",
        "  note: sentence 0. Type this",
        "  ... 2 more",
    ]
    assert checks_shown([made[1]]) == [
        "checks before training: nothing found (checks.tsv in the run folder)"
    ]
