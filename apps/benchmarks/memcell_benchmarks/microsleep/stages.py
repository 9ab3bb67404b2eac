"""What each stage costs: reading, filtering, features, the network, and the rest of a whole prediction."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memcell_benchmarks.microsleep.child import cpu, in_turn
from memcell_benchmarks.microsleep.made import CHANNELS, OPTIONS, RATE, BenchmarkModel


def prepare(path: str, rounds: int) -> dict[str, Any]:
    """Time reading, cleaning, resampling and filtering, against MNE's and scipy's bare functions."""
    works: dict[str, Callable[[], object]] = {
        "ours": partial(_ours, path),
        "mne": partial(_peer, path),
    }
    for work in works.values():  # imports and first uses
        work()
    return {"cpu": in_turn(works, rounds)}


def prepare_once(path: str, who: str) -> dict[str, Any]:
    """Prepare once, for its memory."""
    {"ours": _ours, "mne": _peer, "nothing": _imports}[who](path)
    return {}


def features(path: str, rounds: int) -> dict[str, Any]:
    """Time the features of clean signal, against the bare Fourier transforms of the same windows."""
    from memcell_eeg.features.stream import StepFeatures

    pipeline = _pipeline()
    clean = list(_clean(path, pipeline))

    def ours() -> None:
        made = StepFeatures(pipeline)
        for block in clean:
            made.push(block)

    whole = np.concatenate(clean, axis=1)
    width, step = round(pipeline.window * pipeline.rate), round(pipeline.step * pipeline.rate)

    def bare() -> None:
        from scipy import fft

        windows = np.lib.stride_tricks.sliding_window_view(whole, width, axis=1)[:, ::step]
        for first in range(0, windows.shape[1], 256):
            fft.rfft(windows[:, first : first + 256], axis=2)

    works: dict[str, Callable[[], object]] = {"ours": ours, "bare rfft": bare}
    for work in works.values():
        work()
    return {"cpu": in_turn(works, rounds)}


def end_to_end(path: str, short: str, model: str, out: str, rounds: int) -> dict[str, Any]:
    """Time a whole prediction and its stages, in turn."""
    opened = BenchmarkModel(Path(model), Path(out))
    folder = Path(out)

    def predict(recording: str) -> Callable[[], None]:
        def work() -> None:
            (item,) = opened.predictor.find([recording])
            record = opened.predictor.one(item, opened.infer)
            if record["status"] != "done":
                raise RuntimeError(record.get("reason", record["status"]))

        return work

    def empty() -> None:
        shutil.rmtree(folder, ignore_errors=True)

    empty()
    first = cpu(predict(short))
    pipeline = opened.pipeline
    made = [p.features for p in _pieces(path, pipeline)]
    n_steps = sum(len(f) for f in made)

    def network() -> None:
        stream = opened.infer.begin()
        for block in made:
            stream.push(block)
        stream.end()

    works: dict[str, Callable[[], object]] = {
        "read": lambda: [None for _ in _blocks(path)],
        "filter": lambda: [None for _ in _clean(path, pipeline)],
        "features": lambda: [None for _ in _pieces(path, pipeline)],
        "network": network,
        "all": predict(path),
    }
    times = in_turn(works, rounds, empty)
    read, clean, upto = times["read"], times["filter"], times["features"]
    stages = {
        "read": read,
        "filter": clean - read,
        "features": upto - clean,
        "network": times["network"],
        "rest": times["all"] - upto - times["network"],
    }
    return {"cpu": times["all"], "stages": stages, "first_use": first, "steps": n_steps}


def _ours(path: str) -> None:
    for _ in _clean(path, _pipeline()):
        pass


def _peer(path: str) -> NDArray[np.float64]:
    """MNE's read of the same channels, scipy's polyphase resampling, MNE's band-pass (FIR)."""
    import mne
    from scipy import signal

    pipeline = _pipeline()
    raw = mne.io.read_raw_edf(path, include=list(CHANNELS), preload=False, verbose="error")
    values = raw.get_data(verbose="error")
    values = signal.resample_poly(values, 1, round(RATE / pipeline.rate), axis=1)
    filtered: NDArray[np.float64] = mne.filter.filter_data(
        values, pipeline.rate, pipeline.low, pipeline.high, n_jobs=1, verbose="error"
    )
    return filtered


def _imports(path: str) -> None:
    """What both need before they begin."""
    import mne.io
    from scipy import signal

    from memcell_eeg.features import stream as flow

    for module in (mne, signal, flow):
        assert module


def _pipeline() -> Any:
    from memcell_eeg.features.pipeline import Pipeline
    from memcell_eeg.signal.channels import ChannelChoice
    from memcell_microsleep.config import MicrosleepConfig

    choice = ChannelChoice(names=CHANNELS, eeg=CHANNELS[:2], reason="as named")
    return Pipeline.of(MicrosleepConfig(**OPTIONS), choice, RATE)


def _blocks(path: str) -> Iterator[Any]:
    from memcell_data.formats.reader import open_recording

    return open_recording(path).blocks(CHANNELS)


def _clean(path: str, pipeline: Any) -> Iterator[NDArray[np.float64]]:
    from memcell_eeg.signal.clean import CleanSignal

    signal: Any = None
    for block in _blocks(path):
        if block.begins:
            signal = CleanSignal(pipeline, RATE)
        yield signal.push(block.values)


def _pieces(path: str, pipeline: Any) -> Iterator[Any]:
    from memcell_data.formats.reader import open_recording
    from memcell_eeg.features.chunks import signal_chunks

    return signal_chunks(pipeline, open_recording(path))
