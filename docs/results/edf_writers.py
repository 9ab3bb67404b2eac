"""Measure our EDF+ writer beside edfio and pyedflib: memory, time, the same samples read back.

Run it with the extra ``test`` installed; docs/decisions/0014-edf-writer.md has its figures::

    python docs/results/edf_writers.py [HOURS]
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

CHANNELS, RATE = 6, 256
PHYSICAL = (-3276.8, 3276.7)


def second(record: int) -> np.ndarray:
    """Return the samples of one second, ``[CHANNELS, RATE]`` uV: any second can be made by itself."""
    random = np.random.default_rng(record)
    return np.round(random.normal(0, 30, (CHANNELS, RATE)), 1)


def most_memory() -> float:
    """Return the most memory that this process has had, MB (Linux)."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def ours(path: Path, seconds: int) -> None:
    """Write second by second."""
    from memcell.files.atomic import growing
    from memcell_data.formats.edf.writer import EdfSignal, EdfWriter, Identity

    signals = [
        EdfSignal(label=f"C{i}", unit="uV", physical=PHYSICAL, samples=RATE)
        for i in range(CHANNELS)
    ]
    with growing(path) as file:
        writer = EdfWriter(file, signals, [], Identity())
        writer.begin(np.arange(seconds, dtype=float), 1.0)
        for k in range(seconds):
            writer.record([s.stored(x) for s, x in zip(signals, second(k), strict=True)])


def with_edfio(path: Path, seconds: int) -> None:
    """Write at once: it takes whole signals."""
    import edfio

    values = np.empty((CHANNELS, seconds * RATE))
    for k in range(seconds):
        values[:, k * RATE : (k + 1) * RATE] = second(k)
    signals = [
        edfio.EdfSignal(
            values[i],
            RATE,
            label=f"C{i}",
            physical_dimension="uV",
            physical_range=PHYSICAL,
        )
        for i in range(CHANNELS)
    ]
    edfio.Edf(signals, annotations=()).write(path)


def with_pyedflib(path: Path, seconds: int) -> None:
    """Write second by second."""
    import pyedflib

    writer = pyedflib.EdfWriter(str(path), CHANNELS, file_type=pyedflib.FILETYPE_EDFPLUS)
    low, high = PHYSICAL
    for i in range(CHANNELS):
        head = {"label": f"C{i}", "dimension": "uV", "sample_frequency": RATE}
        head |= {"physical_min": low, "physical_max": high, "digital_min": -32768}
        writer.setSignalHeader(i, {**head, "digital_max": 32767, "prefilter": "", "transducer": ""})
    for k in range(seconds):
        writer.blockWritePhysicalSamples(second(k).ravel())
    writer.close()


WRITERS = {"ours": ours, "edfio": with_edfio, "pyedflib": with_pyedflib}


def samples(path: Path) -> np.ndarray:
    """Return the stored integers, as edfio reads them."""
    import edfio

    return np.stack([s.digital for s in edfio.read_edf(path).signals])


def main() -> None:
    """Write one recording with each writer, each in a process of its own, and print a line for each."""
    if len(sys.argv) == 4:
        _, name, path, seconds = sys.argv
        before = most_memory()
        began = time.process_time()
        WRITERS[name](Path(path), int(seconds))
        taken = time.process_time() - began
        print(f"{taken:.2f} s CPU, {most_memory() - before:.0f} MB more memory")
        return
    seconds = int(float(sys.argv[1]) * 3600) if len(sys.argv) > 1 else 8 * 3600
    with tempfile.TemporaryDirectory() as folder:
        first = None
        for name in WRITERS:
            path = Path(folder) / f"{name}.edf"
            command = [sys.executable, __file__, name, str(path), str(seconds)]
            result = subprocess.run(
                command, check=True, capture_output=True, text=True
            ).stdout.strip()
            found = samples(path)
            first = found if first is None else first
            apart = int(np.abs(found.astype(int) - first.astype(int)).max())
            size = path.stat().st_size / 1e6
            print(f"{name:<9} {result}, {size:.0f} MB, samples at most {apart} apart from ours")


if __name__ == "__main__":
    main()
