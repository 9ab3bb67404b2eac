"""A recording played live: the bits of the whole, whatever the pieces and gaps."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest

from memcell.errors import DataError, UsageError
from memcell.inference.stepping import NetworkStepper
from memcell_eeg.export.outputs import probability_rows
from memcell_eeg.live import opening
from memcell_eeg.live.events import EventWriter, probability_row
from memcell_eeg.live.file_source import FileSource
from memcell_eeg.live.run import stream
from memcell_microsleep.app import MICROSLEEP


def streamed(asked_of, capsys, **options):
    made = asked_of(**{"speed": "max", "lines": "steps", **options})
    assert stream(made.asked, MICROSLEEP) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return lines, made.said


def of_kind(lines, kind):
    return [line for line in lines if line["kind"] == kind]


@pytest.mark.parametrize("chunk", [0.001, 0.0123, 0.2, 7.0])
def test_probabilities_are_those_of_the_whole_with_gaps(asked_of, capsys, gapped, chunk):
    lines, said = streamed(asked_of, capsys, file=str(gapped.path), chunk=chunk)
    steps = of_kind(lines, "step")
    assert [s["probability"] for s in steps] == gapped.expected.p.astype(float).tolist()
    assert [s["onset"] for s in steps] == gapped.expected.times.round(6).tolist()
    assert [s["state"] for s in steps] == (gapped.expected.p >= 0.5).astype(int).tolist()
    gaps = of_kind(lines, "gap")
    assert [g["onset"] for g in gaps] == [gapped.expected.times[b] for b in gapped.expected.breaks]
    assert [g["seconds"] for g in gaps] == pytest.approx([6.0, 0.1, 2.0])
    (end,) = of_kind(lines, "end")
    assert end["steps"] == len(gapped.expected.p)
    assert end["gaps"] == 3
    assert end["alarms"] == len(of_kind(lines, "alarm")) > 0
    assert end["latency_max_ms"] >= end["latency_median_ms"] > 0
    assert any("an alarm sounds about" in line for line in said)
    assert "3 gaps" in said[-2]


def test_pieces_at_random(asked_of, capsys, gapped, pipeline, monkeypatch):
    random = np.random.default_rng(2)

    class Cut(FileSource):
        def __init__(self, *args, **options):
            super().__init__(*args, cut=lambda: int(random.geometric(0.05)), **options)

    monkeypatch.setattr(opening, "FileSource", Cut)
    lines, _ = streamed(asked_of, capsys, file=str(gapped.path))
    found = [s["probability"] for s in of_kind(lines, "step")]
    assert found == gapped.expected.p.astype(float).tolist()


def test_the_folder_has_what_the_lines_say(asked_of, capsys, gapped, tmp_path):
    lines, _ = streamed(asked_of, capsys, file=str(gapped.path), out=tmp_path / "out")
    out = tmp_path / "out"
    rows = (out / "night_probability.tsv").read_bytes()
    expected = gapped.expected
    p = expected.p.astype(np.float64)
    assert rows == b"onset\tprobability\tstate\n" + probability_rows(expected.times, p, p >= 0.5)
    alarms = (out / "night_alarms.tsv").read_text().splitlines()
    assert alarms[0].split("\t")[:3] == ["onset", "duration", "trial_type"]
    ends = of_kind(lines, "alarm_end")
    assert [float(a.split("\t")[0]) for a in alarms[1:]] == pytest.approx(
        [e["onset"] for e in ends]
    )
    summary = json.loads((out / "night_live.json").read_text())
    assert summary["model_id"] == "m1-carry"
    assert summary["summary"]["steps"] == len(p)
    made = asked_of(file=str(gapped.path), speed="max", out=out)
    with pytest.raises(UsageError, match=r"night_probability\.tsv' exists already.*--out"):
        stream(made.asked, MICROSLEEP)
    assert (out / "night_probability.tsv").read_bytes() == rows


def test_one_row_is_written_as_thousands_are():
    random = np.random.default_rng(0)
    times = np.sort(random.uniform(0, 12_000, 2000))
    p = random.uniform(0, 1, 2000).astype(np.float32).astype(np.float64)
    p[:3], times[:3] = [0.0, 1.0, 0.5], [0.0, 0.0005, 0.2]
    one = "".join(probability_row(t, q, q >= 0.5) for t, q in zip(times, p, strict=True))
    assert one.encode() == probability_rows(times, p, p >= 0.5)


def test_speed_is_the_recordings(pipeline, gapped, monkeypatch):
    slept, now = [], [0.0]
    monkeypatch.setattr("time.perf_counter", lambda: now[0])

    def sleep(seconds):
        slept.append(seconds)
        now[0] += seconds

    monkeypatch.setattr("time.sleep", sleep)
    source = FileSource(gapped.path, pipeline, speed=10.0, chunk=0.5)
    chunks = [i for i in source.items(lambda: False) if i is not None]
    assert sum(slept) == pytest.approx(5.4)  # 54 s recorded; gaps are not waited for
    assert max(slept) <= 0.2
    assert chunks[-1].arrived == pytest.approx(5.4)


def test_stopping_ends_with_a_summary(asked_of, capsys, gapped):
    asks = iter([False] * 40 + [True] * 10_000)
    lines, said = streamed(
        asked_of, capsys, file=str(gapped.path), stop=lambda: next(asks), chunk=0.2
    )
    assert lines[-1]["kind"] == "end"
    assert 0 < lines[-1]["steps"] < len(gapped.expected.p)
    assert "s of signal" in said[-2]


def test_it_ends_after_a_duration(asked_of, capsys, gapped):
    lines, _ = streamed(asked_of, capsys, file=str(gapped.path), duration=10.0, chunk=0.1)
    assert lines[-1]["signal_seconds"] == pytest.approx(10, abs=0.1)


def test_a_heartbeat_while_it_is_played(asked_of, capsys, gapped, tmp_path):
    lines, _ = streamed(
        asked_of,
        capsys,
        file=str(gapped.path),
        speed="40",
        heartbeat=0.5,
        out=tmp_path,
        lines="alarms",
    )
    beats = of_kind(lines, "heartbeat")
    assert 2 <= len(beats) - 1 == lines[-1]["heartbeats"]
    assert {b["signal"] for b in beats[1:-1]} == {"running"}
    assert sorted(b["steps"] for b in beats) == [b["steps"] for b in beats]
    last = json.loads((tmp_path / "night_heartbeat.json").read_text())
    assert (last["signal"], last["steps"]) == ("ended", lines[-1]["steps"])


def test_another_threshold_and_fewer_lines(asked_of, capsys, gapped):
    made = asked_of(file=str(gapped.path), speed="max", lines="alarms", threshold=1.0, format="tsv")
    assert stream(made.asked, MICROSLEEP) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "kind\tonset\tprobability\tstate\tlsl_time\ttime"
    assert {tuple(line.split("\t")[-2:]) for line in lines[1:]} == {("n/a", "n/a")}
    assert [line.split("\t")[0] for line in lines[1:]] == ["begin", "gap", "gap", "gap", "end"]
    made = asked_of(file=str(gapped.path), speed="max", lines="none")
    stream(made.asked, MICROSLEEP)
    assert capsys.readouterr().out == ""


def test_auto_is_steps_into_a_pipe_and_alarms_on_a_terminal():
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    for to, n in ((io.StringIO(), 2), (Terminal(), 1)):
        lines = EventWriter("x", None, "auto", "jsonl", to)
        lines.step(0.0, 0.5, True)
        lines.event("gap", onset=1.0, seconds=2.0)
        assert len(to.getvalue().splitlines()) == n


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"phase": "zero"}, UsageError, ["--phase zero", "future", "--phase causal"]),
        ({"normalization": "recording"}, UsageError, ["--normalization recording"]),
        ({"channels": ["O1", "Fz"]}, DataError, ["'Fz'", "trained on the channels O1, Fz"]),
        ({"rate": 400.0, "high": 150.0}, DataError, ["128 Hz", "400 Hz"]),
    ],
)
def test_a_run_that_does_not_fit_is_refused(asked_of, gapped, pipeline, change, error, words):
    facts = {"app": "microsleep", "pipeline": {**pipeline.facts(), **change}}
    made = asked_of(file=str(gapped.path), facts=facts)
    with pytest.raises(error) as raised:
        stream(made.asked, MICROSLEEP)
    for word in words:
        assert word in str(raised.value)


@pytest.mark.parametrize("key", ["precomputed", "ready"])  # the second in version 0.1
def test_runs_without_a_signal_are_refused(asked_of, gapped, key):
    pipeline = {
        key: True,
        "feature_names": ["a"],
        "step": 30.0,
        "normalization": "none",
        "normalization_memory": 300.0,
        "centre": [],
        "spread": [],
    }
    with pytest.raises(UsageError, match="precomputed features"):
        stream(asked_of(file=str(gapped.path), facts={"pipeline": pipeline}).asked, MICROSLEEP)
    with pytest.raises(UsageError, match=r"no microsleep pipeline.*--model"):
        stream(asked_of(file=str(gapped.path), facts={"app": "memory"}).asked, MICROSLEEP)


def test_files_that_cannot_be_played(asked_of, tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        stream(asked_of(file=str(tmp_path / "none.edf")).asked, MICROSLEEP)
    (tmp_path / "letter.edf").write_text("Dear colleague,\n" * 40)
    with pytest.raises(DataError, match=r"letter\.edf"):
        stream(asked_of(file=str(tmp_path / "letter.edf")).asked, MICROSLEEP)


def test_a_note_where_steps_are_slow(asked_of, capsys, gapped, network, pipeline):
    slow = NetworkStepper(network, len(pipeline.feature_names))
    slow.reason = "no compiler"
    _, said = streamed(asked_of, capsys, file=str(gapped.path), network=slow)
    assert any("no compiler" in line for line in said)
