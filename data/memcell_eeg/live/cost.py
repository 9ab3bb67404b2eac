"""CPU time of one step of a live detector, in total and by part; for benchmarks.

The signal is noise handed over step by step, as a device with packets of one step sends it. Measured is the
CPU time of this thread, so that other work on the machine does not count. The cost of the source is not
included.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np

from memcell.applications.streaming import LiveNetwork
from memcell_eeg.features.pipeline import Pipeline
from memcell_eeg.features.stream import StepFeatures
from memcell_eeg.live.alarm import AlarmLogic, AlarmRules
from memcell_eeg.live.detector import Detector
from memcell_eeg.live.gaps import GapFinder
from memcell_eeg.signal.clean import CleanSignal

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class StepCost:
    """Median CPU milliseconds of a step.

    Args:
        whole: Gaps, filters, features, network and alarm, measured together.
        highest: 99 % quantile of the same.
        filters: Outliers, reference, resampling, band-pass.
        features: Windows, features, normalization.
        network: Encoder, layers, readout, softmax.
        alarm: The state machine.
        steps: Number of measured steps.
    """

    whole: float
    highest: float
    filters: float
    features: float
    network: float
    alarm: float
    steps: int


def step_cost(
    pipeline: Pipeline,
    rate: float,
    network: LiveNetwork,
    rules: AlarmRules,
    steps: int = 500,
    seed: int = 0,
) -> StepCost:
    """Measure the CPU time of steps.

    Args:
        pipeline: Of the run.
        rate: Samples a second of the device, Hz.
        network: The trained network; its memory afterwards is that of the noise.
        rules: Of the alarm.
        steps: Number of steps to measure.
        seed: Of the noise.
    """
    random = np.random.default_rng(seed)
    channels = len(pipeline.channels)
    edges = np.rint(np.arange(steps + 1) * pipeline.step * rate).astype(int)
    signal = random.normal(scale=20.0, size=(channels, int(edges[-1])))
    whole = _whole(pipeline, rate, network, rules, signal, edges)
    clean, features = CleanSignal(pipeline, rate), StepFeatures(pipeline, rate)
    alarm = AlarmLogic(rules)
    parts: dict[str, list[float]] = {n: [] for n in ("filters", "features", "network", "alarm")}
    start = 0.0
    for a, b in pairwise(edges):
        piece = signal[:, a:b]
        filtered = _timed(parts["filters"], partial(clean.push, piece))
        rows = _timed(parts["features"], partial(features.push, filtered))
        for row in rows:
            p = _timed(parts["network"], partial(network.step, row))
            probability = float(p[1])
            _timed(parts["alarm"], partial(alarm.step, start, probability))
            start += pipeline.step
    network.begin()
    late = np.array(
        whole[len(whole) // 10 :]
    )  # what libraries prepare on first use is not a step's
    medians = {name: _median(values) for name, values in parts.items()}
    return StepCost(
        whole=1e3 * float(np.median(late)),
        highest=1e3 * float(np.quantile(late, 0.99)),
        steps=len(late),
        **medians,
    )


def _whole(
    pipeline: Pipeline,
    rate: float,
    network: LiveNetwork,
    rules: AlarmRules,
    signal: np.ndarray[Any, np.dtype[np.float64]],
    edges: np.ndarray[Any, np.dtype[np.int64]],
) -> list[float]:
    detector, gaps, alarm = (
        Detector(pipeline, rate, network),
        GapFinder(rate, 0.2),
        AlarmLogic(rules),
    )
    stamps = np.arange(signal.shape[1]) / rate
    taken: list[float] = []

    def one(a: int, b: int) -> None:
        for part in gaps.push(signal[:, a:b], stamps[a:b]):
            if part.begins:
                detector.begin(part.onset)
            for step in detector.push(part.values, gaps.offset):
                alarm.step(step.start, step.probability)

    for a, b in pairwise(edges):
        _timed(taken, partial(one, int(a), int(b)))
    return taken


def _timed(into: list[float], work: Callable[[], T]) -> T:
    before = time.thread_time()
    done = work()
    into.append(time.thread_time() - before)
    return done


def _median(values: list[float]) -> float:
    return 1e3 * float(np.median(values[len(values) // 10 :]))
