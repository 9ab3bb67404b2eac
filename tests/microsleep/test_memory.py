"""What preparing a long recording takes, measured in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

from memcell_data.formats.edf.writer import Track, write_edf

CHILD = """
import json, re, sys
from pathlib import Path
import scipy.signal, scipy.fft
from memcell_data.formats.reader import open_recording
from memcell_eeg.signal.channels import choose
from memcell_microsleep.config import MicrosleepConfig
from memcell_eeg.features.chunks import signal_chunks
from memcell_eeg.features.pipeline import Pipeline

recording = open_recording(sys.argv[1])
pipeline = Pipeline.of(MicrosleepConfig(), choose(("auto",), [recording]), 200.0)
n = sum(len(p.times) for p in signal_chunks(pipeline, recording))
# Not ru_maxrss: a child begins with that of the process that started it.
most = re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())
print(json.dumps([n, int(most[1]) / 1024]))
"""


def megabytes(path) -> tuple[int, float]:
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(path)], capture_output=True, text=True, check=True
    )
    n, most = json.loads(done.stdout)
    return n, most


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="read from /proc")
def test_three_times_the_hours_take_the_same_memory(tmp_path) -> None:
    random = np.random.default_rng(0)
    hour = [random.normal(0, 20, 200 * 3600) for _ in range(4)]
    most = []
    for hours in (2, 6):
        tracks = [
            Track(name=name, values=np.tile(x, hours), rate=200)
            for name, x in zip(("O1", "O2", "C3", "E1"), hour, strict=True)
        ]
        write_edf(tmp_path / f"{hours}.edf", tracks)
        del tracks
        n, used = megabytes(tmp_path / f"{hours}.edf")
        assert n == hours * 3600 * 5
        most.append(used)
    assert most[0] < 700
    # Four hours more of the signal are 92 MB.
    assert most[1] - most[0] < 20
