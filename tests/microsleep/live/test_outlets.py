"""LSL outlets of a stream, received by another process over the loopback."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import time
from datetime import UTC, datetime

import numpy as np
import pytest

import lsl_streams
from lsl_streams import RATE, Receiver, Sender, skip_unless_found
from memcell.errors import ConfigError, MemcellError, UsageError
from memcell_eeg.live import outlets
from memcell_eeg.live.options import LiveConfig, SourceConfig
from memcell_eeg.live.outlets import Outlets
from memcell_eeg.live.run import stream
from memcell_microsleep.app import MICROSLEEP

lsl = lsl_streams.lsl
#: Alarms that begin and end often.
ALARMS = {"alarm_steps": 1, "alarm_of": 1, "refractory": 0.0}


@pytest.fixture(scope="module", autouse=True)
def _streams_are_found():
    skip_unless_found()


def lines_of(capsys):
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def of_kind(lines, *kinds):
    return [line for line in lines if line["kind"] in kinds]


def test_another_process_receives_what_the_lines_say(asked_of, capsys, gapped, tmp_path):
    values = gapped.values[:, : 20 * 128]
    names = ["memcell-out-microsleep-markers", "memcell-out-microsleep-probability"]
    receiver, sender = Receiver(*names), Sender("memcell-out")
    began = lsl.local_clock() - 30  # the sender held samples back
    stamps = began + np.arange(values.shape[1]) / RATE
    stamps[1280:] += 3.0
    sender.send(values, stamps, receiver.connected)
    made = asked_of(
        lsl="memcell-out", out=tmp_path, lines="steps", duration=20.0, timeout=5.0, silence=60.0,
        send=("markers", "steps"), threshold=float(np.median(gapped.expected.p)), **ALARMS,
    )  # fmt: skip
    before = datetime.now(UTC)
    assert stream(made.asked, MICROSLEEP) == 0
    found = receiver.end()
    lines = lines_of(capsys)
    markers, steps = (found[name] for name in names)
    about = receiver.streams[names[0]]
    assert (about["type"], about["rate"], about["dtype"]) == ("Markers", 0.0, "string")
    about = receiver.streams[names[1]]
    assert about["rate"] == pytest.approx(5.0)
    assert about["dtype"] == "<class 'numpy.float32'>"
    assert about["labels"] == ["microsleep"]
    assert about["units"] == ["probability"]
    assert "<model_id>m1-carry</model_id>" in about["xml"]

    words = {"alarm": "alarm_on", "alarm_end": "alarm_off"}
    said = of_kind(lines, "alarm", "alarm_end")
    assert len(said) > 6
    assert [m["value"] for m in markers] == [words[line["kind"]] for line in said]
    assert [m["stamp"] for m in markers] == pytest.approx([s["lsl_time"] for s in said], abs=1e-6)
    said = of_kind(lines, "step")
    assert len(said) > 80
    assert [s["value"] for s in steps] == [float(np.float32(s["probability"])) for s in said]
    assert [s["stamp"] for s in steps] == pytest.approx([s["lsl_time"] for s in said], abs=1e-6)

    # the stamps are those of the samples that the lines are about, over the gap too
    shift = [3.0 if s["onset"] > 10 else 0.0 for s in said]
    assert [s["lsl_time"] - began - s["onset"] for s in said] == pytest.approx(
        [0.0] * len(said), abs=0.01
    )
    assert sum(shift) > 0
    ends = of_kind(lines, "alarm_end")
    assert [e["lsl_time"] - began for e in ends] == pytest.approx(
        [e["onset"] + e["duration"] for e in ends], abs=0.01
    )
    # the time of day is that of the sample: 30 s before it came
    first = datetime.fromisoformat(said[0]["time"])
    assert first.utcoffset().total_seconds() == 0
    assert -32 < (first - before).total_seconds() < -15
    assert lines[-1]["markers"] == len(markers)

    with (tmp_path / "memcell-out_times.tsv").open() as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert [float(r["lsl_time"]) for r in rows] == [s["lsl_time"] for s in said]
    assert [r["time"] for r in rows] == [s["time"] for s in said]
    probabilities = (tmp_path / "memcell-out_probability.tsv").read_text().splitlines()
    assert probabilities[0] == "onset\tprobability\tstate"
    assert [r["onset"] for r in rows] == [p.split("\t")[0] for p in probabilities[1:]]


@pytest.mark.slow
def test_a_sender_with_a_clock_of_its_own_has_no_time_of_day(asked_of, capsys, gapped):
    sender = Sender("memcell-own-clock")
    sender.send(gapped.values[:, :640], 7.0 + np.arange(640) / RATE)
    made = asked_of(lsl="memcell-own-clock", lines="steps", duration=5.0)
    assert stream(made.asked, MICROSLEEP) == 0
    steps = of_kind(lines_of(capsys), "step")
    assert {s["time"] for s in steps} == {None}
    assert [s["lsl_time"] - 7 for s in steps] == pytest.approx(
        [s["onset"] for s in steps], abs=1e-3
    )
    assert sum("behind LSL's clock" in line for line in made.said) == 1


@pytest.mark.slow
def test_a_heartbeat_tells_a_signal_from_silence(asked_of, capsys, gapped, tmp_path):
    sender = Sender("memcell-beat")
    sender.send(gapped.values[:, :640], lsl.local_clock() + np.arange(640) / RATE)
    until = time.monotonic() + 3.5
    made = asked_of(
        lsl="memcell-beat", out=tmp_path, silence=0.5, heartbeat=0.5, timeout=5.0,
        stop=lambda: time.monotonic() > until,
    )  # fmt: skip
    assert stream(made.asked, MICROSLEEP) == 0
    lines = lines_of(capsys)
    beats = of_kind(lines, "heartbeat")
    assert 3 < len(beats) - 1 == lines[-1]["heartbeats"] <= 8
    assert [b["signal"] for b in beats][-2:] == ["silent", "ended"]
    assert "running" in [b["signal"] for b in beats]
    times = [b["lsl_time"] for b in beats]
    assert times == sorted(times)
    last = json.loads((tmp_path / "memcell-beat_heartbeat.json").read_text())
    assert last["signal"] == "ended"
    assert last["time"] == beats[-1]["time"]


def test_a_name_that_is_taken_is_refused(asked_of, gapped):
    taken = Sender("lab-markers")
    made = asked_of(file=str(gapped.path), speed="max", send=("markers",), send_name="lab")
    with pytest.raises(UsageError, match=r"'lab-markers' already, from .*--send-name"):
        stream(made.asked, MICROSLEEP)
    del taken
    with pytest.raises(ConfigError, match="--send markers,steps"):
        LiveConfig(file="x", send_name="lab").validate()
    with pytest.raises(ConfigError, match="no alarms here; type --send steps"):
        SourceConfig(file="x", send=("markers",)).validate()


def test_without_mne_lsl_it_is_refused_before_anything_is_opened(asked_of, monkeypatch):
    monkeypatch.setattr(outlets, "find_spec", lambda name: None)
    made = asked_of(file="no-such.edf", send=("markers",))
    with pytest.raises(
        MemcellError, match=r"--send needs mne-lsl: pip install 'memcell-rnn\[live\]'"
    ):
        stream(made.asked, MICROSLEEP)


@pytest.mark.slow
def test_a_receiver_that_leaves_and_comes_back(capsys):
    sent = Outlets(("markers",), "memcell-back", "probability", "microsleep", 0.2, "x")
    first = Receiver("memcell-back-markers")
    first.connected()
    sent.marker("alarm_on", None)
    first.kill()
    for _ in range(2000):
        sent.marker("alarm_off", None)  # to nobody
    second = Receiver("memcell-back-markers")
    second.connected()
    began = time.monotonic()
    sent.marker("alarm_on", 12.5)
    sent.close()
    assert time.monotonic() - began < 1
    (got,) = second.end()["memcell-back-markers"]
    assert (got["value"], got["stamp"]) == ("alarm_on", 12.5)


def test_a_recording_is_played_into_outlets_as_a_rehearsal(asked_of, capsys, gapped):
    options = {"lines": "steps", "speed": "max", "duration": 10.0, **ALARMS}
    now = lsl.local_clock()
    made = asked_of(file=str(gapped.path), send=("markers",), send_name="memcell-play", **options)
    assert stream(made.asked, MICROSLEEP) == 0
    lines = lines_of(capsys)
    times = [line["lsl_time"] for line in lines]
    assert times == sorted(times)
    assert 0 < times[0] - now < 30
    assert lines[0]["sends"] == ["memcell-play-markers"]
    assert stream(asked_of(file=str(gapped.path), **options).asked, MICROSLEEP) == 0
    lines = lines_of(capsys)
    assert {(line["lsl_time"], line["time"]) for line in lines} == {(None, None)}


DETECTOR = """
import sys, time
from memcell_eeg.live.outlets import Outlets
sent = Outlets(("markers",), "memcell-again", "probability", "microsleep", 0.2, "x")
print("there", flush=True)
sys.stdin.readline()
until = time.monotonic() + 20
while not sent._markers.has_consumers and time.monotonic() < until:
    time.sleep(0.1)
sent.marker(sys.argv[1], float(sys.argv[2]))
sent.close()
"""


@pytest.mark.slow
def test_a_receiver_finds_a_restarted_detector_again():
    """Each detector is a process, as in life: within one, liblsl may keep an ended outlet's connection."""

    def started(*marker):
        words = [sys.executable, "-c", DETECTOR, *marker]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        process = subprocess.Popen(words, text=True, **pipes)
        assert process.stdout.readline() == "there\n"
        return process

    first = started("alarm_on", "1.0")
    receiver = Receiver("memcell-again-markers")
    receiver.connected()
    first.communicate("\n", timeout=60)
    started("alarm_off", "2.0").communicate("\n", timeout=60)
    got = [(m["value"], m["stamp"]) for m in receiver.end()["memcell-again-markers"]]
    assert got == [("alarm_on", 1.0), ("alarm_off", 2.0)]
