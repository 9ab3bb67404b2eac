"""What channels are measured against: known by the run, held against each recording, computed on request."""

from __future__ import annotations

import json
import shlex

import numpy as np
import pytest

from memcell.errors import DataError, UsageError
from memcell_data.channels import kind_of
from memcell_data.formats.edf.writer import Track, write_edf
from memcell_data.recording import Channel, Recording
from memcell_data.renaming import Renaming
from memcell_eeg.prediction.config import PredictConfig
from memcell_eeg.preparation.unseen import as_asked
from memcell_eeg.signal.absent import with_absent
from memcell_eeg.signal.references import OtherMontage, References, stated_in
from memcell_microsleep.config import MicrosleepConfig


def recording(*names):
    channels = tuple(Channel(name=n, kind=kind_of(n, names), rate=100.0) for n in names)
    return Recording(
        name="r", subject="s", dataset="d", simulated=True, channels=channels, duration=1.0,
        read=lambda names: None, labels=lambda: None,
    )  # fmt: skip


def references(*channels, known=None):
    return References.of(channels, {"references": known} if known else {}, "none")


def test_a_run_keeps_what_its_recordings_state_before_renaming():
    renaming = Renaming.of(["*-M2=*", "O1-A2=O1"])
    made = [
        renaming.recording(recording("O1-M2", "C3")),
        renaming.recording(recording("O1-A2", "C3-LE")),
    ]
    assert stated_in(["O1", "C3"], made) == {"O1": ["m2"], "C3": ["", "ears"]}


@pytest.mark.parametrize(
    ("channel", "known", "name"),
    [
        ("O1-M2", None, "EEG O1-A2"),
        ("O1", None, "O1-LE"),  # nobody knows the model's
        ("O1-LE", None, "O1"),  # nor the recording's
        ("O1", ["m2"], "POL O1"),
        ("E1-M2", [""], "EOG E1-A2"),  # of a run that read no reference there
        ("O1", ["average", "ears"], "O1-AVG"),
        ("Cz or Cz-*", None, "Cz-A1"),
    ],
)
def test_the_same_or_an_unstated_reference_is_taken(channel, known, name):
    asked = references(channel, known={channel: known} if known else None)
    assert [c.name for c in asked.check(recording("E1", name))] == [name]


@pytest.mark.parametrize(
    ("channel", "known", "names", "options", "said"),
    [
        ("O1-LE", None, ["O1-AVG"], {"reference": "as-is"}, "against an average"),
        ("O1", ["m2"], ["O1-AVG"], {"reference": "as-is"}, "the model's 'O1' against M2"),
        ("O1-M2", None, ["O1", "M2"], {"reference": "model"}, "another signal"),
        ("E1-M2", None, ["POL E1", "POL M2"], {"reference": "model"}, "another signal"),
        ("E1-M2", None, ["F3-M2", "M2"], {}, "--rename 'NAME=E1-M2'"),
        ("C4-M1", None, ["Ch3", "Ch4"], {}, "--rename 'NAME=C4-M1'"),
        ("O1-M2", None, ["O1-Cz", "Pz-Cz"], {"reference": "as-is"}, "another signal"),
        (
            "O1-LE",
            None,
            ["O1-AVG", "O1-M2"],
            {"rename": ["O1-AVG=O1-LE"]},
            "To take another channel",
        ),
        ("O1", None, ["T5-O1", "Fp1-F7"], {"rename": ["T5-O1=O1"]}, "To take another channel"),
        ("O1", None, ["EEG O1", "POL O1"], {"rename": ["EEG O1=O1"]}, "ambiguous"),
        ("O1", None, ["O1-0", "C3", "O1-1"], {"rename": ["O1-0=O1"]}, "or --rename 'O1-1=O1'"),
        ("O1", None, ["C3", "C4"], {}, "NAME=O1"),
    ],
)
def test_another_reference_is_refused_with_what_to_type(channel, known, names, options, said):
    asked = references(channel, known={channel: known} if known else None)
    with pytest.raises(OtherMontage) as refused:
        asked.check(recording(*names))
    assert said in str(refused.value)
    assert refused.value.options == options
    assert " --channels" not in str(refused.value), "a prediction has no such option"


def test_an_average_over_the_model_s_channels_takes_a_shared_reference_away():
    asked = References.of(["O1-LE", "O2-LE"], {}, "average")
    assert asked.check(recording("O1-AVG", "O2-AVG"))
    with pytest.raises(OtherMontage):
        asked.check(recording("O1-AVG", "O2-LE"))


def test_a_known_reference_is_computed_for_a_channel_that_states_none_where_it_can_be():
    asked = references("O1", known={"O1": ["m2"]})
    assert asked.fitted(recording("O1", "M2"), "model")[1] == [
        "--reference model: 'O1' is computed as O1 - M2"
    ]
    alone = recording("O1", "Cz")
    assert asked.fitted(alone, "model") == (alone, [])
    assert asked.lines(alone) == [
        "'O1' states no reference, and the model's was measured against M2"
    ]
    assert not references("O1").lines(alone)


