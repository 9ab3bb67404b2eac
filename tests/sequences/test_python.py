"""`memcell.fit` and `memcell.compare` on arrays."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import memcell
from memcell.cli.main import run
from memcell.errors import DataError, UsageError
from sequence_files import sequence

OPTIONS = {
    "cell": "gru", "epochs": 2, "hidden_size": 6, "time_steps": 20, "batch_size": 4,
    "control": "none",
}  # fmt: skip


def pairs(n=5, kind="classes"):
    return [sequence(k, kind=kind) for k in range(n)]


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    out = tmp_path_factory.mktemp("fit") / "run"
    given = pairs(8)
    return memcell.fit(given[:5], given[5:6], given[6:], out=out, **OPTIONS)


def test_import_loads_neither_torch_nor_numpy():
    code = "import sys, memcell; memcell.__version__; print('torch' in sys.modules or 'numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_a_fit_is_a_run_of_the_command(fitted, tmp_path, capsys):
    assert 0 <= fitted.scores["balanced_accuracy"] <= 1
    assert fitted.report().is_file()
    names = list(fitted.table()["name"])
    assert "regression on this step" in names
    out = tmp_path / "run"
    again = ["train", "sequences", "--config", str(fitted.path / "config.toml"), "--out", str(out)]
    assert run(again) == 0, capsys.readouterr().err
    assert memcell.Run(out).scores == fitted.scores
    x = sequence(3)[0]
    np.testing.assert_array_equal(memcell.load(out).predict(x), fitted.predict(x))


def test_heads_and_encoders_by_name(tmp_path):
    out = tmp_path / "run"
    parts = {"head": "attention", "head__past": 6, "encoder": "conv", "encoder__kernel": 3}
    done = memcell.fit(pairs(5), out=out, backend="eager", **parts, **OPTIONS)
    x = sequence(7)[0]
    np.testing.assert_array_equal(memcell.load(out).predict(x), done.predict(x))
    with pytest.raises(UsageError, match=r"unknown head 'attn'.*attention"):
        memcell.fit(pairs(5), head="attn", **OPTIONS)


def test_given_splits_are_kept(fitted):
    lines = (fitted.path / "splits.tsv").read_text().splitlines()[1:]
    sides = {line.split("\t")[0]: line.split("\t")[2] for line in lines}
    assert all(name.startswith(side) for name, side in sides.items())


def test_several_sequences_at_once(fitted):
    many = fitted.predict([sequence(1)[0], sequence(2)[0][:7]])
    assert [p.shape for p in many] == [(50, 2), (7, 2)]
    np.testing.assert_allclose(many[0].sum(axis=1), 1, rtol=1e-5)


def test_values_with_steps_that_have_none(tmp_path):
    given = pairs(5, "values")
    given[0][1][3:9] = np.nan
    done = memcell.fit(given, kind="auto", loss="huber", out=tmp_path / "run", **OPTIONS)
    assert {"mean_absolute_error", "root_mean_squared_error", "r2"} <= done.scores.keys()
    assert done.predict(given[0][0]).shape == (50, 1)


def test_where_nobody_is_tested_scores_are_those_of_the_targets(tmp_path):
    done = memcell.fit(pairs(5, "values"), split="everybody", out=tmp_path / "run", **OPTIONS)
    assert {"mean_absolute_error", "r2"} <= done.scores.keys()
    assert np.isnan(list(done.scores.values())).all()


def test_labels_and_several_values(tmp_path):
    done = memcell.fit(pairs(5, "labels"), out=tmp_path / "labels", **OPTIONS)
    assert {"f1_macro", "auc"} <= done.scores.keys()
    two = [(x, np.stack([y, -y], axis=1)) for x, y in pairs(5, "values")]
    done = memcell.fit(two, out=tmp_path / "two", **OPTIONS)
    assert "y0_mean_absolute_error" in done.scores
    assert done.predict(two[0][0]).shape == (50, 2)


def test_next_token_learns_what_follows(tmp_path):
    """Of a cycle of five tokens the next one is certain."""
    tokens = [np.arange(k, k + 60) % 5 for k in range(5)]
    options = {**OPTIONS, "epochs": 40, "learning_rate": 0.03}
    done = memcell.fit(tokens, kind="next", out=tmp_path / "run", **options)
    assert done.scores["accuracy"] > 0.95
    p = done.predict(np.array([0, 1, 2]))
    assert p.argmax(axis=1).tolist()[1:] == [2, 3]
    words = [["the", "cat", "sat"] * 10] * 4
    named = memcell.fit([np.array(w) for w in words], kind="next", out=tmp_path / "w", **OPTIONS)
    assert named.model.outputs == ("cat", "sat", "the")


def test_many_tokens_are_looked_up(tmp_path):
    rng = np.random.default_rng(0)
    tokens = [np.concatenate([np.arange(200), rng.integers(0, 200, 20)]) for _ in range(4)]
    done = memcell.fit(tokens, kind="next", embedding=8, out=tmp_path / "run", **OPTIONS)
    assert done.predict(tokens[0]).shape == (220, 200)


def test_a_gap_restarts_memory(fitted):
    x = sequence(4)[0]
    whole = fitted.model.predict({"x": x, "gaps": [20]})
    np.testing.assert_allclose(whole[20:], fitted.predict(x[20:]), atol=1e-6)
    assert not np.allclose(whole[20:], fitted.predict(x)[20:], atol=1e-6)


def test_dicts_have_subjects(tmp_path):
    given = [
        {"x": x, "y": y, "subject": f"p{k % 3}", "time": np.arange(50.0)}
        for k, (x, y) in enumerate(pairs(6))
    ]
    done = memcell.fit(given, test_subjects=["p1"], out=tmp_path / "run", **OPTIONS)
    lines = (done.path / "splits.tsv").read_text().splitlines()[1:]
    assert {line.split("\t")[2] for line in lines if "\tp1\t" in line} == {"test"}


def test_a_comparison_has_tables(tmp_path):
    done = memcell.compare(
        train=pairs(5),
        axes={"policy": ["carry", "reset"]},
        seeds=2,
        out=tmp_path / "c",
        **{k: v for k, v in OPTIONS.items() if k != "control"},
    )
    summary = done.summary()
    policies = ["carry", "reset", "reset+reshuffle"]  # the last is what people choose between
    assert list(summary["policy"]) == sorted(policies * 2)
    assert (summary["done"] == 2).all()
    assert done.primary == {"outcome": "score", "inference": "carry", "population": "trainings"}
    carried = summary[summary["inference"] == "carry"]
    assert (carried["primary"] == carried["balanced_accuracy"]).all()
    assert list(done.verdicts()["setting"]) == policies[1:]
    assert done.report().is_file()
    assert "p_holm" in done.differences()
    assert (tmp_path / "c/data/train-000.npz").is_file()


def test_options_of_plugins_have_two_underscores(tmp_path):
    done = memcell.fit(pairs(), policy="burn_in", policy__steps=3, out=tmp_path / "r", **OPTIONS)
    assert "steps = 3" in (done.path / "config.toml").read_text()


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"polcy": "carry"}, UsageError, "unknown option 'polcy'. Did you mean 'policy'"),
        ({"cell": lambda a, b: 0}, UsageError, "expected a name or a number"),
        ({"metrics": ["acuracy"]}, UsageError, "unknown score 'acuracy'. Did you mean 'accuracy'"),
        ({"metrics": ["log_loss"]}, UsageError, "better when smaller"),
        ({"data": "x"}, UsageError, "data= and train= were both given"),
        ({"kind": "labels"}, DataError, "2 targets|0 and 1"),
    ],
)
def test_a_wrong_option_is_told(tmp_path, options, error, message):
    given = pairs()
    if options.get("kind") == "labels":
        given = [(x, y * 3) for x, y in given]
    with pytest.raises(error, match=message):
        memcell.fit(given, out=tmp_path / "run", **{**OPTIONS, **options})


X, Y = sequence(0)


@pytest.mark.parametrize(
    ("train", "message"),
    [
        ([], "train got no sequences"),
        (X, "train got a ndarray; expected a list of sequences"),
        ([X], r"train\[0\] is a ndarray; expected \(x, y\).*list\(zip\(xs, ys\)\)"),
        ([(X, Y[:-1])], r"x has 50, y has 49 steps"),
        ([(X[None], Y)], r"x has the shape \[1, 50, 2\]; expected \[steps\] or \[steps, columns\]"),
        ([(X.astype(complex), Y)], "dtype complex128; expected numbers"),
        ([(X, Y)], "there is 1 sequence to divide.*--split time"),
        ([(X, Y), (X[:, :1], Y), (X, Y)], "'train-001' has 1 features a step and 'train-000' 2"),
        ([(np.where(X > 0, X, np.nan), Y)] * 3, r"feature 'x\d' is missing at step \d.*--missing previous"),
        ([(np.where(X > 0, X, np.inf), Y)] * 3, "infinite feature"),
        ([(X, Y - 5)] * 3, "target -5; expected a class"),
        ([(X, Y * 0)] * 3, "nothing to tell apart: all are '0'"),
        ([(X, Y * 0 - 1)] * 3, "nothing to tell apart: no step has one"),
        ([(X, np.stack([Y, Y], 1)), (X, Y), (X, Y)], "has 1 targets a step and 'train-000' 2"),
    ],
)  # fmt: skip
def test_wrong_arrays_are_told_in_a_sentence(tmp_path, train, message):
    with pytest.raises(DataError, match=message):
        memcell.fit(train, out=tmp_path / "run", **OPTIONS)


def test_what_the_model_does_not_take_is_told(fitted):
    with pytest.raises(DataError, match=r"x has no steps; expected one or more"):
        fitted.predict(np.zeros((0, 2)))
    with pytest.raises(DataError, match=r"x has the shape \[5, 3\]; the model takes \[steps, 2\]"):
        fitted.predict(np.zeros((5, 3)))
    with pytest.raises(DataError, match="feature 'x0' is missing at step 0"):
        fitted.predict(np.full((5, 2), np.nan))


def test_arrays_are_not_written_over(fitted):
    with pytest.raises(UsageError, match="already holds a run"):
        memcell.fit(pairs(), out=fitted.path, **OPTIONS)
