"""Files in the layout of Zenodo 3251716: classes from codes, published splits, and what is refused."""

from __future__ import annotations

import urllib.error

import numpy as np
import pytest

from memcell.applications.datasets import DataUnavailable
from memcell.cli.main import run
from memcell.errors import DataError
from memcell_data.datasets import fetching
from memcell_data.datasets.configs import MwtConfig
from memcell_data.datasets.mwt import Mwt, open_mwt
from memcell_data.datasets.mwt_splits import FILES, SPLITS, read_file_sets
from memcell_data.datasets.recognise import is_mwt
from memcell_data.formats.mwt_file import CLASSES, classes
from memcell_microsleep.app import Microsleep
from memcell_microsleep.config import MicrosleepConfig

savemat = pytest.importorskip("scipy.io").savemat


def mwt(folder, **options):
    return Mwt(MwtConfig(path=str(folder), **options))


def refused(path, *words):
    with pytest.raises(DataError) as caught:
        open_mwt(path)
    for word in (path.name, *words):
        assert word in str(caught.value), str(caught.value)


def test_codes_become_the_five_classes():
    pairs = {
        (0, 0): "wake",
        (1, 1): "microsleep",
        (0, 1): "one-sided",
        (1, 2): "one-sided",
        (3, 1): "one-sided",
        (2, 2): "candidate",
        (2, 0): "candidate",
        (3, 2): "candidate",
        (3, 3): "drowsy",
        (0, 3): "drowsy",
    }
    found = classes(np.array(list(pairs)).T)
    assert [CLASSES[i] for i in found] == list(pairs.values())


def test_one_class_a_sample_gives_the_published_groups():
    """Every pair of codes falls into the group into which the published replication puts it."""
    o1, o2 = (grid.ravel() for grid in np.meshgrid(range(4), range(4)))
    ms, wake = (o1 == 1) & (o2 == 1), (o1 == 0) & (o2 == 0)
    one, candidate, drowsy = (o1 == 1) ^ (o2 == 1), (o1 == 2) | (o2 == 2), (o1 == 3) | (o2 == 3)
    published = {
        "sure": (wake, ms),
        "one_vs_rest": (wake | drowsy | candidate | one, ms),
        "wake_vs_all": (wake, ms | one | candidate | drowsy),
        "wake_drowsy_vs_ms": (wake | drowsy, ms | one | candidate),
    }
    groups = {
        "sure": ({"wake"}, {"microsleep"}),
        "one_vs_rest": ({"wake", "drowsy", "candidate", "one-sided"}, {"microsleep"}),
        "wake_vs_all": ({"wake"}, {"microsleep", "one-sided", "candidate", "drowsy"}),
        "wake_drowsy_vs_ms": ({"wake", "drowsy"}, {"microsleep", "one-sided", "candidate"}),
    }
    words = np.array(CLASSES)[classes(np.stack([o1, o2]))]
    for name, (negative, positive) in groups.items():
        ours = np.where(
            np.isin(words, list(positive)), 1, np.where(np.isin(words, list(negative)), 0, -1)
        )
        theirs = np.where(published[name][1], 1, np.where(published[name][0], 0, -1))
        assert (ours == theirs).all(), name


def test_a_file(mwt_file):
    path, data = mwt_file("0ncr")
    recording = open_mwt(path)
    assert (recording.name, recording.subject, recording.dataset) == ("0ncr", "0ncr", "mwt")
    assert [(c.name, c.kind, c.rate) for c in recording.channels] == [
        ("eeg_O1", "eeg", 200),
        ("eeg_O2", "eeg", 200),
        ("E1", "eog", 200),
        ("E2", "eog", 200),
    ]
    signal = recording.read(["E2", "O1"])  # O1 as everywhere else
    assert signal.channels == ("E2", "eeg_O1")
    assert np.array_equal(signal.values, [data["E2"], data["eeg_O1"]])
    assert signal.warnings == ()
    assert recording.duration == 60
    labels = recording.labels()
    assert [(i.onset, i.duration, i.label) for i in labels.intervals] == [
        (0, 10, "wake"),
        (10, 5, "drowsy"),
        (15, 2, "candidate"),
        (17, 1, "one-sided"),
        (18, 6, "microsleep"),
        (24, 36, "wake"),
    ]
    assert (labels.positive, labels.negative) == ({"microsleep"}, {"wake"})
    assert labels.background is None


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"labels_O2": None}, ["lacks labels_O2"]),
        ({"E1": np.zeros(11_999)}, ["one length", "E1 11999", "eeg_O1 12000"]),
        ({"labels_O1": np.full(12_000, 7.0)}, ["'labels_O1' is 7 at sample 0", "1 microsleep"]),
        ({"labels_O1": np.full(12_000, np.nan)}, ["'labels_O1' is nan"]),
        ({"fs": 0.0}, ["'fs'", "above 0"]),
        ({"fs": "fast"}, ["'fs'", "above 0"]),
        ({"eeg_O1": np.zeros((12_000, 2))}, ["'eeg_O1' has shape [12000, 2]"]),
        ({"eeg_O1": "text"}, ["'eeg_O1'", "numbers"]),
    ],
)
def test_damaged_files_are_named(mwt_file, changed, words):
    refused(mwt_file("0ncr", **changed)[0], *words)


