"""What the audit is made of: signals of known truth, and recordings of them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import signal

from memcell_data.recording import Channel, Recording, Segment, Signal
from memcell_eeg.features.pipeline import Pipeline
from memcell_eeg.signal.channels import ChannelChoice
from memcell_microsleep.config import MicrosleepConfig

#: What most of the audit is about: powers in bands, and a scale that moves.
BANDS = {"features": ("bandpower",), "context": ("none",), "normalization": "causal"}


def make_pipeline(native=100.0, **options):
    choice = ChannelChoice(names=("O1",), eeg=("O1",), reason="")
    return Pipeline.of(MicrosleepConfig(**{**BANDS, **options}), choice, native)


def make_recording(values, rate=100.0, segments=None, name="r1", subject="s1"):
    """Return a recording of one channel ``[n]`` uV."""
    values = np.atleast_2d(values)
    parts = tuple(segments or (Segment(start=0, stop=values.shape[1], onset=0.0),))

    def read(names):
        return Signal(values=values.copy(), rate=rate, channels=tuple(names), segments=parts)

    return Recording(
        name=name,
        subject=subject,
        dataset="made up",
        simulated=True,
        channels=(Channel(name="O1", kind="eeg", rate=rate),),
        duration=parts[-1].onset + (parts[-1].stop - parts[-1].start) / rate,
        read=read,
        labels=lambda: None,
    )


def band_noise(random, n, low, high, rate=100.0):
    """Return ``[n]`` noise of a band."""
    sections = signal.butter(4, [low, high], "bandpass", fs=rate, output="sos")
    return signal.sosfilt(sections, random.normal(size=n + 400))[400:]


def eeg(random, n, theta, alpha, rate=100.0):
    """Return ``[n]`` uV of theta and alpha rhythms on white noise."""
    return (
        30 * theta * band_noise(random, n, 4, 8, rate)
        + 30 * alpha * band_noise(random, n, 8, 12, rate)
        + 5 * random.normal(size=n)
    )


@pytest.fixture
def pipeline_of():
    return make_pipeline


@pytest.fixture
def recording_of():
    return make_recording


@pytest.fixture
def eeg_of():
    return eeg
