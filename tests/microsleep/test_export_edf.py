"""A recording exported with what was detected in it."""

from __future__ import annotations

import csv
import shutil

import edfio
import mne
import numpy as np
import pytest

from memcell_data.datasets.configs import SimulatedConfig
from memcell_data.datasets.simulated import Simulated
from memcell_data.formats.edf.writer import Track, write_edf
from memcell_data.formats.reader import open_recording
from memcell_microsleep.app import Microsleep
from memcell_microsleep.config import MicrosleepConfig

CHANNELS = ("O1", "O2")


@pytest.fixture(scope="module")
def facts(tmp_path_factory):
    dataset = Simulated(SimulatedConfig(subjects=3, minutes=2))
    dataset.get(tmp_path_factory.mktemp("edf"))
    config = MicrosleepConfig(
        split="time", channels=CHANNELS, features=("bandpower",), normalization="causal"
    )
    return {**Microsleep(config, dataset).task().facts, "model_id": "m1"}


def noise(seconds, rate=128, seed=0):
    return np.random.default_rng(seed).normal(0, 30, (3, round(seconds * rate)))


def tracks(values, rate=128):
    return [
        Track(name=n, values=v, rate=rate) for n, v in zip(("O1", "Cz", "O2"), values, strict=True)
    ]


def table(path):
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def test_samples_probabilities_and_events_come_back(facts, predicted, tmp_path):
    person = {
        "patient": "4711 F 02-MAY-1951 Erika_Mustermann",
        "recording": "Startdate X X Dr_No X",
    }
    write_edf(tmp_path / "night.edf", tracks(noise(60)), **person)
    (record,) = predicted([tmp_path / "night.edf"], facts, tmp_path / "out", export=["edf"])
    assert record["status"] == "done"
    assert "note" not in record
    path = tmp_path / "out" / "night_detected.edf"
    before = mne.io.read_raw_edf(tmp_path / "night.edf", preload=True, verbose="error")
    after = mne.io.read_raw_edf(path, preload=True, verbose="error")
    assert after.ch_names == ["O1", "O2", "microsleep prob"]
    assert np.array_equal(after.get_data(CHANNELS), before.get_data(CHANNELS)), "the very samples"
    steps = table(tmp_path / "out" / "night_probability.tsv")
    p = np.array([float(s["probability"]) for s in steps])
    shown = after.get_data("microsleep prob")[0] / 100
    middle = np.rint((0.2 * np.arange(len(p)) + 0.1) * 128).astype(int)
    assert np.allclose(shown[middle], p, atol=1e-4)
    events = table(tmp_path / "out" / "night_events.tsv")
    assert len(events) > 2
    assert after.annotations.onset.tolist() == [float(e["onset"]) for e in events]
    assert after.annotations.duration.tolist() == [float(e["duration"]) for e in events]
    assert {a.text for a in edfio.read_edf(path).annotations} == {"microsleep"}
    for word in (b"4711", b"Erika", b"Mustermann", b"1951", b"Dr_No"):
        assert word not in path.read_bytes()


def test_a_gap_makes_it_edf_d_and_the_person_is_told(facts, predicted, tmp_path):
    onsets = [*range(30), *range(100, 130)]
    write_edf(tmp_path / "gap.edf", tracks(noise(60)), onsets=onsets)
    (record,) = predicted([tmp_path / "gap.edf"], facts, tmp_path / "out", export=["edf"])
    path = tmp_path / "out" / "gap_detected.edf"
    assert path.read_bytes()[192:197] == b"EDF+D"
    assert "EDF+D" in record["note"]
    found = open_recording(path).read(CHANNELS)
    assert [s.onset for s in found.segments] == [0, 100]
    before = open_recording(tmp_path / "gap.edf").read(CHANNELS)
    assert np.array_equal(found.values, before.values)
    events = table(tmp_path / "out" / "gap_events.tsv")
    assert max(float(e["onset"]) for e in events) > 100
    assert mne.read_annotations(path).onset.tolist() == [float(e["onset"]) for e in events]


def test_another_format_with_a_rest_is_filled_up_and_says_so(facts, predicted, tmp_path):
    values = noise(20.37, rate=200)
    info = mne.create_info(["O1", "Cz", "O2"], 200, "eeg")
    raw = mne.io.RawArray(values * 1e-6, info, verbose="error")
    raw.save(tmp_path / "a_raw.fif", verbose="error")
    (record,) = predicted([tmp_path / "a_raw.fif"], facts, tmp_path / "out", export=["edf"])
    assert record["status"] == "done"
    after = mne.io.read_raw_edf(
        tmp_path / "out" / "a_raw_detected.edf", preload=True, verbose="error"
    )
    found = after.get_data(CHANNELS) * 1e6
    n = values.shape[1]
    resolution = np.ptp(values[[0, 2]], axis=1).max() / 65535
    assert np.allclose(found[:, :n], values[[0, 2]], atol=resolution)
    filled = [text for text in after.annotations.description if text.startswith("no signal")]
    assert len(filled) == (found.shape[1] > n)
    assert (found[:, n:] == found[:, n - 1 : n]).all()


