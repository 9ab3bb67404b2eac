"""A small comparison from the command line: its records, going on, extending, and every way to run it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time

import pytest

from memcell.cli.main import run
from memcell.compare.records import RunRecord

BASE = [
    *[
        "compare",
        "microsleep",
        "--skip",
        "none",
        "--data.subjects",
        "4",
        "--data.minutes",
        "2",
        "--hidden-size",
        "4",
    ],
    *["--time-steps", "10", "--batch-size", "2", "--epochs", "2", "--min-updates", "0"],
    *["--checkpoint-seconds", "0.3", "--no-reshuffled"],
]
REPORTED = [*BASE, "--policy", "carry,reset", "--seeds", "2"]
SMALL = [*REPORTED, "--no-report"]
RUNS = [f"policy={p},seed={s}" for p in ("carry", "reset") for s in (0, 1)]


def records(folder):
    """The records' bytes, but for how long it took."""
    found = {}
    for path in sorted((folder / "runs").glob("*/record.json")):
        lines = path.read_bytes().splitlines()
        found[path.parent.name] = [line for line in lines if b'"cpu_seconds"' not in line]
        assert len(lines) == len(found[path.parent.name]) + 1
    return found


def same(a, b):
    assert records(a) == records(b)
    for name in records(a):
        for file in ("metrics.jsonl", "model.safetensors", "scores.tsv"):
            assert (a / "runs" / name / file).read_bytes() == (
                b / "runs" / name / file
            ).read_bytes()
    assert (a / "baselines.json").read_bytes() == (b / "baselines.json").read_bytes()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    path = tmp_path_factory.mktemp("comparison") / "whole"
    assert run([*REPORTED, "--out", str(path)]) == 0
    return path


@pytest.fixture
def copied(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "copied")


def test_every_run_leaves_a_whole_record(whole):
    assert sorted(records(whole)) == RUNS
    for name in RUNS:
        record = RunRecord.read(whole / "runs" / name / "record.json")
        assert (record.id, record.status) == (name, "done")
        assert f"policy={record.setting['policy']},seed={record.seed}" == name
        lines = [json.loads(x) for x in (whole / "runs" / name / "metrics.jsonl").open()]
        epochs = [x for x in lines if "train_loss" in x]
        assert record.training == tuple((x["update"], x["train_loss"]) for x in epochs)
        assert record.validation == tuple((x["update"], x["valid_loss"]) for x in epochs)
        for policy in ("carry", "reset"):
            curve = tuple((x["update"], x["valid_losses"][policy]) for x in epochs)
            assert record.validations[policy] == curve
        # the declared one chooses
        assert record.validations["carry"] == record.validation != record.validations["reset"]
        assert record.updates == epochs[-1]["update"]
        assert set(record.scores) == set(record.subjects) == {"carry", "reset"}
        assert record.cpu_seconds > 0
        assert any("simulated" in note for note in record.notes)
        # with one test subject the pooled scores are that subject's
        (subject,) = record.subjects["carry"]
        assert record.subjects["carry"][subject].keys() == record.scores["carry"].keys()
    plan = json.loads((whole / "comparison.json").read_text())
    assert plan["axes"] == [{"name": "policy", "values": ["carry", "reset"]}]
    assert plan["seeds"] == [0, 1]
    assert plan["main_score"] == "balanced_accuracy"
    rows = json.loads((whole / "baselines.json").read_text())
    assert {"majority class", "clock only"} <= {r["name"] for r in rows}
    assert all(r["subjects"].keys() == {subject} for r in rows)
    assert (whole / "report.html").is_file()


def test_policies_of_one_seed_begin_alike_and_end_apart(whole):
    first = {}
    for name in RUNS:
        with (whole / "runs" / name / "metrics.jsonl").open() as lines:
            # before the first update there is a line on the network that it starts as
            updates = (record for line in lines if "loss" in (record := json.loads(line)))
            first[name] = next(updates)["loss"]
    # the first batch starts from zeros under either policy
    assert first["policy=carry,seed=0"] == first["policy=reset,seed=0"]
    assert first["policy=carry,seed=0"] != first["policy=carry,seed=1"]
    models = {(whole / "runs" / n / "model.safetensors").read_bytes() for n in RUNS}
    assert len(models) == 4


