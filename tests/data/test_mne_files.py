"""Formats other than EDF, written by MNE where it can and by hand where it cannot."""

from __future__ import annotations

import numpy as np
import pytest

from memcell.errors import DataError
from memcell_data.formats.reader import open_recording
from memcell_data.recording import Segment

mne = pytest.importorskip("mne")


def raw(n=1000, types=("eeg", "eeg", "stim"), annotations=None):
    rng = np.random.default_rng(0)
    values = rng.normal(0, 20e-6, (3, n))
    out = mne.io.RawArray(
        values, mne.create_info(["O1", "E1", "STI"], 100, list(types)), verbose="error"
    )
    if annotations:
        out.set_annotations(annotations)
    return out, values * 1e6


def test_fif_in_microvolts(tmp_path):
    made, values = raw()
    path = tmp_path / "night_raw.fif"
    made.save(path, verbose="error")
    recording = open_recording(path)
    assert [(c.name, c.kind) for c in recording.channels] == [
        ("O1", "eeg"),
        ("E1", "eog"),
        ("STI", "misc"),
    ]
    assert recording.duration == 10
    signal = recording.read(["E1", "O1"])
    assert np.allclose(signal.values, values[[1, 0]], atol=1e-3)
    with pytest.raises(DataError, match=r"night_raw\.fif.*'STI'.*stim"):
        recording.read(["STI"])


def test_fif_skip_is_a_gap(tmp_path):
    made, _ = raw(annotations=mne.Annotations([3.0], [2.0], ["BAD_ACQ_SKIP"]))
    path = tmp_path / "skip_raw.fif"
    made.save(path, verbose="error")
    signal = open_recording(path).read(["O1"])
    assert signal.values.shape == (1, 800)
    assert signal.segments == (
        Segment(start=0, stop=300, onset=0.0),
        Segment(start=300, stop=800, onset=5.0),
    )


def test_cropped_fif_counts_from_its_own_start(tmp_path):
    made, _ = raw(annotations=mne.Annotations([3.0, 6.0], [1.0, 1.0], ["nap", "boundary"]))
    path = tmp_path / "crop_raw.fif"
    made.crop(2.0).save(path, verbose="error")
    from memcell_data.labels.reading import read_labels

    labels, _ = read_labels(path)
    assert [(i.onset, i.label) for i in labels] == [(1.0, "nap")]
    assert [s.onset for s in open_recording(path).read(["O1"]).segments] == [0.0, 4.0]


def test_nan_in_a_fif(tmp_path):
    made, _ = raw()
    data = made.get_data()
    data[0, 100:105] = np.nan
    data[1, :200] = np.nan
    broken = mne.io.RawArray(data, made.info, verbose="error")
    path = tmp_path / "nan_raw.fif"
    broken.save(path, verbose="error")
    recording = open_recording(path)
    assert len(recording.read(["O1"]).segments) == 2
    read = recording.read(["E1"])  # a fifth is missing: a gap as any other, with its times
    assert read.values.shape[1] == 800
    assert any("'E1': 200 samples are missing" in warning for warning in read.warnings)


def test_brainvision_new_segment(tmp_path):
    values = np.random.default_rng(0).normal(0, 200, (1000, 1)).astype("<i2")
    (tmp_path / "night.eeg").write_bytes(values.tobytes())
    (tmp_path / "night.vhdr").write_text(
        "Brain Vision Data Exchange Header File Version 1.0\n\n[Common Infos]\nCodepage=UTF-8\n"
        "DataFile=night.eeg\nMarkerFile=night.vmrk\nDataFormat=BINARY\nDataOrientation=MULTIPLEXED\n"
        "NumberOfChannels=1\nSamplingInterval=10000\n\n[Binary Infos]\nBinaryFormat=INT_16\n\n"
        "[Channel Infos]\nCh1=O1,,0.1,µV\n"
    )
    (tmp_path / "night.vmrk").write_text(
        "Brain Vision Data Exchange Marker File, Version 1.0\n\n[Common Infos]\nDataFile=night.eeg\n\n"
        "[Marker Infos]\nMk1=New Segment,,1,1,0,20200101000000000000\n"
        "Mk2=Comment,microsleep,201,100,0\nMk3=New Segment,,601,1,0,20200101000500000000\n"
    )
    recording = open_recording(tmp_path / "night.vhdr")
    signal = recording.read(["O1"])
    assert np.allclose(signal.values[0], values[:, 0] * 0.1, atol=1e-6)
    assert signal.segments == (
        Segment(start=0, stop=600, onset=0.0),
        Segment(start=600, stop=1000, onset=6.0),
    )


def test_eeglab_boundary(tmp_path):
    from scipy.io import savemat

    values = np.random.default_rng(0).normal(0, 20, (1, 1000))
    eeg = {
        "setname": "night", "nbchan": 1, "pnts": 1000, "trials": 1, "srate": 100.0, "xmin": 0.0,
        "xmax": 9.99, "data": values, "icawinv": [], "icasphere": [], "icaweights": [],
        "icaact": [], "ref": "common", "epoch": [],
        "chanlocs": np.array([("O1",)], dtype=[("labels", object)]),
        "event": np.array(
            [("boundary", 401.0, 500.0), ("nap", 601.0, 100.0)],
            dtype=[("type", object), ("latency", object), ("duration", object)],
        ),
    }  # fmt: skip
    path = tmp_path / "night.set"
    savemat(path, {"EEG": eeg}, appendmat=False, oned_as="row")
    recording = open_recording(path)
    signal = recording.read(["O1"])
    assert np.allclose(signal.values, values, atol=1e-3)
    assert [s.start for s in signal.segments] == [0, 400]


def test_channels_that_a_fif_marks_bad_are_said(tmp_path):
    made, _ = raw()
    made.info["bads"] = ["O1"]
    path = tmp_path / "bads_raw.fif"
    made.save(path, verbose="error")
    recording = open_recording(path)
    assert [c.bad for c in recording.channels] == [True, False, False]
    (said,) = recording.read(["O1", "E1"]).warnings
    assert said == "bads_raw.fif: channel 'O1' is marked bad in the file"
    assert recording.read(["E1"]).warnings == ()