def test_what_edf_cannot_hold_is_said_and_the_detection_stands(facts, predicted, tmp_path):
    """Samples that are missing leave gaps shorter than a data record."""
    values = noise(20, rate=200) * 1e-6
    info = mne.create_info(["O1", "Cz", "O2"], 200, "eeg")
    values[:, [1111, 2717]] = np.nan
    mne.io.RawArray(values, info, verbose="error").save(tmp_path / "a_raw.fif", verbose="error")
    (record,) = predicted([tmp_path / "a_raw.fif"], facts, tmp_path / "out", export=["edf"])
    assert (record["status"], record["gaps"]) == ("done", 2)
    assert "no EDF was exported: a gap at" in record["note"]
    assert not (tmp_path / "out" / "a_raw_detected.edf").exists()
    assert table(tmp_path / "out" / "summary.tsv")[0]["note"] == record["note"]


def test_a_missing_export_is_made(facts, predicted, net, tmp_path):
    write_edf(tmp_path / "a.edf", tracks(noise(20)))
    predicted([tmp_path / "a.edf"], facts, tmp_path / "out")
    assert not (tmp_path / "out" / "a_detected.edf").exists()
    again = net()
    for calls in (1, 1):
        predicted([tmp_path / "a.edf"], facts, tmp_path / "out", again, export=["edf"])
        assert again.calls == calls
    assert (tmp_path / "out" / "a_detected.edf").exists()


def test_a_recording_is_never_written_over(facts, predicted, tmp_path):
    write_edf(tmp_path / "a.edf", tracks(noise(20)))
    shutil.copy(tmp_path / "a.edf", tmp_path / "a_detected.edf")
    before = (tmp_path / "a_detected.edf").read_bytes()
    (record,) = predicted([tmp_path / "a.edf"], facts, tmp_path, export=["edf"])
    assert record["status"] == "done"
    assert "not written by memcell" in record["note"]
    assert (tmp_path / "a_detected.edf").read_bytes() == before


def test_filled_gaps_leave_every_event_at_its_time_in_mne_and_edflib(facts, predicted, tmp_path):
    pyedflib = pytest.importorskip("pyedflib")
    onsets = [*range(30), *(100.013 + k for k in range(30)), *(131.25 + k for k in range(5))]
    values = noise(65)
    write_edf(tmp_path / "gap.edf", tracks(values), onsets=onsets)
    (record,) = predicted([tmp_path / "gap.edf"], facts, tmp_path / "out", export=["edf-filled"])
    assert "note" not in record
    path = tmp_path / "out" / "gap_filled.edf"
    assert path.read_bytes()[192:197] == b"EDF+C"
    events = table(tmp_path / "out" / "gap_events.tsv")
    assert max(float(e["onset"]) for e in events) > 100
    raw = mne.io.read_raw_edf(path, preload=True, verbose="error")
    marks = [(a["onset"], a["duration"], a["description"]) for a in raw.annotations]
    found = [m[:2] for m in marks if m[2] == "microsleep"]
    assert found == [(float(e["onset"]), float(e["duration"])) for e in events]
    gaps = [m[:2] for m in marks if m[2] == "gap: no signal"]
    assert np.allclose(gaps, [(30, 70.013), (130.013, 1.237)], atol=0.005)
    with pyedflib.EdfReader(str(path)) as file:  # as EDFbrowser reads it
        onset, _, text = file.readAnnotations()
        assert np.allclose(onset[text == "microsleep"], [e[0] for e in found], atol=1e-4)
    # the very samples, each at its time; nothing between
    before = open_recording(tmp_path / "gap.edf").read(CHANNELS)
    shown = raw.get_data(CHANNELS) * 1e6
    rest = np.ones(shown.shape[1], dtype=bool)
    for s in before.segments:
        at = round(s.onset * 128)
        assert np.allclose(shown[:, at : at + s.stop - s.start], before.values[:, s.start : s.stop])
        rest[at : at + s.stop - s.start] = False
    rest[round(136.25 * 128) :] = False  # the last record repeats the last value
    assert np.abs(shown[:, rest]).max() < 0.05
    steps = table(tmp_path / "out" / "gap_probability.tsv")
    p = np.array([float(s["probability"]) for s in steps])
    middle = np.rint((np.array([float(s["onset"]) for s in steps]) + 0.1) * 128).astype(int)
    assert np.allclose(raw.get_data("microsleep prob")[0][middle] / 100, p, atol=1e-4)


def test_gaps_of_days_are_not_filled(facts, predicted, tmp_path):
    write_edf(tmp_path / "d.edf", tracks(noise(20)), onsets=[*range(10), *range(90000, 90010)])
    (record,) = predicted([tmp_path / "d.edf"], facts, tmp_path / "out", export=["edf-filled"])
    assert "no EDF was exported: its gaps last 25.0 h" in record["note"]
    assert not (tmp_path / "out" / "d_filled.edf").exists()
