"""A simulated drowsy person: EEG and EOG, microvolts, made from a seed and a subject number.

It is a caricature with the properties that a detector with memory has to cope with, and no model of sleep:

- drowsiness ``d(t)`` in 0..1 waxes and wanes over minutes, so that microsleeps come in clusters;
- EEG is 1/f noise with a part common to all channels, plus alpha in the relaxed moments of wake: alpha
  blocks again and again while awake, so that its absence alone tells nothing;
- a microsleep lasts 1 to 15 s: alpha is gone, theta (4-8 Hz) comes and goes within it;
- bursts of theta under 1 s occur in wake, as strong as those of a microsleep and more often when drowsy:
  one step cannot tell them apart;
- EOG has blinks in wake, and slow eye movements in microsleeps *and* in drowsy wake;
- muscle artefacts and electrode pops in wake.

Frequencies, amplitudes and the share of microsleep (8 to 12 %) differ between subjects.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memcell_data.recording import Interval

VERSION = 1
EEG = ("O1", "O2", "C3", "C4")
EOG = ("E1", "E2")
Array = NDArray[np.float64]

_GRID = 0.1  # seconds: states and envelopes are drawn on this grid and interpolated


@dataclass(frozen=True, kw_only=True)
class Simulation:
    """One simulated recording.

    Args:
        values: ``[n_channels, n_samples]`` microvolts, `EEG` then `EOG`.
        microsleeps: Seconds from the start.
        gap: First and last second of what was not recorded, or None. The values there exist and are
            to be left out.
    """

    values: Array
    microsleeps: tuple[Interval, ...]
    gap: tuple[int, int] | None


def simulate(seed: int, subject: int, seconds: int, rate: int) -> Simulation:
    """Simulate a recording.

    Args:
        seed: The data set's seed.
        subject: Number from 0; every third subject (1, 4, 7, ...) has a gap of 20 to 60 s.
        seconds: Length, the gap included.
        rate: Samples a second, Hz.
    """
    rng = np.random.default_rng([VERSION, seed, subject])
    gap = _gap(rng, seconds) if subject % 3 == 1 else None
    drowsy = _drowsiness(rng, seconds)
    episodes = _episodes(rng, drowsy, seconds, gap)
    asleep = _membership(episodes, seconds)
    n = seconds * rate
    person = _Person(rng=rng, rate=rate, n=n, drowsy=drowsy, asleep=asleep)
    blinks = person.blinks()
    eeg = person.background(len(EEG)) + person.alpha() + person.theta()
    eeg += np.array([[0.01], [0.01], [0.04], [0.04]]) * blinks + person.artefacts(len(EEG))
    slow = person.slow_eye_movements()
    eog = 0.6 * person.background(len(EOG)) + np.stack([slow + blinks, 0.7 * blinks - slow])
    values = np.concatenate([eeg, eog])
    microsleeps = tuple(Interval(onset=a, duration=b - a, label="microsleep") for a, b in episodes)
    return Simulation(values=values, microsleeps=microsleeps, gap=gap)


def _gap(rng: np.random.Generator, seconds: int) -> tuple[int, int]:
    length = min(int(rng.integers(20, 61)), seconds // 3)
    start = int(rng.integers(seconds // 4, max(seconds // 4 + 1, 3 * seconds // 4 - length)))
    return start, start + length


def _drowsiness(rng: np.random.Generator, seconds: int) -> Array:
    t = np.arange(round(seconds / _GRID)) * _GRID
    waves = sum(
        rng.uniform(0.6, 1.2) * np.sin(2 * np.pi * (t / period + rng.uniform()))
        for period in rng.uniform([70, 150, 240], [110, 230, 400])
    )
    trend = rng.uniform(0.2, 1.0) * (t / max(1.0, float(seconds)) - 0.5)
    level: Array = 1 / (1 + np.exp(-1.6 * (waves + trend) + 0.3))
    return level


def _episodes(
    rng: np.random.Generator, drowsy: Array, seconds: int, gap: tuple[int, int] | None
) -> list[tuple[float, float]]:
    """Place episodes where the subject is drowsy until they cover the subject's share of the time."""
    share = rng.uniform(0.085, 0.115)
    density = np.cumsum(drowsy**4)
    density /= density[-1]
    recorded = seconds - (gap[1] - gap[0] if gap else 0)
    placed: list[tuple[float, float]] = []
    covered = 0.0
    for _ in range(200 * seconds):
        length = float(np.clip(np.exp(rng.normal(1.35, 0.55)), 1.0, 15.0))
        start = float(np.searchsorted(density, rng.uniform())) * _GRID
        begin, end = round(start, 2), round(start + length, 2)
        if begin < 2 or end > seconds - 2 or (gap and begin < gap[1] + 2 and end > gap[0] - 2):
            continue
        if any(begin < b + 1.5 and end > a - 1.5 for a, b in placed):
            continue
        placed.append((begin, end))
        covered += end - begin
        if covered >= share * recorded:
            break
    return sorted(placed)


def _membership(episodes: list[tuple[float, float]], seconds: int) -> Array:
    t = np.arange(round(seconds / _GRID)) * _GRID
    inside = np.zeros_like(t)
    for begin, end in episodes:
        inside[(t >= begin) & (t < end)] = 1.0
    return inside


