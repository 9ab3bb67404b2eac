"""Predictions: what is written, what is kept, and what happens with files that cannot be used."""

from __future__ import annotations

import csv
import json
import os
import shutil
from pathlib import Path

import mne
import numpy as np
import pytest

from memcell.applications.prediction import PredictionRequest
from memcell.errors import DataError, DiskError, UsageError
from memcell_data.datasets.configs import SimulatedConfig, UserRecordingsConfig
from memcell_data.datasets.simulated import Simulated
from memcell_data.datasets.user_recordings import UserRecordings
from memcell_data.formats.edf.fields import field_at
from memcell_data.formats.edf.writer import Track, write_edf
from memcell_data.formats.reader import signal_file
from memcell_eeg.prediction.config import PredictConfig
from memcell_eeg.prediction.sources import find_sources
from memcell_microsleep.app import Microsleep
from memcell_microsleep.config import MicrosleepConfig


@pytest.fixture(scope="module")
def edf(tmp_path_factory):
    """Three simulated EDF files of 2 min."""
    dataset = Simulated(SimulatedConfig(subjects=3, minutes=2))
    folder = dataset.get(tmp_path_factory.mktemp("edf"))
    return dataset, folder


@pytest.fixture(scope="module")
def facts(edf):
    dataset, _ = edf
    config = MicrosleepConfig(split="time", channels=("O1", "O2"))
    return {**Microsleep(config, dataset).task().facts, "model_id": "m1"}


def table(path):
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def test_files_of_a_prediction(edf, facts, predicted, tmp_path) -> None:
    folder = edf[1]
    records = predicted([folder], facts, tmp_path)
    assert [r["status"] for r in records] == ["done"] * 3
    summary = table(tmp_path / "summary.tsv")
    assert [r["recording"] for r in summary] == ["sim01", "sim02", "sim03"]
    for row in summary:
        events = table(tmp_path / f"{row['recording']}_events.tsv")
        steps = table(tmp_path / f"{row['recording']}_probability.tsv")
        assert list(events[0])[:3] == ["onset", "duration", "trial_type"]
        assert len(events) == int(row["events"]) > 0
        assert len(steps) == pytest.approx(float(row["hours"]) * 3600 / 0.2, abs=1)
        assert (row["channels"], row["rate"]) == ("O1,O2", "128")
        onset = np.array([float(s["onset"]) for s in steps])
        p = np.array([float(s["probability"]) for s in steps])
        state = np.array([int(s["state"]) for s in steps])
        assert (np.diff(onset) > 0.19).all()
        assert int(row["gaps"]) == np.sum(np.diff(onset) > 0.21)
        for e in events:
            start, stop = float(e["onset"]), float(e["onset"]) + float(e["duration"])
            inside = (onset >= start - 1e-6) & (onset < stop - 1e-6)
            assert state[inside].all()
            assert float(e["duration"]) >= 1.0
            assert p[inside].max() == pytest.approx(float(e["probability_max"]), abs=1e-5)
            assert p[inside].mean() == pytest.approx(float(e["probability_mean"]), abs=1e-5)
        sidecar = json.loads((tmp_path / f"{row['recording']}_events.json").read_text())
        assert sidecar["GeneratedBy"]["model_id"] == "m1"
        assert sidecar["GeneratedBy"]["trained_on_simulated_data"] is True
        shown = mne.read_annotations(tmp_path / f"{row['recording']}_annot.txt")
        lost = [
            sum(
                length
                for at, length in signal_file(Path(row["file"])).gaps()
                if at <= float(e["onset"])
            )
            for e in events
        ]
        expected = [float(e["onset"]) - n for e, n in zip(events, lost, strict=True)]
        assert shown.onset.tolist() == pytest.approx(expected)
        assert shown.duration.tolist() == [float(e["duration"]) for e in events]
        assert set(shown.description) == {"microsleep"}
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]


def test_annotations_without_an_event_are_read_by_mne(edf, facts, predicted, tmp_path) -> None:
    predicted([edf[1] / "sim01.edf"], facts, tmp_path, threshold=1.1)
    assert len(mne.read_annotations(tmp_path / "sim01_annot.txt")) == 0


