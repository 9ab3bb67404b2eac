"""What is typed wrongly to ``memcell compare`` is refused before anything runs, and leaves nothing."""

from __future__ import annotations

import pytest

from memcell.cli.main import run

TYPED = [
    ([], ["one setting only", "--policy carry,reset"]),
    (["--policy", "carry"], ["one setting only", "--seeds"]),
    (["--policy", "carry,rest"], ["unknown policy 'rest'", "'reset'"]),
    (["--cell", "lstm,lstn"], ["unknown cell 'lstn'", "'lstm'"]),
    (["--policy", "carry,carry"], ["'carry' twice"]),
    (["--policy", "carry,,reset"], ["carry,,reset"]),
    (["--policy", "carry,reset", "--seeds", "0"], ["--seeds got 0"]),
    (["--policy", "carry,reset", "--seeds", "1000000"], ["--seeds got 1000000", "10000"]),
    (["--policy", "carry,reset", "--first-seed", "-1"], ["--first-seed"]),
    (["--policy", "carry,reset", "--seed", "1"], ["--seeds"]),
    (["--policy", "carry,reset", "--target-loss", "nan"], ["--target-loss got nan"]),
    (["--policy", "carry,reset", "--target-loss", "-1"], ["--target-loss got -1", "above 0"]),
    (["--policy", "carry,reset", "--policy.p", "1"], ["policy 'carry'", "policy 'reset'"]),
    (["--policy", "carry,carry_p", "--policy.p", "7"], ["carry_p", "0 to 1"]),
    (["--policy", "carry,carry_p(q=1)"], ["unknown option 'q'", "p"]),
    (["--sweep", "batchsize=2,4"], ["unknown field 'batchsize'", "'batch_size'"]),
    (["--sweep", "batch_size=2,x;time_steps=0,5"], ["'x'", "time-steps", "1 to"]),
    (["--sweep", "batch_size=2,2"], ["'2' twice"]),
    (["--sweep", "learning_rate=0.1,1e-1"], ["'0.1' twice"]),
    (["--sweep", "batch_size"], ["NAME=VALUE"]),
    (["--sweep", "batch_size=2,4", "--batch-size", "2"], ["--batch-size has one value"]),
    (["--sweep", "batch_size=2,4", "--sweep", "batch_size=8,9"], ["varied twice"]),
    (["--sweep", "seed=1,2"], ["--seeds N"]),
    (["--sweep", "rate=100,200"], ["the same data"]),
    (["--sweep", "policy.p=0.1,0.2"], ["policy 'carry' has no option 'p'"]),
    (["--policy", "carry,reset", "--sampler", "stream,reshuffle"], ["'stream'", "reshuffle"]),
    (["--policy", "carry,reset", "--jobs", "-1"], ["--jobs got -1"]),
    (["--policy", "carry,reset", "--jobs", "2", "--scheduler", "tcp://x:1"], ["one of them"]),
    (["--policy", "carry,reset", "--data", "nowhere"], ["nowhere", "simulated"]),
]


@pytest.mark.parametrize(("args", "words"), TYPED, ids=[" ".join(t[0])[:50] for t in TYPED])
def test_a_wrong_call_says_what_to_type(args, words, capfd, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code = run(["compare", "microsleep", *args])
    said = capfd.readouterr().err
    assert code == 2, said
    assert "Traceback" not in said
    for word in words:
        assert word in said
    assert not list(tmp_path.iterdir())


def test_a_place_that_is_taken_or_cannot_be_written_is_left_alone(capfd, tmp_path):
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "a.txt").write_text("dear")
    (tmp_path / "file").write_text("")
    for place, code in (("letters", 2), ("file/out", 1)):
        typed = ["compare", "microsleep", "--policy", "carry,reset", "--out", str(tmp_path / place)]
        assert run(typed) == code
        assert "--out" in capfd.readouterr().err
    assert [p.name for p in (tmp_path / "letters").iterdir()] == ["a.txt"]


def test_a_report_of_nothing_is_refused(capfd, tmp_path):
    assert run(["report", str(tmp_path)]) == 1
    assert "comparison.json" in capfd.readouterr().err
