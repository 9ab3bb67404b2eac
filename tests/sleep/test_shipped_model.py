"""The trained model that comes along, wherever a run folder is for use: without training and a network."""

from __future__ import annotations

import csv
import json
import shutil
import socket

import numpy as np
import pytest
from tests.results import result

import memcell_sleep
from memcell import ModelSpec
from memcell.applications import models
from memcell.applications.models import FILES, get_model, models_of, run_folder_of
from memcell.cli.main import run
from memcell.errors import CheckpointError, RunFolderError, UsageError
from memcell.plugins import Registry, default_registry
from memcell.plugins.loader import Loaded
from memcell.testing import check_plugin

KNOWS = "it does not know microsleeps"
MODEL_CHECKS = {"card_is_true", "network_loads"}


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("something asked for a network")

    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.fixture(scope="module")
def night(tmp_path_factory, night_of):
    return night_of(tmp_path_factory.mktemp("night") / "night.edf")


def failing(capfd, *args, code=None):
    found = run(list(args))
    said = capfd.readouterr().err
    assert found != 0
    assert "Traceback" not in said
    return said


def probabilities(path):
    with path.open() as file:
        return np.array([float(r["probability"]) for r in csv.DictReader(file, delimiter="\t")])


def test_its_contract_is_kept():
    findings = check_plugin(default_registry().get("model", "wake_sleep"))
    assert [f for f in findings if not f.ok] == []
    assert {f.check for f in findings} >= MODEL_CHECKS


def test_sleep_is_found_without_naming_a_model(night, tmp_path, capfd):
    out = tmp_path / "found"
    assert run(["predict", "sleep", str(night), "--out", str(out)]) == 0
    said = capfd.readouterr().out
    assert KNOWS in said
    assert "model wake_sleep, which comes along" in said
    assert "'EEG C3-A1' stands for 'Pz-Oz'" in said
    p = probabilities(result(out, "night", "_probability.tsv"))
    assert len(p) == 96
    # the first two windows are not full, and a change takes a few steps to show
    assert p[3:47].max() < 0.5 < p[52:].min()
    with result(out, "night", "_events.tsv").open() as file:
        (event,) = csv.DictReader(file, delimiter="\t")
    assert event["trial_type"] == "sleep"
    assert float(event["onset"]) == pytest.approx(240, abs=20)
    for path in (
        result(out, "night", "_events.json"),
        out / "prediction.json",
        out / "report.html",
    ):
        assert KNOWS in path.read_text(encoding="utf-8"), path


def test_the_name_and_the_folder_are_one_model(night, tmp_path, capfd):
    folder = get_model(default_registry(), "wake_sleep").folder
    for name, model in (("a", "wake_sleep"), ("b", str(folder))):
        args = ["--model", model, "--out", str(tmp_path / name)]
        assert run(["predict", "sleep", str(night), *args]) == 0
    one, other = (result(tmp_path / n, "night", "_probability.tsv") for n in "ab")
    assert one.read_bytes() == other.read_bytes()


@pytest.mark.parametrize("gain", [0.7, 1.5])
def test_gain_changes_no_probability(gain, night, night_of, tmp_path):
    louder = night_of(tmp_path / "gain.edf", gain=gain)
    assert run(["predict", "sleep", str(night), str(louder), "--out", str(tmp_path)]) == 0
    one, other = (probabilities(tmp_path / f"{n}_probability.tsv") for n in ("night", "gain"))
    assert one == pytest.approx(other, abs=0.02)


def test_a_slow_recording_is_taken_and_said(night_of, tmp_path, capfd):
    slow = night_of(tmp_path / "slow.edf", rate=50, channel="Cz")
    assert run(["predict", "sleep", str(slow), "--out", str(tmp_path / "out")]) == 0
    p = probabilities(result(tmp_path / "out", "slow", "_probability.tsv"))
    assert p[3:47].max() < 0.5 < p[52:].min()
    assert "has 50 Hz and the model works at 100 Hz" in (tmp_path / "out/summary.tsv").read_text()


def test_a_stream_gives_the_bytes_of_a_prediction(night, tmp_path, capfd):
    assert run(["predict", "sleep", str(night), "--causal", "--out", str(tmp_path / "p")]) == 0
    options = ["--file", str(night), "--speed", "max", "--chunk", "0.37", "--lines", "none"]
    assert run(["stream", "sleep", *options, "--out", str(tmp_path / "s")]) == 0
    assert KNOWS in capfd.readouterr().err
    streamed = tmp_path / "s" / "night_probability.tsv"
    predicted = result(tmp_path / "p", "night", "_probability.tsv")
    assert streamed.read_bytes() == predicted.read_bytes()


