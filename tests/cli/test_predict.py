"""``memcell predict`` with a real model: many files, many processes, and all that goes wrong on the way."""

from __future__ import annotations

import csv
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from tests.results import result

from memcell.cli.main import run
from memcell.runs.predict_task import opened_model
from memcell_compiler.build import target
from memcell_compiler.build.bfloat16 import without_bfloat16
from memcell_data.datasets.configs import SimulatedConfig
from memcell_data.datasets.simulated import Simulated
from memcell_data.formats.edf.writer import Track, write_edf

MODEL = [
    *[
        "train",
        "microsleep",
        "--baselines",
        "few",
        "--tune",
        "none",
        "--data.subjects",
        "4",
        "--data.minutes",
        "2",
        "--hidden-size",
        "4",
    ],
    *["--time-steps", "10", "--batch-size", "2", "--epochs", "1", "--min-updates", "0"],
    *["--channels", "O1,O2", "--against", "none"],
]
COMMAND = ["predict", "microsleep"]
#: Patched into every worker of the cluster: one recording kills its process always, and one does once.
FATAL = """
import os
from pathlib import Path
from memcell_eeg.prediction.sources import RecordingFile

def fatal(self, *given):
    mark = self.path.with_suffix(".mark")
    if self.name == "poison" or (self.name == "once" and not mark.exists()):
        mark.touch()
        os._exit(1)
    return self.was_open(*given)

if not hasattr(RecordingFile, "was_open"):  # a worker may be preloaded twice
    RecordingFile.was_open, RecordingFile.open = RecordingFile.open, fatal
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "run"
    assert run([*MODEL, "--out", str(path)]) == 0
    return path


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    """Three recordings, one of them with a gap, and a broken one between them."""
    made = Simulated(SimulatedConfig(subjects=3, minutes=2, seed=7))
    folder = made.get(tmp_path_factory.mktemp("recordings"))
    (folder / "sim02b.edf").write_bytes(b"0       nothing more")
    return folder


@pytest.fixture(scope="module")
def serial(model, recordings, tmp_path_factory):
    """What the serial run leaves."""
    out = tmp_path_factory.mktemp("serial") / "out"
    assert predict(model, recordings, out, "--export", "edf") == 1
    return out


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """A cluster as somebody else would have started it."""
    import dask
    from distributed import LocalCluster

    from memcell.jobs.clients import ALLOWED_FAILURES

    preload = tmp_path_factory.mktemp("preload") / "fatal.py"
    preload.write_text(FATAL)
    settings = {
        "distributed.scheduler.allowed-failures": ALLOWED_FAILURES,
        "distributed.worker.preload": [str(preload)],
    }
    with (
        dask.config.set(settings),
        LocalCluster(
            n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None,
            silence_logs=60,
        ) as made,
    ):  # fmt: skip
        yield made


RESULTS = ("_events.tsv", "_probability.tsv", "_annot.txt")


def predict(model, recordings, out, *more):
    return run([*COMMAND, str(recordings), "--model", str(model), "--out", str(out), *more])


def same(a, b):
    names = sorted(p.relative_to(a) for p in a.rglob("*") if p.is_file())
    assert names == sorted(p.relative_to(b) for p in b.rglob("*") if p.is_file())
    for name in names:
        assert (a / name).read_bytes() == (b / name).read_bytes(), name
    assert len(names) > 4


def column(path, name):
    with path.open(encoding="utf-8") as file:
        return [row[name] for row in csv.DictReader(file, delimiter="\t")]


def test_a_broken_file_is_named_and_the_rest_goes_on(serial, recordings, model, capfd, tmp_path):
    assert predict(model, recordings, tmp_path / "out") == 1
    said = capfd.readouterr().out
    assert f"failed: sim02b: {recordings / 'sim02b.edf'}: the header is cut" in said
    assert "3 of 4 recordings predicted (memory: carry)" in said
    assert column(serial / "summary.tsv", "recording") == ["sim01", "sim02", "sim02b", "sim03"]
    assert column(serial / "summary.tsv", "status") == ["done", "done", "failed", "done"]


def test_workers_leave_the_bytes_of_the_serial_run(serial, recordings, model, tmp_path, capfd):
    out = tmp_path / "out"
    assert predict(model, recordings, out, "--export", "edf", "--jobs", "2") == 1
    same(serial, out)
    result(out, "sim02", "_events.tsv").unlink()
    assert predict(model, recordings, out, "--export", "edf") == 1
    assert "2 of them done before" in capfd.readouterr().out
    same(serial, out)


@pytest.mark.slow
def test_a_dying_worker_costs_a_retry_and_poison_fails_alone(
    serial, recordings, model, cluster, tmp_path, capfd
):
    mine, out = tmp_path / "in", tmp_path / "out"
    shutil.copytree(recordings, mine)
    shutil.copy(recordings / "sim01.edf", mine / "once.edf")
    shutil.copy(recordings / "sim01.edf", mine / "poison.edf")
    (mine / "sim02b.edf").unlink()
    assert predict(model, mine, out, "--scheduler", cluster.scheduler_address) == 1
    said = capfd.readouterr().out
    # two beside other tasks, then three alone
    died = "every worker that ran poison died, 5 in all, the last 3 while nothing else ran"
    assert f"failed: poison: {died}" in said
    assert "4 of 5 recordings predicted" in said
    assert (mine / "once.mark").exists()
    assert column(out / "summary.tsv", "recording") == ["once", "poison", "sim01", "sim02", "sim03"]
    for name in ("sim01", "sim02", "sim03"):
        for what in RESULTS:
            a, b = result(serial, name, what), result(out, name, what)
            assert a.read_bytes() == b.read_bytes()
    for what in RESULTS:
        assert result(out, "once", what).read_bytes() == result(out, "sim01", what).read_bytes()
    assert not [*out.glob(".asked*")]


def test_a_disk_that_workers_do_not_share_is_named(model, recordings, tmp_path):
    from memcell.errors import UsageError
    from memcell.jobs import Working
    from memcell.runs.predict_task import PredictionOptions, PredictTask, do_recording

    (tmp_path / "out").mkdir()
    wanted = PredictionOptions(
        app="microsleep", run=str(model), digest="x", out=str(tmp_path / "out"), mark=".asked-1"
    )
    with pytest.raises(UsageError, match=r"a worker does not see .*all workers share"):
        do_recording(PredictTask(request=wanted, item=None), Working())


def test_a_model_that_changed_meanwhile_is_refused(model, tmp_path):
    from memcell.errors import CheckpointError
    from memcell.runs.predict_task import PredictionOptions, opened_model

    wanted = PredictionOptions(app="microsleep", run=str(model), digest="x", out=str(tmp_path))
    with pytest.raises(CheckpointError, match="it changed"):
        opened_model(wanted)


@pytest.mark.parametrize(
    "jobs", [[], pytest.param(["--jobs", "1"], marks=pytest.mark.slow)], ids=["serial", "jobs"]
)
def test_ctrl_c_keeps_what_is_done_and_the_same_command_goes_on(
    serial, recordings, model, tmp_path, jobs
):
    mine, out = tmp_path / "in", tmp_path / "out"
    mine.mkdir()
    for i in range(20):
        shutil.copy(recordings / "sim01.edf", mine / f"r{i:02d}.edf")
    command = [
        *[sys.executable, "-m", "memcell", *COMMAND, str(mine)],
        *["--model", str(model), "--out", str(out), *jobs],
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    for _ in range(12000):
        if [*out.rglob("*_events.json")] or process.poll() is not None:
            break
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "of 20 recordings are done and kept: the same command goes on" in said
    assert "Traceback" not in said
    done = {p: p.stat().st_mtime_ns for p in out.rglob("*_events.json")}
    assert 1 <= len(done) < 20
    assert not [*out.glob(".asked*")]
    assert run(command[3:] if not jobs else command[3:-2]) == 0
    assert len(list(out.rglob("*_events.json"))) == 20
    assert all(p.stat().st_mtime_ns == t for p, t in done.items())
    for path in out.rglob("*_probability.tsv"):
        assert path.read_bytes() == result(serial, "sim01", "_probability.tsv").read_bytes()


@pytest.mark.parametrize("policy", ["carry", "reset"])
def test_memory_runs_through_a_recording_and_never_over_a_gap(model, tmp_path, policy):
    random = np.random.default_rng(1)
    values = {n: random.normal(0, 30, 128 * 60).cumsum() % 200 for n in ("O1", "O2")}
    # an hour: nothing is left of the scale of the features either
    onsets = [float(i) for i in range(25)] + [3600.0 + i for i in range(35)]
    both, alone = tmp_path / "both.edf", tmp_path / "alone.edf"
    write_edf(both, [Track(name=n, values=v, rate=128) for n, v in values.items()], onsets=onsets)
    write_edf(alone, [Track(name=n, values=v[128 * 25 :], rate=128) for n, v in values.items()])
    for path in (both, alone):
        assert predict(model, path, tmp_path / "out", "--eval-policy", policy) == 0
    found = result(tmp_path / "out", "both", "_probability.tsv")
    time_of, p = column(found, "onset"), column(found, "probability")
    first = time_of.index("3600.000")
    assert first == 125
    if policy == "carry":  # else memory restarts every T steps of the sequence
        alone = column(result(tmp_path / "out", "alone", "_probability.tsv"), "probability")
        # steps stand at other places of their blocks: the last bits may round another way
        assert [*map(float, p[first:])] == pytest.approx([*map(float, alone)], abs=1.5e-6)
    assert p[first - 1] != p[first]
    # the second command leaves the first one's recording in the summary
    assert sorted(column(tmp_path / "out/summary.tsv", "gaps")) == ["0", "1"]


def test_memory_is_reset_between_files(serial, model, recordings, tmp_path):
    """A recording by itself gives what it gave after others, and before others."""
    backwards = [str(recordings / f"sim0{i}.edf") for i in (3, 2, 1)]
    out = ["--out", str(tmp_path / "out")]
    assert run([*COMMAND, *backwards, "--model", str(model), *out]) == 0
    assert predict(model, recordings / "sim02.edf", tmp_path / "alone") == 0
    for name in ("out", "alone"):
        for path in (tmp_path / name).rglob("*_probability.tsv"):
            assert path.read_bytes() == (serial / path.relative_to(tmp_path / name)).read_bytes()
    assert column(tmp_path / "out/summary.tsv", "recording") == ["sim03", "sim02", "sim01"]


def test_a_live_result_is_the_carried_one(model, recordings, tmp_path, capfd):
    path = recordings / "sim02.edf"
    assert predict(model, path, tmp_path / "carry", "--eval-policy", "carry") == 0
    assert predict(model, path, tmp_path / "live", "--causal") == 0
    same(tmp_path / "carry", tmp_path / "live")
    assert predict(model, path, tmp_path / "x", "--causal", "--eval-policy", "reset") == 2
    assert "--causal carries memory on" in capfd.readouterr().err


def test_in_bfloat16_it_is_nearly_the_same_and_said_where_it_is_not(
    serial, model, recordings, tmp_path, capfd, monkeypatch
):
    path, name = recordings / "sim02.edf", ("sim02", "_probability.tsv")
    assert predict(model, path, tmp_path / "mixed", "--mixed-precision") == 0
    said = "this is predicted in float32"
    assert (said in capfd.readouterr().out) == (without_bfloat16() is not None)
    exact, mixed = (
        [*map(float, column(result(folder, *name), "probability"))]
        for folder in (serial, tmp_path / "mixed")
    )
    assert mixed == pytest.approx(exact, abs=0.02)
    if without_bfloat16() is None:
        assert mixed != exact
    monkeypatch.setattr(target, "processor", lambda: ("AuthenticAMD", frozenset()))
    opened_model.cache_clear()
    assert predict(model, path, tmp_path / "plain", "--mixed-precision") == 0
    opened_model.cache_clear()
    assert f"Intel's where they have AMX; {said}" in capfd.readouterr().out
    assert result(tmp_path / "plain", *name).read_bytes() == result(serial, *name).read_bytes()


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="mounting takes root")
def test_a_full_disk_is_one_line_and_keeps_what_is_done(model, recordings, tmp_path, capfd):
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(small)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("mounting is not permitted here")
    try:
        assert predict(model, recordings, small / "out") == 1
        said = capfd.readouterr().err
        assert said.count("\n") == 1
        assert "No space left on device" in said
        done = len([*(small / "out").rglob("*_events.json")])
        assert done == 2
        kept = f"{done} of 4 recordings are done and kept: make room, and the same command goes on"
        assert kept in said
        assert not [*(small / "out").glob(".asked*")]
        subprocess.run(["mount", "-o", "remount,size=1m", str(small)], check=True)
        assert predict(model, recordings, small / "out") == 1
        assert f"{done} of them done before" in capfd.readouterr().out
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_folders_that_are_no_run(model, recordings, tmp_path, capfd):
    loso, compared = tmp_path / "loso", tmp_path / "compared"
    shutil.copytree(model, loso / "folds" / "s1")
    shutil.copytree(model, compared / "runs" / "policy=carry,seed=0")
    shutil.copytree(model, tmp_path / "unfinished")
    (tmp_path / "unfinished" / "model.safetensors").unlink()
    cases = [
        (loso, ["leaves one subject out and has 1 networks", str(loso / "folds" / "s1")]),
        (compared, ["is a comparison and has 1 networks", "policy=carry,seed=0"]),
        (recordings, ["is not a run folder"]),
        (tmp_path / "nowhere", ["is not a run folder"]),
        (tmp_path / "unfinished", ["no trained network yet", "memcell train microsleep --resume"]),
    ]
    for path, words in cases:
        assert predict(path, recordings, tmp_path / "out") == 1
        said = capfd.readouterr().err
        assert said.count("\n") == 1
        for word in words:
            assert word in said
    assert not (tmp_path / "out").exists()


def test_a_config_that_names_unknown_features_is_named(model, recordings, tmp_path, capfd):
    altered = tmp_path / "run"
    shutil.copytree(model, altered)
    config = altered / "config.toml"
    text = config.read_text(encoding="utf-8")
    config.write_text(text.replace('"auto",', '"../../outside",', 2), encoding="utf-8")
    common = ["--out", str(tmp_path / "found")]
    file = str(recordings / "sim01.edf")
    for command in (
        ["predict", "microsleep", file, "--model", str(altered), *common],
        ["stream", "microsleep", "--file", file, "--model", str(altered), *common],
        ["evaluate", "microsleep", str(altered)],
        ["export", str(altered), "--to", "onnx"],
    ):
        assert run(command) == 2
        said = capfd.readouterr().err
        assert "config.toml" in said
        assert "../../outside" in said


def test_wrong_arguments_are_refused(model, recordings, tmp_path, capfd):
    (tmp_path / "empty").mkdir()
    cases = [
        (["--export", "mat"], 2, ["unknown export 'mat'", "edf"]),
        (["--jobs", "2", "--scheduler", "tcp://127.0.0.1:1"], 2, ["type one of them"]),
        (["--scheduler", "tcp://127.0.0.1:1"], 2, ["no scheduler answers"]),
        (["--jobs", "-1"], 2, ["--jobs got -1"]),
    ]
    for more, code, words in cases:
        assert predict(model, recordings, tmp_path / "out", *more) == code
        said = capfd.readouterr().err
        for word in words:
            assert word in said
    assert predict(model, tmp_path / "empty", tmp_path / "out") == 1
    assert "holds no recording" in capfd.readouterr().err


def test_another_models_results_are_not_mixed_in(serial, model, recordings, capfd):
    before = {p: p.read_bytes() for p in serial.rglob("*") if p.is_file()}
    assert predict(model, recordings, serial, "--eval-policy", "reset") == 1
    assert "holds results of another model" in capfd.readouterr().err
    assert {p: p.read_bytes() for p in serial.rglob("*") if p.is_file()} == before
