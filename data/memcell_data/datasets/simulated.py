"""The data set ``simulated``: made here, written as EDF+ and read back like any person's file.

It is the default that needs no network. A score on it says that the program works and nothing about
people, and every output that stands on it says ``simulated``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from memcell.applications.datasets import Card
from memcell.files.places import cache_folder
from memcell_data.datasets import simulation
from memcell_data.datasets.configs import SimulatedConfig
from memcell_data.formats.edf.writer import Track, write_edf
from memcell_data.formats.reader import open_recording
from memcell_data.labels.reading import FileLabels, Rule
from memcell_data.recording import Recording

_RULE = Rule(positive=("microsleep",), negative=("wake",), background="wake")
_RANGE = (-1000.0, 1000.0)


@dataclass
class Simulated:
    """Simulated recordings ``sim01``, ``sim02``, ...; see `memcell_data.datasets.simulation`.

    Args:
        config: Subjects, minutes, seed and rate.
    """

    config: SimulatedConfig
    _folder: Path | None = None

    @property
    def card(self) -> Card:
        """The card of the data set."""
        return Card(
            name="simulated",
            title="Simulated microsleeps",
            source="made on this machine by memcell_data.datasets.simulation",
            licence="none needed: a program's output",
            citation="none: a score on simulated recordings is not a result about people",
            checksum="the same options give the same bytes",
            simulated=True,
        )

    def get(self, folder: Path | None = None) -> Path:
        """Write the recordings that are not there yet, and return their folder.

        Args:
            folder: Where to put a folder named after the options; None for the user's cache.
        """
        c = self.config
        key = f"v{simulation.VERSION}-seed{c.seed}-{c.subjects}x{c.minutes:g}min-{c.rate}Hz"
        home = (folder or cache_folder() / "simulated") / key
        home.mkdir(parents=True, exist_ok=True)
        for subject in range(c.subjects):
            path = home / f"{self._name(subject)}.edf"
            # Written by rename: a file that is there is whole.
            if not path.exists():
                self._write(path, subject)
        self._folder = home
        return home

    def recordings(self) -> Sequence[Recording]:
        """Return the recordings, making them where they are not there."""
        home = self._folder or self.get()
        names = [self._name(subject) for subject in range(self.config.subjects)]
        return [
            open_recording(
                home / f"{name}.edf",
                subject=name,
                dataset="simulated",
                simulated=True,
                labels=FileLabels(recording=home / f"{name}.edf", rule=_RULE, complete=True),
            )
            for name in names
        ]

    def _name(self, subject: int) -> str:
        width = max(2, len(str(self.config.subjects)))
        return f"sim{subject + 1:0{width}d}"

    def _write(self, path: Path, subject: int) -> None:
        seconds, rate = round(self.config.minutes * 60), self.config.rate
        simulated = simulation.simulate(self.config.seed, subject, seconds, rate)
        records = np.arange(seconds)
        if simulated.gap:
            records = records[(records < simulated.gap[0]) | (records >= simulated.gap[1])]
        names = (*simulation.EEG, *simulation.EOG)
        tracks = [
            Track(
                name=name,
                values=row.reshape(seconds, rate)[records].ravel(),
                rate=rate,
                physical=_RANGE,
            )
            for name, row in zip(names, simulated.values, strict=True)
        ]
        write_edf(
            path,
            tracks,
            onsets=records.astype(float).tolist(),
            annotations=simulated.microsleeps,
            patient=f"{path.stem} X X simulated",
            recording="Startdate 01-JAN-2000 X memcell simulated",
        )
