"""Files that memcell writes as EDF+: the format byte by byte, and what other readers find in them."""

from __future__ import annotations

import edfio
import mne
import numpy as np
import pytest

from memcell.errors import DataError
from memcell_data.formats.edf.export import (
    check_gaps,
    edf_plus,
    exact,
    fitting,
    labels_of,
    stored_ranges,
)
from memcell_data.formats.edf.writer import EdfSignal, Track, write_edf
from memcell_data.formats.reader import open_recording
from memcell_data.recording import Interval

RATE = 100


def write(path, onsets, annotations=(), seconds=1.0, names=("O1", "E1"), seed=0):
    n = round(RATE * seconds)
    signals = [EdfSignal(label=c, unit="uV", physical=(-250.0, 250.0), samples=n) for c in names]
    values = np.random.default_rng(seed).normal(0, 50, (len(names), len(onsets) * n))
    stored = [s.stored(v) for s, v in zip(signals, values, strict=True)]
    with edf_plus(path, signals, annotations) as writer:
        check_gaps(np.array(onsets), seconds)
        writer.begin(np.array(onsets), seconds)
        for i in range(len(onsets)):
            writer.record([row[i * n : (i + 1) * n] for row in stored])
    return values


def test_the_header_is_that_of_the_standard(tmp_path):
    write(tmp_path / "a.edf", range(3), [Interval(onset=1.5, duration=2.25, label="ü")])
    raw = (tmp_path / "a.edf").read_bytes()
    head = raw[: 256 * 4]
    assert head.isascii()
    assert head.decode().isprintable()
    fields = [head[a:b].decode() for a, b in ((0, 8), (8, 88), (88, 168), (168, 176), (176, 184))]
    assert [f.rstrip() for f in fields] == [
        *["0", "X X X X", "Startdate X X X memcell", "01.01.85", "00.00.00"]
    ]
    numbers = [head[a:b].decode().rstrip() for a, b in ((184, 192), (192, 236), (236, 244))]
    assert numbers == ["1024", "EDF+C", "3"]
    labels = [head[256 + 16 * i : 272 + 16 * i].decode().rstrip() for i in range(3)]
    assert labels == ["O1", "E1", "EDF Annotations"]
    samples = [int(head[256 + 3 * 216 + 8 * i :][:8]) for i in range(3)]
    assert samples[:2] == [100, 100]
    assert len(raw) == 1024 + 3 * 2 * sum(samples)
    for record in range(3):
        begin = 1024 + record * 2 * sum(samples) + 400
        stamps = raw[begin : begin + 2 * samples[2]]
        expected = f"+{record}\x14\x14\x00"
        if record == 1:
            expected += "+1.5\x152.25\x14ü\x14\x00"
        assert stamps.rstrip(b"\0") == expected.encode().rstrip(b"\0")


def test_other_readers_find_signal_and_annotations(tmp_path):
    path = tmp_path / "a.edf"
    notes = [Interval(onset=o, duration=d, label="microsleep") for o, d in ((0.2, 1), (7.125, 2.6))]
    values = write(path, range(10), notes)
    raw = mne.io.read_raw_edf(path, preload=True, verbose="error")
    assert np.allclose(raw.get_data() * 1e6, values, atol=500 / 65535)
    assert raw.annotations.onset.tolist() == [0.2, 7.125]
    assert raw.annotations.duration.tolist() == [1, 2.6]
    file = edfio.read_edf(path)
    assert [(a.onset, a.duration, a.text) for a in file.annotations] == [
        (n.onset, n.duration, n.label) for n in notes
    ]
    assert np.allclose(file.get_signal("E1").data, values[1], atol=500 / 65535)
    ours = open_recording(path)
    assert [c.name for c in ours.channels] == ["O1", "E1"]
    assert np.allclose(ours.read(["O1", "E1"]).values, values, atol=500 / 65535)


def test_a_reader_that_is_strict_takes_it(tmp_path):
    pyedflib = pytest.importorskip("pyedflib")
    write(tmp_path / "a.edf", range(10), [Interval(onset=3.2, duration=1.0, label="microsleep")])
    with pyedflib.EdfReader(str(tmp_path / "a.edf")) as file:
        assert file.filetype == pyedflib.FILETYPE_EDFPLUS
        assert [list(part) for part in file.readAnnotations()] == [[3.2], [1.0], ["microsleep"]]


def test_a_gap_is_found_again(tmp_path):
    path = tmp_path / "gap.edf"
    note = Interval(onset=21.4, duration=1.2, label="microsleep")
    write(path, [0, 1, 2, 20, 21, 22], [note])
    recording = open_recording(path)
    segments = recording.read(["O1"]).segments
    assert [(s.onset, s.stop - s.start) for s in segments] == [(0, 300), (20, 300)]
    assert mne.read_annotations(path).onset.tolist() == [21.4]
    assert path.read_bytes()[192:197] == b"EDF+D"


def test_records_that_overlap_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"a gap at 1.5 s is shorter than the rest"):
        write(tmp_path / "a.edf", [0, 1.0, 1.5])
    assert not list(tmp_path.iterdir())


def test_no_file_of_somebody_else_is_replaced(tmp_path):
    path = tmp_path / "a.edf"
    write_edf(path, [Track(name="O1", values=np.zeros(100), rate=RATE)])
    before = path.read_bytes()
    with pytest.raises(DataError, match="not written by memcell"):
        write(path, range(3))
    assert path.read_bytes() == before
    path.unlink()
    write(path, range(3))
    write(path, range(4))
    assert open_recording(path).duration == 4


def test_labels_are_ascii_short_and_unique():
    names = ["O1", "Fp1-A2 left mastoid", "Fp1-A2 left mastoid bis", "Größe", "", "O1"]
    labels = labels_of(names)
    assert len(set(labels)) == len(names)
    assert all(len(x) <= 16 and x.isascii() and x.isprintable() and x.strip() for x in labels)
    assert labels[0] == "O1"


def test_ranges_fit_eight_characters_and_hold_the_values():
    random = np.random.default_rng(0)
    for _ in range(500):
        a, b = np.sort(random.normal(size=2) * 10 ** random.uniform(-4, 6))
        low, high = fitting(float(a), float(b))
        assert low <= a
        assert high >= b
        assert low < high
        assert exact(low)
        assert exact(high)
    assert fitting(3.0, 3.0) == (3.0, 4.0)


def test_the_range_of_an_edf_file_is_kept(tmp_path):
    path = tmp_path / "a.edf"
    values = np.random.default_rng(0).normal(0, 0.05, 3 * RATE)
    write_edf(path, [Track(name="O1", values=values, rate=RATE, unit="mV", physical=(-0.5, 0.5))])
    assert stored_ranges(path, ["O1"]) == [((-500.0, 500.0), (-32768, 32767))]
    (tmp_path / "none.fif").write_bytes(b"something else")
    assert stored_ranges(tmp_path / "none.fif", ["O1"]) is None
    assert stored_ranges(None, ["O1"]) is None
