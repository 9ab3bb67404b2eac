"""Small sound recordings in every format that is read: to compare with, and to damage on purpose.

All hold the same two channels, O1 and E1, 20 s at 100 Hz of noise with a spread of 20 uV, and, where the
format knows annotations in words, one: ``microsleep`` from 5 s for 3 s.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memcell_data.formats.edf.fields import FILE_FIELDS, SIGNAL_FIELDS
from memcell_data.formats.edf.writer import Track, write_edf
from memcell_data.recording import Interval

NAMES = ("O1", "E1")
RATE = 100
SECONDS = 20
EVENT = Interval(onset=5.0, duration=3.0, label="microsleep")
#: Of the EDF+D file: after 12 s, for 40 s.
GAP = (12.0, 40.0)
PATIENT = "Doe_Jane"

Values = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A sound recording.

    Args:
        name: Of the format, in a word.
        path: The file to open.
        damage: The files that belong to it and can be damaged.
        labelled: It holds `EVENT`.
        gap: It has `GAP`.
        names: Its two channels.
        resolution: Microvolts by which reading may differ from what was written.
    """

    name: str
    path: Path
    damage: tuple[Path, ...]
    labelled: bool = True
    gap: bool = False
    names: tuple[str, str] = NAMES
    resolution: float = 0.06


def values() -> Values:
    """Return ``[2, 2000]`` microvolts, always the same."""
    made: Values = np.random.default_rng(20).normal(0, 20, (2, SECONDS * RATE))
    return made