def test_a_rerun_does_only_what_is_missing_or_changed(edf, facts, predicted, net, tmp_path) -> None:
    mine, out, again = tmp_path / "in", tmp_path / "out", net()
    shutil.copytree(edf[1], mine)
    predicted([mine], facts, out)
    first = (out / "summary.tsv").read_bytes()
    statuses = [r["status"] for r in predicted([mine], facts, out, again)]
    assert statuses == ["done before"] * 3
    assert again.calls == 0
    assert (out / "summary.tsv").read_bytes() == first

    (out / "sim02_events.tsv").unlink()
    os.utime(mine / "sim03.edf", ns=(1, 1))
    statuses = [r["status"] for r in predicted([mine], facts, out, again)]
    assert statuses == ["done before", "done", "done"]
    assert again.calls == 2
    records = predicted([mine], facts, out, threshold=0.7)
    assert [r["status"] for r in records] == ["done"] * 3


def test_a_broken_file_is_named_and_the_others_go_on(edf, facts, predicted, tmp_path) -> None:
    mine = tmp_path / "in"
    shutil.copytree(edf[1], mine)
    (mine / "broken.edf").write_bytes(b"no EDF at all")
    (mine / "empty.edf").touch()
    records = {r["recording"]: r for r in predicted([mine], facts, tmp_path / "out")}
    assert [r["status"] for r in records.values()] == ["failed", "failed", "done", "done", "done"]
    assert "broken.edf" in records["broken"]["reason"]
    reasons = {r["recording"]: r["reason"] for r in table(tmp_path / "out" / "summary.tsv")}
    assert reasons["broken"]
    assert reasons["empty"]
    assert not (tmp_path / "out" / "broken_events.tsv").exists()


def test_a_network_that_fails_on_one_file_does_not_stop_the_others(
    edf, facts, predicted, net, tmp_path
) -> None:
    asked = []

    def sometimes(x):
        asked.append(len(x))
        if len(asked) == 1:
            raise ZeroDivisionError("once")
        return np.full(len(x), np.nan if len(asked) == 2 else 0.5)

    records = predicted([edf[1]], facts, tmp_path, net(sometimes))
    assert [r["status"] for r in records] == ["failed", "failed", "done"]
    assert records[0]["reason"] == "ZeroDivisionError: once"
    assert "not numbers" in records[1]["reason"]
    names = {p.name.partition("_")[0] for p in tmp_path.iterdir()}
    assert names == {"sim03", "summary.tsv", "views"}, "of what failed nothing is left"
    assert [p.stem for p in (tmp_path / "views").iterdir()] == ["sim03"]


def test_other_channels_than_the_model_has_are_named(edf, facts, predicted, tmp_path) -> None:
    wanted = {**facts["pipeline"], "channels": ["O1", "Fz"], "eeg": ["O1", "Fz"]}
    (record,) = predicted([edf[1] / "sim01.edf"], {**facts, "pipeline": wanted}, tmp_path)
    assert record["status"] == "failed"
    assert "'Fz'" in record["reason"]
    assert "trained on the channels O1, Fz" in record["reason"]


@pytest.mark.parametrize(
    ("settings", "needed"), [({"features": ["bandpower"]}, "400 Hz"), ({"high": 72.0}, "160 Hz")]
)
def test_a_lower_rate_than_the_models_is_named(
    edf, facts, predicted, tmp_path, settings, needed
) -> None:
    faster = {**facts, "pipeline": {**facts["pipeline"], "rate": 400.0, **settings}}
    (record,) = predicted([edf[1] / "sim01.edf"], faster, tmp_path)
    assert "128 Hz" in record["reason"]
    assert needed in record["reason"]


def test_relative_powers_are_made_at_a_lower_rate_where_it_holds_them(
    edf, facts, predicted, tmp_path
) -> None:
    faster = {**facts, "pipeline": {**facts["pipeline"], "rate": 400.0}}
    (record,) = predicted([edf[1] / "sim01.edf"], faster, tmp_path)
    assert record["status"] == "done"
    assert "its features are made at 128 Hz" in record["warnings"]


def test_another_models_folder_is_refused(edf, facts, predicted, tmp_path) -> None:
    predicted([edf[1] / "sim01.edf"], facts, tmp_path)
    with pytest.raises(DataError, match=r"another model.*another --out"):
        predicted([edf[1] / "sim01.edf"], {**facts, "model_id": "m2"}, tmp_path)


