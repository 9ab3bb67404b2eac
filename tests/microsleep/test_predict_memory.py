"""Memory grows neither with the length of a recording nor with the number of recordings."""

from __future__ import annotations

import shutil
import tracemalloc

import numpy as np
import pytest

from memcell_data.datasets.configs import SimulatedConfig
from memcell_data.datasets.simulated import Simulated
from memcell_data.formats.edf.export import edf_plus
from memcell_data.formats.edf.writer import EdfSignal
from memcell_eeg.prediction.config import PredictConfig
from memcell_microsleep.app import Microsleep
from memcell_microsleep.config import MicrosleepConfig


@pytest.fixture(scope="module")
def facts(tmp_path_factory):
    dataset = Simulated(SimulatedConfig(subjects=3, minutes=2))
    dataset.get(tmp_path_factory.mktemp("edf"))
    config = MicrosleepConfig(split="time", channels=("O1", "O2"))
    return {**Microsleep(config, dataset).task().facts, "model_id": "m1"}


def made(path, minutes):
    signals = [
        EdfSignal(label=n, unit="uV", physical=(-3276.8, 3276.7), samples=100) for n in ("O1", "O2")
    ]
    noise = np.random.default_rng(0).normal(0, 300, (2, 6000)).astype("<i2").reshape(2, 60, 100)
    with edf_plus(path, signals, []) as writer:
        writer.begin(np.arange(60.0 * minutes), 1.0)
        for second in range(60 * minutes):
            writer.record(noise[:, second % 60])
    return path


def peak(work):
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1] / 1e6
    finally:
        tracemalloc.stop()


def test_a_longer_recording_takes_no_more_memory(facts, predicted, net, tmp_path):
    paths = {m: made(tmp_path / f"{m}.edf", m) for m in (1, 30, 60)}
    predicted([paths[1]], facts, tmp_path / "first")
    # as a network that answers at once: this one's own lists would be what is measured
    quiet = net(lambda x: np.full(len(x), 0.1), late=1)
    # a view grows up to its 3 MB, which an hour of two channels does not reach
    no_view = PredictConfig(views="none")
    mb = {
        m: peak(
            lambda m=m: predicted([paths[m]], facts, tmp_path / f"out{m}", quiet, options=no_view)
        )
        for m in (30, 60)
    }
    assert (tmp_path / "out60" / "60_probability.tsv").read_bytes().count(b"\n") > 17_900
    # the time stamps of the records, read at once, are all that may grow: 0.5 kB a second
    assert mb[60] - mb[30] < 1.5, mb
    assert mb[30] < 20


def test_more_recordings_take_no_more_memory(facts, predicted, net, tmp_path):
    path = made(tmp_path / "a.edf", 2)
    for i in range(12):
        (tmp_path / "many").mkdir(exist_ok=True)
        shutil.copy(path, tmp_path / "many" / f"r{i}.edf")  # a link would be the same recording
    quiet = net(lambda x: np.full(len(x), 0.1), late=1)
    few = sorted((tmp_path / "many").iterdir())[:3]
    mb = {
        name: peak(lambda given=given, name=name: predicted(given, facts, tmp_path / name, quiet))
        for name, given in (("warm", few), ("few", few), ("all", [tmp_path / "many"]))
    }
    assert len(list((tmp_path / "all").glob("*_events.tsv"))) == 12
    assert mb["all"] < mb["few"] + 1, mb