def write_samples(folder: Path) -> list[Sample]:
    """Write all of them into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    return [write(folder) for write in WRITERS]


def _tracks() -> list[Track]:
    return [Track(name=n, values=v, rate=RATE) for n, v in zip(NAMES, values(), strict=True)]


def _edf_c(folder: Path) -> Sample:
    path = folder / "continuous.edf"
    write_edf(path, _tracks(), annotations=[EVENT], patient=f"123 F 01-JAN-1970 {PATIENT}")
    return Sample(name="EDF+C", path=path, damage=(path,))


def _edf_d(folder: Path) -> Sample:
    path = folder / "gap.edf"
    onsets = [float(i if i < GAP[0] else i + GAP[1]) for i in range(SECONDS)]
    write_edf(path, _tracks(), onsets=onsets, annotations=[EVENT], patient=f"1 F X {PATIENT}")
    return Sample(name="EDF+D", path=path, damage=(path,), gap=True)


def _mixed(folder: Path) -> Sample:
    path = folder / "mixed.edf"
    slow = Track(name="Temp", values=np.full(SECONDS, 37.0), rate=1, unit="DegC")
    write_edf(path, [*_tracks(), slow], annotations=[EVENT], patient=f"1 F X {PATIENT}")
    return Sample(name="EDF of mixed rates", path=path, damage=(path,))


def _plain(folder: Path) -> Sample:
    path = folder / "plain.edf"
    path.write_bytes(_without_annotations(2))
    return Sample(name="EDF", path=path, damage=(path,), labelled=False)


def _bdf(folder: Path) -> Sample:
    path = folder / "biosemi.bdf"
    path.write_bytes(_without_annotations(3))
    return Sample(name="BDF", path=path, damage=(path,), labelled=False)


def _without_annotations(width: int) -> bytes:
    """Return an EDF (2 bytes a sample) or BDF (3 bytes) file without annotations."""
    top = 2 ** (8 * width - 1)
    limit = 3276.8 if width == 2 else 262144.0
    file = {
        "version": "0" if width == 2 else "\xffBIOSEMI",
        "patient": PATIENT,
        "recording": f"Startdate 01-JAN-2000 {PATIENT}",
        "start date": "01.01.00",
        "start time": "00.00.00",
        "header bytes": "768",
        "reserved": "" if width == 2 else "24BIT",
        "number of records": str(SECONDS),
        "record duration": "1",
        "number of signals": "2",
    }
    signal = {
        "unit": "uV",
        "physical minimum": f"{-limit:.8g}",
        "physical maximum": f"{limit:.8g}",
        "digital minimum": str(-top),
        "digital maximum": str(top - 1),
        "samples per record": str(RATE),
    }
    head = "".join(file[name].ljust(n) for name, n in FILE_FIELDS)
    for name, n in SIGNAL_FIELDS:
        head += "".join((c if name == "label" else signal.get(name, "")).ljust(n) for c in NAMES)
    digital = np.round((values() + limit) / (2 * limit) * (2 * top - 1)).astype(np.int64) - top
    records = digital.reshape(2, SECONDS, RATE).transpose(1, 0, 2).astype("<i4")
    body = records[..., None].view(np.uint8)[..., :width].tobytes()
    return head.encode("latin-1") + bytes(body)


def _brainvision(folder: Path) -> Sample:
    path = folder / "vision.vhdr"
    data, marks = path.with_suffix(".eeg"), path.with_suffix(".vmrk")
    data.write_bytes(np.round(values().T / 0.1).astype("<i2").tobytes())
    path.write_text(
        "Brain Vision Data Exchange Header File Version 1.0\n\n[Common Infos]\nCodepage=UTF-8\n"
        f"DataFile={data.name}\nMarkerFile={marks.name}\nDataFormat=BINARY\n"
        f"DataOrientation=MULTIPLEXED\nNumberOfChannels=2\nSamplingInterval={1_000_000 // RATE}\n\n"
        "[Binary Infos]\nBinaryFormat=INT_16\n\n[Channel Infos]\nCh1=O1,,0.1,µV\nCh2=E1,,0.1,µV\n\n"
        f"[Comment]\nPatient: {PATIENT}\n",
        encoding="utf-8",
    )
    marks.write_text(
        "Brain Vision Data Exchange Marker File, Version 1.0\n\n[Common Infos]\nCodepage=UTF-8\n"
        f"DataFile={data.name}\n\n[Marker Infos]\nMk1=New Segment,,1,1,0,20200101000000000000\n"
        f"Mk2=Comment,{EVENT.label},{round(EVENT.onset * RATE) + 1},{round(EVENT.duration * RATE)},0\n",
        encoding="utf-8",
    )
    return Sample(name="BrainVision", path=path, damage=(path, data, marks))


def _eeglab(folder: Path) -> Sample:
    from scipy.io import savemat

    path = folder / "lab.set"
    n = SECONDS * RATE
    event = [(EVENT.label, EVENT.onset * RATE + 1, EVENT.duration * RATE)]
    fields: list[tuple[str, type]] = [("type", object), ("latency", object), ("duration", object)]
    eeg: dict[str, Any] = {
        "setname": "night", "subject": PATIENT, "nbchan": 2, "pnts": n, "trials": 1,
        "srate": float(RATE), "xmin": 0.0, "xmax": (n - 1) / RATE, "data": values(),
        "icawinv": [], "icasphere": [], "icaweights": [], "icaact": [], "ref": "common", "epoch": [],
        "chanlocs": np.array([(name,) for name in NAMES], dtype=[("labels", object)]),
        "event": np.array(event, dtype=fields),
    }  # fmt: skip
    savemat(path, {"EEG": eeg}, appendmat=False, oned_as="row")
    return Sample(name="EEGLAB", path=path, damage=(path,))


def _fif(folder: Path) -> Sample:
    import mne

    path = folder / "night_raw.fif"
    info = mne.create_info(list(NAMES), RATE, ["eeg", "eog"])
    info["subject_info"] = {"last_name": PATIENT}
    raw = mne.io.RawArray(values() * 1e-6, info, verbose="error")
    raw.set_annotations(mne.Annotations([EVENT.onset], [EVENT.duration], [EVENT.label]))
    raw.save(path, overwrite=True, verbose="error")
    return Sample(name="FIF", path=path, damage=(path,))


def _gdf_1(folder: Path) -> Sample:
    """GDF 1.25 (Schloegl 2006): as EDF with binary numbers, a data type a channel, and an event table."""
    path = folder / "one.gdf"
    head = b"GDF 1.25" + f"X {PATIENT}".ljust(80).encode() + b"recording".ljust(80)
    head += b"20200101" + b"00000000" + struct.pack("<q", 256 * 3) + bytes(24) + bytes(20)
    head += struct.pack("<qIII", SECONDS, 1, 1, 2)
    channels = b"".join(n.ljust(16).encode() for n in NAMES) + b" " * 160
    channels += b"uV".ljust(8) * 2 + struct.pack("<4d4q", *_RANGE, *(int(d) for d in _DIGITAL))
    channels += b" " * 160 + struct.pack("<2i2i", RATE, RATE, 3, 3) + bytes(64)
    onset, length = round(EVENT.onset * RATE) + 1, round(EVENT.duration * RATE)
    events = struct.pack("<B3BIIHHI", 3, RATE, 0, 0, 1, onset, 7, 0, length)
    path.write_bytes(head + channels + _gdf_body() + events)
    return Sample(name="GDF 1", path=path, damage=(path,), labelled=False)


def _gdf_2(folder: Path) -> Sample:
    """GDF 2.20 (Schloegl 2013): coded units (4275 is microvolts), no text for events but codes."""
    path = folder / "two.gdf"
    head = b"GDF 2.20" + f"X {PATIENT}".ljust(66).encode() + bytes(10) + bytes(4)
    head += b"recording".ljust(64) + bytes(4 + 12) + struct.pack("<QQ", 0, 0)
    head += struct.pack("<H", 3) + bytes(6 + 8 + 6 + 6 + 12 + 12)
    head += struct.pack("<qIIHH", SECONDS, 1, 1, 2, 0)
    channels = b"".join(n.ljust(16).encode() for n in NAMES) + b" " * 160 + bytes(12)
    channels += struct.pack("<2H", 4275, 4275) + struct.pack("<8d", *_RANGE, *_DIGITAL)
    channels += bytes(136) + struct.pack("<6f", 50, 50, 0, 0, 0, 0)
    channels += struct.pack("<4i", RATE, RATE, 3, 3) + bytes(24) + bytes(40)
    onset, length = round(EVENT.onset * RATE) + 1, round(EVENT.duration * RATE)
    events = struct.pack("<B3BfIHHI", 3, 1, 0, 0, RATE, onset, 7, 0, length)
    path.write_bytes(head + channels + _gdf_body() + events)
    return Sample(name="GDF 2", path=path, damage=(path,), labelled=False)


# Minimum of both channels, then maximum of both.
_RANGE = (-3276.8, -3276.8, 3276.7, 3276.7)
_DIGITAL = (-32768.0, -32768.0, 32767.0, 32767.0)


def _gdf_body() -> bytes:
    digital = np.round(values() / 0.1).astype("<i2")
    return digital.reshape(2, SECONDS, RATE).transpose(1, 0, 2).tobytes()


def _mwt(folder: Path) -> Sample:
    from scipy.io import savemat

    path = folder / "mwt.mat"
    o1, e1 = values()
    codes = np.zeros(o1.size)
    codes[round(EVENT.onset * RATE) : round((EVENT.onset + EVENT.duration) * RATE)] = 1
    data = {"eeg_O1": o1, "eeg_O2": o1[::-1], "E1": e1, "E2": -e1, "fs": float(RATE)}
    data |= {"labels_O1": codes, "labels_O2": codes, "num_Labels": float(o1.size)}
    savemat(path, {"Data": data}, oned_as="column")
    return Sample(name="MATLAB (mwt)", path=path, damage=(path,), names=("eeg_O1", "E1"))


#: One a sample.
WRITERS: tuple[Callable[[Path], Sample], ...] = (
    _edf_c, _edf_d, _mixed, _plain, _bdf, _brainvision, _eeglab, _fif, _gdf_1, _gdf_2, _mwt,
)  # fmt: skip
