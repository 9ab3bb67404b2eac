"""Protocols: which label is which class, and that the name stands beside every score."""

from __future__ import annotations

import json

import numpy as np
import pytest

from memcell.cli.main import run
from memcell.errors import DataError
from memcell_data.formats.edf.writer import Track, write_edf
from memcell_data.recording import Interval, Labels
from memcell_eeg.targets.labels import LabelRules, targets
from memcell_eeg.targets.protocols import LabelProtocol
from memcell_microsleep.app import Microsleep
from memcell_microsleep.config import MicrosleepConfig
from memcell_microsleep.protocols import CLASSES, PROTOCOLS

SECONDS = 4.0


def graded(order=CLASSES, positive=("microsleep",), negative=("wake",)) -> Labels:
    """Return labels of 4 s each, in the order given."""
    return Labels(
        intervals=tuple(
            Interval(onset=SECONDS * k, duration=SECONDS, label=word)
            for k, word in enumerate(order)
        ),
        background=None,
        positive=frozenset(positive),
        negative=frozenset(negative),
    )


@pytest.mark.parametrize(
    ("name", "expected"),  # wake, drowsy, candidate, one-sided, microsleep
    [
        ("sure", [0, -1, -1, -1, 1]),
        ("one_vs_rest", [0, 0, 0, 0, 1]),
        ("wake_drowsy_vs_ms", [0, 0, 1, 1, 1]),
        ("wake_vs_all", [0, 1, 1, 1, 1]),
    ],
)
def test_each_protocol_gives_each_word_its_class(name, expected) -> None:
    starts = 0.2 * np.arange(100)
    rules = LabelRules(protocol=PROTOCOLS[name])
    y = targets(graded(), starts, 0.2, rules)
    assert y.reshape(5, 20)[:, 5:15].tolist() == [[c] * 10 for c in expected]


def test_the_words_are_those_of_the_data_set() -> None:
    from memcell_data.datasets import mwt

    assert all(f'"{word}"' in str(mwt.__doc__) or f"``{word}``" for word in CLASSES)
    assert set(CLASSES) == {"wake", "drowsy", "candidate", "one-sided", "microsleep"}
    for protocol in PROTOCOLS.named:
        parts = [protocol.positive, protocol.negative, protocol.unlabelled]
        assert sum(map(len, parts)) == len(CLASSES)
        assert frozenset().union(*parts) == set(CLASSES)


def test_auto_is_graded_only_where_a_grade_has_no_class() -> None:
    assert PROTOCOLS.choose("auto", [graded()])[0].name == "wake_drowsy_vs_ms"
    plain, said = PROTOCOLS.choose("auto", [graded(("wake", "microsleep"))])
    assert (plain.name, said) == ("as labelled", "")
    # A person's own rule that gives every word a class is kept.
    own = graded(negative=("wake", "drowsy", "candidate", "one-sided"))
    assert PROTOCOLS.choose("auto", [own])[0].name == "as labelled"
    assert PROTOCOLS.choose("wake_vs_all", [own])[0].name == "wake_vs_all"
    assert PROTOCOLS.choose("as_labelled", [graded()])[0].unlabelled == {
        "drowsy",
        "candidate",
        "one-sided",
    }


def test_two_classes_are_as_labelled_and_that_is_said() -> None:
    labels = graded(("open", "closed"), positive=("closed",), negative=("open",))
    protocol, said = PROTOCOLS.choose("sure", [labels])
    assert str(protocol) == "protocol: as labelled (positive: closed; negative: open)"
    assert "--protocol sure has no effect here" in said
    assert "closed, open" in said
    assert protocol.apply(labels) is labels


def test_words_of_nobody_else_keep_their_class() -> None:
    labels = graded((*CLASSES, "artefact", "n2"), positive=("microsleep", "n2"))
    made = PROTOCOLS["wake_vs_all"].apply(labels)
    assert made.positive == {"drowsy", "candidate", "one-sided", "microsleep", "n2"}
    assert made.negative == {"wake"}


def test_protocol_round_trips_through_facts() -> None:
    for protocol in PROTOCOLS.named:
        assert LabelProtocol.from_facts(json.loads(json.dumps(protocol.facts()))) == protocol


def test_a_short_microsleep_inside_a_one_sided_one_is_no_blink() -> None:
    # Both sides agree for .3 s only: under `sure` nobody knows, under `one_vs_rest` it is negative.
    labels = Labels(
        intervals=(
            Interval(onset=0, duration=5, label="wake"),
            Interval(onset=5, duration=1, label="one-sided"),
            Interval(onset=6, duration=0.3, label="microsleep"),
            Interval(onset=6.3, duration=1, label="one-sided"),
            Interval(onset=7.3, duration=5, label="wake"),
        ),
        background=None,
        positive=frozenset({"microsleep"}),
        negative=frozenset({"wake"}),
    )
    starts = 0.1 * np.arange(120)
    for name, expected in (("sure", -1), ("one_vs_rest", 0), ("wake_drowsy_vs_ms", 1)):
        y = targets(labels, starts, 0.1, LabelRules(protocol=PROTOCOLS[name]))
        assert (y[60:63] == expected).all(), name
        assert (y[:50] == 0).all()


@pytest.fixture
def graded_dataset(recording_of, dataset_of):
    recordings = []
    for k in range(4):
        random = np.random.default_rng(k)
        order = [*random.permutation(CLASSES), *random.permutation(CLASSES)] * 2
        values = random.normal(size=(2, int(100 * SECONDS * len(order)))) * 10
        recordings.append(recording_of(values, name=f"r{k}", subject=f"s{k}", labels=graded(order)))
    return dataset_of(recordings)