def test_a_computed_eye_is_an_eye_and_no_part_of_an_average():
    asked = references("E1-M2", "O1-M2")
    made, _ = asked.fitted(recording("E1", "O1", "M2"), "model")
    assert [c.kind for c in made.channels[:2]] == ["eog", "eeg"]
    sleep = recording("E1", "F3", "C3", "M2")
    assert "'E1' is computed as E1 - M2" in references("F3", "E1").fitted(sleep, "M2")[1][0]
    with pytest.raises(OtherMontage, match=r"lacks|It has: E1, F3, C3, M2\."):
        references("F3-M2", "O1-M2").check(sleep)


def test_a_reference_that_contradicts_the_model_s_is_not_computed():
    asked = references("O1-M2", "O2-M1")
    cap = recording("O1", "O2", "M1", "M2")
    made, (line,) = asked.fitted(cap, "model")
    assert line.endswith("'O1-M2' is computed as O1 - M2; 'O2-M1' is computed as O2 - M1")
    assert asked.check(made)
    with pytest.raises(DataError, match="'O2-M1' is measured against M1: type --reference model"):
        asked.fitted(cap, "M2")
    unknown = references("O1", "O2")
    assert unknown.fitted(cap, "M2")[1] == [
        "--reference M2: 'O1' is computed as O1 - M2; 'O2' is computed as O2 - M2"
    ]
    with pytest.raises(DataError, match="is not known; name a reference"):
        unknown.fitted(recording("O1-Cz", "O2-Cz"), "model")


def test_a_recording_that_lacks_too_much_is_told_how_to_rename():
    with pytest.raises(DataError, match=r"lacks 2 of .* It has: Ch1, Ch2\..*'NAME=O1,NAME=O2'"):
        with_absent(recording("Ch1", "Ch2"), references("O1", "O2"), lambda *_: None)


def test_a_stream_of_another_reference_is_refused_with_the_rule_that_takes_it():
    with pytest.raises(DataError, match="--rename 'O1-AVG=O1-LE'"):
        references("O1-LE").check_stream("stream 'x'", ["O1-AVG"])
    references("O1-LE").check_stream("stream 'x'", ["O1-LE"])


def test_what_is_scored_is_held_against_the_model_as_what_is_predicted(facts):
    given = [recording("O1", "O2"), recording("O1-AVG", "O2-AVG", "M1-AVG", "M2-AVG")]
    config = MicrosleepConfig()
    found = as_asked(given, config, facts, "")
    assert found.recordings == given[:1]
    assert found.instead == (("r", {"reference": "model"}),)
    found = as_asked(given, config, facts, "model")
    assert (len(found.recordings), found.instead) == (2, ())
    assert "'O1' is computed as O1-AVG - M2-AVG" in found.lines[0]
    assert len(as_asked(given, config, facts, "as-is").recordings) == 2
    # a rule of the run stays beside the one that takes a channel
    other = as_asked([recording("T5-O1", "T6-O2")], MicrosleepConfig(rename=("Ch*=C*",)), facts, "")
    assert other.instead[0][1]["rename"][0] == "Ch*=C*"


@pytest.mark.parametrize("typed", ["m3", "as is", "O1-M2", "M1+A2"])
def test_no_reference(typed):
    with pytest.raises(UsageError, match="as-is, model, an electrode"):
        PredictConfig(reference=typed).validate()


def written(path, names, seconds=90):
    random = np.random.default_rng(list(path.name.encode()))
    path.parent.mkdir(exist_ok=True)
    tracks = [Track(name=n, values=random.normal(0, 20, seconds * 100), rate=100) for n in names]
    write_edf(path, tracks)
    return path


@pytest.fixture(scope="module")
def facts():
    from memcell_data.datasets.configs import SimulatedConfig
    from memcell_data.datasets.simulated import Simulated
    from memcell_microsleep.app import Microsleep

    config = MicrosleepConfig(split="time", channels=("O1", "O2"))
    made = Microsleep(config, Simulated(SimulatedConfig(subjects=3, minutes=2))).task().facts
    assert made["references"] == {"O1": [""], "O2": [""]}
    return {**made, "references": {"O1": ["m2"], "O2": ["m1"]}, "model_id": "m1"}


