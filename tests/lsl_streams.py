"""Senders and receivers of LSL for tests: real outlets and inlets, over the loopback."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

lsl = pytest.importorskip("mne_lsl.lsl", reason="the extra 'live' is not installed")
RATE = 128.0
NAMES = ["Fz", "O1", "O2"]


class Sender:
    """An outlet that sends what it is told, with stamps of its own."""

    def __init__(self, name, rate=RATE, labels=NAMES, unit="microvolts"):
        info = lsl.StreamInfo(name, "EEG", len(NAMES), rate, "float64", f"{name}-{id(self)}")
        if labels:
            info.set_channel_names(labels)
        if unit:
            info.set_channel_units([unit] * len(NAMES))
        self.outlet = lsl.StreamOutlet(info, chunk_size=8, max_buffered=360)

    def send(self, values, stamps, when: Callable[[], object] = bool):
        """Send ``[2, n]`` for the last two channels, in packets, from a thread of its own, after ``when``."""
        rows = np.ascontiguousarray(np.vstack([np.zeros(values.shape[1]), values]).T)

        def work():
            self.outlet.wait_for_consumers(10)
            when()
            for i in range(0, len(rows), 16):
                part = slice(i, i + 16)
                self.outlet.push_chunk(rows[part], np.ascontiguousarray(stamps[part]))

        self.thread = threading.Thread(target=work, daemon=True)
        self.thread.start()


class Receiver:
    """A process that receives streams of these names."""

    def __init__(self, *names):
        script = Path(__file__).with_name("lsl_receiver.py")
        self._process = subprocess.Popen(
            [sys.executable, str(script), *names],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.streams = {}

    def connected(self):
        """Wait until it has connected to all."""
        for line in self._process.stdout:
            found = json.loads(line)
            if not found["stream"]:
                return
            self.streams[found["stream"]] = found

    def end(self):
        """End it and return what each stream has carried: dicts of value, stamp and received."""
        self._process.stdin.close()
        out = (
            self._process.stdout.read()
        )  # not communicate(): a part of it may have been read with a line
        self._process.wait(timeout=20)
        found = {name: [] for name in self.streams}
        for line in out.splitlines():
            sample = json.loads(line)
            found[sample["from"]].append(sample)
        return found

    def kill(self):
        """Let it go as a computer that is switched off does."""
        self._process.kill()
        self._process.communicate()


def skip_unless_found():
    """Skip where LSL finds no stream on this machine."""
    sender = Sender("memcell-probe")
    if not lsl.resolve_streams(timeout=5, name="memcell-probe", minimum=1):
        pytest.skip(
            "LSL finds no stream on this machine, not even its own; these tests say nothing"
        )
    del sender
