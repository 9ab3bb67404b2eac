"""``memcell bench quality``: the same nights by everybody, scored alike. YASA itself is no part of it."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import balanced_accuracy_score, cohen_kappa_score, roc_auc_score

from memcell.applications.app import ModelPredictions, Row
from memcell.cli.main import run
from memcell.errors import UsageError
from memcell.runs.predictions import write_predictions
from memcell.sequences.time_series import TimeSeries
from memcell_benchmarks.quality import contenders, scoring
from memcell_benchmarks.quality.contenders import Said, Truth
from memcell_data.formats.edf.writer import Track, write_edf
from memcell_data.recording import Interval

RATE = 100.0
STAGES = ("Sleep stage W", "Sleep stage 2", "Sleep stage W", "Sleep stage 3")


@pytest.fixture
def nights(tmp_path):
    """Two nights of 8 min: slow waves where the person sleeps, alpha elsewhere."""
    folder = tmp_path / "nights"
    folder.mkdir()
    for k in range(2):
        random = np.random.default_rng(k)
        t = np.arange(round(480 * RATE)) / RATE
        x = random.normal(size=len(t)) * 5
        for i, stage in enumerate(STAGES):
            inside = (t >= 120 * i) & (t < 120 * (i + 1))
            hertz, size = (10, 15) if stage.endswith("W") else (1.5, 60)
            x[inside] += size * np.sin(2 * np.pi * hertz * t[inside])
        marks = [Interval(onset=120.0 * i, duration=120, label=s) for i, s in enumerate(STAGES)]
        write_edf(
            folder / f"p{k}.edf", [Track(name="C3-M2", values=x, rate=RATE)], annotations=marks
        )
    return folder


class Staging:
    """A sleep stager with YASA's face that knows the stages."""

    def __init__(self, raw, eeg_name):
        assert raw.ch_names == [eeg_name]
        self.n = int(raw.times[-1] // 30) + 1
        self.largest = float(np.abs(raw.get_data()).max())

    def predict(self):
        assert 1e-5 < self.largest < 1e-3  # V, not uV
        wake = np.tile(np.repeat([1.0, 0.0], 4), 3)[: self.n]
        return SimpleNamespace(
            hypno=pd.Series(np.where(wake == 1, "WAKE", "N2")),
            proba=pd.DataFrame({"WAKE": wake, "N2": 1 - wake}),
        )


def test_without_yasa_a_sentence_says_how_to_have_it(nights, capfd, monkeypatch) -> None:
    monkeypatch.setattr(contenders, "yasa_version", lambda: "")
    assert run(["bench", "quality", str(nights)]) == 0
    said = capfd.readouterr().out
    assert "pip install yasa" in said
    assert "2 recordings, 192 labelled steps of 5 s, 50.0% of them awake" in said
    assert "memcell wake_sleep" in said
    assert max(map(len, said.splitlines())) <= 80


def test_whoever_knows_the_stages_is_right_everywhere(nights, capfd, monkeypatch) -> None:
    monkeypatch.setattr(contenders, "yasa_version", lambda: "0.0")
    monkeypatch.setitem(sys.modules, "yasa", SimpleNamespace(SleepStaging=Staging))
    assert run(["bench", "quality", str(nights)]) == 0
    [line] = [w for w in capfd.readouterr().out.splitlines() if w.startswith("YASA 0.0")]
    assert line.split()[2:] == ["1.000"] * 6


def truth_of(target, name="p"):
    times = 5.0 * np.arange(len(target))
    sequence = TimeSeries(
        name=name,
        subject=name,
        features=np.zeros((len(target), 1), dtype=np.float32),
        targets=np.array(target),
        step_seconds=5.0,
        step_times=times,
    )
    return Truth(
        recording=None, channel="C3", times=times, target=np.array(target), sequence=sequence
    )


def test_scores_are_those_of_scikit_learn_by_step_and_by_epoch() -> None:
    random = np.random.default_rng(3)
    target = random.integers(0, 2, 600)
    p = np.clip(0.6 * target + random.uniform(0, 0.6, 600), 0, 1)
    said = {"p": Said(probability=p, asleep=(p >= 0.5).astype(np.int64))}
    truth = {"p": truth_of(target)}
    steps = scoring.scores(truth, said, "5 s")
    assert steps["kappa"] == pytest.approx(cohen_kappa_score(target, p >= 0.5))
    epochs = scoring.scores(truth, said, "30 s")
    y, q = (target.reshape(-1, 6).mean(axis=1) >= 0.5), p.reshape(-1, 6)
    called = (q >= 0.5).mean(axis=1) >= 0.5
    assert epochs["steps"] == 100
    assert epochs["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(y, called))
    assert epochs["auc"] == pytest.approx(roc_auc_score(y, q.mean(axis=1)))


@pytest.mark.parametrize("positive", ["sleep", "wake"])
def test_a_runs_predictions_whichever_class_it_calls_positive(tmp_path, positive) -> None:
    target = np.repeat([0, 1, 0], 12)
    truth = {"p": truth_of(target)}
    own = target if positive == "sleep" else 1 - target
    p = np.where(own == 1, 0.8, 0.3).astype(np.float32)
    part = ModelPredictions(
        sequences=(truth_of(own).sequence,),
        probabilities=(np.stack([1 - p, p], axis=1),),
        decision={"threshold": 0.5},
    )
    write_predictions(tmp_path, [Row(name="n", scores={}, predictions=(part,))])
    said = contenders.of_run(truth, tmp_path)["p"]
    assert np.array_equal(said.asleep, target)
    assert roc_auc_score(target, said.probability) == 1
    with pytest.raises(UsageError, match="not tested on q"):
        contenders.of_run({"q": truth_of(target, "q")}, tmp_path)
    with pytest.raises(UsageError, match="does not tell wake from sleep"):
        contenders.of_run({"p": truth_of(np.tile([0, 1], 18))}, tmp_path)
