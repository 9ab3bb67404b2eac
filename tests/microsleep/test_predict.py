"""Predictions: what is written, what is kept, and what happens with files that cannot be used."""

from __future__ import annotations

import csv
import json
import os
import shutil

import numpy as np
import pytest

from memcell.errors import DataError, UsageError
from memcell_data.configs import SimulatedConfig
from memcell_data.simulated import Simulated
from memcell_microsleep.app import Microsleep
from memcell_microsleep.config import MicrosleepConfig
from memcell_microsleep.sources import find_sources


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


class Net:
    """Says that theta against alpha is the probability, and counts how often it is asked."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, sequence):
        self.calls += 1
        p = 1 / (1 + np.exp(-sequence.features[:, 5]))
        return np.stack([1 - p, p], axis=1).astype(np.float32)


def run(paths, facts, out, net=None, threshold=0.6):
    app = Microsleep(MicrosleepConfig())
    return app.predict([str(p) for p in paths], facts, {"threshold": threshold}, net or Net(), out)


def table(path):
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def test_what_is_written(edf, facts, tmp_path) -> None:
    folder = edf[1]
    records = run([folder], facts, tmp_path)
    assert [r["status"] for r in records] == ["done"] * 3
    summary = table(tmp_path / "summary.tsv")
    assert [r["recording"] for r in summary] == ["sim01", "sim02", "sim03"]
    for row in summary:
        events = table(tmp_path / f"{row['recording']}_events.tsv")
        steps = table(tmp_path / f"{row['recording']}_probability.tsv")
        assert list(events[0])[:3] == ["onset", "duration", "trial_type"]
        assert len(events) == int(row["events"]) > 0
        assert len(steps) == pytest.approx(float(row["hours"]) * 3600 / 0.2, abs=1)
        onset = np.array([float(s["onset"]) for s in steps])
        p = np.array([float(s["probability"]) for s in steps])
        state = np.array([int(s["state"]) for s in steps])
        assert (np.diff(onset) > 0.19).all()
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
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]


def test_a_rerun_does_only_what_is_missing_or_changed(edf, facts, tmp_path) -> None:
    mine = tmp_path / "in"
    shutil.copytree(edf[1], mine)
    out = tmp_path / "out"
    run([mine], facts, out)
    first = (out / "summary.tsv").read_text()
    net = Net()
    assert [r["status"] for r in run([mine], facts, out, net)] == ["done before"] * 3
    assert net.calls == 0
    assert (out / "summary.tsv").read_text() == first.replace("\tdone\t", "\tdone before\t")

    (out / "sim02_events.tsv").unlink()
    os.utime(mine / "sim03.edf", ns=(1, 1))
    statuses = [r["status"] for r in run([mine], facts, out, net)]
    assert statuses == ["done before", "done", "done"]
    assert net.calls == 2
    assert [r["status"] for r in run([mine], facts, out, net, threshold=0.7)] == ["done"] * 3


def test_a_broken_file_is_named_and_the_others_go_on(edf, facts, tmp_path) -> None:
    mine = tmp_path / "in"
    shutil.copytree(edf[1], mine)
    (mine / "broken.edf").write_bytes(b"no EDF at all")
    (mine / "empty.edf").touch()
    records = {r["recording"]: r for r in run([mine], facts, tmp_path / "out")}
    assert [r["status"] for r in records.values()] == ["failed", "failed", "done", "done", "done"]
    assert "broken.edf" in records["broken"]["reason"]
    reasons = {r["recording"]: r["reason"] for r in table(tmp_path / "out" / "summary.tsv")}
    assert reasons["broken"]
    assert reasons["empty"]
    assert not (tmp_path / "out" / "broken_events.tsv").exists()


def test_a_network_that_fails_on_one_file_does_not_stop_the_others(edf, facts, tmp_path) -> None:
    class Sometimes(Net):
        def __call__(self, sequence):
            p = super().__call__(sequence)
            if self.calls == 1:
                raise ZeroDivisionError("once")
            return p * np.nan if self.calls == 2 else p

    records = run([edf[1]], facts, tmp_path, Sometimes())
    assert [r["status"] for r in records] == ["failed", "failed", "done"]
    assert records[0]["reason"] == "ZeroDivisionError: once"
    assert "not numbers" in records[1]["reason"]


def test_other_channels_than_the_model_has_are_named(edf, facts, tmp_path) -> None:
    wanted = {**facts["pipeline"], "channels": ["O1", "Fz"], "eeg": ["O1", "Fz"]}
    (record,) = run([edf[1] / "sim01.edf"], {**facts, "pipeline": wanted}, tmp_path)
    assert record["status"] == "failed"
    assert "'Fz'" in record["reason"]
    assert "trained on the channels O1, Fz" in record["reason"]


def test_a_lower_rate_than_the_models_is_named(edf, facts, tmp_path) -> None:
    faster = {**facts, "pipeline": {**facts["pipeline"], "rate": 400.0}}
    (record,) = run([edf[1] / "sim01.edf"], faster, tmp_path)
    assert "128 Hz" in record["reason"]
    assert "400 Hz" in record["reason"]


def test_another_models_folder_is_refused(edf, facts, tmp_path) -> None:
    run([edf[1] / "sim01.edf"], facts, tmp_path)
    with pytest.raises(DataError, match=r"another model.*another --out"):
        run([edf[1] / "sim01.edf"], {**facts, "model_id": "m2"}, tmp_path)


def test_another_file_of_the_same_name_does_not_overwrite(edf, facts, tmp_path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        shutil.copy(edf[1] / "sim01.edf", tmp_path / name / "night.edf")
    out = tmp_path / "out"
    run([tmp_path / "a"], facts, out)
    before = (out / "night_events.json").read_text()
    (record,) = run([tmp_path / "b"], facts, out)
    assert record["status"] == "failed"
    assert "another --out" in record["reason"]
    assert (out / "night_events.json").read_text() == before
    both = run([tmp_path / "a", tmp_path / "b"], facts, tmp_path / "both")
    assert [r["recording"] for r in both] == ["a_night", "b_night"]


def test_results_do_not_depend_on_the_options_of_today(edf, facts, tmp_path) -> None:
    path = str(edf[1] / "sim01.edf")
    for name, config in (
        ("one", MicrosleepConfig()),
        ("other", MicrosleepConfig(step=0.5, min_duration=5.0)),
    ):
        Microsleep(config).predict([path], facts, {"threshold": 0.6}, Net(), tmp_path / name)
    one, other = ((tmp_path / n / "sim01_events.tsv").read_text() for n in ("one", "other"))
    assert one == other


def test_paths_that_hold_nothing(facts, tmp_path) -> None:
    with pytest.raises(DataError, match=r"does not exist"):
        run([tmp_path / "nowhere.edf"], facts, tmp_path / "out")
    with pytest.raises(DataError, match=r"holds no recording"):
        run([tmp_path], facts, tmp_path / "out")
    with pytest.raises(DataError, match=r"no file matches"):
        run([tmp_path / "*.edf"], facts, tmp_path / "out")
    with pytest.raises(DataError, match=r"no recording was given"):
        run([], facts, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_facts_of_no_microsleep_run(edf, tmp_path) -> None:
    with pytest.raises(UsageError, match=r"model_id, pipeline, config.*--model"):
        run([edf[1]], {}, tmp_path)


def test_out_that_is_a_file(edf, facts, tmp_path) -> None:
    (tmp_path / "out").touch()
    with pytest.raises(DataError, match=r"is a file"):
        run([edf[1]], facts, tmp_path / "out")


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
