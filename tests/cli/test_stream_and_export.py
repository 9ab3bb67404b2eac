"""A small run streamed, predicted and exported from the command line: the same numbers each way."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
import time
from itertools import pairwise

import numpy as np
import onnxruntime
import pytest
from tests.results import result

from memcell.cli.main import run
from memcell_compiler.build import target
from memcell_compiler.build.bfloat16 import without_bfloat16
from memcell_data.formats.edf.writer import Track, write_edf
from memcell_data.formats.reader import open_recording
from memcell_eeg.features.pipeline import Pipeline

RATE = 128


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "run"
    args = [
        "--baselines",
        "few",
        "--tune",
        "none",
        "--data.subjects",
        "3",
        "--data.minutes",
        "2",
        "--channels",
        "O1,O2",
        "--epochs",
        "1",
    ]
    args += ["--hidden-size", "6", "--encoder", "linear", "--normalizer", "layer"]
    args += ["--min-updates", "0", "--against", "none", "--out", str(path)]
    assert run(["train", "microsleep", *args]) == 0
    return path


@pytest.fixture(scope="module")
def night(tmp_path_factory):
    """25 s with two gaps (EDF+D)."""
    path = tmp_path_factory.mktemp("night") / "night.edf"
    values = np.random.default_rng(0).normal(size=(2, 25 * RATE)) * 20
    tracks = [
        Track(name=c, values=v, rate=RATE, physical=(-200.0, 200.0))
        for c, v in zip(("O2", "O1"), values, strict=True)
    ]
    write_edf(path, tracks, onsets=[k + 5.5 * (k >= 10) + 0.05 * (k >= 17) for k in range(25)])
    return path


def failing(capfd, *args):
    code = run(list(args))
    said = capfd.readouterr()
    assert "Traceback" not in said.err
    return code, said.err


def test_a_stream_writes_the_bytes_of_a_causal_prediction(model, night, tmp_path, capfd):
    common = ["--model", str(model), "--out"]
    assert run(["predict", "microsleep", str(night), "--causal", *common, str(tmp_path / "p")]) == 0
    for k, chunk in enumerate(["0.05", "0.011"]):
        options = ["--file", str(night), "--speed", "max", "--chunk", chunk, "--lines", "none"]
        out = tmp_path / f"s{k}"
        assert run(["stream", "microsleep", *options, *common, str(out)]) == 0
        streamed = (out / "night_probability.tsv").read_bytes()
        assert streamed == result(tmp_path / "p", "night", "_probability.tsv").read_bytes()
    assert streamed.count(b"\n") > 120
    said = capfd.readouterr().err
    assert "2 gaps" in said
    assert "simulated" in said


def test_in_bfloat16_a_stream_writes_those_bytes_too(model, night, tmp_path, capfd, monkeypatch):
    common = ["--model", str(model), "--mixed-precision", "--out"]
    options = ["--file", str(night), "--speed", "max", "--lines", "none"]
    assert run(["predict", "microsleep", str(night), "--causal", *common, str(tmp_path / "p")]) == 0
    assert run(["stream", "microsleep", *options, *common, str(tmp_path / "s")]) == 0
    streamed = (tmp_path / "s" / "night_probability.tsv").read_bytes()
    assert streamed == result(tmp_path / "p", "night", "_probability.tsv").read_bytes()
    said = capfd.readouterr()
    fast = without_bfloat16() is None
    assert ("this is streamed in float32" in said.err) != fast
    monkeypatch.setattr(target, "processor", lambda: ("AuthenticAMD", frozenset()))
    assert run(["stream", "microsleep", *options, *common, str(tmp_path / "f")]) == 0
    assert "Intel's where they have AMX; this is streamed in float32" in capfd.readouterr().err
    for folder, rounded in (("s", fast), ("f", False)):
        made = (tmp_path / folder / "night_live.json").read_text()
        assert ("-carry-bfloat16" in made) == rounded


def test_in_bfloat16_it_is_scored_beside_float32(model, capfd, monkeypatch):
    assert run(["evaluate", "microsleep", str(model), "--mixed-precision"]) == 0
    said = capfd.readouterr().out
    fast = without_bfloat16() is None
    assert ("this is scored in float32" in said) != fast
    assert (model / f"evaluation{'-bfloat16' if fast else ''}.tsv").is_file()
    monkeypatch.setattr(target, "processor", lambda: ("AuthenticAMD", frozenset()))
    assert run(["evaluate", "microsleep", str(model), "--mixed-precision"]) == 0
    assert "Intel's where they have AMX; this is scored in float32" in capfd.readouterr().out
    code, said = failing(
        capfd, "evaluate", "microsleep", str(model), "--robustness", "--mixed-precision"
    )
    assert code == 2
    assert "leave out the other options" in said


def test_ctrl_c_ends_it_with_a_summary(model, night, tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-m", "memcell", "stream", "microsleep", "--model", str(model), "--file",
         str(night), "--out", str(tmp_path / "out")],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    lines = [process.stdout.readline() for _ in range(5)]
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    assert "Traceback" not in err
    found = [json.loads(line) for line in [*lines, *out.splitlines()]]
    assert [found[0]["kind"], found[-1]["kind"]] == ["begin", "end"]
    steps = sum(f["kind"] == "step" for f in found)
    assert 0 < steps == found[-1]["steps"] < 120
    rows = (tmp_path / "out" / "night_probability.tsv").read_text().splitlines()
    assert len(rows) == 1 + steps
    summary = json.loads((tmp_path / "out" / "night_live.json").read_text())["summary"]
    assert summary["steps"] == steps
    assert f"{steps} steps" in err


#: An alarm from the first step on.
ALARM = ["--threshold", "0", "--alarm-steps", "1", "--alarm-of", "1"]


def start_stream(model, night, out, *more, **how):
    return subprocess.Popen(
        [sys.executable, "-m", "memcell", "stream", "microsleep", "--model", str(model), "--file",
         str(night), "--out", str(out), *more],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **how,
    )  # fmt: skip


def until_alarm(process):
    for line in process.stdout:
        if '"alarm"' in line:
            return
    pytest.fail(process.stderr.read())


@pytest.mark.slow
def test_a_killed_stream_leaves_its_alarm_and_does_not_bar_the_next_one(model, night, tmp_path):
    process = start_stream(model, night, tmp_path, *ALARM)
    until_alarm(process)
    process.stdout.readline()  # the step after it: by now the row is on the disk
    process.kill()
    process.communicate()
    header, *rows = (tmp_path / "night_alarms.tsv").read_text().splitlines()
    assert header.split("\t")[1] == "duration"
    assert [row.split("\t")[1] for row in rows] == ["n/a"]
    before = (tmp_path / "night_probability.tsv").read_bytes()
    assert before.endswith(b"\n")
    assert json.loads((tmp_path / "night_live.json").read_text())["summary"] is None
    process = start_stream(model, night, tmp_path, *ALARM, "--speed", "max", "--lines", "none")
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "'night-2'" in err
    assert (tmp_path / "night_probability.tsv").read_bytes() == before
    again = (tmp_path / "night-2_alarms.tsv").read_text().splitlines()[1:]
    assert len(again) == 3
    assert "n/a" not in [row.split("\t")[1] for row in again]


@pytest.mark.parametrize(
    "number", [signal.SIGHUP, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)]
)
def test_a_terminal_that_closes_ends_a_stream_with_its_alarm_complete(
    model, night, tmp_path, number
):
    process = start_stream(model, night, tmp_path, *ALARM)
    until_alarm(process)
    process.send_signal(number)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    _, row = (tmp_path / "night_alarms.tsv").read_text().splitlines()
    assert float(row.split("\t")[1]) >= 0
    assert json.loads((tmp_path / "night_live.json").read_text())["summary"]["alarms"] == 1


@pytest.mark.slow
def test_a_reader_that_goes_away_does_not_end_a_stream(model, night, tmp_path):
    process = start_stream(model, night, tmp_path, "--speed", "5")
    process.stdout.readline()
    process.stdout.close()
    err = process.stderr.read()
    assert process.wait(timeout=30) == 0, err
    assert err.count("the reader of the output has closed it") == 1
    assert "Traceback" not in err
    rows = (tmp_path / "night_probability.tsv").read_text().splitlines()
    assert (
        len(rows) - 1 == json.loads((tmp_path / "night_live.json").read_text())["summary"]["steps"]
    )


def test_a_file_that_may_not_grow_does_not_end_a_stream(model, night, tmp_path):
    def limit():
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))

    process = start_stream(model, night, tmp_path, "--speed", "max", preexec_fn=limit)
    out, err = process.communicate(timeout=60)
    steps = sum(json.loads(line)["kind"] == "step" for line in out.splitlines())
    assert steps > 120
    assert json.loads(out.splitlines()[-1])["kind"] == "end"
    assert process.returncode == 1
    assert err.count("cannot write") == 1 + err.count("night_live.json")
    rows = (tmp_path / "night_probability.tsv").read_text()
    assert rows.endswith("\n")
    assert {len(row.split("\t")) for row in rows.splitlines()} == {3}
    assert f"lacks its last {1 + steps - len(rows.splitlines())} rows" in err


def test_the_exported_file_gives_the_numbers_of_a_prediction(model, night, tmp_path, capfd):
    path = tmp_path / "model.onnx"
    assert run(["export", str(model), "--to", "onnx", "--out", str(path)]) == 0
    said = capfd.readouterr().out
    assert "differ by at most" in said
    assert "session.run" in said
    out = tmp_path / "p"
    args = ["--model", str(model), "--out", str(out)]
    assert run(["predict", "microsleep", str(night), *args, "--causal"]) == 0
    with result(out, "night", "_probability.tsv").open() as file:
        expected = np.array([float(r["probability"]) for r in csv.DictReader(file, delimiter="\t")])
    session = onnxruntime.InferenceSession(path)
    facts = session.get_modelmeta().custom_metadata_map
    facts = {k: json.loads(v) for k, v in facts.items()}
    assert facts["memcell.classes"] == ["wake", "microsleep"]
    assert facts["memcell.step_seconds"] == 0.2
    assert facts["memcell.simulated"] is True
    assert 0 < facts["memcell.decision"]["carry"]["threshold"] < 1
    pipeline = Pipeline.from_facts(facts["memcell.preparation"])
    assert facts["memcell.features"] == list(pipeline.feature_names)
    assert "subjects" not in json.dumps(facts)
    sequence = pipeline.sequence(open_recording(night))
    edges = sorted({0, *sequence.breaks, 5, 30, 31, sequence.n_steps})
    start = {k: np.float32(v)[None] for k, v in facts["memcell.start"].items()}
    found, memory = [], start
    for a, b in pairwise(edges):
        if a in sequence.breaks:
            memory = start
        p, _, *after = session.run(None, {"x": sequence.features[a:b, None], **memory})
        memory = dict(zip(memory, after, strict=True))
        found += p[:, 0, 1].tolist()
    np.testing.assert_allclose(found, expected, atol=2e-6)


BAD = [
    (["stream", "microsleep"], 2, ["--model RUN"]),
    (["stream", "memory", "--model", "x"], 2, ["'memory'", "no live signal"]),
    (["stream", "microsleep", "--model", "MODEL"], 2, ["neither --lsl nor --file"]),
    (["stream", "microsleep", "--model", "nowhere", "--file", "x"], 1, ["'nowhere'", "run folder"]),
    (["stream", "microsleep", "--model", "MODEL", "--file", "x.edf"], 1, ["'x.edf'", "not exist"]),
    (["stream", "microsleep", "--model", "MODEL", "--speed", "fast", "--file", "x"], 2, ["'fast'"]),
    (
        ["stream", "microsleep", "--model", "MODEL", "--thresh", "2", "--file", "x"],
        2,
        ["--threshold"],
    ),
    (
        ["stream", "microsleep", "--model", "MODEL", "--threshold", "2", "--file", "x"],
        2,
        ["0 to 1"],
    ),
    (["export", "nowhere", "--to", "onnx"], 1, ["'nowhere'", "run folder"]),
    (["export", "MODEL"], 2, ["--to", "onnx"]),
    (["export", "MODEL", "--to", "tflite"], 2, ["tflite", "onnx"]),
    (["export", "MODEL", "--to", "onnx", "--out", "MODEL"], 2, ["is a folder", "model.onnx"]),
]


@pytest.mark.parametrize(
    ("args", "code", "words"),
    BAD,
    ids=lambda v: " ".join(map(str, v))[:60] if isinstance(v, list) else "",
)
def test_wrong_arguments_get_one_line(model, capfd, args, code, words):
    found, said = failing(capfd, *(str(model) if a == "MODEL" else a for a in args))
    assert found == code, said
    for word in words:
        assert word in said


@pytest.mark.parametrize(
    ("command", "place", "words"),
    [
        (["export", "MODEL", "--to", "onnx"], "memcell.runs.export_onnx", "memcell-rnn[onnx]"),
        (
            ["stream", "microsleep", "--model", "MODEL", "--lsl", "x"],
            "memcell_eeg.live.lsl_source",
            "memcell-rnn[live]",
        ),
    ],
)
def test_an_extra_that_is_not_installed_is_one_line(
    model, capfd, monkeypatch, command, place, words
):
    monkeypatch.setattr(f"{place}.find_spec", lambda name: None)
    code, said = failing(capfd, *(str(model) if a == "MODEL" else a for a in command))
    assert code == 1
    assert f"pip install '{words}'" in said


def test_a_run_that_is_not_finished_is_not_exported(model, capfd, tmp_path):
    import shutil

    half = tmp_path / "half"
    shutil.copytree(model, half)
    (half / "model.safetensors").unlink()
    code, said = failing(capfd, "export", str(half), "--to", "onnx")
    assert code == 1
    assert "--resume" in said
    assert not (half / "model.onnx").exists()


NOISY = """
import os, sys
from memcell.inference.stepping import NetworkStepper
usual = NetworkStepper.step
def step(self, features):
    print("a library prints")
    os.write(1, b"compiled code prints\\n")
    return usual(self, features)
NetworkStepper.step = step
from memcell.cli.main import run
sys.exit(run(sys.argv[1:]))
"""


@pytest.mark.parametrize("form", ["jsonl", pytest.param("tsv", marks=pytest.mark.slow)])
def test_what_a_library_prints_is_not_among_the_lines(model, night, form):
    options = ["--file", str(night), "--speed", "max", "--lines", "steps", "--format", form]
    ran = subprocess.run(
        [sys.executable, "-c", NOISY, "stream", "microsleep", "--model", str(model), *options],
        capture_output=True,
        text=True,
        check=True,
    )
    lines = ran.stdout.splitlines()
    if form == "jsonl":
        kinds = [json.loads(line)["kind"] for line in lines]
    else:
        kinds = [line.split("\t")[0] for line in lines[1:]]
    assert kinds[0] == "begin"
    assert kinds.count("step") > 60
    assert ran.stderr.count("a library prints") >= kinds.count("step")
    assert ran.stderr.count("compiled code prints") >= kinds.count("step")
