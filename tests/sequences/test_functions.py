"""A loss and scores that are Python functions."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
import threading

import numpy as np
import pytest
import torch
from torch.nn import functional

import memcell
from memcell.cli.main import run
from memcell.errors import UsageError
from sequence_files import sequence

TINY = {
    "cell": "gru", "hidden_size": 4, "epochs": 2, "time_steps": 20, "batch_size": 4,
    "control": "none",
}  # fmt: skip


def pairs(kind):
    return [sequence(k, kind=kind) for k in range(5)]


def focal(outputs, targets):
    each = functional.cross_entropy(outputs, targets, reduction="none")
    return (1 - torch.exp(-each)) ** 2 * each


def brier(targets, predictions):
    return ((1 - predictions[np.arange(len(targets)), targets]) ** 2).mean()


def plain_loss(kind):
    if kind == "classes":
        return lambda a, b: functional.cross_entropy(a, b, reduction="none")
    if kind == "values":
        return lambda a, b: (a - b).square().mean(-1)
    return lambda a, b: functional.binary_cross_entropy_with_logits(a, b, reduction="none").mean(-1)


@pytest.mark.parametrize("kind", ["classes", "values", "labels"])
def test_a_function_that_says_what_the_named_loss_says_trains_the_same(tmp_path, kind):
    given = pairs(kind)
    x, y = given[0]
    given[0] = (x, np.where(np.arange(len(y)) % 7 == 0, -1, y) if kind == "classes" else y)
    more = {"class_weights": {1: 2.0}} if kind == "classes" else {}
    named = memcell.fit(given, out=tmp_path / "named", **more, **TINY)
    own = memcell.fit(given, out=tmp_path / "own", loss=plain_loss(kind), **more, **TINY)
    np.testing.assert_allclose(own.predict(x), named.predict(x), atol=1e-6)
    assert own.scores == pytest.approx(named.scores)


class Held:
    """A score that holds on to what no other process can have."""

    def __init__(self):
        self.lock = threading.Lock()

    def score(self, targets, predictions):
        return 0.0


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    out = tmp_path_factory.mktemp("functions") / "run"
    return memcell.fit(
        pairs("classes"), loss=focal, metrics=["accuracy", brier], out=out, **TINY
    )  # fmt: skip


def test_a_score_that_is_a_function_stands_beside_the_others(trained):
    test = [
        name
        for name in trained.path.joinpath("splits.tsv").read_text().splitlines()
        if "\ttest" in name
    ]
    number = int(test[0].partition("\t")[0].rpartition("-")[2])
    x, y = sequence(number)
    assert trained.scores["brier"] == pytest.approx(brier(y, trained.predict(x)), abs=1e-6)
    assert {row["name"]: row["brier"] for row in rows(trained)}.keys() > {"previous target"}


def rows(run):
    table = run.table()
    return table if isinstance(table, list) else table.to_dict("records")


def test_such_a_run_is_scored_and_used_without_its_functions(trained, capsys):
    assert run(["evaluate", "sequences", str(trained.path)]) == 0, capsys.readouterr().err
    assert memcell.load(trained.path).predict(sequence(1)[0]).shape == (50, 2)


def test_going_on_takes_the_functions_again(trained, capsys):
    scores = trained.scores
    (trained.path / "scores.json").unlink()
    with pytest.raises(UsageError, match=r"resume=.*, loss=focal, metrics=\[brier\]\)"):
        memcell.fit(resume=trained.path)
    again = memcell.fit(resume=trained.path, loss=focal, metrics=[brier])
    assert again.scores == scores


def test_the_command_says_that_a_loss_is_not_kept(tmp_path, capsys):
    out = tmp_path / "run"
    memcell.fit(pairs("classes"), loss=focal, out=out, **TINY)
    (out / "checkpoint.safetensors").unlink()
    assert run(["train", "sequences", "--resume", str(out)]) == 2
    assert "memcell.fit(resume=RUN, loss=focal)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"loss": functional.cross_entropy}, r"cross_entropy returned the shape \[\]; expected \[\d+\]"),
        ({"loss": lambda a, b: 0.0}, "returned a float; expected a tensor"),
        ({"loss": lambda a, b: focal(a.detach(), b)}, "losses without a gradient; expected torch's"),
        ({"metrics": [lambda y, p: 0]}, r"which has no name: metrics=\{'my_score': function\}"),
        ({"metrics": {"accuracy": brier}}, "a function called accuracy, which is a score"),
        ({"metrics": {"two": lambda y, p: [1, 2]}}, "metric two returned a list; expected one number"),
        ({"metrics": [3]}, "metrics got 3; expected names of scores, or functions"),
        ({"metrics": {"held": Held().score}, "split": "loso", "jobs": 2}, "cannot go to other processes"),
        ({"class_weights": {"upp": 2}}, "unknown class 'upp'"),
        ({"class_weights": "heavy"}, "expected none, balanced, or a number from 0 on"),
    ],
)  # fmt: skip
def test_a_function_that_cannot_be_used_is_told(tmp_path, options, message):
    with pytest.raises(UsageError, match=message):
        memcell.fit(pairs("classes"), out=tmp_path / "run", **{**TINY, **options})
    if "loss" in options:  # it is tried before a run begins
        assert not (tmp_path / "run").exists()


def people(n=3):
    return [{"x": x, "y": y, "subject": f"p{k}"} for k, (x, y) in enumerate(pairs("classes")[:n])]


def test_folds_and_comparisons_take_functions(tmp_path):
    once = {**TINY, "epochs": 1}
    given = {"loss": focal, "metrics": {"top": lambda targets, predictions: predictions.max()}}
    folds = memcell.fit(people(), split="loso", out=tmp_path / "folds", **given, **once)
    assert folds.scores["top"] <= 1
    what = json.loads((folds.path / "functions.json").read_text())
    assert what["loss:focal"]["defined_in"] == f"{__name__}:focal"
    assert "predictions.max()" in what["metric:top"]["source"]
    axes = {"policy": ["carry", "reset"]}
    compared = memcell.compare(
        people(5), axes=axes, seeds=1, out=tmp_path / "both", **given, **once
    )
    rows = compared.runs()
    assert "top" in (rows[0] if isinstance(rows, list) else rows.columns)
    assert (compared.path / "functions.json").read_text() == (
        folds.path / "functions.json"
    ).read_text()


PROGRAM = """
    import numpy as np
    import torch
    import memcell

    def plain(outputs, targets):  # of the program itself: other processes know no module of it
        return torch.nn.functional.cross_entropy(outputs, targets, reduction="none")

    def top(targets, predictions):
        return predictions.max()

    if __name__ == "__main__":
        rng = np.random.default_rng(0)
        people = [
            {"x": rng.normal(size=(40, 2)), "y": np.arange(40) // 5 % 2, "subject": str(k)}
            for k in range(3)
        ]
        tiny = {"hidden_size": 3, "epochs": 1, "time_steps": 20, "batch_size": 2, "control": "none"}
        made = [
            memcell.fit(
                people, split="loso", loss=plain, metrics={"least": lambda t, p: p.min(), "top": top},
                jobs=jobs, out=f"run{jobs}", **tiny
            ).scores
            for jobs in (2, 0)
        ]
        print(made[0] == made[1], {'least', 'top'} <= made[0].keys())
"""


@pytest.mark.slow
def test_functions_of_a_program_go_to_other_processes(tmp_path):
    (tmp_path / "program.py").write_text(textwrap.dedent(PROGRAM))
    done = subprocess.run(
        [sys.executable, "program.py"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.stdout.strip() == "True True", done.stderr
