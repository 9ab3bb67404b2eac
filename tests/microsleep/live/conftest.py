"""A small model that nobody trained, and a recording with gaps, for what runs live."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from memcell.applications.streaming import StreamRequest
from memcell.backends import Layer, RecurrentStack
from memcell.inference.inference import probabilities
from memcell.inference.stepping import NetworkStepper
from memcell.network.network import Network
from memcell.plugins import default_registry
from memcell.recurrent import ZeroStart
from memcell_data.formats.edf.writer import Track, write_edf
from memcell_data.formats.reader import open_recording
from memcell_eeg.features.encoder import LinearEncoder
from memcell_eeg.features.pipeline import Pipeline
from memcell_eeg.live.options import LiveConfig
from memcell_eeg.signal.channels import ChannelChoice
from memcell_microsleep.config import MicrosleepConfig

RATE, CHANNELS = 128.0, ("O1", "O2")
THRESHOLD = 0.5


@pytest.fixture(scope="session")
def pipeline():
    choice = ChannelChoice(names=CHANNELS, eeg=CHANNELS, reason="")
    made = Pipeline.of(MicrosleepConfig(), choice, RATE)
    n = int(made.normalized.sum())
    return replace(made, centre=(0.2,) * n, spread=(1.5,) * n)  # as after training


def build(n_features, cell="lstm", norm=None):
    registry = default_registry()
    torch.manual_seed(5)
    encoder = LinearEncoder(n_features, 24)
    entry = registry.get("cell", cell)
    built = entry.build(24, 12, entry.config({}))
    normalizer = None
    if norm:
        other = registry.get("normalizer", norm)

        def normalizer(width):
            return other.build(width, other.config({}))

    stack = RecurrentStack([Layer(built, normalizer)])
    network = Network(encoder, stack, 2, ZeroStart(stack.initial_state(1)))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_(std=0.4)
    return network.eval()


@pytest.fixture(scope="session")
def network(pipeline):
    return build(len(pipeline.feature_names))


@pytest.fixture(scope="session")
def build_network():
    return build


@pytest.fixture
def stepper(network, pipeline):
    return NetworkStepper(network, len(pipeline.feature_names))


@dataclass
class Made:
    """A recording of 54 s with three gaps: one of 6 s, one of .1 s (less than jitter may be), one of 2 s
    behind a segment that is too short for a window."""

    path: Path
    values: np.ndarray
    onsets: list[float]
    seconds: float = 0.5
    expected: SimpleNamespace = field(default_factory=SimpleNamespace)


@pytest.fixture(scope="session")
def gapped(tmp_path_factory, network, pipeline):
    path = tmp_path_factory.mktemp("live") / "night.edf"
    n, seconds = 108, 0.5
    onsets, at = [], 0.0
    for record in range(n):
        at += {40: 6.0, 70: 0.1, 71: 2.0}.get(record, 0.0)
        onsets.append(round(at, 3))
        at += seconds
    random = np.random.default_rng(5)
    t = np.arange(int(n * seconds * RATE)) / RATE
    values = random.normal(size=(2, len(t))) * 15 + 30 * np.sin(2 * np.pi * 6 * t) * (t % 20 > 14)
    tracks = [
        Track(name=c, values=row, rate=RATE, physical=(-400.0, 400.0))
        for c, row in zip(CHANNELS, values, strict=True)
    ]
    write_edf(path, tracks, seconds=seconds, onsets=onsets)
    read = open_recording(path).read(CHANNELS).values  # as EDF holds them
    made = Made(path=path, values=read, onsets=onsets)
    sequence = pipeline.sequence(open_recording(path))
    made.expected.times = sequence.times
    made.expected.breaks = sequence.breaks
    made.expected.p = probabilities(network, [sequence], "carry", 50)[0][:, 1]
    assert len(sequence.breaks) == 3
    return made


@pytest.fixture
def asked_of(pipeline, stepper):
    """``asked_of(out, stop=, facts=, **options)``, with the lines that were said in ``said``."""

    def make(out=None, stop=lambda: False, facts=None, network=None, **options):
        said: list[str] = []
        made = StreamRequest(
            facts=facts
            or {"app": "microsleep", "pipeline": pipeline.facts(), "model_id": "m1-carry"},
            decision={"threshold": THRESHOLD},
            network=network or stepper,
            options=LiveConfig(**options),
            out=out,
            stop=stop,
            say=said.append,
        )
        return SimpleNamespace(asked=made, said=said)

    return make
