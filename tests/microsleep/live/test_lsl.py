"""Streams of the lab streaming layer on this machine: real outlets and inlets, over the loopback."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import lsl_streams
from lsl_streams import NAMES, RATE, Receiver, Sender, skip_unless_found
from memcell.errors import DataError
from memcell.inference.inference import probabilities
from memcell.sequences import TimeSeries
from memcell_eeg.features.stream import FeatureStream
from memcell_eeg.live.lsl_source import LSLSource
from memcell_eeg.live.run import stream
from memcell_eeg.live.source import SampleChunk
from memcell_microsleep.app import MICROSLEEP

lsl = lsl_streams.lsl


@pytest.fixture(scope="module", autouse=True)
def _streams_are_found():
    skip_unless_found()


def lines_of(capsys):
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def with_gaps(pipeline, network, gapped, *gaps):
    """Return the probabilities of its steps, were its gaps as long as these."""
    flow, parts = FeatureStream(pipeline, RATE), []
    per = round(gapped.seconds * RATE)
    bounds = [0, 40 * per, 70 * per, 71 * per, gapped.values.shape[1]]
    for k, (a, b) in enumerate(pairwise(bounds)):
        if k:
            flow.after_gap(gaps[k - 1])
        parts.append(flow.push(gapped.values[:, a:b]))
    sequence = TimeSeries(
        name="a",
        subject="a",
        features=np.concatenate(parts),
        targets=np.zeros(sum(map(len, parts)), dtype=np.int64),
        breaks=gapped.expected.breaks,
        step_seconds=pipeline.step,
    )
    return probabilities(network, [sequence], "carry", 50)[0][:, 1].astype(float).tolist()


def test_a_stream_with_gaps_gives_the_bits_of_the_recording(
    asked_of, capsys, gapped, pipeline, network
):
    sender = Sender("memcell-gaps")
    per = round(gapped.seconds * RATE)
    within = np.arange(per) / RATE
    began = lsl.local_clock()
    # the gap of .1 s is within what counts as jitter: here it is none, so it is left out of the stamps
    onsets = np.array(gapped.onsets)
    onsets[70:] += 1.1
    stamps = began + (onsets[:, None] + within).ravel()
    jitter = np.random.default_rng(0).uniform(-0.02, 0.02, len(stamps))
    sender.send(gapped.values, stamps + jitter)
    made = asked_of(
        lsl="memcell-gaps", lines="steps", duration=gapped.values.shape[1] / RATE, timeout=5.0
    )
    assert stream(made.asked, MICROSLEEP) == 0
    lines = lines_of(capsys)
    steps = [line for line in lines if line["kind"] == "step"]
    expected = with_gaps(pipeline, network, gapped, 6.0, 1.2, 2.0)
    assert [s["probability"] for s in steps] == expected
    assert with_gaps(pipeline, network, gapped, 6.0, 0.1, 2.0) == gapped.expected.p.tolist()
    onsets = gapped.expected.times + np.where(gapped.expected.times > 41.05, 1.1, 0.0)
    assert [s["onset"] for s in steps] == pytest.approx(onsets.tolist(), abs=0.06)
    gaps = [line["seconds"] for line in lines if line["kind"] == "gap"]
    assert gaps == pytest.approx([6.0, 1.2, 2.0], abs=0.06)
    assert 10 < lines[-1]["largest_jitter_ms"] < 100
    assert "channels O1, O2" in lines[0]["source"]
    assert made.said[0] == "looking for stream 'memcell-gaps' ..."


def test_volts_are_microvolts(asked_of, capsys, gapped):
    sender = Sender("memcell-volts", unit="0")
    values = gapped.values[:, :1280]
    sender.send(values * 1e-6, lsl.local_clock() + np.arange(1280) / RATE)
    assert (
        stream(asked_of(lsl="memcell-volts", lines="steps", duration=10.0).asked, MICROSLEEP) == 0
    )
    steps = [line["probability"] for line in lines_of(capsys) if line["kind"] == "step"]
    assert steps == pytest.approx(gapped.expected.p[: len(steps)].tolist(), abs=1e-4)
    assert len(steps) > 40


def test_no_such_stream_lists_those_that_there_are(asked_of):
    sender = Sender("memcell-other")
    with pytest.raises(DataError) as raised:
        stream(asked_of(lsl="memcell-othr", timeout=1.0).asked, MICROSLEEP)
    for word in (
        "no stream 'memcell-othr'",
        "1 s",
        "'memcell-other' (3 channels, 128 Hz)",
        "--timeout",
    ):
        assert word in str(raised.value)
    del sender


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"rate": 64.0}, ["64 Hz", "100 Hz"]),
        ({"labels": ["C3", "O1", "C4"]}, ["'O2'", "It has: C3, O1, C4", "trained on"]),
        ({"labels": None}, ["does not name its channels"]),
        ({"unit": None}, ["no unit", "--unit uV"]),
    ],
)
def test_a_stream_that_does_not_fit_is_named(pipeline, options, words):
    name = "memcell-bad-" + "-".join(f"{k}-{v}" for k, v in options.items()).replace(" ", "")
    sender = Sender(name, **options)
    with pytest.raises(DataError) as raised:
        LSLSource(name, pipeline, 5.0, 2.0)
    for word in (f"'{name}'", *words):
        assert word in str(raised.value)
    del sender


def test_two_streams_of_a_name_are_refused(pipeline):
    senders = [Sender("memcell-twice"), Sender("memcell-twice")]
    time.sleep(0.5)
    with pytest.raises(DataError, match="2 streams 'memcell-twice'"):
        LSLSource("memcell-twice", pipeline, 2.0, 2.0)
    del senders


def test_a_dropped_connection_is_said_and_waited_for(asked_of, capsys, gapped):
    first, back = gapped.values[:, :640], gapped.values[:, 640:1920]
    senders = [Sender("memcell-drop")]
    began = lsl.local_clock()
    senders[0].send(first, began + np.arange(640) / RATE)

    def come_back(line):
        if "waiting" in line:
            senders[0].thread.join()
            senders.pop()  # the device is gone, and another one comes
            senders.append(Sender("memcell-drop"))
            # its stamps would fit without a gap: that it is a new connection is enough
            senders[0].send(back, began + 5 + np.arange(1280) / RATE)

    made = asked_of(lsl="memcell-drop", lines="steps", duration=15.0, silence=0.5)
    said = made.asked.say
    object.__setattr__(made.asked, "say", lambda line: (said(line), come_back(line)))
    assert stream(made.asked, MICROSLEEP) == 0
    lines = lines_of(capsys)
    kinds = [line["kind"] for line in lines if line["kind"] in ("silent", "gap")]
    assert kinds == ["silent", "gap"]
    assert lines[-1]["losses"] == 1
    assert lines[-1]["signal_seconds"] == 15.0
    assert any(
        "nothing from stream 'memcell-drop' for 0.5 s; waiting" in line for line in made.said
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "silence", [0.5, 5.0]
)  # the loss is noticed before the new one comes, or not
def test_a_stream_that_comes_back_in_another_order_is_read_by_name(pipeline, silence):
    name = f"memcell-order-{silence:g}"
    now = lsl.local_clock()
    senders = [Sender(name)]
    source = LSLSource(name, pipeline, 5.0, silence)
    senders[0].send(np.full((2, 256), [[10.0], [20.0]]), now + np.arange(256) / RATE)
    until, seen = time.monotonic() + 25, []
    for item in source.items(lambda: time.monotonic() > until or len(seen) >= 512):
        if isinstance(item, SampleChunk):
            seen.extend(item.values.T.tolist())
        if len(seen) == 256 and len(senders) == 1 and not senders[0].thread.is_alive():
            del senders[0].outlet
            senders.append(Sender(name, labels=["O2", "Fz", "O1"]))
            # Fz and O1; O2, the first of its channels, is 0
            senders[1].send(np.full((2, 256), [[99.0], [10.0]]), now + 2 + np.arange(256) / RATE)
    source.close()
    wanted = {"O1": [10.0, 10.0], "O2": [20.0, 0.0]}
    expected = np.array([wanted[channel] for channel in pipeline.channels])
    assert len(seen) == 512
    np.testing.assert_allclose(np.array(seen[:256]), np.tile(expected[:, 0], (256, 1)))
    np.testing.assert_allclose(np.array(seen[256:]), np.tile(expected[:, 1], (256, 1)))


PLAYER = """
import sys, time
import mne
from mne_lsl.player import PlayerLSL

