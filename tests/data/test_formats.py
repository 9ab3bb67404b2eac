"""Every format is read from a small real file: values, labels, and what belongs to it."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from campaigns.damaged_files.samples import EVENT, GAP, RATE, write_samples
from campaigns.damaged_files.samples import values as true_values
from memcell.errors import DataError
from memcell_data.formats.reader import open_recording, signal_file
from memcell_data.labels.reading import read_labels

mne = pytest.importorskip("mne")
KINDS = ["eeg", "eog"]
FORMATS = {
    "EDF+C": "EDF+C",
    "EDF+D": "EDF+D",
    "EDF of mixed rates": "EDF+C",
    "EDF": "EDF",
    "BDF": "BDF",
    "BrainVision": "BrainVision",
    "EEGLAB": "EEGLAB",
    "FIF": "FIF",
    "GDF 1": "GDF",
    "GDF 2": "GDF",
    "MATLAB (mwt)": "MATLAB (mwt)",
}


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    return {s.name: s for s in write_samples(tmp_path_factory.mktemp("formats"))}


@pytest.mark.parametrize("name", FORMATS)
def test_a_format(samples, name):
    sample = samples[name]
    recording = open_recording(sample.path)
    signal = recording.read(sample.names)
    assert signal.channels == sample.names
    assert signal.rate == RATE
    assert np.abs(signal.values - true_values()).max() < sample.resolution
    assert [c.kind for c in recording.channels if c.name in sample.names] == KINDS
    assert signal_file(sample.path).format() == FORMATS[name]
    swapped = recording.read(sample.names[::-1])
    assert np.array_equal(swapped.values, signal.values[::-1])


def test_none_is_forgotten(samples):
    assert set(samples) == set(FORMATS)


@pytest.mark.parametrize("name", FORMATS)
def test_labels_of_a_format(samples, name):
    found = [i for i in read_labels(samples[name].path)[0] if i.label != "wake"]
    if samples[name].labelled:
        assert found == [EVENT]
    elif name.startswith("GDF"):  # codes and no words
        assert [(i.onset, i.duration, i.label) for i in found] == [
            (EVENT.onset, EVENT.duration, "7")
        ]
    else:
        assert found == []


def test_the_gap_of_edf_d(samples):
    segments = open_recording(samples["EDF+D"].path).read(["O1"]).segments
    assert [s.onset for s in segments] == [0.0, sum(GAP)]
    assert signal_file(samples["EDF+D"].path).gaps() == (GAP,)


def test_what_mne_writes_is_read(tmp_path, samples):
    """EDF and BDF by `mne.export` hold the same as what they were made of."""
    pytest.importorskip("edfio")
    raw = mne.io.read_raw(samples["FIF"].path, preload=True, verbose="error")
    for suffix in ("edf", "bdf"):
        path = tmp_path / f"exported.{suffix}"
        mne.export.export_raw(path, raw, verbose="error")
        recording = open_recording(path)
        assert np.abs(recording.read(["O1"]).values - true_values()[0]).max() < 0.05
        assert [i.label for i in read_labels(path)[0]] == [EVENT.label]


def copied(sample, folder):
    for path in sample.damage:
        (folder / path.name).write_bytes(path.read_bytes())
    return folder / sample.path.name


def test_brainvision_without_its_samples(samples, tmp_path):
    path = copied(samples["BrainVision"], tmp_path)
    (tmp_path / "vision.eeg").unlink()
    with pytest.raises(
        DataError, match=r"vision\.vhdr: its samples are in 'vision\.eeg', which is not"
    ):
        open_recording(path)


def test_brainvision_without_its_markers(samples, tmp_path):
    path = copied(samples["BrainVision"], tmp_path)
    (tmp_path / "vision.vmrk").unlink()
    (said,) = open_recording(path).read(["O1"]).warnings
    assert "marker file 'vision.vmrk' is not beside it, so labels" in said


def test_brainvision_that_was_cut(samples, tmp_path):
    path = copied(samples["BrainVision"], tmp_path)
    data = tmp_path / "vision.eeg"
    data.write_bytes(data.read_bytes()[:4001])
    text = path.read_text(encoding="utf-8")
    path.write_text(
        text.replace("NumberOfChannels=2", "NumberOfChannels=2\nDataPoints=2000"), "utf-8"
    )
    recording = open_recording(path)
    assert recording.duration == 10
    said = " ".join(recording.read(["O1"]).warnings)
    assert "says 2000 samples and 'vision.eeg' holds 1000" in said
    assert "in the middle of a sample" in said


def test_the_patient_in_a_header_that_is_no_header(samples, tmp_path):
    path = copied(samples["BrainVision"], tmp_path)
    path.write_text(path.read_text(encoding="utf-8").replace("[Comment]\n", ""), encoding="utf-8")
    path.write_text("Patient Jane Doe\n" + path.read_text(encoding="utf-8"), encoding="utf-8")
    with pytest.raises(DataError) as caught:
        open_recording(path)
    assert "vision.vhdr" in str(caught.value)
    assert "Doe" not in str(caught.value)


def test_eeglab_without_its_samples(tmp_path):
    from scipy.io import savemat

    eeg = {
        "nbchan": 1, "pnts": 1000, "trials": 1, "srate": 100.0, "xmin": 0.0, "xmax": 9.99,
        "data": "night.fdt", "chanlocs": np.array([("O1",)], dtype=[("labels", object)]), "event": [],
        "icawinv": [], "icasphere": [], "icaweights": [], "icaact": [], "ref": "common", "epoch": [],
    }  # fmt: skip
    path = tmp_path / "night.set"
    savemat(path, {"EEG": eeg}, appendmat=False, oned_as="row")
    with pytest.raises(DataError, match=r"night\.set.*night\.fdt"):
        open_recording(path)
    (tmp_path / "night.fdt").write_bytes(np.full(1000, 7, dtype="<f4").tobytes())
    assert open_recording(path).duration == 10


def test_a_matlab_file_that_ends_scipys_process_is_refused(samples, tmp_path):
    """Every byte of the tags of a .set is damaged in turn; scipy alone would crash on some."""
    path = copied(samples["EEGLAB"], tmp_path)
    sound = path.read_bytes()
    rng = np.random.default_rng(0)
    refused = []
    for _ in range(150):
        content = bytearray(sound)
        content[int(rng.integers(128, 1500))] = int(rng.integers(256))
        path.write_bytes(bytes(content))
        try:
            open_recording(path)
        except DataError as error:
            refused.append(str(error))
    assert len(refused) > 20
    assert all("lab.set" in message for message in refused)


def test_matlab_7_3_says_how_to_save_it(tmp_path):
    path = tmp_path / "new.mat"
    path.write_bytes(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM" + bytes(500))
    with pytest.raises(DataError, match=r"new\.mat: is a MATLAB 7\.3 file.*-v7"):
        open_recording(path)


def patched(sample, folder, at, raw):
    """Return a copy with other bytes at a place."""
    path = copied(sample, folder)
    content = bytearray(path.read_bytes())
    content[at : at + len(raw)] = raw
    path.write_bytes(bytes(content))
    return path


@pytest.mark.parametrize(
    ("name", "at", "raw", "word"),
    [
        ("GDF 1", 256 + 96 * 2, b"mV      ", "'O1' has unit 'mV', which MNE takes for volts"),
        ("GDF 2", 256 + 102 * 2, struct.pack("<H", 4276), "'O1' has unit 'code 4276'"),
        (
            "GDF 1",
            256 + 104 * 2,
            struct.pack("<d", 3276.7),
            "'O1': its range is physical 3276.7 to",
        ),
        ("GDF 1", 256 + 216 * 2, bytes(8), "'samples per record' is 0"),
        ("GDF 1", 244, struct.pack("<I", 1 << 24), "is sampled at 5.96046e-06 Hz"),
        ("GDF 2", 256 + 220 * 2, struct.pack("<i", 99), "'data type' is 99"),
        ("GDF 2", 236, struct.pack("<q", 9999), "is cut: the header promises 9999 data records"),
        ("GDF 1", 236, struct.pack("<q", 0), "'number of records'"),
        ("GDF 1", 244, struct.pack("<I", 0), "'record duration'"),
        ("GDF 2", 252, struct.pack("<H", 0), "'number of signals'"),
        ("GDF 2", 252, struct.pack("<H", 900), "the header is cut"),
        ("GDF 2", 184, struct.pack("<H", 9), "'header bytes'"),
        ("GDF 1", 4, b"x.yz", "'version'"),
        ("GDF 1", 0, b"GDX", "is no GDF file"),
    ],
)
def test_a_gdf_header_is_checked_before_mne_sees_it(samples, tmp_path, name, at, raw, word):
    path = patched(samples[name], tmp_path, at, raw)
    with pytest.raises(DataError) as caught:
        open_recording(path).read(["O1"])
    assert f"{path.name}" in str(caught.value)
    assert word in str(caught.value)


def test_gdf_in_millivolts_is_read_by_its_code(samples, tmp_path):
    path = patched(samples["GDF 2"], tmp_path, 256 + 102 * 2, struct.pack("<H", 4274))
    with pytest.raises(DataError, match=r"'O1' is beyond 10 mV"):
        open_recording(path).read(["O1"])
    assert open_recording(path).read(["E1"]).values.std() < 25


def test_a_fif_whose_tags_point_back_is_refused(samples, tmp_path):
    """MNE alone would go round and round."""
    path = patched(samples["FIF"], tmp_path, 12, struct.pack(">i", 0))
    second = 16 + struct.unpack(">i", path.read_bytes()[8:12])[0]
    path = patched(samples["FIF"], tmp_path, second + 12, struct.pack(">i", 0))
    content = bytearray(path.read_bytes())
    third = second + 16 + struct.unpack(">i", content[second + 8 : second + 12])[0]
    content[third + 12 : third + 16] = struct.pack(">i", second)
    path.write_bytes(bytes(content))
    with pytest.raises(
        DataError,
        match=rf"night_raw\.fif: is damaged: the tag at byte {third} says.* at byte {second}",
    ):
        open_recording(path)
    path = patched(samples["FIF"], tmp_path, 8, struct.pack(">i", -5))
    with pytest.raises(DataError, match="byte 0 promises -5 bytes"):
        open_recording(path)


def test_brainvision_that_was_renamed_says_what_to_write(samples, tmp_path):
    path = copied(samples["BrainVision"], tmp_path)
    renamed = path.with_name("sub-01_eeg.vhdr")
    path.rename(renamed)
    data = path.with_suffix(".eeg").rename(renamed.with_suffix(".eeg"))
    with pytest.raises(DataError, match=f"write DataFile={data.name} into the header"):
        open_recording(renamed)
    # worse: the old name is there too, of another recording
    path.with_suffix(".eeg").write_bytes(data.read_bytes()[::-1])
    lines = open_recording(renamed).read(["O1"]).warnings
    assert any(f"although '{data.name}' is there too" in line for line in lines)