def test_it_is_exported_beside_the_person_and_not_into_the_package(tmp_path, monkeypatch, capfd):
    onnxruntime = pytest.importorskip("onnxruntime")
    monkeypatch.chdir(tmp_path)
    before = sorted(get_model(default_registry(), "wake_sleep").folder.iterdir())
    assert run(["export", "wake_sleep", "--to", "onnx"]) == 0
    assert KNOWS in capfd.readouterr().out
    session = onnxruntime.InferenceSession(str(tmp_path / "wake_sleep.onnx"))
    facts = session.get_modelmeta().custom_metadata_map
    assert KNOWS in facts["memcell.notes"]
    assert json.loads(facts["memcell.classes"]) == ["wake", "sleep"]
    assert sorted(get_model(default_registry(), "wake_sleep").folder.iterdir()) == before


def test_it_is_scored_on_hypnograms_of_others(night_of, tmp_path, capfd):
    for k in range(3):
        night_of(tmp_path / f"P{k}.edf", seed=10 * k)
    out = tmp_path / "scores"
    args = ["--data", str(tmp_path), "--out", str(out)]
    assert run(["evaluate", "sleep", "wake_sleep", *args]) == 0
    said = capfd.readouterr().out
    assert KNOWS in said
    assert "on 3 subjects: P0, P1, P2" in said
    (row,) = json.loads((out / "scores.json").read_text())["rows"]
    assert row["scores"]["kappa"] > 0.85
    assert row["scores"]["auc_roc"] > 0.95
    assert sorted(row["subjects"]) == ["P0", "P1", "P2"]
    low, high = row["intervals"]["auc_roc"]
    assert low <= row["scores"]["auc_roc"] <= high


@pytest.mark.parametrize("known", ["SC400", "sc400"])
def test_it_is_not_scored_on_those_it_was_trained_with(known, night_of, tmp_path, capfd):
    for name in (known, "P1", "P2"):
        night_of(tmp_path / f"{name}.edf")
    said = failing(capfd, "evaluate", "sleep", "wake_sleep", "--data", str(tmp_path))
    assert f"trained with {known}" in said


def test_without_data_it_cannot_be_scored_again(capfd):
    said = failing(capfd, "evaluate", "sleep", "wake_sleep")
    assert "--data PATH" in said
    assert "memcell models show wake_sleep" in said


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (
            {"channel": "EOG horizontal"},
            "has no channel Pz-Oz or Pz or Oz or O1 or O2 or P3 or P4 or Cz",
        ),
        ({"channel": "Fpz-Cz"}, "has no channel Pz-Oz or Pz or Oz"),
        ({"rate": 40}, "has 40 Hz and the run works at 100 Hz; its features need 50 Hz or more"),
        ({"flat": True}, "'EEG C3-A1' is flat"),
    ],
)
def test_a_recording_that_it_cannot_take_is_refused_in_a_sentence(
    options, reason, night_of, tmp_path, capfd
):
    night_of(tmp_path / "odd.edf", **options)
    assert run(["predict", "sleep", str(tmp_path / "odd.edf"), "--out", str(tmp_path / "out")]) == 1
    said = capfd.readouterr()
    (line,) = [x for x in said.out.splitlines() if x.startswith("failed: odd")]
    assert reason in line
    assert "Traceback" not in said.out + said.err


def test_a_mistyped_name_is_met_with_the_nearest(night, capfd):
    said = failing(capfd, "predict", "sleep", str(night), "--model", "wake_slep", "--out", "x")
    assert "Did you mean 'wake_sleep'?" in said


def test_another_application_is_told_what_it_is(night, capfd):
    said = failing(
        capfd, "predict", "microsleep", str(night), "--model", "wake_sleep", "--out", "x"
    )
    assert KNOWS in said
    assert "Type sleep instead of microsleep" in said


def test_an_application_without_a_model_asks_for_one(night, capfd):
    said = failing(capfd, "predict", "microsleep", str(night), "--out", "x")
    assert "Type --model RUN" in said
    assert "no model of 'microsleep' comes along" in said


def test_list_show_and_get(tmp_path, capfd):
    assert run(["models", "list"]) == 0
    assert "wake_sleep" in capfd.readouterr().out
    assert run(["models", "show", "wake_sleep"]) == 0
    said = capfd.readouterr().out
    for word in (KNOWS, "ODC-BY", "Kemp", "DREAMS", "kappa", "SC400", "SHA-256", "with any"):
        assert word in said
    assert max(map(len, said.splitlines())) <= 100
    assert run(["models", "get", "wake_sleep", "--out", str(tmp_path / "copy")]) == 0
    assert sorted(p.name for p in (tmp_path / "copy").iterdir()) == sorted(FILES)
    assert "type another --out" in failing(
        capfd, "models", "get", "wake_sleep", "--out", str(tmp_path / "copy")
    )
    assert "Did you mean 'wake_sleep'?" in failing(capfd, "models", "show", "wakesleep")


# what a package may bring


def registry_of(home, *names, monkeypatch):
    """A registry of what is installed, and of models in a folder that a package would bring."""
    monkeypatch.setattr(memcell_sleep, "test_home", lambda: home, raising=False)
    specs = [ModelSpec(name=n, factory="memcell_sleep:test_home", app="sleep") for n in names]
    own = [
        Loaded(spec=e.spec, distribution=e.distribution, version=e.version)
        for e in default_registry().entries()
    ]
    return Registry([*own, *(Loaded(spec=s, distribution="naps", version="1") for s in specs)])


