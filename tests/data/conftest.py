"""Small recordings made on the spot, ways to damage them, and the real data where there is any."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from memcell_data.formats.edf.fields import field_at
from memcell_data.formats.edf.writer import Track, write_edf
from memcell_data.recording import Interval

REPOSITORY = Path(__file__).resolve().parents[2]


def noise(n, scale=20.0, seed=0):
    return np.random.default_rng(seed).normal(0, scale, n)


@dataclass
class Damage:
    """An EDF file that can be altered byte by byte."""

    path: Path
    n_channels: int

    def field(self, name: str, text: str | bytes, channel: int = 0) -> Damage:
        at, width = field_at(name, channel, self.n_channels)
        raw = text if isinstance(text, bytes) else text.encode("latin-1")
        content = bytearray(self.path.read_bytes())
        content[at : at + width] = raw.ljust(width)[:width]
        self.path.write_bytes(bytes(content))
        return self

    def cut(self, length: int) -> Damage:
        self.path.write_bytes(self.path.read_bytes()[:length])
        return self


@pytest.fixture
def make_edf(tmp_path) -> Callable[..., Damage]:
    def make(
        name="night.edf",
        channels=("O1", "O2"),
        records=10,
        rate=100,
        unit="uV",
        onsets=None,
        annotations=(),
        values=None,
        physical=(-3276.8, 3276.7),
    ) -> Damage:
        tracks = [
            Track(
                name=c,
                values=noise(records * rate, seed=i) if values is None else np.asarray(values),
                rate=rate,
                unit=unit,
                physical=physical,
            )
            for i, c in enumerate(channels)
        ]
        path = tmp_path / name
        write_edf(path, tracks, onsets=onsets, annotations=annotations)
        return Damage(path, len(channels) + 1)

    return make


@pytest.fixture
def mwt_file(tmp_path):
    """Write a file in the layout of Zenodo 3251716: 60 s, all five classes; fields can be replaced."""
    from scipy.io import savemat

    def write(name, seconds=60, seed=0, **changed):
        n = 200 * seconds
        made = {
            key: noise(n, seed=seed + i) for i, key in enumerate(("eeg_O1", "eeg_O2", "E1", "E2"))
        }
        codes = np.zeros((2, n))
        for row, first, stop, code in (
            (0, 10, 15, 3), (1, 15, 17, 2), (0, 17, 18, 1), (0, 18, 24, 1), (1, 18, 24, 1),
        ):  # fmt: skip
            codes[row, 200 * first : 200 * stop] = code
        made |= {"labels_O1": codes[0], "labels_O2": codes[1], "fs": 200.0, "num_Labels": float(n)}
        made |= changed
        folder = tmp_path / "files"
        folder.mkdir(exist_ok=True)
        path = folder / f"{name}.mat"
        kept = {k: v for k, v in made.items() if v is not None}
        savemat(path, {"Data": kept}, oned_as="column")
        return path, made

    return write


@pytest.fixture
def episode() -> Interval:
    return Interval(onset=2.5, duration=3.0, label="microsleep")


@pytest.fixture
def real_data() -> Callable[[str], Path]:
    def folder(name: str) -> Path:
        path = REPOSITORY.parent / "shared" / "data" / name
        if not path.is_dir():
            pytest.skip(f"REAL DATA ABSENT: ../shared/data/{name} is not on this machine")
        return path

    return folder
