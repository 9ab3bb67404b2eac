"""The data set ``spike-wave``: absence-like seizures, written as EDF+ and read back like any file.

A spike-wave is a spike of 30 ms on a slow wave, three a second (here 2.8-3.2); the ground is pink noise.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from memcell import Card
from memcell.files.places import cache_folder
from memcell_data.formats.edf.writer import Track, write_edf
from memcell_data.formats.reader import open_recording
from memcell_data.labels.reading import FileLabels, Rule
from memcell_data.recording import Interval, Recording
from memcell_template_seizure.app import AFTER, BACKGROUND, SEIZURE
from memcell_template_seizure.configs import SpikeWaveConfig

RATE = 128
CHANNELS = ("F3", "F4", "O1", "O2")
RULE = Rule(positive=(SEIZURE,), negative=(BACKGROUND,), background=BACKGROUND)


class SpikeWave:
    """Simulated recordings ``sw01``, ``sw02``, ...

    Args:
        config: Subjects, minutes and seed.
    """

    card = Card(
        name="spike-wave",
        title="Simulated seizures",
        source="made on this machine by memcell_template_seizure.spike_wave",
        licence="none needed: a program's output",
        citation="none: a score on simulated recordings is not a result about people",
        simulated=True,
    )

    def __init__(self, config: SpikeWaveConfig) -> None:
        self.config = config

    def get(self, folder: Path | None = None) -> Path:
        """Write the recordings that are not there yet, and return their folder."""
        c = self.config
        home = (folder or cache_folder()) / f"spike-wave-{c.subjects}x{c.minutes}min-seed{c.seed}"
        for subject in range(c.subjects):
            path = home / f"sw{subject + 1:02d}.edf"
            if not path.exists():
                values, seizures = simulate(
                    np.random.default_rng((c.seed, subject)), 60 * c.minutes
                )
                tracks = [
                    Track(name=name, values=row, rate=RATE, physical=(-1000.0, 1000.0))
                    for name, row in zip(CHANNELS, values, strict=True)
                ]
                write_edf(path, tracks, annotations=seizures, patient="X X X simulated")
        return home

    def recordings(self) -> list[Recording]:
        """Return the recordings, making them where they are not there."""
        return [
            open_recording(
                path,
                dataset=self.card.name,
                simulated=True,
                labels=FileLabels(recording=path, rule=RULE, complete=True),
            )
            for path in sorted(self.get().glob("*.edf"))
        ]


def simulate(
    random: np.random.Generator, seconds: int
) -> tuple[NDArray[np.float64], list[Interval]]:
    """Return ``[C, n]`` uV and the labels of a recording: a seizure every two minutes or so."""
    n = seconds * RATE
    values = np.stack([pink(random, n) for _ in CHANNELS])
    labels = []
    onset = random.uniform(20, 60)
    while onset + 70 < seconds:
        length = random.uniform(12, 30)
        first, stop = round(onset * RATE), round((onset + length) * RATE)
        wave = spike_wave(np.arange(stop - first) / RATE, random.uniform(2.8, 3.2))
        values[:, first:stop] += random.uniform(80, 150, size=(len(CHANNELS), 1)) * wave
        labels.append(Interval(onset=onset, duration=length, label=SEIZURE))
        labels.append(Interval(onset=onset + length, duration=20.0, label=AFTER))
        onset += length + random.uniform(60, 150)
    return values, labels


def pink(random: np.random.Generator, n: int) -> NDArray[np.float64]:
    """Return ``[n]`` noise of 15 uV whose power falls as one over the frequency."""
    spectrum = np.fft.rfft(random.standard_normal(n))
    spectrum[1:] /= np.sqrt(np.arange(1, len(spectrum)))
    spectrum[0] = 0.0
    noise = np.fft.irfft(spectrum, n)
    return 15.0 * noise / noise.std()


def spike_wave(t: NDArray[np.float64], frequency: float) -> NDArray[np.float64]:
    """Return ``[n]`` of a spike and a slow wave in each period; about 1 at its peak."""
    phase = (t * frequency) % 1.0
    spike = np.exp(-0.5 * ((phase - 0.1) / (0.03 * frequency / 2)) ** 2)
    return np.asarray(spike - 0.6 * np.sin(np.pi * np.clip((phase - 0.2) / 0.8, 0, 1)))