def test_the_task_names_its_protocol(graded_dataset) -> None:
    shares = {}
    for name in (p.name for p in PROTOCOLS.named):
        task = Microsleep(MicrosleepConfig(protocol=name), graded_dataset).task()
        assert task.protocol == name
        assert sum(note.startswith(f"protocol: {name} (positive: ") for note in task.notes) == 1
        assert json.loads(json.dumps(task.facts))["protocol"]["name"] == name
        y = np.concatenate([s.targets for s in (*task.train, *task.valid, *task.test)])
        shares[name] = [float(np.mean(y == c)) for c in (1, 0, -1)]
    assert shares["sure"] == pytest.approx([0.2, 0.2, 0.6], abs=0.02)
    assert shares["one_vs_rest"] == pytest.approx([0.2, 0.8, 0], abs=0.02)
    assert shares["wake_drowsy_vs_ms"] == pytest.approx([0.6, 0.4, 0], abs=0.02)
    assert shares["wake_vs_all"] == pytest.approx([0.8, 0.2, 0], abs=0.02)


def test_scoring_under_another_protocol_keeps_who_is_tested(graded_dataset) -> None:
    app = Microsleep(MicrosleepConfig(protocol="sure"), graded_dataset)
    task = app.task()
    other = app.under(task, {"protocol": "wake_vs_all"})
    wanted = Microsleep(MicrosleepConfig(protocol="wake_vs_all"), graded_dataset).task()
    every = {s.name: s for s in (*wanted.train, *wanted.valid, *wanted.test)}
    for part in ("train", "valid", "test"):
        before, after = getattr(task, part), getattr(other, part)
        assert [s.name for s in after] == [s.name for s in before]
        for s in after:
            assert np.array_equal(s.targets, every[s.name].targets)
    assert other.protocol == "wake_vs_all"
    assert any("of the protocol sure" in note for note in other.notes)
    assert not any(note.startswith("protocol: sure") for note in other.notes)


def test_scoring_under_another_protocol_of_parts_cut_by_time(graded_dataset) -> None:
    app = Microsleep(MicrosleepConfig(protocol="one_vs_rest", split="time"), graded_dataset)
    task = app.task()
    again = app.under(task, {"protocol": "one_vs_rest"})
    for before, after in zip(task.test, again.test, strict=True):
        assert np.array_equal(before.targets, after.targets)


def test_nothing_left_to_score_is_said(recording_of, dataset_of) -> None:
    recordings = [
        recording_of(
            np.random.default_rng(k).normal(size=(2, 6000)),
            name=f"r{k}",
            subject=f"s{k}",
            labels=graded(("drowsy", "candidate") * 7),
        )
        for k in range(4)
    ]
    app = Microsleep(MicrosleepConfig(protocol="wake_drowsy_vs_ms"), dataset_of(recordings))
    with pytest.raises(DataError, match=r"no labelled step under protocol: sure.*--protocol"):
        app.under(app.task(), {"protocol": "sure"})
    with pytest.raises(DataError, match=r"none of the 4 recordings.*under protocol: sure"):
        Microsleep(MicrosleepConfig(protocol="sure"), dataset_of(recordings)).task()


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    """A run under the protocol `sure` on files of one's own, with graded labels beside them."""
    folder = tmp_path_factory.mktemp("own")
    for k in range(3):
        random = np.random.default_rng(k)
        order = [*random.permutation(CLASSES)] * 3
        seconds = int(SECONDS) * len(order)
        tracks = [
            Track(name=c, values=v, rate=100, physical=(-500.0, 500.0))
            for c, v in zip(("O1", "O2"), random.normal(size=(2, 100 * seconds)) * 10, strict=True)
        ]
        write_edf(folder / f"p{k}.edf", tracks)
        lines = [f"{SECONDS * i},{SECONDS},{word}\n" for i, word in enumerate(order)]
        (folder / f"p{k}.csv").write_text("onset,duration,description\n" + "".join(lines))
    out = tmp_path_factory.mktemp("run") / "run"
    args = (
        f"train microsleep --data {folder} --out {out} --protocol sure --cache off --against none "
        "--decision intercept --cost-ratio 3 --epochs 1 --min-updates 2 --hidden-size 4 --batch-size 2"
    )
    assert run(args.split()) == 0
    return out


def test_the_name_stands_with_the_scores_of_a_run(run_folder) -> None:
    made = json.loads((run_folder / "scores.json").read_text())
    assert made["protocol"] == "sure"
    assert any(note.startswith("protocol: sure (") for note in made["notes"])
    network = made["rows"][0]["note"]
    assert "an intercept of" in network
    assert "a miss costs 3 times a false alarm" in network
    assert (run_folder / "features.tsv").read_text().count(
        "\n"
    ) == 1 + 3 * 14  # of 2 channels, and two means
    assert (run_folder / "feature_correlations.tsv").is_file()


def test_a_run_is_scored_under_another_protocol(run_folder, capsys) -> None:
    args = ["evaluate", "microsleep", str(run_folder), "--eval-policy", "carry"]
    assert run([*args, "--protocol", "wake_vs_all"]) == 0
    said = capsys.readouterr().out
    assert "note: protocol: wake_vs_all (" in said
    assert "of the protocol sure" in said
    other = (run_folder / "evaluation-wake_vs_all.tsv").read_text().splitlines()
    assert other[1].split("\t")[1] == "network"
    assert run(args) == 0
    own = (run_folder / "evaluation.tsv").read_text().splitlines()
    assert own[1] != other[1]
    assert "note: protocol: sure (" in capsys.readouterr().out


def test_an_unknown_protocol_is_refused_with_a_line(run_folder, capsys) -> None:
    assert run(["evaluate", "microsleep", str(run_folder), "--protocol", "sur"]) == 2
    assert "Did you mean 'sure'" in capsys.readouterr().err
