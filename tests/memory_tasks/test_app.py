"""The memory tasks behind the engine's contract."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import cohen_kappa_score

from memcell.applications.prediction import PredictionRequest
from memcell.cli.main import run
from memcell.errors import UsageError
from memcell_memory_tasks.app import MemoryTasks
from memcell_memory_tasks.config import TASKS, MemoryConfig
from memcell_memory_tasks.scores import labelled

SMALL = {"streams": 4, "test_streams": 3, "trials": 10}


def small(**options) -> MemoryTasks:
    return MemoryTasks(MemoryConfig(**{**SMALL, **options}))


def test_registering_imports_nothing_heavy():
    heavy = ("torch", "scipy", "sklearn", "numpy", "matplotlib")
    code = (
        "import sys, memcell_memory_tasks, memcell_memory_tasks.config\n"
        "spec, = memcell_memory_tasks.memcell_apps()\n"
        f"print(spec.name, [m for m in {heavy} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split(maxsplit=1) == ["memory", "[]\n"]


@pytest.mark.parametrize("name", TASKS)
def test_every_task_gives_what_the_engine_wants(name, tmp_path):
    app = small(task=name, strings=16)
    task = app.task()
    json.dumps(task.facts)
    y = np.concatenate([s.targets for s in (*task.train, *task.valid, *task.test)])
    assert y.min() >= -1
    assert set(np.unique(y)) - {-1} == set(range(task.n_classes))
    assert task.notes[0].startswith("simulated") == (task.facts["simulated"] is True)
    x = torch.zeros(5, 2, task.train[0].n_features)
    assert app.encoder(x.shape[2])(x) is x
    assert app.encoder(x.shape[2]).output_size == x.shape[2]

    rows = {r.name: r for r in app.baselines(task)}
    assert {"majority class", "this step alone"} <= set(rows)
    subjects = {s.subject for s in task.test}
    for row in rows.values():
        assert row.kind == "baseline"
        assert set(row.subjects) == subjects
        assert 0 <= row.scores["accuracy"] <= 1

    perfect = [np.eye(task.n_classes, dtype=np.float32)[s.targets] for s in task.test]
    found = app.scores(task.test, perfect, app.fit_decision(task, []))
    assert (found["accuracy"], found["kappa"]) == (1, 1)
    assert found["loss"] == pytest.approx(0, abs=1e-9)
    app.picture(task, {"knows": perfect, "too": perfect}, {}, tmp_path / "p.png")
    assert (tmp_path / "p.png").stat().st_size > 5000


def test_the_scores_by_other_means():
    app = small()
    task = app.task()
    rng = np.random.default_rng(0)
    p = [rng.dirichlet(np.ones(4), s.n_steps).astype(np.float32) for s in task.test]
    found = app.scores(task.test, p, {})
    y, q = labelled(task.test, p)
    assert found["kappa"] == pytest.approx(cohen_kappa_score(y, q.argmax(axis=1)))
    target = torch.from_numpy(y)
    loss = torch.nn.functional.nll_loss(torch.from_numpy(q).log(), target)
    assert found["loss"] == pytest.approx(float(loss))
    assert np.isnan(app.scores([], [], {})["accuracy"])


def test_no_memory_beyond_a_window():
    """Beside one who plays by its rule, over many questions."""
    app = small(test_streams=40, lag=12, lag_from=2, window=10, symbols=3)
    task = app.task()
    (row,) = [r for r in app.baselines(task) if r.name.startswith("no memory beyond")]
    assert "10 steps" in row.name
    rng = np.random.default_rng(0)
    right = []
    for s in task.test:
        symbols = s.features.argmax(axis=1)
        for asked in np.flatnonzero(s.labelled):
            inside = symbols[asked - asked % 10 : asked]
            cues = inside[inside < 3]
            answer = cues[-1] if len(cues) else rng.integers(3)
            right.append(answer == s.targets[asked])
    assert row.scores["accuracy"] == pytest.approx(np.mean(right), abs=0.06)
    assert 0.4 < row.scores["accuracy"] < 0.95
    for subject, scores in row.subjects.items():
        alone = dataclasses.replace(task, test=tuple(s for s in task.test if s.subject == subject))
        (own,) = [r for r in app.baselines(alone) if r.name == row.name]
        assert own.scores == scores


def test_one_step_tells_nothing_of_the_cue():
    app = small(streams=16, test_streams=16)
    rows = {r.name: r.scores for r in app.baselines(app.task())}
    assert rows["this step alone"]["accuracy"] < 0.4
    assert rows["majority class"]["kappa"] == 0


def test_there_is_nothing_to_predict():
    with pytest.raises(UsageError, match="memcell evaluate memory"):
        small().predictor(PredictionRequest(facts={}, decision={}, out=Path()))


def test_carried_memory_does_what_no_window_can(tmp_path, capsys):
    """A short recall over the edge of the windows, from the command line."""
    out = tmp_path / "run"
    options = (
        "--symbols 2 --distractors 1 --lag 8 --lag-from 2 --trials 20 --streams 16 --window 8 "
    )
    options += "--time-steps 8 --epochs 12 --min-updates 0 --hidden-size 16 --learning-rate 0.02"
    command = f"train memory {options} --against none --out {out}"
    assert run(command.split()) == 0, capsys.readouterr().err
    rows = {r["name"]: r["scores"] for r in json.loads((out / "scores.json").read_text())["rows"]}
    carried = rows["lstm, trained with carry, inferred with carry"]["accuracy"]
    bound = rows["no memory beyond a window (8 steps, at best)"]["accuracy"]
    assert carried > bound + 0.1
    assert "simulated" in capsys.readouterr().out