@pytest.fixture
def copied(tmp_path, monkeypatch):
    """A copy of the model as package 'naps' would bring it, and the registry that knows both."""
    source = get_model(default_registry(), "wake_sleep").folder
    folder = tmp_path / "home" / "naps"
    folder.mkdir(parents=True)
    for name in FILES:
        shutil.copyfile(source / name, folder / name)
    card = folder / models.CARD
    card.write_text(card.read_text().replace('name = "wake_sleep"', 'name = "naps"'))
    return folder, registry_of(folder.parent, "naps", monkeypatch=monkeypatch)


def test_another_model_is_a_folder_with_a_card(copied):
    folder, registry = copied
    assert [m.name for m in models_of(registry, "sleep")] == ["naps", "wake_sleep"]
    assert run_folder_of(registry, "naps", "sleep") == folder
    assert get_model(registry, "naps").check().knows.endswith("sleep stages")
    with pytest.raises(UsageError, match="models that come along, naps, wake_sleep"):
        run_folder_of(registry, None, "sleep")


def test_damaged_weights_are_refused(copied):
    folder, registry = copied
    weights = bytearray((folder / models.WEIGHTS).read_bytes())
    weights[-1] ^= 1
    (folder / models.WEIGHTS).write_bytes(weights)
    with pytest.raises(
        RunFolderError, match=r"weights of model 'naps' are damaged.*install naps again"
    ):
        run_folder_of(registry, "naps", "sleep")


def test_checks_are_of_the_model_that_a_package_brings(copied):
    folder, registry = copied

    def failed():
        found = check_plugin(registry.get("model", "naps"))
        return {f.check: f.reason for f in found if not f.ok and f.check in MODEL_CHECKS}

    assert failed() == {}
    (folder / models.WEIGHTS).write_bytes(b"")
    assert "weights of model 'naps' are damaged" in failed()["card_is_true"]


def test_a_missing_file_is_named(copied):
    folder, registry = copied
    (folder / "environment.json").unlink()
    with pytest.raises(RunFolderError, match=r"lacks environment\.json.*install naps again"):
        run_folder_of(registry, "naps", "sleep")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("format = 1", "format = 2", "layout 2, and this memcell reads 1: update memcell"),
        ("format = 1", 'format = "old"', "is no card of a model: format"),
        ('people = "', 'persons = "', "is no card of a model: people, persons"),
        ('name = "naps"', 'name = "others"', "is the card of 'others'"),
    ],
)
def test_a_card_of_another_version_is_refused(old, new, said, copied):
    folder, registry = copied
    card = folder / models.CARD
    assert old in card.read_text()
    card.write_text(card.read_text().replace(old, new))
    with pytest.raises(RunFolderError, match=said):
        run_folder_of(registry, "naps", "sleep")


def test_a_run_of_a_newer_version_is_refused(copied, night, capfd):
    folder, _ = copied
    (folder / "environment.json").write_text('{"format": 99, "memcell": "9.0"}')
    said = failing(capfd, "predict", "sleep", str(night), "--model", str(folder), "--out", "x")
    assert "made by memcell 9.0" in said
    assert "update memcell" in said


def test_a_word_that_is_nothing_is_said_so():
    with pytest.raises(CheckpointError, match="nor a trained model that comes along"):
        run_folder_of(default_registry(), "lunch", "sleep")


def test_a_dead_electrode_gives_way_to_the_next_one_that_would_do(night_of, tmp_path, capfd):
    from memcell_data.formats.edf.writer import Track, write_edf
    from memcell_data.formats.reader import open_recording

    (tmp_path / "in").mkdir()
    night = night_of(tmp_path / "one.edf", channel="C3-A2")
    values = open_recording(night, subject="s", dataset="d").read(["C3-A2"]).values[0]
    tracks = [
        Track(name="O1-A2", values=np.zeros_like(values), rate=100, physical=(-900.0, 900.0)),
        Track(name="C3-A2", values=values, rate=100, physical=(-900.0, 900.0)),
    ]
    write_edf(tmp_path / "in" / "two.edf", tracks)
    assert run(["predict", "sleep", str(tmp_path / "in"), "--out", str(tmp_path / "out")]) == 0
    with (tmp_path / "out" / "summary.tsv").open() as file:
        [row] = csv.DictReader(file, delimiter="\t")
    assert row["status"] == "done"
    assert row["channels"] == "C3-A2"
    assert "O1-A2 is lost, and C3-A2 is taken" in row["note"]
    assert run(["predict", "sleep", str(night), "--out", str(tmp_path / "alone")]) == 0
    both = [
        probabilities(result(tmp_path / out, name, "_probability.tsv"))
        for out, name in (("out", "two"), ("alone", "one"))
    ]
    assert np.allclose(both[0], both[1], atol=0.02)  # the second file was rounded twice