def test_finished_runs_are_not_repeated(copied, capfd):
    before = {p: p.stat().st_mtime_ns for p in copied.glob("runs/*/*")}
    assert run([*SMALL, "--out", str(copied)]) == 0
    assert "4 of them are done" in capfd.readouterr().out
    assert {p: p.stat().st_mtime_ns for p in copied.glob("runs/*/*")} == before


def test_seeds_and_values_are_added_to_the_same_base(copied, whole):
    more = [*BASE, "--policy", "carry,decay", "--seeds", "1", "--first-seed", "2", "--no-report"]
    assert run([*more, "--out", str(copied)]) == 0
    found = records(copied)
    assert {n: found[n] for n in RUNS} == records(whole)
    names = {f"policy={p},seed={s}" for p in ("carry", "reset", "decay") for s in range(3)}
    assert set(found) == names
    plan = json.loads((copied / "comparison.json").read_text())
    assert plan["axes"][0]["values"] == ["carry", "reset", "decay"]
    assert plan["seeds"] == [0, 1, 2]
    assert len(plan["commands"]) == 2


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--hidden-size", "5"], ["[network] hidden_size is 4 there and 5 here"]),
        (["--data.seed", "1"], ["[data] seed"]),
        (["--cell", "lstm,gru"], ["does not vary cell"]),
    ],
)
def test_another_comparison_is_not_written_over(copied, capfd, args, words):
    before = (copied / "comparison.json").read_bytes()
    assert run([*SMALL, *args, "--out", str(copied)]) == 2
    said = capfd.readouterr().err
    for word in ["another comparison", *words]:
        assert word in said
    assert (copied / "comparison.json").read_bytes() == before


def test_a_value_that_no_comparison_has_is_named_with_its_file(copied, capfd):
    file = copied / "comparison.json"
    file.write_text(file.read_text().replace('"reset"', f'"{"9" * 300}"'))
    assert run([*SMALL, "--out", str(copied)]) == 2
    said = capfd.readouterr().err
    assert "comparison.json" in said
    assert "9" * 70 in said
    assert len(said) < 700


def test_a_comparison_of_a_memcell_that_knew_fewer_options_goes_on(copied, whole, capfd):
    plan = json.loads((copied / "comparison.json").read_text())
    del plan["base"]["training"]["order_seed"]
    (copied / "comparison.json").write_text(json.dumps(plan))
    begun = copied / "runs" / RUNS[0]
    (begun / "record.json").unlink()
    config = (begun / "config.toml").read_text().splitlines(keepends=True)
    (begun / "config.toml").write_text("".join(x for x in config if "order_seed" not in x))
    assert run([*SMALL, "--out", str(copied)]) == 0
    assert "3 of them are done" in capfd.readouterr().out
    same(copied, whole)
    # it went on from its checkpoint, where there was nothing left to train
    last = json.loads((begun / "work.json").read_text())[-1]
    assert last["from_update"] == last["to_update"] > 0


def test_a_diverged_run_is_recorded_and_not_repeated(tmp_path, capfd):
    args = [
        *[*BASE, "--optimizer", "adam,sgd", "--optimizer.weight-decay", "1", "--clip", "0"],
        *["--learning-rate", "1000", "--seeds", "1", "--no-report", "--out", str(tmp_path / "out")],
    ]
    assert run(args) == 0
    path = tmp_path / "out/runs/optimizer=sgd,seed=0/record.json"
    diverged = RunRecord.read(path)
    assert diverged.status == "diverged"
    assert "the loss is" in diverged.reason
    assert not diverged.scores
    assert RunRecord.read(tmp_path / "out/runs/optimizer=adam,seed=0/record.json").status == "done"
    before = path.stat().st_mtime_ns
    assert run(args) == 0
    assert "1 diverged" in capfd.readouterr().out
    assert path.stat().st_mtime_ns == before


def test_a_run_that_failed_is_recorded_and_tried_again(copied, whole, capfd):
    broken = copied / "runs" / RUNS[0]
    shutil.rmtree(broken)
    (broken / "metrics.jsonl").mkdir(parents=True)
    shutil.rmtree(copied / "runs" / RUNS[1])
    assert run([*SMALL, "--out", str(copied)]) == 1
    assert "1 failed" in capfd.readouterr().out
    record = RunRecord.read(broken / "record.json")
    assert record.status == "failed"
    assert "metrics.jsonl" in record.reason
    (broken / "metrics.jsonl").rmdir()
    assert run([*SMALL, "--out", str(copied)]) == 0
    same(copied, whole)