def test_what_is_no_file_of_the_set(tmp_path):
    for name, content in [
        ("empty", b""),
        ("text", b"MATLAB 5.0 MAT-file" * 9),
        ("junk", b"\x01" * 900),
    ]:
        path = tmp_path / f"{name}.mat"
        path.write_bytes(content)
        refused(path)
        assert not is_mwt(path)
    savemat(tmp_path / "other.mat", {"x": 1.0})
    refused(tmp_path / "other.mat", "expected one struct 'Data'", "x")
    savemat(tmp_path / "flat.mat", {"Data": 1.0})
    refused(tmp_path / "flat.mat", "no struct")
    assert not is_mwt(tmp_path / "flat.mat")
    assert not is_mwt(tmp_path / "absent.mat")
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(DataError, match=r"holds no file of 'mwt'"):
        mwt(empty).recordings()


def test_volts_are_not_taken_for_microvolts(mwt_file):
    _, data = mwt_file("0ncr")
    volts, _ = mwt_file("5bSg", eeg_O1=data["eeg_O1"] * 1e-6, eeg_O2=data["eeg_O2"] * 1e6)
    recording = open_mwt(volts)
    with pytest.raises(DataError, match=r"5bSg\.mat.*'eeg_O2'.*10 mV"):
        recording.read(["eeg_O2"])
    with pytest.raises(DataError, match=r"5bSg\.mat.*'eeg_O1' is flat.*wrong unit"):
        recording.read(["eeg_O1"])


def test_a_folder_with_a_broken_file(mwt_file):
    path, _ = mwt_file("0ncr")
    mwt_file("5bSg", labels_O1=None)
    (path.parent / "Af8a.mat").write_bytes(path.read_bytes()[:500])
    data = mwt(path.parent)
    assert [r.name for r in data.recordings()] == ["0ncr"]
    assert len(data.problems) == 2
    assert is_mwt(path)
    assert is_mwt(path.parent)


def test_published_splits():
    assert len(set(FILES)) == 76
    for name, sizes in {"malafeev": (53, 12, 11), "skorucak": (53, 0, 23)}.items():
        parts = list(SPLITS[name].values())
        assert tuple(map(parts.count, ("train", "valid", "test"))) == sizes


def test_the_split_that_lies_in_the_folder_is_used(mwt_file):
    path, _ = mwt_file("0ncr")  # published as train
    mwt_file("6iwd")  # published as test
    assert [r.part for r in mwt(path.parent).recordings()] == ["train", "test"]
    sets = {
        "files_train": ["6iwd.mat"],
        "files_val": ["x.mat", "y.mat"],
        "files_test": ["0ncr.mat"],
    }
    as_cells = {k: np.array(v, dtype=object).reshape(-1, 1) for k, v in sets.items()}
    savemat(path.parent / "file_sets.mat", as_cells)
    assert [r.part for r in mwt(path.parent).recordings()] == ["test", "train"]
    assert [r.part for r in mwt(path.parent, published_split="skorucak").recordings()] == [
        "train",
        "test",
    ]
    as_cells["files_val"][0, 0] = "0ncr.mat"
    savemat(path.parent / "file_sets.mat", as_cells)
    with pytest.raises(DataError, match=r"file_sets\.mat: '0ncr\.mat' is in two parts"):
        read_file_sets(path.parent / "file_sets.mat")
    savemat(path.parent / "file_sets.mat", {"files_train": 1})
    with pytest.raises(DataError, match="lacks files_val, files_test"):
        mwt(path.parent).recordings()


def test_no_network_says_what_to_type(tmp_path, monkeypatch):
    def fail(*args, **kwargs):
        raise urllib.error.URLError("Name or service not known")

    monkeypatch.setattr(fetching.urllib.request, "urlopen", fail)
    with pytest.raises(
        DataUnavailable, match=r"3251716.*https://zenodo\.org.*--data mwt --data\.path"
    ):
        Mwt(MwtConfig()).get(tmp_path)


def test_microsleep_trains_on_a_folder_of_them(mwt_file, tmp_path, capfd):
    for seed, name in enumerate(("0ncr", "5bSg", "6iwd", "y5We")):
        path, _ = mwt_file(name, seed=seed)
    small = ["--hidden-size", "4", "--epochs", "1", "--min-updates", "0", "--against", "none"]
    out = tmp_path / "run"
    where = ["--data", "mwt", "--data.path", str(path.parent), "--out", str(out)]
    where += ["--split", "published"]
    code = run(["train", "microsleep", *where, *small])
    said = capfd.readouterr()
    assert code == 0, said.err
    assert "eeg_O1, eeg_O2, E1, E2" in said.out
    assert "published split by subject: 2 train, 1 validation, 1 test" in said.out
    assert (out / "scores.tsv").is_file()


def test_a_published_split_has_to_be_there(mwt_file, tmp_path):
    path, _ = mwt_file("0ncr")
    for seed, name in enumerate(("5bSg", "mine")):
        mwt_file(name, seed=seed + 1)

    def task():
        return Microsleep(MicrosleepConfig(split="published"), mwt(path.parent)).task()

    with pytest.raises(DataError, match="no published split for mine; type --split subject"):
        task()
    (path.parent / "mine.mat").unlink()
    with pytest.raises(DataError, match="2 subjects to train on and 0 to test on"):
        task()
