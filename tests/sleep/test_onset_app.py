"""``memcell train sleep_onset`` and what follows it, on made-up nights that grow tired before they sleep."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import mne
import numpy as np
import pytest

import memcell
import memcell_sleep
from memcell.cli.main import run
from memcell.errors import DataError, MemcellError, UsageError
from memcell.inference.inference import probabilities
from memcell.plugins import default_registry
from memcell.runs.model import load_model
from memcell.runs.run_folder import open_run
from memcell.sequences.time_series import TimeSeries
from memcell_data.formats.edf.writer import Track, write_edf
from memcell_data.formats.reader import open_recording
from memcell_data.recording import Interval
from memcell_eeg.features.precomputed import feature_chunks, pipeline_of

from .conftest import SLEEP, WAKE, noise

FAST = (
    *("--control", "none", "--batch-size", "4", "--time-steps", "20", "--hidden-size", "4"),
    *("--min-updates", "0", "--cache", "off", "--baselines", "strong"),
)


def tired_night(path, k, rate=100, sleep=None):
    """Write an EDF: wake whose spectrum becomes that of sleep over its last 100 s, then sleep."""
    wake = 150.0 + 30.0 * ((3 * k) % 7)
    sleep = 60.0 + 15.0 * (k % 4) if sleep is None else sleep
    parts = []
    for i in range(round((wake + sleep) / 5)):
        left = wake - 5.0 * i
        share = float(np.clip(1 - left / 100, 0, 1)) if left > 0 else 1.0
        powers = [a ** (1 - share) * b**share for a, b in zip(WAKE, SLEEP, strict=True)]
        parts.append(noise(powers, rate, 5, 1000 * k + i))
    stages = [Interval(onset=0.0, duration=wake, label="Sleep stage W")]
    stages += [Interval(onset=wake, duration=sleep, label="Sleep stage 2")]
    values = np.concatenate(parts)
    track = Track(name="EEG C3-A1", values=values, rate=rate, physical=(-900.0, 900.0))
    write_edf(path, [track], annotations=stages)
    return path


@pytest.fixture(scope="module")
def nights(tmp_path_factory):
    folder = tmp_path_factory.mktemp("nights")
    for k in range(6):
        tired_night(folder / f"P{k}.edf", k)
    return folder


@pytest.fixture(scope="module")
def trained(nights, tmp_path_factory):
    """A run whose settings are chosen inside the training people, and what it printed."""
    out = tmp_path_factory.mktemp("run") / "run"
    options = ["--epochs", "6", "--tune", "quick", "--out", str(out)]
    assert run(["train", "sleep_onset", "--data", str(nights), *FAST, *options]) == 0
    return out


def rows_of(folder):
    found = json.loads((folder / "scores.json").read_text())
    return {row["name"]: row for row in found["rows"]}, found


def test_the_table_has_constant_clock_and_regression(trained):
    rows, found = rows_of(trained)
    assert found["main_score"] == "weighted_error"
    network = next(r for r in rows.values() if r["kind"] == "network")
    assert {"best constant", "clock only", "regression on past means"} <= set(rows)
    assert network["scores"]["weighted_error"] < rows["best constant"]["scores"]["weighted_error"]
    assert network["scores"]["rank_correlation"] > 0.5
    notes = " ".join(found["notes"])
    assert "weighted 10 to 5 to 3 to 1" in notes
    assert "onset: the first step of sleep that lasts 30 s" in notes
    assert "LEAK" not in notes
    for word in ("threshold", "cost ratio", "event"):
        assert word not in notes, word
    assert "balanced absolute error" in (trained / "tuning" / "choice.json").read_text()
    assert (trained / "tuning.tsv").read_text().count("\n") > 5
    assert "subject\tname" in (trained / "subjects.tsv").read_text()
    assert (trained / "timeline.png").stat().st_size > 5000
    page = (trained / "report.html").read_text()
    assert "Predicted against true" in page
    assert "kappa" not in page
    assert page.count("<svg") >= 2


@pytest.mark.slow
def test_each_person_left_out(nights, tmp_path, capfd):
    out = tmp_path / "loso"
    options = ["--split", "loso", "--tune", "none", "--epochs", "2", "--out", str(out)]
    assert run(["train", "sleep_onset", "--data", str(nights), *FAST, *options]) == 0
    said = capfd.readouterr().out
    assert "95 % intervals over subjects" in said
    lines = (out / "differences.tsv").read_text().splitlines()
    assert any(line.startswith("weighted_error") and "best constant" in line for line in lines)
    assert "Against each other, over people" in (out / "report.html").read_text()


@pytest.mark.slow
def test_everybody_is_trained_on_and_scored_out_of_fold(nights, tmp_path):
    out = tmp_path / "all"
    options = ["--split", "none", "--epochs", "2", "--out", str(out)]
    assert run(["train", "sleep_onset", "--data", str(nights), *FAST, *options]) == 0
    rows, _ = rows_of(out)
    assert rows["best constant"]["scores"]["weighted_error"] > 0


def test_new_people_are_evaluated(trained, tmp_path, capfd):
    new = tmp_path / "new"
    new.mkdir()
    for k in (11, 12, 13):
        tired_night(new / f"N{k}.edf", k)
    assert run(["evaluate", "sleep_onset", str(trained), "--data", str(new)]) == 0
    assert "weighted" in capfd.readouterr().out
    assert run(["evaluate", "sleep_onset", str(trained)]) == 0


def predicted(folder, name):
    lines = (folder / f"{name}_seconds.tsv").read_text().splitlines()
    assert lines[0] == "onset\tseconds"
    return np.array([[float(v) for v in line.split("\t")] for line in lines[1:]])


@pytest.fixture(scope="module")
def found(trained, nights, tmp_path_factory):
    out = tmp_path_factory.mktemp("found") / "out"
    broken = tmp_path_factory.mktemp("broken") / "broken.edf"
    broken.write_bytes(b"no EDF")
    paths = [str(nights / "P0.edf"), str(nights / "P1.edf"), str(broken)]
    options = ["--model", str(trained), "--out", str(out), "--causal"]
    assert run(["predict", "sleep_onset", *paths, *options]) == 1  # one recording is broken
    return out, paths, options


def test_recordings_are_predicted(found, nights, capfd):
    out, paths, options = found
    steps = predicted(out, "P0")
    assert len(steps) == 42
    assert steps[:, 1].min() >= 0
    assert steps[:, 1].max() <= 600
    assert steps[20:28, 1].mean() < steps[2:10, 1].mean()  # nearer to sleep
    summary = (out / "summary.tsv").read_text()
    assert "failed" in summary
    before = (out / "P0_seconds.tsv").stat().st_mtime_ns
    assert run(["predict", "sleep_onset", *paths[:2], *options]) == 0
    assert "2 of them done before" in capfd.readouterr().out
    assert (out / "P0_seconds.tsv").stat().st_mtime_ns == before
    about = json.loads((out / "P0_seconds.json").read_text())
    assert "threshold" not in about["GeneratedBy"]
    assert "mean nothing" in about["GeneratedBy"]["knows"]
    assert "Seconds along time" in (out / "report.html").read_text()


def samples(path):
    return mne.io.read_raw_edf(path, verbose="error").get_data() * 1e6


@pytest.mark.parametrize("length", [500, 123, 24000, pytest.param(1, marks=pytest.mark.slow)])
def test_block_by_block_is_the_whole_to_the_bit(trained, nights, found, length):
    predictor = memcell_sleep.OnsetPredictor(trained, rate=100)
    assert predictor.reason == ""
    assert predictor.step == 5
    values = samples(nights / "P1.edf")
    if length == 1:
        values = values[:, :1600]
    for _ in range(2):  # the same again after a reset
        predictor.reset_state()
        said = []
        for at in range(0, values.shape[1], length):
            said += predictor.predict_all(values[:, at : at + length])
        whole = predicted(found[0], "P1")[:, 1]
        np.testing.assert_array_equal(np.round(said, 3), whole[: len(said)])
        assert len(said) == values.shape[1] // 500
        first = said if length == 500 else None
    if first is not None:
        predictor.reset_state()
        one = [predictor.predict(values[:, at : at + 500]) for at in range(0, values.shape[1], 500)]
        assert one == first


def test_blocks_equal_offline_inference_to_the_last_bit(trained, nights):
    registry = default_registry()
    folder, config = open_run("sleep_onset", trained, registry)
    app = registry.get("app", "sleep_onset").build(config.app_config, None)
    network, facts = load_model(folder, config, registry, app)
    recording = open_recording(nights / "P2.edf", name="P2")
    chunks = list(feature_chunks(pipeline_of(facts.task["pipeline"]), recording, str))
    features = np.concatenate([c.features for c in chunks])
    s = TimeSeries(
        name="P2",
        subject="P2",
        features=features,
        targets=np.full(len(features), np.nan, np.float32),
    )
    [whole] = probabilities(network, [s], "carry", 20)
    predictor = memcell_sleep.OnsetPredictor(trained, rate=100)
    predictor.reset_state()
    values = samples(nights / "P2.edf")
    said = [predictor.predict(values[:, at : at + 500]) for at in range(0, values.shape[1], 500)]
    assert np.array_equal(np.float32(said), whole[:, 0])


def test_live_stream_is_the_prediction_to_the_byte_without_alarms(trained, nights, tmp_path, capfd):
    file, model = str(nights / "P1.edf"), ("--model", str(trained))
    whole, live = tmp_path / "whole", tmp_path / "live"
    assert run(["predict", "sleep_onset", file, *model, "--causal", "--out", str(whole)]) == 0
    capfd.readouterr()
    played = ("--file", file, "--speed", "max", "--out", str(live))
    assert run(["stream", "sleep_onset", *model, *played]) == 0
    seen = capfd.readouterr()
    assert (live / "P1_seconds.tsv").read_bytes() == (whole / "P1_seconds.tsv").read_bytes()
    assert sorted(path.name for path in live.iterdir()) == ["P1_live.json", "P1_seconds.tsv"]
    events = [json.loads(line) for line in seen.out.splitlines() if line.startswith("{")]
    steps = [e for e in events if e["kind"] == "step"]
    rows = [line.split("\t") for line in (live / "P1_seconds.tsv").read_text().splitlines()[1:]]
    assert [f"{e['seconds']:.3f}" for e in steps] == [seconds for _, seconds in rows]
    assert all(set(e) == {"kind", "onset", "seconds", "lsl_time", "time"} for e in steps)
    assert "alarm" not in seen.out + seen.err
    assert "mean nothing" in seen.err  # what the model knows
    begun = json.loads((live / "P1_live.json").read_text())
    assert begun["summary"]["steps"] == len(steps)
    assert run(["stream", "sleep_onset", *model, *played[:-1], str(whole), "--alarm-of", "3"]) != 0
    lines = ("--format", "tsv", "--file", file, "--speed", "max", "--duration", "20")
    assert run(["stream", "sleep_onset", *model, *lines]) == 0
    table = capfd.readouterr().out.splitlines()
    assert table[table.index("kind\tonset\tseconds\tlsl_time\ttime") + 2].startswith("step\t0.0\t")


def test_detector_of_seconds_is_refused_by_name(trained):
    with pytest.raises(UsageError, match=r"OnsetPredictor.*memcell stream sleep_onset"):
        memcell.load(str(trained))


def test_blocks_that_cannot_be_used(trained, tmp_path):
    predictor = memcell_sleep.OnsetPredictor(trained, rate=100)
    predictor.reset_state()
    assert math.isnan(predictor.predict(np.zeros((1, 10))))
    assert math.isnan(predictor.predict(np.zeros((1, 0))))
    with pytest.raises(DataError, match=r"expected \[1, samples\]"):
        predictor.predict(np.zeros((2, 500)))
    with pytest.raises(DataError, match="no numbers"):
        predictor.predict(np.full((1, 500), np.nan))
    with pytest.raises(MemcellError):
        memcell_sleep.OnsetPredictor(tmp_path)
    folds = tmp_path / "folds"
    shutil.copytree(trained, folds / "final")
    (folds / "folds.json").write_text("{}")
    of_everybody = memcell_sleep.OnsetPredictor(folds, rate=100)
    assert of_everybody.channels == predictor.channels
    with pytest.raises(DataError, match="Hz"):
        memcell_sleep.OnsetPredictor(trained, rate=30)


def test_onset_model_is_exported(trained, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    out = tmp_path / "m.onnx"
    assert run(["export", str(trained), "--to", "onnx", "--out", str(out)]) == 0
    meta = onnxruntime.InferenceSession(out.read_bytes()).get_modelmeta().custom_metadata_map
    assert json.loads(meta["memcell.classes"]) == ["seconds"]
    assert json.loads(meta["memcell.target"])["limits"] == [0.0, 600.0]


def fails(capfd, data, *options):
    code = run(["train", "sleep_onset", "--data", str(data), *FAST, *options])
    said = capfd.readouterr()
    assert code != 0
    return said.out + said.err


def test_too_few_people_for_a_split(tmp_path, capfd):
    data = tmp_path / "few"
    data.mkdir()
    tired_night(data / "P0.edf", 0)
    said = fails(capfd, data, "--out", str(tmp_path / "r"))
    assert "1 person with wake and sleep: a split by subject takes 3. --split time" in said
    tired_night(data / "P1.edf", 1)
    said = fails(capfd, data, "--out", str(tmp_path / "r"))
    assert "2 people with wake and sleep" in said
    assert "--split loso" in said


def test_crops_that_end_at_onset_have_no_onset(tmp_path, capfd):
    data = tmp_path / "crops"
    data.mkdir()
    for k in range(4):
        tired_night(data / f"P{k}.edf", k, sleep=0.0)
    said = fails(capfd, data, "--tune", "none", "--out", str(tmp_path / "r"))
    assert "no label is called 'N1'" in said


def test_crops_of_one_length_are_refused(night_of, tmp_path, capfd):
    data = tmp_path / "cut"
    data.mkdir()
    for k in range(4):
        night_of(data / f"P{k}.edf", seed=10 * k)
    said = fails(capfd, data, "--tune", "none", "--out", str(tmp_path / "r"))
    assert "the clock tells the label" in said
    out = tmp_path / "accepted"
    options = ["--tune", "none", "--epochs", "1", "--leaks", "accept", "--out", str(out)]
    assert run(["train", "sleep_onset", "--data", str(data), *FAST, *options]) == 0
    assert rows_of(out)[1]["notes"][0].startswith("LEAK")
    assert "LEAK" in (out / "report.html").read_text()


@pytest.mark.slow
def test_simulated_recordings(tmp_path):
    out = tmp_path / "sim"
    options = [
        "--data",
        "simulated",
        "--data.subjects",
        "4",
        "--data.minutes",
        "6",
        "--tune",
        "none",
    ]
    options += ["--sleep-lasting", "2", "--wake-lasting", "10", "--step", "1", "--window", "2"]
    options += ["--channels", "auto", "--epochs", "1", "--out", str(out)]
    assert run(["train", "sleep_onset", *options, *FAST]) == 0
    assert "simulated data" in " ".join(rows_of(out)[1]["notes"])


def test_the_example_of_the_page(trained, nights, monkeypatch):
    page = (Path(__file__).parents[2] / "docs" / "sleep.md").read_text(encoding="utf-8")
    code = page.partition("<!-- onset example -->\n```python\n")[2].partition("```")[0]
    assert code
    names = {
        "run": str(trained),
        "recordings": [samples(nights / "P1.edf"), samples(nights / "P2.edf")],
    }
    exec(compile(code, "example.py", "exec", dont_inherit=True), names)
    assert [len(s) for s in names["seconds"]] == [x.shape[1] // 500 for x in names["recordings"]]
