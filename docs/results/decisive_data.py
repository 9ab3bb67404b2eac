"""Recordings of the decisive experiment, simulated or real, and their batches: the same in every epoch.

Real ones are read where they lie and are nowhere kept: the powers of Sleep-EDF as ``memcell_data`` reads
them, and the texts of the DREAMS sleep excerpts (Devuyst et al., Zenodo 2650142).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
from decisive_plan import Setting
from numpy.typing import NDArray

from memcell.plugins import default_registry
from memcell.sequences import Batch, TimeSeries, collate
from memcell.sequences.time_series import UNLABELLED
from memcell.sequences.windows import window_table
from memcell_data.datasets.configs import SleepPowersConfig
from memcell_data.datasets.sleep_hypnogram import hypnogram_of, read_hypnogram
from memcell_data.datasets.sleep_powers import SleepPowers

LANES = 2
#: Of the simulated recordings.
RECORDINGS, WINDOWS, T, FEATURES = 10, 10, 50, 6
AMPLITUDE, NOISE, LEVEL = 0.6, 1.0, 0.5
#: Of the excerpts: seconds of a step, bands in Hz (one of them was recorded at 50 Hz), and the label of wake.
STEP, EDGES, AWAKE = 5, (0.5, 4, 8, 12, 16, 24), 5


@dataclass(frozen=True)
class Source:
    """Where recordings come from.

    Args:
        time_steps: T.
        draw: Of a seed: recordings to train on and others to validate on.
    """

    time_steps: int
    draw: Callable[[Setting, Path], tuple[list[TimeSeries], list[TimeSeries]]]


def simulated(seed: int, part: int, transitions: int, *, unalike: bool = False) -> list[TimeSeries]:
    """Draw simulated recordings: two states in turns, seen through noise and a level of the recording's own.

    A step is ``x = level + (+-1) direction + noise``: the level (SD .5, one a recording) hides the state
    from whom does not remember the recording, the noise (SD 1, of which half the variance lasts, AR(1)
    with .8) from whom does not remember the last steps. Runs of a state are geometric with mean `LANES` `T`
    / ``transitions`` steps. Windows that are ``unalike`` have a level of their own each, so that a window
    looks like another recording's beside the one before it.
    """
    rng = np.random.default_rng([seed, part, transitions])
    stay, found = 1 - transitions / (LANES * T), []
    for i in range(RECORDINGS):
        n = WINDOWS * T
        changes = rng.random(n) > stay
        y = (rng.integers(2) + changes.cumsum()) % 2
        direction = np.array([1, -1, 1, -1, 0.5, -0.5]) * AMPLITUDE
        level = rng.normal(0, LEVEL, FEATURES)
        if unalike:
            own = np.random.default_rng([seed, part, transitions, i])
            level = own.normal(0, LEVEL, (WINDOWS, FEATURES)).repeat(T, axis=0)
        slow = np.zeros((n, FEATURES))
        white = rng.normal(0, NOISE / math.sqrt(2), (n, 2, FEATURES))
        for t in range(1, n):
            slow[t] = 0.8 * slow[t - 1] + 0.6 * white[t, 0]
        x = level + (2 * y - 1)[:, None] * direction + slow + white[:, 1]
        found.append(_series(f"{part}-{i}", f"{part}-{i}", x, y))
    return found


def _series(
    name: str,
    subject: str,
    x: NDArray[np.float64],
    y: NDArray[np.int64],
    breaks: tuple[int, ...] = (),
) -> TimeSeries:
    return TimeSeries(
        name=name,
        subject=subject,
        features=x.astype(np.float32),
        targets=y.astype(np.int64),
        breaks=breaks,
    )


@cache
def nights(folder: Path) -> tuple[TimeSeries, ...]:
    """Return the nights of Sleep-EDF: log powers of 30 s, wake (0) against sleep (1).

    Half an hour of wake is kept before and after.
    """
    found = []
    options = SleepPowersConfig(path=str(folder / "sleep-edf"), powers="absolute", wake_margin=30)
    for recording in SleepPowers(options).recordings():
        assert recording.features is not None
        assert recording.path is not None
        features = recording.features()
        hypnogram = read_hypnogram(hypnogram_of(recording.path))
        stage = dict(zip(hypnogram.times.tolist(), hypnogram.stages.tolist(), strict=True))
        y = np.array([int(stage[t] > 0) for t in features.times.tolist()])
        found.append(
            _series(recording.name, recording.subject, features.values, y, features.breaks)
        )
    return tuple(found)


@cache
def excerpts(folder: Path) -> tuple[TimeSeries, ...]:
    """Return the DREAMS excerpts: log powers of 5 s of one channel, wake (0) against sleep (1).

    Raises:
        SystemExit: There are none.
    """
    found = []
    texts = sorted((folder / "dreams-sleep").glob("excerpt*.txt"))
    if not texts:
        raise SystemExit(
            f"{folder / 'dreams-sleep'}: holds no excerpt*.txt; name its folder after --recordings"
        )
    for path in texts:
        numbers = np.array([float(w) for w in path.read_text().split() if not w.startswith("[")])
        rate = round(len(numbers) / 1800 / 50) * 50
        pieces = numbers[: 1800 * rate].reshape(-1, STEP * rate)
        power = np.abs(np.fft.rfft(pieces * np.hanning(STEP * rate), axis=1)) ** 2 / rate**2
        hertz = np.fft.rfftfreq(STEP * rate, 1 / rate)
        bands = [
            power[:, (hertz >= low) & (hertz < high)].mean(axis=1) for low, high in pairwise(EDGES)
        ]
        x = np.log(np.stack([*bands, pieces.var(axis=1)], axis=1) + 1e-6)
        words = path.with_name(f"Hypnogram_{path.name}").read_text().split()[1:]
        stages = np.array([int(float(w)) for w in words])[-len(pieces) :]
        y = np.where(stages < 0, UNLABELLED, stages != AWAKE)
        found.append(_series(path.stem, path.stem, x, y))
    return tuple(found)


def of_subjects(
    series: Sequence[TimeSeries], n_train: int, seed: int
) -> tuple[list[TimeSeries], list[TimeSeries]]:
    """Draw the people to train on, and the order of their recordings; features are scaled by theirs."""
    rng = np.random.default_rng([seed, 2])
    people = rng.permutation(sorted({s.subject for s in series}))[:n_train].tolist()
    train = [s for s in series if s.subject in people]
    train = [train[i] for i in rng.permutation(len(train))]
    steps = np.concatenate([s.features for s in train])
    mean, spread = steps.mean(axis=0), steps.std(axis=0)
    valid = [s for s in series if s.subject not in people]
    first, second = (
        [replace(s, features=(s.features - mean) / spread) for s in each] for each in (train, valid)
    )
    return first, second


SOURCES = {
    "simulated": Source(
        T,
        lambda s, _: (
            simulated(s.seed, 0, s.transitions),
            simulated(s.seed, 1, s.transitions),
        ),
    ),
    "simulated-unalike": Source(
        T,
        lambda s, _: (
            simulated(s.seed, 0, s.transitions, unalike=True),
            simulated(s.seed, 1, s.transitions, unalike=True),
        ),
    ),
    "sleep-edf": Source(30, lambda s, folder: of_subjects(nights(folder), 4, s.seed)),
    "dreams": Source(30, lambda s, folder: of_subjects(excerpts(folder), 4, s.seed)),
}


class Data:
    """Training and validation recordings of a seed, and the batches of every epoch: the same in each.

    Args:
        setting: Its data, seed and transitions count.
        folder: Where real recordings are.
    """

    def __init__(self, setting: Setting, folder: Path) -> None:
        source = SOURCES[setting.data]
        self.time_steps = source.time_steps
        self.train, self.valid = source.draw(setting, folder)
        entry = default_registry().get("sampler", "stream")
        sampler = entry.build(entry.config({"split": "whole"}))
        table = window_table(self.train, self.time_steps, 2)
        order: NDArray[np.int64] = sampler.order(table, LANES, 0, np.random.default_rng(0))
        self.batches: list[Batch] = []
        ends = None
        for rows in order:
            self.batches.append(collate(self.train, table, rows, ends))
            ends = table.ends(rows)

    @property
    def n_features(self) -> int:
        """F."""
        return self.train[0].n_features
