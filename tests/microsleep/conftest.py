"""Made-up recordings: small, exact, and without a file behind them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from memcell.applications.datasets import Card
from memcell.applications.prediction import PredictionRequest
from memcell_data.recording import Channel, Interval, Labels, Recording, Segment, Signal
from memcell_eeg.prediction.config import PredictConfig
from memcell_microsleep.app import Microsleep
from memcell_microsleep.config import MicrosleepConfig

SHARED = Path(__file__).parents[3] / "shared" / "data"


def make_labels(
    spans: Sequence[tuple[float, float]], background: str | None = "wake", label: str = "microsleep"
) -> Labels:
    """Return labels of intervals (onset, duration)."""
    return Labels(
        intervals=tuple(Interval(onset=a, duration=d, label=label) for a, d in spans),
        background=background,
        positive=frozenset({"microsleep"}),
        negative=frozenset({"wake"}),
    )


def make_recording(
    values: NDArray[np.float64],
    *,
    rate: float = 100.0,
    name: str = "r1",
    subject: str = "s1",
    channels: Sequence[str] = ("O1", "O2", "C3", "C4"),
    labels: Labels | None = None,
    segments: Sequence[Segment] | None = None,
) -> Recording:
    """Return a recording of ``[C, n]`` uV."""
    chosen = tuple(
        Channel(name=c, kind="eog" if c.startswith("E") else "eeg", rate=rate)
        for c in channels[: len(values)]
    )
    n = values.shape[1]
    parts = tuple(segments or (Segment(start=0, stop=n, onset=0.0),))
    rows = {c.name: i for i, c in enumerate(chosen)}

    def read(names: Sequence[str]) -> Signal:
        return Signal(
            values=values[[rows[n] for n in names]].copy(),
            rate=rate,
            channels=tuple(names),
            segments=parts,
        )

    return Recording(
        name=name,
        subject=subject,
        dataset="made up",
        simulated=True,
        channels=chosen,
        duration=parts[-1].onset + (parts[-1].stop - parts[-1].start) / rate,
        read=read,
        labels=lambda: labels,
    )


class MadeUp:
    """A data set of recordings that are at hand."""

    def __init__(self, recordings: Sequence[Recording]) -> None:
        self._recordings = list(recordings)
        self.card = Card(
            name="made up", title="", source="", licence="", citation="", simulated=True
        )

    def get(self, folder: Path | None = None) -> Path:
        return folder or Path()

    def recordings(self) -> Sequence[Recording]:
        return self._recordings


@pytest.fixture
def labels_of() -> Callable[..., Labels]:
    return make_labels


@pytest.fixture
def recording_of() -> Callable[..., Recording]:
    return make_recording


@pytest.fixture
def dataset_of() -> Callable[[Sequence[Recording]], MadeUp]:
    return MadeUp


@pytest.fixture
def theta_dataset() -> MadeUp:
    """Four subjects of 2 min: noise, with 6 Hz waves during the labelled events."""
    recordings = []
    for k in range(4):
        random = np.random.default_rng(k)
        rate, seconds = 100, 120
        t = np.arange(rate * seconds) / rate
        values = random.normal(size=(2, len(t))) * 10
        spans = [(float(a), 6.0) for a in 12 + 25 * np.arange(4) + random.integers(0, 10, 4)]
        for onset, duration in spans:
            inside = (t >= onset) & (t < onset + duration)
            values[:, inside] += 30 * np.sin(2 * np.pi * 6 * t[inside])
        recordings.append(
            make_recording(values, name=f"r{k}", subject=f"s{k}", labels=make_labels(spans))
        )
    return MadeUp(recordings)


@pytest.fixture
def shared_data() -> Callable[[str], Path]:
    """Return the folder of a real data set, or skip the test loudly."""

    def find(name: str) -> Path:
        folder = SHARED / name
        if not folder.is_dir():
            pytest.skip(f"REAL DATA ABSENT: {folder} is not there, so this test says nothing")
        return folder

    return find


class Net:
    """A network made of one function of a step's features, that answers late as a network in chunks does."""

    def __init__(self, of=None, late=7):
        self.of = of or (lambda x: 1 / (1 + np.exp(-x[:, 5])))
        self.late, self.calls = late, 0

    def __call__(self, sequence):
        p = self.of(sequence.features)
        return np.stack([1 - p, p], axis=1).astype(np.float32)

    def begin(self):
        self.calls += 1
        return Owing(self)


class Owing:
    def __init__(self, net):
        self.net, self.x = net, []

    def push(self, features, starts=None):
        self.x += list(features)
        return self._answer(len(self.x) - len(self.x) % self.net.late)

    def end(self):
        return self._answer(len(self.x))

    def _answer(self, n):
        x, self.x = self.x[:n], self.x[n:]
        if not x:
            return np.empty((0, 2), dtype=np.float32)
        p = self.net.of(np.array(x))
        return np.stack([1 - p, p], axis=1).astype(np.float32)


def predict_with(
    paths,
    facts,
    out,
    net=None,
    threshold=0.6,
    config=None,
    export=(),
    causal=False,
    items=None,
    options=None,
    layout="flat",
):
    """Do what the engine does with an app: find, do one after the other, finish."""
    asked_for = options or PredictConfig(export=tuple(export))
    if asked_for.layout == "auto":
        asked_for = replace(asked_for, layout=layout)
    asked = PredictionRequest(
        facts=facts,
        decision={"threshold": threshold},
        out=out.absolute(),
        causal=causal,
        options=asked_for,
    )
    predictor = Microsleep(config or MicrosleepConfig()).predictor(asked)
    found = predictor.find([str(p) for p in paths])
    records = [predictor.one(item, net or Net()) for item in found]
    predictor.finish(records)
    return records


@pytest.fixture
def net() -> type[Net]:
    return Net


@pytest.fixture
def predicted() -> Callable[..., list]:
    return predict_with
