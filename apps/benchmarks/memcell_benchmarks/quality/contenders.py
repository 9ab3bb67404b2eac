"""Who tells wake from sleep: a model of memcell, a run's own predictions, and YASA."""

from __future__ import annotations

import importlib
import logging
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memcell.applications.app import ModelPredictions
from memcell.applications.datasets import find_dataset
from memcell.applications.models import run_folder_of
from memcell.errors import DataError, UsageError
from memcell.inference.inference import probabilities
from memcell.plugins import default_registry
from memcell.runs.model import load_model
from memcell.runs.predictions import read_predictions
from memcell.runs.run_folder import open_run
from memcell.runs.setup import build_app
from memcell.sequences.time_series import TimeSeries
from memcell_data.recording import Recording, Signal

APP = "sleep"
#: YASA takes 80 Hz or more; what is slower is resampled to what it works at.
SLOWEST, WORKS_AT = 80.0, 100.0
EPOCH = 30.0


@dataclass(frozen=True, kw_only=True)
class Truth:
    """What experts say of one recording.

    Args:
        recording: The recording.
        channel: The EEG channel that everybody gets.
        times: ``[n]`` start of each labelled step of 5 s.
        target: ``[n]`` 1 for sleep, 0 for awake.
        sequence: What memcell's model gets.
    """

    recording: Recording
    channel: str
    times: NDArray[np.float64]
    target: NDArray[np.int64]
    sequence: TimeSeries


@dataclass(frozen=True, kw_only=True)
class Said:
    """What a contender says of the labelled steps of one recording.

    Args:
        probability: ``[n]`` of sleep; NaN where it says nothing.
        asleep: ``[n]`` its decision, 0 or 1.
    """

    probability: NDArray[np.float64]
    asleep: NDArray[np.int64]


def truth_of(data: str, model: str, say: Callable[[str], object]) -> dict[str, Truth]:
    """Return the labelled recordings by name, in steps of 5 s.

    Args:
        data: A path, or the name of a data set.
        model: The model that says which channel and which labels.
        say: Told which labels count as sleep.

    Raises:
        DataError: None can be used.
    """
    from memcell_eeg.features.precomputed import pipeline_of
    from memcell_eeg.signal.channels import locate

    registry = default_registry()
    folder, config = open_run(APP, run_folder_of(registry, model, APP), registry)
    name, options = find_dataset(registry, data, {})
    entry = registry.get("dataset", name)
    dataset = entry.build(entry.config(options))
    app: Any = registry.get("app", APP).build(config.app_config, dataset)
    facts = load_model(folder, config, registry, app)[1]
    task = app.unseen(facts.task)
    pipeline = pipeline_of(facts.task["pipeline"])
    if not pipeline.channels:
        raise UsageError(f"model '{model}' takes features and no signal: name another --model")
    for note in task.notes:
        if note.startswith("protocol: "):
            say(note)
    recordings = {r.name: r for r in dataset.recordings()}
    made = {}
    for s in task.test:
        recording = recordings[s.name]
        made[s.name] = Truth(
            recording=recording,
            channel=locate(pipeline.channels, recording)[0].name,
            times=s.times[s.labelled],
            target=np.asarray(s.targets[s.labelled], dtype=np.int64),
            sequence=s,
        )
    return made


def of_model(truth: Mapping[str, Truth], name: str) -> dict[str, Said]:
    """Return what a model of memcell says, from its own threshold on."""
    registry = default_registry()
    folder, config = open_run(APP, run_folder_of(registry, name, APP), registry)
    app = build_app(config, registry)
    network, facts = load_model(folder, config, registry, app)
    threshold = facts.decisions[facts.eval_policy]["threshold"]
    sequences = [t.sequence for t in truth.values()]
    made = probabilities(network, sequences, facts.eval_policy, config.training.time_steps)
    said = {}
    for (key, t), p in zip(truth.items(), made, strict=True):
        own = p[t.sequence.labelled, 1].astype(np.float64)
        said[key] = Said(probability=own, asleep=(own >= threshold).astype(np.int64))
    return said


def of_run(truth: Mapping[str, Truth], path: Path) -> dict[str, Said]:
    """Return what a run's own network said of the recordings that it was tested on.

    Raises:
        UsageError: It was tested on other recordings, or its classes are others.
    """
    row = next(r for r in read_predictions(path) if r.kind == "network")
    said: dict[str, Said] = {}
    for part in row.predictions:
        for s, p in zip(part.sequences, part.probabilities, strict=True):
            if s.name in truth:
                said[s.name] = _of_steps(truth[s.name], s, p[:, 1], part, path)
    if missing := sorted(set(truth) - set(said)):
        raise UsageError(
            f"run '{path}' was not tested on {', '.join(missing[:5])}: give --run a run of these recordings "
            "that leaves each out (--split loso)"
        )
    return said