def test_predict_computes_what_the_model_was_trained_with(facts, predicted, tmp_path):
    random = np.random.default_rng(0)
    o1, o2, m1, m2 = random.normal(0, 20, (4, 9000)).round()
    for name, tracks in {
        "asked": {"O1-M2": o1 - m2, "O2-M1": o2 - m1},
        "had": {"O1-AVG": o1, "O2-AVG": o2, "M1-AVG": m1, "M2-AVG": m2},
    }.items():
        write_edf(
            tmp_path / f"{name}.edf", [Track(name=n, values=v, rate=100) for n, v in tracks.items()]
        )
    (refused,) = predicted([tmp_path / "had.edf"], facts, tmp_path / "out")
    assert refused["instead"] == {"reference": "model"}
    assert not list((tmp_path / "out").glob("had_*"))
    options = PredictConfig(reference="model")
    (record,) = predicted([tmp_path / "had.edf"], facts, tmp_path / "out", options=options)
    assert "'O1' is computed as O1-AVG - M2-AVG" in record["note"]
    renamed = PredictConfig(rename=("O1-M2=O1", "O2-M1=O2"))
    (other,) = predicted([tmp_path / "asked.edf"], facts, tmp_path / "other", options=renamed)
    ours, theirs = (
        np.loadtxt(folder / f"{name}_probability.tsv", skiprows=1)
        for folder, name in ((tmp_path / "out", "had"), (tmp_path / "other", "asked"))
    )
    np.testing.assert_allclose(ours, theirs, atol=5e-3)
    kept = json.loads((tmp_path / "out" / "had_events.json").read_text())
    assert kept["GeneratedBy"]["reference"] == "model"
    assert other["status"] == "done"


def test_threshold_and_duration_are_those_that_were_typed(facts, predicted, tmp_path):
    path = written(tmp_path / "in" / "a.edf", ["O1", "O2"])
    out = tmp_path / "out"

    def events(**typed):
        (record,) = predicted([path], facts, out, threshold=0.3, options=PredictConfig(**typed))
        rows = (out / "a_events.tsv").read_text().splitlines()[1:]
        return record["status"], [float(row.split("\t")[1]) for row in rows]

    status, own = events()
    assert status == "done"
    assert own
    assert events(threshold=0.3, min_duration=1.0)[0] == "done before", "these are the run's own"
    status, few = events(threshold=0.999999)
    assert (status, few) == ("done", [])
    status, long = events(min_duration=3.0)
    assert status == "done"
    assert long == [d for d in own if d >= 3.0 - 1e-9]
    assert json.loads((out / "a_events.json").read_text())["GeneratedBy"]["min_duration"] == 3.0
    with pytest.raises(UsageError, match="--min-duration got 60 s"):
        events(min_duration=60.0)


def test_a_summary_keeps_what_another_call_predicted(facts, predicted, tmp_path):
    for name in "abc":
        written(tmp_path / "in" / f"{name}.edf", ["O1-AVG" if name == "b" else "O1", "O2"])
    out = tmp_path / "out"
    predicted([tmp_path / "in"], facts, out)

    def summary():
        rows = (out / "summary.tsv").read_text().splitlines()[1:]
        return [row.split("\t")[:2] for row in rows]

    assert summary() == [["a", "done"], ["b", "failed"], ["c", "done"]]
    predicted([tmp_path / "in" / "b.edf"], facts, out, options=PredictConfig(reference="as-is"))
    assert summary() == [["a", "done"], ["b", "done"], ["c", "done"]]
    for path in out.glob("c_*"):
        path.unlink()
    predicted([tmp_path / "in" / "a.edf"], facts, out)
    assert summary() == [["a", "done"], ["b", "done"]], "what has no results is no row"


def test_a_refusal_that_a_unit_would_end_names_the_one_that_fits(facts, predicted, tmp_path):
    path = written(tmp_path / "in" / "volts.edf", ["O1", "O2"])
    path.write_bytes(path.read_bytes().replace(b"uV      ", b"V       "))
    (record,) = predicted([path], facts, tmp_path / "out")
    assert record["instead"] == {"unit": "all:uV"}
    options = PredictConfig(**record["instead"])
    assert predicted([path], facts, tmp_path / "out", options=options)[0]["status"] == "done"


def test_the_line_of_a_refusal_has_what_was_typed():
    from memcell.runs.predict import RetryLines

    typed = RetryLines(app="microsleep", model="my run", out="found", policy="auto", causal=True)
    refused = {"status": "failed", "file": "/d/a b.edf", "instead": {"rename": ["POL O1=O1"]}}
    heading, line = typed.lines(
        [refused, {"status": "done"}], {"threshold": 0.4, "rename": ["x=y"]}
    )
    assert shlex.split(line) == [
        *["memcell", "predict", "microsleep", "/d/a b.edf", "--model", "my run", "--out", "found"],
        *["--causal", "--threshold", "0.4", "--rename", "POL O1=O1"],
    ]
    assert heading.startswith("to predict it")


def test_a_model_says_what_it_needs(facts):
    from memcell_microsleep.app import Microsleep
    from memcell_microsleep.config import MicrosleepConfig

    needs = dict(Microsleep(MicrosleepConfig()).needs(facts))
    assert needs["channels"] == "O1 (against M2), O2 (against M1)"
    assert needs["rate"].startswith("77.8 Hz and more")
    assert needs["live"] == "yes"
    assert needs["events"].startswith("1 s and longer")
    old = {name: value for name, value in facts.items() if name != "references"}
    old["pipeline"] = {**facts["pipeline"], "phase": "zero", "channels": ["O1-A2", "Cz or Cz-*"]}
    needs = dict(Microsleep(MicrosleepConfig()).needs(old))
    assert needs["channels"].startswith("O1-A2 (against M2), Cz (with any reference)")
    assert needs["live"] == "no: --phase zero looks into the future"