raw = mne.io.read_raw_fif(sys.argv[1], preload=True, verbose="error")
player = PlayerLSL(raw, chunk_size=13, n_repeat=1, name="memcell-player")
with player:
    print("playing", flush=True)
    sys.stdin.readline()
"""


@pytest.mark.slow
def test_mne_lsls_own_player_in_another_process(asked_of, capsys, gapped, tmp_path):
    import mne

    values = np.vstack([gapped.values[:1] * 0, gapped.values]) * 1e-6
    raw = mne.io.RawArray(values, mne.create_info(NAMES, RATE, "eeg"), verbose="error")
    path = Path(tmp_path) / "play_raw.fif"
    raw.save(path, fmt="double", verbose="error")
    player = subprocess.Popen(
        [sys.executable, "-c", PLAYER, str(path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert player.stdout.readline() == "playing\n"
        names = [f"memcell-player-microsleep-{kind}" for kind in ("markers", "probability")]
        receiver = Receiver(*names)
        made = asked_of(
            lsl="memcell-player", lines="steps", duration=20.0, timeout=20.0, send=("markers", "steps"),
            threshold=float(np.median(gapped.expected.p)), alarm_steps=1, alarm_of=1, refractory=0.0,
        )  # fmt: skip
        # the player plays on; what was sent before the receiver was there is lost to it
        assert stream(made.asked, MICROSLEEP) == 0
        receiver.connected()
        received = receiver.end()
    finally:
        player.communicate("\n", timeout=20)
    lines = lines_of(capsys)
    assert lines[-1]["gaps"] == 0
    assert lines[-1]["steps"] == pytest.approx(100, abs=2)
    markers, steps = (received[name] for name in names)
    said = {s["lsl_time"]: s["probability"] for s in lines if s["kind"] == "step"}
    assert len(steps) > 20
    assert {round(s["stamp"], 6) for s in steps} <= set(said)
    assert {m["value"] for m in markers} == {"alarm_on", "alarm_off"}
    late = sorted(m["received"] - m["stamp"] for m in markers if m["value"] == "alarm_on")
    # the player stamps its packets of .1 s ahead
    assert abs(late[len(late) // 2]) < 0.5
    # from the last sample of a step to its line; the goal is an alarm within a second
    assert lines[-1]["latency_max_ms"] < 500
    with capsys.disabled():
        print(
            "\n".join(
                ["", *made.said, json.dumps(lines[-1]), f"{len(late)} alarms received after {late}"]
            )
        )