def _of_steps(
    truth: Truth,
    sequence: TimeSeries,
    p: NDArray[np.float32],
    part: ModelPredictions,
    path: Path,
) -> Said:
    """Return a run's predictions at the labelled steps of 5 s, as probabilities of sleep."""
    at, inside = _at(truth.times, sequence.times, sequence.step_seconds)
    known = inside & (sequence.targets[at] >= 0)
    same = sequence.targets[at[known]] == truth.target[known]
    if not known.any() or not max(same.mean(), 1 - same.mean()) >= 0.98:
        raise UsageError(
            f"run '{path}' does not tell wake from sleep: its labels of '{sequence.name}' agree with the "
            f"stages at {same.mean() if known.any() else 0:.0%} of the steps"
        )
    asleep = (p >= part.decision["threshold"]).astype(np.float64)
    values = np.stack([p.astype(np.float64), asleep])[:, at]
    if same.mean() < 0.5:  # its positive class is wake
        values = 1 - values
    values[:, ~inside] = np.nan
    return Said(probability=values[0], asleep=np.where(inside, values[1], 0).astype(np.int64))


def _at(
    wanted: NDArray[np.float64], times: NDArray[np.float64], step: float
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return the step that holds the middle of each wanted one of 5 s, and whether there is one."""
    middle = wanted + 2.5
    at = np.clip(np.searchsorted(times, middle, side="right") - 1, 0, len(times) - 1)
    return at, (middle >= times[at]) & (middle < times[at] + step)


def yasa_version() -> str:
    """Return the version of YASA; empty where it is not installed."""
    try:
        return version("yasa")
    except PackageNotFoundError:
        return ""


def of_yasa(truth: Mapping[str, Truth], say: Callable[[str], object]) -> dict[str, Said]:
    """Return what YASA says, as it is installed.

    Raises:
        DataError: It fails on a recording; names it.
    """
    yasa: Any = importlib.import_module("yasa")
    logging.getLogger("yasa").setLevel(logging.ERROR)
    said = {}
    for key, t in truth.items():
        signal = t.recording.read([t.channel])
        if signal.rate < SLOWEST:
            say(f"{key}: {signal.rate:g} Hz, resampled to {WORKS_AT:g} Hz for YASA")
        try:
            with warnings.catch_warnings():
                # its classifier was stored by an older scikit-learn, which is how it is installed
                warnings.simplefilter("ignore")
                said[key] = _staged(yasa, t, signal)
        except Exception as error:  # another's code on a strange file
            raise DataError(f"YASA on '{key}': {type(error).__name__}: {error}") from error
    return said


def _staged(yasa: Any, truth: Truth, signal: Signal) -> Said:
    raw = _raw(truth, signal)
    if signal.rate < SLOWEST:
        raw.resample(WORKS_AT, verbose="error")
    staging = yasa.SleepStaging(raw, eeg_name="EEG")
    hypnogram = staging.predict()
    stages = getattr(hypnogram, "hypno", hypnogram)
    asleep = np.array([str(s).upper() not in ("W", "WAKE") for s in np.asarray(stages)])
    table = getattr(hypnogram, "proba", None)
    table = staging.predict_proba() if table is None else table
    wake = next(c for c in table.columns if str(c).upper() in ("W", "WAKE"))
    probability = 1 - np.asarray(table[wake], dtype=np.float64)
    at, inside = _at(truth.times, EPOCH * np.arange(len(asleep), dtype=np.float64), EPOCH)
    return Said(
        probability=np.where(inside, probability[at], np.nan),
        asleep=np.where(inside, asleep[at], 0).astype(np.int64),
    )


def _raw(truth: Truth, signal: Signal) -> Any:
    """Return the channel for MNE, V; what is no signal is 0, so that times stay those of the recording."""
    mne: Any = importlib.import_module("mne")
    rate = signal.rate
    last = signal.segments[-1]
    values = np.zeros(round((last.onset + (last.stop - last.start) / rate) * rate))
    for s in signal.segments:
        first = round(s.onset * rate)
        part = signal.values[0, s.start : s.stop][: len(values) - first]
        values[first : first + len(part)] = part
    info = mne.create_info(["EEG"], rate, ["eeg"])
    return mne.io.RawArray(values[None] * 1e-6, info, verbose="error")
