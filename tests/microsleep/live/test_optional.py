"""Live without channels that a model can do without: the bytes of ``predict --causal`` without them."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest

from memcell.errors import DataError
from memcell_data.formats.edf.writer import Track, write_edf
from memcell_data.formats.reader import open_recording
from memcell_data.recording import LostChannels
from memcell_eeg.features.pipeline import Pipeline
from memcell_eeg.live import run as live
from memcell_eeg.live.channels import LiveChannels
from memcell_eeg.live.source import SampleChunk
from memcell_eeg.prediction.config import PredictConfig
from memcell_eeg.signal.channels import ChannelChoice
from memcell_microsleep.app import MICROSLEEP
from memcell_microsleep.config import MicrosleepConfig

RATE, SECONDS = 128, 24
NAMES = ("O1", "O2", "C3")


def of(x):
    """Return a probability that all features have a part in, by sums of the same order everywhere."""
    total = np.full(len(x), 0.5, dtype=np.float32)
    for column in x.T:
        total = total + column / np.float32(200)
    return np.clip(total, 0, 1)


class Stepped:
    """The same, a step at a time."""

    reason = ""

    def begin(self):
        pass

    restart = begin

    def step(self, row):
        p = of(row[None])[0]
        return np.array([1 - p, p])


@pytest.fixture(scope="module")
def facts():
    choice = ChannelChoice(names=NAMES, eeg=NAMES, reason="")
    made = Pipeline.of(MicrosleepConfig(), choice, RATE)
    n = int(made.normalized.sum())
    made = replace(made, centre=(0.2,) * n, spread=(1.5,) * n)
    config = {"channel_dropout": 0.4}
    return {"app": "microsleep", "pipeline": made.facts(), "model_id": "m1", "config": config}


@pytest.fixture
def offline(predicted, facts, net, tmp_path):
    """``offline(path)``: the bytes of a prediction's probabilities."""

    def predict(path):
        options = PredictConfig(layout="flat", views="none")
        out = tmp_path / "found"
        typed = {"net": net(of), "threshold": 0.5, "causal": True, "options": options}
        (record,) = predicted([path], facts, out, **typed)
        assert record["status"] == "done", record
        return (out / f"{path.stem}_probability.tsv").read_bytes()

    return predict


@pytest.fixture
def streamed(asked_of, facts, tmp_path, capsys):
    """``streamed(**options)``: the bytes of the probabilities, what was said, the summary and the lines."""

    def stream(**options):
        out = tmp_path / "live"
        made = asked_of(out, facts=facts, network=Stepped(), lines="alarms", **options)
        assert live.stream(made.asked, MICROSLEEP) == 0
        lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        summary = json.loads((out / "night_live.json").read_text())
        return (out / "night_probability.tsv").read_bytes(), made.said, summary, lines

    return stream


def eeg(seed=3):
    random = np.random.default_rng(seed)
    t = np.arange(RATE * SECONDS) / RATE
    waves = 30 * np.sin(2 * np.pi * 6 * t) * (t % 20 > 14)
    return random.normal(0, 15, (3, len(t))) + waves


def written(path, values, names=NAMES):
    tracks = [
        Track(name=n, values=row, rate=RATE, physical=(-400.0, 400.0))
        for n, row in zip(names, values, strict=True)
    ]
    write_edf(path, tracks)
    return path


def without(rows):
    """Return a signal without a channel, one with it dead, one that loses it for 5 s, and their names."""
    values = eeg()
    if rows == "absent":
        return values[[0, 2]], ("O1", "C3")
    first = 0 if rows == "dead" else 10 * RATE
    values[1, first : None if rows == "dead" else 15 * RATE] = 0.0
    return values, NAMES


@pytest.mark.parametrize("rows", ["absent", "dead", "for a while"])
def test_a_file_gives_the_bytes_of_a_prediction(offline, streamed, rows, tmp_path):
    path = written(tmp_path / "night.edf", *without(rows))
    found, said, summary, _ = streamed(file=str(path), speed="max", chunk=0.37)
    assert found == offline(path)
    left_out = {"absent": "it has no O2, which is left out", "dead": "O2 is lost and left out"}
    if rows in left_out:
        assert left_out[rows] in "\n".join(said[:2])
        assert (summary["channels"], summary["left_out"]) == (["O1", "C3"], ["O2"])
    else:
        assert "left_out" not in summary
        assert summary["summary"]["gaps"] == 1


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("O1", "O2-Cz", "C3"), "--rename 'O2-Cz=O2'"),
        (("C3",), "lacks 2 of the model's 3 channels (O1, O2), and at most half may be left out"),
    ],
)
def test_what_the_model_needs_is_refused(asked_of, facts, names, said, tmp_path):
    path = written(tmp_path / "night.edf", eeg()[: len(names)], names)
    made = asked_of(facts=facts, network=Stepped(), file=str(path), speed="max")
    with pytest.raises(DataError) as raised:
        live.stream(made.asked, MICROSLEEP)
    assert said in str(raised.value)


class Played:
    """A stream that gives what it is told, as LSL does."""

    name, rate, zero, described, trusted = "night", float(RATE), 0.0, "played", False

    def __init__(self, values, names):
        self._values = values
        left_out = [n for n in NAMES if n not in names]
        self.channels = LiveChannels.of(NAMES, names, left_out, [f"no {n}" for n in left_out])

    def items(self, stop):
        for at in range(0, self._values.shape[1], 50):
            values = self._values[:, at : at + 50]
            stamps = (at + np.arange(values.shape[1])) / RATE
            yield SampleChunk(values=values, stamps=stamps, arrived=time.perf_counter())

    def close(self):
        pass


@pytest.mark.parametrize("rows", ["absent", "dead"])
def test_a_stream_gives_the_bytes_of_a_prediction(offline, streamed, rows, tmp_path, monkeypatch):
    values, names = without(rows)
    path = written(tmp_path / "night.edf", values, names)
    held = np.stack([_row(open_recording(path), name) for name in names])
    monkeypatch.setattr(live, "opened", lambda *_: Played(held, names))
    found, said, summary, lines = streamed(lsl="night")
    assert found == offline(path)
    assert summary["left_out"] == ["O2"]
    if rows == "dead":
        assert "note: O2 has no signal and is left out, as at times in training" in said
        assert [line["channels"] for line in lines if line["kind"] == "left_out"] == [["O2"]]


def test_a_channel_that_dies_in_a_stream_is_a_gap(offline, streamed, tmp_path, monkeypatch):
    values, names = without("for a while")
    path = written(tmp_path / "night.edf", values, names)
    held = np.stack([_row(open_recording(path), name) for name in names])
    monkeypatch.setattr(live, "opened", lambda *_: Played(held, names))
    found, said, summary, lines = streamed(lsl="night")
    assert [line for line in said if line.endswith("started again, the stream runs without it")]
    mine, theirs = ([row.split(b"\t") for row in t.splitlines()] for t in (found, offline(path)))
    assert [row[0] for row in mine] == [row[0] for row in theirs]
    dies = [row[0] for row in mine].index(b"15.000")
    assert mine[:dies] == theirs[:dies]
    assert "left_out" not in summary
    assert [line["channels"] for line in lines if line["kind"] == "flat"] == [["O2"]]


def _row(recording, name):
    """Return a channel as the file holds it, still where it was found to be."""
    row = np.zeros(RATE * SECONDS)
    with suppress(LostChannels):
        signal = recording.read([name])
        for part in signal.segments:
            first = round(part.onset * RATE)
            row[first : first + part.stop - part.start] = signal.values[0, part.start : part.stop]
    return row
