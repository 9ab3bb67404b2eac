"""The smallest runs that campaigns train, and recordings to predict."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tests.campaigns import forking

#: How long an undisturbed run may take, s.
LIMIT = 240.0

#: Options of a memory task, and of simulated nights, which take a second or two to train.
TASK = [
    "--streams", "4", "--test-streams", "1", "--trials", "9", "--hidden-size", "5", "--min-updates", "0",
    "--batch-size", "4", "--time-steps", "25",
]  # fmt: skip
NIGHTS = [
    "--tune", "none", "--baselines", "few", "--data.subjects", "3", "--data.minutes", "2",
    "--channels", "O1,O2", "--hidden-size", "4", "--min-updates", "0",
]  # fmt: skip


def completed(arguments: list[str], said: Path) -> None:
    """Run a command to its end.

    Raises:
        RuntimeError: It did not end well; holds what it said.
    """
    child = forking.memcell(arguments, said)
    if child.wait(LIMIT) != 0:
        child.kill()
        raise RuntimeError(child.said)


def model(folder: Path) -> Path:
    """Train a network on two channels of simulated nights; return its run folder."""
    path = folder / "model"
    options = [*NIGHTS, "--epochs", "1", "--against", "none", "--out", str(path)]
    completed(["train", "microsleep", *options], folder / "model.out")
    return path


@dataclass(kw_only=True)
class Recordings:
    """A model and recordings to predict.

    Args:
        model: A run folder.
        files: Recordings.
    """

    model: Path
    files: list[str]

    def command(self, out: Path, *more: str) -> list[str]:
        """Return the command of a prediction."""
        where = ["--model", str(self.model), "--out", str(out)]
        return ["predict", "microsleep", *self.files, *where, *more]


def recordings(folder: Path, count: int, seconds: int) -> Recordings:
    """Train a model and write recordings of noise."""
    from memcell_data.formats.edf.writer import Track, write_edf

    made = Recordings(model=model(folder), files=[])
    for i in range(count):
        values = np.random.default_rng(i).normal(size=(2, seconds * 128)) * 20
        tracks = [
            Track(name=name, values=row, rate=128.0, physical=(-200.0, 200.0))
            for name, row in zip(("O1", "O2"), values, strict=True)
        ]
        path = folder / f"night{i:02d}.edf"
        write_edf(path, tracks)
        made.files.append(str(path))
    return made
