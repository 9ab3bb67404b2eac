"""A Raw in memory as a recording: its samples, its gaps, and what is refused."""

from __future__ import annotations

import mne
import numpy as np
import pytest

from memcell.errors import DataError
from memcell_data.datasets.configs import SimulatedConfig
from memcell_data.datasets.simulated import Simulated
from memcell_data.formats.mne_raw import file_of, recording_of
from memcell_data.formats.reader import open_recording, signal_file

NAMES = ["O1", "O2", "Resp"]


def made(values=None, kinds=("eeg", "eeg", "resp"), rate=100.0):
    if values is None:
        values = 20e-6 * np.random.default_rng(0).normal(size=(3, 2000))
    return mne.io.RawArray(values, mne.create_info(NAMES, rate, list(kinds)), verbose="error")


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    folder = Simulated(SimulatedConfig(subjects=3, minutes=2)).get(tmp_path_factory.mktemp("edf"))
    return sorted(folder.rglob("*.edf"))


def test_samples_are_microvolts_of_the_channels_asked_for():
    raw = made()
    recording = recording_of(raw)
    assert recording.name == "raw"
    assert [(c.name, c.kind, c.rate, c.unit) for c in recording.channels] == [
        ("O1", "eeg", 100.0, "V"),
        ("O2", "eeg", 100.0, "V"),
        ("Resp", "misc", 100.0, ""),
    ]
    signal = recording.read(("O2", "O1"))
    np.testing.assert_array_equal(signal.values, raw.get_data(["O2", "O1"]) * 1e6)
    blocks = list(recording.blocks(("O2",), seconds=3.0))
    assert [b.values.shape[1] for b in blocks][:2] == [300, 300]
    np.testing.assert_array_equal(
        np.concatenate([b.values for b in blocks], axis=1), signal.values[:1]
    )


def test_what_was_not_recorded_is_a_gap():
    raw = made().set_annotations(mne.Annotations([5.0], [3.0], ["BAD_ACQ_SKIP"]))
    segments = recording_of(raw).read(("O1",)).segments
    assert [(s.onset, s.stop - s.start) for s in segments] == [(0.0, 500), (8.0, 1200)]


def test_annotations_count_from_the_first_sample_of_what_was_cropped():
    raw = made().set_annotations(mne.Annotations([5.0], [3.0], ["BAD_ACQ_SKIP"])).crop(4.0)
    segments = recording_of(raw).read(("O1",)).segments
    assert [s.onset for s in segments] == [0.0, 4.0]


def test_bad_channel_is_told():
    raw = made()
    raw.info["bads"] = ["O1"]
    warned = []
    list(recording_of(raw, "night").blocks(("O1", "O2"), warn=warned.append))
    assert warned == ["night: channel 'O1' is marked bad in its info['bads']"]
    assert recording_of(raw, "night").read(("O1",)).warnings == tuple(warned)


def test_file_read_by_mne_gives_the_files_samples(simulated):
    whole = next(path for path in simulated if not signal_file(path).gaps())
    raw = mne.io.read_raw_edf(whole, verbose="error")
    assert file_of(raw) == whole
    recording = recording_of(raw)
    assert recording.name == whole.stem
    wanted = open_recording(whole).read(("O1", "O2"))
    found = recording.read(("O1", "O2"))
    np.testing.assert_allclose(found.values, wanted.values, rtol=1e-12, atol=1e-9)
    assert found.segments == wanted.segments


def test_gaps_that_mne_joined_are_refused(simulated):
    cut = next(path for path in simulated if signal_file(path).gaps())
    raw = mne.io.read_raw_edf(cut, verbose="error")
    with pytest.raises(DataError, match=rf"'{cut.name}', and MNE joined .*: give the path"):
        recording_of(raw)


@pytest.mark.parametrize(
    ("raw", "names", "words"),
    [
        (lambda: made(rate=0.5), ("O1",), r"sampled at 0\.5 Hz, expected 1 Hz or more"),
        (lambda: made(), ("Resp",), r"channel 'Resp' is of type 'resp', expected a voltage"),
        (lambda: made(), ("Fp1",), r"raw.*no channel.*Fp1"),
        (lambda: made(np.ones((3, 2000))), ("O1",), r"raw: .*O1"),
    ],
)
def test_what_cannot_be_used_is_said(raw, names, words):
    with pytest.raises(DataError, match=words) as raised:
        recording_of(raw()).read(names)
    assert "\n" not in str(raised.value)