def test_a_checkpoint_that_cannot_be_used_begins_the_run_again(copied, whole):
    cut = copied / "runs" / RUNS[2]
    (cut / "record.json").unlink()
    data = bytearray((cut / "checkpoint.safetensors").read_bytes())
    data[-3] ^= 1
    (cut / "checkpoint.safetensors").write_bytes(data)
    assert run([*SMALL, "--out", str(copied)]) == 0
    same(copied, whole)


def test_data_that_cannot_be_used_end_it_at_once(tmp_path, capfd):
    (tmp_path / "empty").mkdir()
    args = ["compare", "microsleep", "--policy", "carry,reset", "--data", str(tmp_path / "empty")]
    assert run([*args, "--out", str(tmp_path / "out")]) == 1
    assert "no recording" in capfd.readouterr().err
    assert not list((tmp_path / "out").glob("runs/*"))


def test_one_setting_with_many_seeds_is_allowed_when_asked_for(tmp_path):
    out = tmp_path / "out"
    assert run([*BASE, "--epochs", "1", "--seeds", "2", "--no-report", "--out", str(out)]) == 0
    assert sorted(records(out)) == ["seed=0", "seed=1"]


@pytest.mark.parametrize(
    "number", [pytest.param(signal.SIGINT, marks=pytest.mark.slow), signal.SIGKILL]
)
def test_a_stopped_comparison_goes_on_where_it_was(tmp_path, whole, number):
    out = tmp_path / "out"
    args = [sys.executable, "-m", "memcell", *SMALL, "--out", str(out)]
    process = subprocess.Popen(args, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    metrics = out / "runs" / RUNS[2] / "metrics.jsonl"
    for _ in range(3000):
        if metrics.exists() and metrics.read_bytes().count(b"\n") > 20:
            break
        assert process.poll() is None, process.stdout.read()
        time.sleep(0.01)
    process.send_signal(number)
    said, _ = process.communicate(timeout=60)
    if number != signal.SIGKILL:
        assert process.returncode == 130
        assert f"Go on with: memcell {' '.join(SMALL)} --out {out}" in said
    assert len(records(out)) == 1
    done = out / "runs" / RUNS[0] / "record.json"
    before = done.stat().st_mtime_ns
    assert run([*SMALL, "--out", str(out)]) == 0
    assert done.stat().st_mtime_ns == before
    same(out, whole)


def test_two_processes_give_the_same_bytes(tmp_path, whole):
    out = tmp_path / "out"
    assert run([*SMALL, "--out", str(out), "--jobs", "2"]) == 0
    same(out, whole)


@pytest.mark.slow
def test_a_cluster_one_of_whose_workers_is_killed_gives_the_same_bytes(tmp_path, whole):
    from distributed import LocalCluster

    out = tmp_path / "out"
    killed = []

    def kill(cluster):
        for _ in range(6000):
            begun = [p for p in out.glob("runs/*/metrics.jsonl") if p.stat().st_size > 2000]
            if any(not (p.parent / "record.json").exists() for p in begun):
                worker = next(iter(cluster.workers.values()))
                killed.append(worker.pid)
                os.kill(worker.pid, signal.SIGKILL)
                return
            time.sleep(0.005)

    with LocalCluster(
        n_workers=1, threads_per_worker=1, host="127.0.0.1", dashboard_address=None,
        silence_logs=60,
    ) as cluster:  # fmt: skip
        thread = threading.Thread(target=kill, args=(cluster,))
        thread.start()
        code = run([*SMALL, "--out", str(out), "--scheduler", cluster.scheduler_address])
        thread.join()
    assert code == 0
    assert killed
    same(out, whole)


def test_probes_leave_their_summaries_in_each_run(tmp_path):
    out = tmp_path / "probed"
    probed = ["--no-report", "--probe", "cell_state", "--probe-budget", "1", "--out", str(out)]
    assert run([*BASE, "--policy", "carry,reset", "--seeds", "1", *probed]) == 0
    for name in ("carry", "reset"):
        lines = (out / "runs" / f"policy={name},seed=0" / "probes.jsonl").read_text().splitlines()
        assert [json.loads(x)["probe"] for x in lines if "summary" in json.loads(x)] == [
            "cell_state"
        ]