@dataclass(frozen=True, kw_only=True)
class _Person:
    """What the parts of the signal share; each method draws its own traits from ``rng`` in turn."""

    rng: np.random.Generator
    rate: int
    n: int
    drowsy: Array
    asleep: Array

    def background(self, n_channels: int) -> Array:
        """1/f noise, 8-12 uV, about a third of its power common to all channels."""
        exponent = self.rng.uniform(0.9, 1.3)
        frequency = np.fft.rfftfreq(self.n, 1 / self.rate)
        shape = np.zeros_like(frequency)
        shape[1:] = np.maximum(frequency[1:], 0.5) ** (-exponent / 2)
        spectrum = np.fft.rfft(self.rng.standard_normal((n_channels + 1, self.n))) * shape
        noise = np.fft.irfft(spectrum, self.n)
        noise /= noise.std(axis=1, keepdims=True)
        mixed: Array = 0.6 * noise[:1] + 0.8 * noise[1:]
        return self.rng.uniform(8, 12) * mixed

    def alpha(self) -> Array:
        """8.8-11.2 Hz, strongest at the back, while relaxed and awake."""
        relaxed = self._two_states(mean_on=8.0, mean_off=5.0) * (0.4 + 0.6 * self.drowsy)
        envelope = self._at_rate(_smooth((1 - self.asleep) * relaxed + 0.04, 4))
        wave = self._narrowband(self.rng.uniform(8.8, 11.2), width=0.8)
        gains = self.rng.uniform([10, 10, 3, 3], [20, 20, 8, 8])
        return gains[:, None] * (envelope * wave)

    def theta(self) -> Array:
        """4.8-6.8 Hz: fluctuating in microsleeps, short bursts in wake, a little always."""
        flicker = np.abs(_smooth(self.rng.standard_normal(len(self.asleep)), 7))
        flicker /= flicker.mean()
        inside = self.asleep * np.clip(flicker, 0.15, 2.0)
        bursts = np.zeros_like(inside)
        rate = (0.05 + 0.35 * self.drowsy) * _GRID
        starts = np.flatnonzero(self.rng.uniform(size=len(rate)) < rate)
        for start in starts:
            length = self.rng.integers(3, 9)
            bursts[start : start + length] = self.rng.uniform(0.7, 1.6)
        envelope = self._at_rate(_smooth(np.maximum(inside, (1 - self.asleep) * bursts) + 0.12, 2))
        wave = self._narrowband(self.rng.uniform(4.8, 6.8), width=1.0)
        gains = self.rng.uniform([8, 8, 9, 9], [13, 13, 15, 15])
        return gains[:, None] * (envelope * wave)

    def blinks(self) -> Array:
        """Bumps of .2-.4 s and 100-250 uV, in wake, fewer when drowsy."""
        out = np.zeros(self.n)
        height, pace = self.rng.uniform(100, 250), self.rng.uniform(0.15, 0.4)
        chance = pace * (1 - 0.7 * self.drowsy) * (1 - self.asleep) * _GRID
        for cell in np.flatnonzero(self.rng.uniform(size=len(chance)) < chance):
            length = int(self.rng.uniform(0.2, 0.4) * self.rate)
            at = int(cell * _GRID * self.rate)
            bump = height * self.rng.uniform(0.7, 1.2) * np.hanning(length)
            out[at : at + length] += bump[: max(0, self.n - at)]
        return out

    def slow_eye_movements(self) -> Array:
        """.2-.6 Hz, opposite in the two EOG channels, in microsleeps and in drowsy wake."""
        calm = np.maximum(0.8 * self.asleep, self._two_states(6.0, 10.0) * self.drowsy**2)
        wave = self._narrowband(self.rng.uniform(0.25, 0.5), width=0.15)
        return self.rng.uniform(30, 60) * self._at_rate(_smooth(calm, 10)) * wave

    def artefacts(self, n_channels: int) -> Array:
        """Muscle noise of .5-3 s on all channels and pops on one, mostly while awake."""
        out = np.zeros((n_channels, self.n))
        for _ in range(self.rng.poisson(0.7 * self.n / self.rate / 60)):
            at = int(self.rng.integers(0, self.n))
            if self.asleep[int(at / self.rate / _GRID)]:
                continue
            length = min(int(self.rng.uniform(0.5, 3.0) * self.rate), self.n - at)
            rough = np.diff(self.rng.standard_normal((n_channels, length + 1)), axis=1)
            out[:, at : at + length] += self.rng.uniform(10, 40) * rough
        for _ in range(self.rng.poisson(0.3 * self.n / self.rate / 60)):
            at, channel = int(self.rng.integers(0, self.n)), int(self.rng.integers(n_channels))
            decay = np.exp(-np.arange(min(self.rate, self.n - at)) / (0.15 * self.rate))
            out[channel, at : at + len(decay)] += self.rng.choice([-1, 1]) * 300 * decay
        return out

    def _narrowband(self, frequency: float, width: float) -> Array:
        """Noise around a frequency, Hz, with unit power; ``width`` is its half width."""
        grid = np.fft.rfftfreq(self.n, 1 / self.rate)
        spectrum = np.fft.rfft(self.rng.standard_normal(self.n))
        shape = np.exp(-0.5 * ((grid - frequency) / width) ** 2)
        wave: Array = np.fft.irfft(spectrum * shape, self.n)
        wave /= wave.std()
        return wave

    def _two_states(self, mean_on: float, mean_off: float) -> Array:
        """0 or 1 on the grid, changing at random, with these mean durations in seconds."""
        out = np.zeros(len(self.drowsy))
        at, on = 0, bool(self.rng.integers(2))
        while at < len(out):
            length = 1 + int(self.rng.exponential(mean_on if on else mean_off) / _GRID)
            out[at : at + length] = float(on)
            at, on = at + length, not on
        return out

    def _at_rate(self, on_grid: Array) -> Array:
        t = np.arange(self.n) / self.rate
        return np.interp(t, (np.arange(len(on_grid)) + 0.5) * _GRID, on_grid)


def _smooth(values: Array, cells: int) -> Array:
    smooth: Array = np.convolve(values, np.ones(cells) / cells, mode="same")
    return smooth