def test_another_file_of_the_same_name_does_not_overwrite(edf, facts, predicted, tmp_path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        shutil.copy(edf[1] / "sim01.edf", tmp_path / name / "night.edf")
    out = tmp_path / "out"
    predicted([tmp_path / "a"], facts, out)
    before = (out / "night_events.json").read_text()
    (record,) = predicted([tmp_path / "b"], facts, out)
    assert record["status"] == "failed"
    assert "another --out" in record["reason"]
    assert (out / "night_events.json").read_text() == before
    both = predicted([tmp_path / "a", tmp_path / "b"], facts, tmp_path / "both")
    assert [r["recording"] for r in both] == ["a_night", "b_night"]


def test_results_do_not_depend_on_the_options_of_today(edf, facts, predicted, tmp_path) -> None:
    path = str(edf[1] / "sim01.edf")
    other = MicrosleepConfig(step=0.5, min_duration=5.0)
    for name, config in (("one", MicrosleepConfig()), ("other", other)):
        predicted([path], facts, tmp_path / name, config=config)
    for file in ("sim01_events.tsv", "sim01_probability.tsv", "sim01_annot.txt"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "other" / file).read_bytes()


def test_the_order_of_files_changes_no_result(edf, facts, predicted, tmp_path) -> None:
    paths = sorted(edf[1].glob("*.edf"))
    predicted(paths, facts, tmp_path / "one")
    predicted(paths[::-1], facts, tmp_path / "other")
    for file in (tmp_path / "one").glob("sim*"):
        assert file.read_bytes() == (tmp_path / "other" / file.name).read_bytes()


def test_what_the_features_look_ahead_for_is_no_live_result(
    edf, facts, predicted, tmp_path
) -> None:
    path = edf[1] / "sim01.edf"
    assert predicted([path], facts, tmp_path / "live", causal=True)[0]["status"] == "done"
    for name, value in (("phase", "zero"), ("normalization", "recording")):
        ahead = {**facts, "pipeline": {**facts["pipeline"], name: value}}
        with pytest.raises(UsageError, match=rf"--causal: .* --{name} {value}.*--{name} causal"):
            predicted([path], ahead, tmp_path / "out", causal=True)
        (record,) = predicted([path], ahead, tmp_path / name)
        assert record["status"] == "done"


def test_paths_that_hold_nothing(facts, predicted, tmp_path) -> None:
    with pytest.raises(DataError, match=r"does not exist"):
        predicted([tmp_path / "nowhere.edf"], facts, tmp_path / "out")
    with pytest.raises(DataError, match=r"holds no recording"):
        predicted([tmp_path], facts, tmp_path / "out")
    with pytest.raises(DataError, match=r"no file matches"):
        predicted([tmp_path / "*.edf"], facts, tmp_path / "out")
    with pytest.raises(DataError, match=r"no recording was given"):
        predicted([], facts, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_was_exported_is_no_recording_of_the_folder(edf, facts, predicted, tmp_path) -> None:
    shutil.copytree(edf[1], tmp_path, dirs_exist_ok=True)
    out = tmp_path / "out"
    for _ in range(2):
        records = predicted([tmp_path, tmp_path / "**/*.edf"], facts, out, export=["edf"])
        assert [r["recording"] for r in records] == ["sim01", "sim02", "sim03"]
    with pytest.raises(DataError, match="what lies there are results"):
        predicted([out], facts, out)


def test_a_recording_shorter_than_a_step(facts, predicted, tmp_path) -> None:
    tracks = [Track(name=n, values=np.arange(20.0), rate=200) for n in ("O1", "O2")]
    write_edf(tmp_path / "short.edf", tracks, seconds=0.1)
    (record,) = predicted([tmp_path / "short.edf"], facts, tmp_path / "out")
    assert record["status"] == "failed"
    assert "short" in record["reason"]


def test_a_full_disk_is_no_fault_of_the_recording(edf, facts, predicted, tmp_path, monkeypatch):
    """What no other recording could be written to ends everything; the disk itself: tests/cli."""

    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DiskError, match=r"sim01.*No space left"):
        predicted([edf[1]], facts, tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())


def test_facts_of_no_microsleep_run(edf, predicted, tmp_path) -> None:
    with pytest.raises(UsageError, match=r"model_id, pipeline, config.*--model"):
        predicted([edf[1]], {}, tmp_path)


def test_out_that_is_a_file(edf, facts, predicted, tmp_path) -> None:
    (tmp_path / "out").touch()
    with pytest.raises(DataError, match=r"is a file"):
        predicted([edf[1]], facts, tmp_path / "out")


def test_files_folders_and_globs_give_each_file_once(tmp_path) -> None:
    for name in ("b/x.edf", "a/x.edf", "a/deep/y.edf", "a/x.bdf", "a/notes.txt", "c/x.edf"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    paths = [str(tmp_path / p) for p in ("b/x.edf", "a", "*/x.edf", "a/**/y.edf")]
    found = {str(s.path.relative_to(tmp_path)): s.name for s in find_sources(paths)}
    assert set(found) == {"b/x.edf", "a/x.edf", "a/deep/y.edf", "a/x.bdf", "c/x.edf"}
    assert found["a/deep/y.edf"] == "y"
    assert (found["b/x.edf"], found["c/x.edf"]) == ("b_x", "c_x")
    assert len(set(found.values())) == len(found)


def test_no_event_lies_where_an_electrode_was_dead(edf, facts, predicted, net, tmp_path) -> None:
    """One of the model's channels is flat, the other one at its limit: neither is a microsleep."""
    noise = np.random.default_rng(0).normal(0, 20, (2, 128 * 120))
    noise[0, 128 * 40 : 128 * 60] = 0.0
    noise[1, 128 * 80 : 128 * 83] = 900.0
    tracks = [
        Track(name=name, values=row, rate=128, physical=(-300, 300))
        for name, row in zip(("O1", "O2"), noise, strict=True)
    ]
    write_edf(tmp_path / "dead.edf", tracks)
    always = net(of=lambda x: np.ones(len(x)))
    (record,) = predicted([tmp_path / "dead.edf"], facts, tmp_path / "out", net=always)
    assert (record["status"], record["gaps"]) == ("done", 2)
    assert "'O1' is flat 17% of the time; cut out as gaps: 40.00-60.00 s" in record["warnings"]
    assert "'O2' is at its limit (saturated) 2.50% of the time" in record["warnings"]
    rows = table(tmp_path / "out" / "dead_events.tsv")
    spans = [(float(r["onset"]), float(r["onset"]) + float(r["duration"])) for r in rows]
    assert len(spans) == 3
    for gap in ((40, 60), (80, 83)):
        assert all(b <= gap[0] or a >= gap[1] for a, b in spans)
    steps = [float(r["onset"]) for r in table(tmp_path / "out" / "dead_probability.tsv")]
    assert not [s for s in steps if 39.81 < s < 59.99 or 79.81 < s < 82.99]


@pytest.mark.parametrize(
    ("typed", "of_run", "status"),
    [("", "", "failed"), ("", "uV", "done"), ("uV", "", "done"), ("V", "uV", "failed")],
)
def test_a_unit_that_no_file_names(edf, facts, net, tmp_path, typed, of_run, status) -> None:
    """As with the simulated night that has its own unit, once the unit is typed or the run remembers it."""
    content = bytearray((edf[1] / "sim01.edf").read_bytes())
    n = int(content[252:256])
    for channel in range(n):
        at, width = field_at("unit", channel, n)
        content[at : at + width] = b" " * width
    (tmp_path / "sim01.edf").write_bytes(bytes(content))
    told = {**facts, **({"unit": of_run} if of_run else {})}

    def done(path, facts, out, unit):
        asked = PredictionRequest(
            facts=facts,
            decision={"threshold": 0.6},
            out=out,
            options=PredictConfig(unit=unit, layout="flat"),
        )
        predictor = Microsleep(MicrosleepConfig()).predictor(asked)
        (item,) = predictor.find([str(path)])
        return predictor.one(item, net())

    record = done(tmp_path / "sim01.edf", told, tmp_path / "a", typed)
    assert record["status"] == status
    if status == "failed":
        assert "type --unit uV" in record["reason"] or "beyond 10 mV" in record["reason"]
        return
    assert ("the run's own --data.unit" in record["warnings"]) == (not typed)
    done(edf[1] / "sim01.edf", facts, tmp_path / "b", "")
    same = [(tmp_path / x / "sim01_events.tsv").read_text() for x in "ab"]
    assert same[0] == same[1]


def test_a_run_remembers_the_unit_of_its_data(edf, dataset_of) -> None:
    dataset, _ = edf
    config = MicrosleepConfig(split="time", channels=("O1", "O2"))
    assert "unit" not in Microsleep(config, dataset).task().facts
    own = UserRecordings(UserRecordingsConfig(path=str(edf[1]), unit="mV"))
    assert Microsleep(config, own).task().facts["unit"] == "mV"
