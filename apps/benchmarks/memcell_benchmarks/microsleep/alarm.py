"""From a sample that raises an alarm to the marker at a receiver: a sender, a stream and a receiver.

Each is a process of its own on this machine. The sender sends noise sample by sample, in real time, stamped
with LSL's clock, and pauses often; the stream (``memcell stream``, as it is typed) raises an alarm at the
first step after each pause, whose marker carries the time of the step's end. The latency of an alarm is
from the sample that completes this step to the marker in the receiver's hands: LSL's way to the detector,
filters, features, network, and LSL's way to the receiver. The seconds of signal that an alarm waits for by
its rules are not in it: they are the same on every machine.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from memcell_benchmarks.microsleep.made import CHANNELS, RATE, BenchmarkModel

#: Of the sender's stream.
NAME = "memcell-bench"
#: Seconds of signal between pauses, and of a pause, which is a gap to the stream.
SIGNAL, PAUSE = 0.7, 0.3
#: First alarms, which are not counted: what is done once is done with them.
READY = 3


def latencies(model: str, alarms: int) -> dict[str, Any]:
    """Measure so many alarms.

    Args:
        model: The run folder.
        alarms: How many.

    Raises:
        RuntimeError: The stream ended early, or no alarm was received.
    """
    from mne_lsl.lsl import StreamInlet, local_clock, resolve_streams

    early = _early(model)
    name = f"{NAME}-{time.time_ns()}"
    sender = subprocess.Popen([sys.executable, "-m", __name__, name], stdin=subprocess.PIPE)
    stream = subprocess.Popen(
        [
            sys.executable, "-m", "memcell", "stream", "microsleep", "--model", model, "--lsl", name,
            "--timeout", "60", "--send", "markers", "--threshold", "0", "--alarm-steps", "1",
            "--alarm-of", "1", "--refractory", "0", "--lines", "alarms",
        ],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        markers = f"{name}-microsleep-markers"
        found: list[Any] = []
        until = time.monotonic() + 120
        while not found:
            if stream.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"the stream did not begin: {_last(stream)}")
            found = resolve_streams(timeout=1, name=markers, minimum=1)
        inlet = StreamInlet(found[0])
        inlet.open_stream(timeout=10)
        assert sender.stdin is not None
        sender.stdin.close()  # it begins
        late: list[float] = []
        while len(late) < alarms + READY and sender.poll() is None:
            # as what waits for alarms does: woken in a pull
            value, stamp = inlet.pull_sample(timeout=1)
            if stamp is not None and value == ["alarm_on"]:
                late.append(local_clock() - (stamp - early))
    finally:
        sender.kill()
        stream.terminate()
        out, _ = stream.communicate(timeout=30)
    summary = json.loads(out.splitlines()[-1])
    if len(late) <= READY:
        raise RuntimeError("no marker was received")
    each = 1e3 * np.array(late[READY:])
    return {
        "milliseconds": float(np.median(each)),
        "highest": float(each.max()),
        "p95": float(np.quantile(each, 0.95)),
        "alarms": len(each),
        "steps": summary["steps"],
    }


def _early(model: str) -> float:
    """Return how long before the end of a segment's first step the sample comes that completes it, s."""
    from memcell.inference.stepping import NetworkStepper
    from memcell_eeg.live.detector import Detector

    opened = BenchmarkModel(Path(model), Path(model))
    pipeline = opened.pipeline
    network = NetworkStepper(opened.network, len(pipeline.feature_names))
    samples = Detector(pipeline, RATE, network).samples_for(0)
    return float(pipeline.step - (samples - 1) / RATE)


def _last(process: subprocess.Popen[str]) -> str:
    """Return the last words of a process that has ended."""
    if process.poll() is None:
        return "nothing was heard of it"
    assert process.stderr is not None
    return (process.stderr.read().strip().splitlines() or ["no word"])[-1]


def send(name: str) -> None:
    """Send noise in real time, with pauses, from when the input is closed on."""
    from mne_lsl.lsl import StreamInfo, StreamOutlet, local_clock

    info = StreamInfo(name, "EEG", len(CHANNELS), RATE, "float32", name)
    info.set_channel_names(list(CHANNELS))
    info.set_channel_units(["microvolts"] * len(CHANNELS))
    outlet = StreamOutlet(info)
    sys.stdin.read()
    random = np.random.default_rng(0)
    while True:
        first = local_clock()
        for i in range(round(SIGNAL * RATE)):
            time.sleep(max(0.0, first + i / RATE - local_clock()))
            sample = random.normal(0, 20, len(CHANNELS)).astype(np.float32)
            outlet.push_sample(sample, local_clock())
        time.sleep(PAUSE)


if __name__ == "__main__":
    send(sys.argv[1])
