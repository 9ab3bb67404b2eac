"""A format that needs another package says which, before anything else goes wrong."""

from __future__ import annotations

import numpy as np
import pytest

from memcell.errors import DataError
from memcell_data.formats import mne_open, needs
from memcell_data.formats.reader import open_recording

HDF = b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(512) + b"\x89HDF\r\n\x1a\n" + bytes(500)
FILES = {
    "night.set": (HDF, "MATLAB 7.3", "pip install pymatreader h5py"),
    "hdf.set": (b"\x89HDF\r\n\x1a\n" + bytes(500), "MATLAB 7.3", "pip install pymatreader h5py"),
    "night.cnt": (b"RIFF\x00\x10\x00\x00CNT " + bytes(500), "ANT Neuro", "pip install antio"),
    "night.nedf": (bytes(500), "Neuroelectrics", "pip install defusedxml"),
    "night.cdt": (bytes(500), "CURRY", "pip install curryreader pandas"),
    "night.snirf": (bytes(500), "SNIRF", "pip install h5py"),
}


@pytest.fixture
def nothing_installed(monkeypatch):
    monkeypatch.setattr(needs, "find_spec", lambda name: None)


@pytest.mark.parametrize("name", FILES)
def test_the_packages_are_named(nothing_installed, tmp_path, name) -> None:
    content, format, line = FILES[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=f"{name}: is .*{format}.*{line}$"):
        open_recording(tmp_path / name)


def test_a_folder_of_egi(nothing_installed, tmp_path) -> None:
    (tmp_path / "night.mff").mkdir()
    with pytest.raises(DataError, match=r"night.mff: is an EGI recording.*pip install mffpy$"):
        open_recording(tmp_path / "night.mff")


def test_only_what_is_missing_is_named(monkeypatch, tmp_path) -> None:
    (tmp_path / "night.set").write_bytes(HDF)
    monkeypatch.setattr(needs, "find_spec", lambda name: None if name == "h5py" else object())
    with pytest.raises(DataError, match=r"install h5py: pip install h5py$"):
        open_recording(tmp_path / "night.set")


def test_a_file_of_neuroscan_needs_nothing_and_says_what_is_wrong(
    nothing_installed, tmp_path
) -> None:
    (tmp_path / "night.cnt").write_bytes(b"Version 3.0\0" + bytes(300))
    with pytest.raises(DataError) as caught:
        open_recording(tmp_path / "night.cnt")
    assert "pip install" not in str(caught.value)
    assert "possible readers" not in str(caught.value)


def test_a_package_that_only_mne_knows_to_need(monkeypatch, tmp_path) -> None:
    def reader(*args, **options):
        from mne.utils.check import _soft_import

        _soft_import("no_such_package", "reading this", min_version="9.0")

    monkeypatch.setattr(mne_open, "_reader", lambda path: reader)
    np.zeros(10).tofile(tmp_path / "night.xyz")
    with pytest.raises(DataError, match="pip install no_such_package"):
        open_recording(tmp_path / "night.xyz")
