"""A unit that a person types for all channels, where the file says a wrong one."""

from __future__ import annotations

import numpy as np
import pytest

from memcell.cli.main import run
from memcell_data.datasets.configs import UserRecordingsConfig
from memcell_data.datasets.user_recordings import UserRecordings
from memcell_data.formats.reader import open_recording
from memcell_data.units import override
from memcell_eeg.signal.unit import Unit


def test_a_wrong_unit_of_an_edf(make_edf, capsys):
    right = make_edf(name="right.edf").path
    wrong = make_edf(name="wrong.edf").field("unit", "mV").field("unit", "mV", 1).path
    assert run(["data", "check", str(wrong)]) == 1
    assert "type it for all channels: --unit all:uV" in capsys.readouterr().out
    assert run(["data", "check", str(wrong), "--unit", "uV"]) == 1  # fills in what is missing only
    assert run(["data", "check", str(wrong), "--unit", "all:uV"]) == 0
    assert "its unit mV is taken as uV, as typed" in capsys.readouterr().out
    (recording,) = UserRecordings(UserRecordingsConfig(path=str(wrong), unit="all:uV")).recordings()
    values = open_recording(right).read(["O1"]).values
    assert np.allclose(recording.read(["O1"]).values, values, rtol=1e-12)
    assert not open_recording(right, unit="all:uV").read(["O1"]).warnings


VHDR = """Brain Vision Data Exchange Header File Version 1.0
[Common Infos]
DataFile=a.eeg
DataFormat=BINARY
DataOrientation=MULTIPLEXED
NumberOfChannels=2
SamplingInterval=10000
[Binary Infos]
BinaryFormat=IEEE_FLOAT_32
[Channel Infos]
Ch1=O1,,1,mV
Ch2=O2,,1,mV
"""


@pytest.mark.parametrize("form", ["fif", "set", "vhdr"])
def test_a_wrong_unit_of_other_formats(tmp_path, form):
    mne = pytest.importorskip("mne")
    values = np.random.default_rng(0).normal(0, 20, (2, 1000)).astype(np.float32)
    path, typed = tmp_path / f"a_raw.{form}", "all:uV"
    if form == "fif":  # mV, said to be V
        info = mne.create_info(["O1", "O2"], 100, "eeg")
        mne.io.RawArray(values * 1e-3, info, verbose="error").save(path, verbose="error")
        typed = "all:mV"
    elif form == "set":  # V, in a format whose unit is uV
        from scipy.io import savemat

        named = np.array([("O1",), ("O2",)], dtype=[("labels", object)])
        eeg = {"data": values * 1e-6, "srate": 100.0, "nbchan": 2, "trials": 1, "pnts": 1000}
        eeg |= {"chanlocs": named, "event": [], "xmin": 0.0, "xmax": 9.99, "setname": "a"}
        savemat(path, {"EEG": eeg}, appendmat=False)
        typed = "all:V"
    else:  # uV, said to be mV
        path.write_text(VHDR)
        (tmp_path / "a.eeg").write_bytes(values.T.astype("<f4").tobytes())
    signal = open_recording(path, unit=typed).read(["O2", "O1"])
    assert np.allclose(signal.values, values[[1, 0]], atol=0.01)
    assert any("is taken as" in line for line in signal.warnings)


def test_a_unit_for_all_is_not_handed_on_to_other_files():
    assert override("mV") is None
    assert Unit.of("", {"unit": "mV"}).name == "mV"
    assert Unit.of("", {"unit": "all:mV"}).name == ""
    assert Unit.of("all:V", {"unit": "all:mV"}).name == "all:V"
