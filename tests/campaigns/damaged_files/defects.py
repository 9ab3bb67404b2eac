"""The defects that are known by name: how each is made, and what has to become of it.

Each is a sound recording in which what the name says was changed and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from memcell_data.formats.edf.fields import field_at
from memcell_data.formats.edf.writer import Track, write_edf
from memcell_data.recording import Interval

from .samples import EVENT, NAMES, RATE, SECONDS, Values, values

Maker = Callable[[Path], Path]
_SIGNALS = 3  # O1, E1 and the annotations
_N = SECONDS * RATE
_HEADER = 256 * (_SIGNALS + 1)


@dataclass(frozen=True, kw_only=True)
class Defect:
    """A defect by name.

    Args:
        name: What is wrong.
        make: Writes the file into a folder and returns its path.
        refused: Words that the refusal of O1 has; empty where O1 is read.
        said: Words that are said where it is read.
        samples: How many samples of O1 are read.
        segments: In how many segments.
        apart: Microvolts by which O1 may differ from the sound one; None where it is not compared.
    """

    name: str
    make: Maker
    refused: tuple[str, ...] = ()
    said: tuple[str, ...] = ()
    samples: int = _N
    segments: int = 1
    apart: float | None = 0.06


def edf(
    *,
    name: str = "night.edf",
    rows: Values | None = None,
    names: Sequence[str] = NAMES,
    physical: tuple[float, float] = (-3276.8, 3276.7),
    header: Mapping[str, str | bytes] | None = None,
    cut: int = 0,
    annotations: Sequence[Interval] = (EVENT,),
    replace: tuple[bytes, bytes] = (b"", b""),
    gap_at: int = SECONDS,
) -> Maker:
    """Return what writes an EDF+ file.

    Args:
        name: Of the file.
        rows: ``[2, n]`` microvolts; None for the sound values.
        names: Of the channels.
        physical: Range of both channels.
        header: Fields of the file or of its first signal to overwrite.
        cut: How many bytes to keep (where negative: to take from the end).
        annotations: What is annotated.
        replace: Bytes to be replaced, and by what.
        gap_at: Record before which 40 s are missing.
    """

    def make(folder: Path) -> Path:
        path = folder / name
        made = values() if rows is None else rows
        tracks = [
            Track(name=n, values=row, rate=RATE, physical=physical)
            for n, row in zip(names, made, strict=True)
        ]
        onsets = [float(i if i < gap_at else i + 40) for i in range(SECONDS)]
        write_edf(path, tracks, onsets=onsets, annotations=annotations)
        content = bytearray(
            path.read_bytes().replace(*replace) if replace[0] else path.read_bytes()
        )
        for field, text in (header or {}).items():
            at, width = field_at(field, 0, _SIGNALS)
            raw = text if isinstance(text, bytes) else text.encode("latin-1")
            content[at : at + width] = raw.ljust(width)
        path.write_bytes(bytes(content[:cut] if cut else content))
        return path

    return make


def _changed(change: Callable[[Values], None]) -> Values:
    rows = values()
    change(rows)
    return rows


def _flat(seconds: float) -> Values:
    return _changed(lambda rows: rows[0].__setitem__(slice(0, round(seconds * RATE)), 7.0))


def _from(start: float, stop: float, made: Callable[[int], NDArray[np.float64]]) -> Values:
    first, last = round(start * RATE), round(stop * RATE)
    return _changed(lambda rows: rows[0].__setitem__(slice(first, last), made(last - first)))


def _dither(n: int) -> NDArray[np.float64]:
    step = 6553.5 / 65535  # of the converter; see `edf`
    return 50.0 + step * np.random.default_rng(1).integers(-1, 2, n).astype(np.float64)


def _content(name: str, content: bytes) -> Maker:
    def make(folder: Path) -> Path:
        path = folder / name
        path.write_bytes(content)
        return path

    return make


def _only_annotations(folder: Path) -> Path:
    path = folder / "labels.edf"
    whole = edf()(folder).read_bytes()
    record = (len(whole) - _HEADER) // SECONDS
    signals = 2 * 2 * RATE
    head = bytearray()
    at = 0
    for width in (8, 80, 80, 8, 8, 8, 44, 8, 8, 4):
        head += whole[at : at + width]
        at += width
    for width in (16, 80, 8, 8, 8, 8, 8, 80, 8, 32):
        head += whole[at + 2 * width : at + 3 * width]
        at += 3 * width
    for field, text in (("header bytes", "512"), ("number of signals", "1")):
        first, width = field_at(field)
        head[first : first + width] = text.ljust(width).encode()
    stamps = [
        whole[_HEADER + record * r + signals : _HEADER + record * (r + 1)] for r in range(SECONDS)
    ]
    path.write_bytes(bytes(head) + b"".join(stamps))
    return path


def _mixed_rates(folder: Path) -> Path:
    path = folder / "night.edf"
    fast = np.random.default_rng(1).normal(0, 20, SECONDS * 2000)
    tracks = [
        Track(name="O1", values=values()[0], rate=RATE),
        Track(name="EMG", values=fast, rate=2000),
    ]
    write_edf(path, tracks, annotations=[EVENT])
    return path


def _missing(share: float) -> Maker:
    def make(folder: Path) -> Path:
        import mne

        rows = values() * 1e-6
        rows[0, 100 : 100 + round(share * _N)] = np.nan
        path = folder / "night_raw.fif"
        info = mne.create_info(list(NAMES), RATE, ["eeg", "eog"])
        mne.io.RawArray(rows, info, verbose="error").save(path, verbose="error")
        return path

    return make


_OVERLAP = (EVENT, Interval(onset=6.0, duration=4.0, label="drowsy"))
_POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:0123\nsize 12345\n"

#: Row by row as the table of defects goes.
DEFECTS: tuple[Defect, ...] = (
    Defect(
        name="truncated in mid-record",
        make=edf(cut=-250),
        samples=_N - RATE,
        said=("20 data records", "19 whole", "1 (1 s) are missing", "middle of a data record"),
    ),
    Defect(
        name="n_records -1", make=edf(header={"number of records": "-1"}), said=("never closed",)
    ),
    Defect(name="n_records 0", make=edf(header={"number of records": "0"}), said=("says 0",)),
    Defect(name="n_records too few", make=edf(header={"number of records": "7"}), said=("says 7",)),
    Defect(
        name="n_records too many",
        make=edf(header={"number of records": "90"}),
        said=("says 90", "70 (70 s) are missing"),
    ),
    Defect(name="truncated header", make=edf(cut=300), refused=("cut", "label")),
    Defect(name="truncated file header", make=edf(cut=100), refused=("cut", "'recording'")),
    Defect(name="no whole record", make=edf(cut=_HEADER + 30), refused=("no whole data record",)),
    Defect(name="EDF+D with a gap", make=edf(gap_at=12), segments=2, said=("gap",)),
    Defect(
        name="gap that the header denies",
        make=edf(gap_at=12, header={"reserved": "EDF+C"}),
        segments=2,
        said=("gap",),
    ),
    Defect(
        name="EDF+D whose gaps cannot be known",
        make=edf(gap_at=12, replace=(b"+3\x14\x14", b"*3\x14\x14")),
        refused=("record 3", "time stamp"),
    ),
    Defect(name="unit uV in UTF-8", make=edf(header={"unit": "µV".encode()})),
    Defect(name="unit with the Greek mu", make=edf(header={"unit": "μV".encode()})),
    Defect(name="unit in latin-1", make=edf(header={"unit": b"\xb5V"})),
    Defect(name="unit UV", make=edf(header={"unit": "UV"})),
    Defect(
        name="unit blank", make=edf(header={"unit": ""}), refused=("'O1'", "no unit", "--data.unit")
    ),
    Defect(name="unit unknown", make=edf(header={"unit": "bananas"}), refused=("'O1'", "bananas")),
    Defect(
        name="unit of megavolts or millivolts", make=edf(header={"unit": "MV"}), refused=("'MV'",)
    ),
    Defect(
        name="unit mV for uV", make=edf(header={"unit": "mV"}), refused=("10 mV", "unit is wrong")
    ),
    Defect(
        name="unit V for uV", make=edf(header={"unit": "V"}), refused=("10 mV", "unit is wrong")
    ),
    Defect(
        name="unit nV for uV",
        make=edf(header={"unit": "nV"}),
        refused=("less than 1 uV", "wrong unit", "--unit all:"),
    ),
    Defect(
        name="physical minimum NaN",
        make=edf(header={"physical minimum": "NaN"}),
        refused=("'O1'", "finite"),
    ),
    Defect(
        name="digital minimum = maximum",
        make=edf(header={"digital minimum": "5", "digital maximum": "5"}),
        refused=("'O1'", "digital range"),
    ),
    Defect(
        name="physical minimum = maximum",
        make=edf(header={"physical minimum": "7", "physical maximum": "7"}),
        refused=("'O1'", "no scale"),
    ),
    Defect(name="duplicate names", make=edf(names=("O1", "O1")), refused=("'O1'", "ambiguous")),
    Defect(name="mixed rates", make=_mixed_rates, said=("100, 2000 Hz",)),
    Defect(
        name="record duration 0", make=edf(header={"record duration": "0"}), refused=("byte 244",)
    ),
    Defect(name="overlapping annotations", make=edf(annotations=_OVERLAP), said=("overlaps",)),
    Defect(name="latin-1 annotation", make=edf(replace=(b"microsleep", b"m\xfcde      "))),
    Defect(
        name="latin-1 channel name", make=edf(names=("O1", "Auge"), replace=(b"Auge", b"\xc4uge"))
    ),
    Defect(
        name="annotations and no signal",
        make=_only_annotations,
        refused=("no signal", "--data.labels"),
    ),
    Defect(name="0 bytes", make=_content("night.edf", b""), refused=("empty",)),
    Defect(name="pointer file", make=_content("night.edf", _POINTER), refused=("git-lfs",)),
    Defect(
        name="another file under the name",
        make=_content("night.edf", b"\x89PNG\r\n\x1a\n" + bytes(900)),
        refused=("not an EDF",),
    ),
    Defect(name="wrong extension", make=edf(name="night.rec"), refused=("rename it to night.edf",)),
    Defect(name="flat channel", make=edf(rows=_flat(19)), refused=("'O1'", "flat", "95%")),
    Defect(
        name="partly flat channel",
        make=edf(rows=_flat(5)),
        samples=_N - 500,
        said=("flat 25%", "0.00-5.00 s"),
        apart=None,
    ),
    Defect(
        name="zeros in the middle",
        make=edf(rows=_from(8, 12, np.zeros)),
        samples=_N - 400,
        segments=2,
        said=("flat 20%", "8.00-12.00 s"),
        apart=None,
    ),
    Defect(
        name="a stuck value that dithers",
        make=edf(rows=_from(8, 12, _dither)),
        samples=_N - 400,
        segments=2,
        said=("flat 20%", "8.00-12.00 s"),
        apart=None,
    ),
    Defect(
        name="interpolated samples",
        make=edf(rows=_from(8, 12, lambda n: np.linspace(-40.0, 30.0, n))),
        samples=_N - 400,
        segments=2,
        said=("flat 20%", "8.00-12.00 s"),
        apart=None,
    ),
    Defect(
        name="amplifier at its limit",
        make=edf(rows=_from(8, 8.5, lambda n: np.full(n, 150.0)), physical=(-100, 100)),
        samples=_N - 50,
        segments=2,
        said=("at its limit", "8.00-8.50 s"),
        apart=None,
    ),
    Defect(name="clipped channel", make=edf(physical=(-25, 25)), said=("clipped",), apart=None),
    Defect(name="NaN channel", make=_missing(0.92), refused=("'O1'", "92% of the time", "NaN")),
    Defect(
        name="half NaN",
        make=_missing(0.5),
        samples=_N // 2,
        segments=2,
        said=("1000 samples are missing", "1 gap of 10 s"),
        apart=None,
    ),
    Defect(
        name="some NaN",
        make=_missing(0.005),
        samples=_N - 10,
        segments=2,
        said=("10 samples are missing",),
        apart=None,
    ),
)
