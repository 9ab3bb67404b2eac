"""Reading by blocks gives what reading at once gives, whatever their length, and judges the whole."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from memcell.errors import DataError
from memcell_data.formats.reader import open_recording, signal_file
from memcell_data.recording import ByBlocks, Segment, split

ONSETS = [0, 1, 2, 10, 11, 30, 31, 32, 33, 60]


def whole(blocks):
    """Return what blocks hold: samples, and (start, stop, onset) of each segment."""
    values, segments, at = [], [], 0
    for block in blocks:
        n = block.values.shape[1]
        if block.begins:
            segments.append([at, at + n, block.onset])
        else:
            assert block.onset == pytest.approx(segments[-1][2] + (at - segments[-1][0]) / 100)
            segments[-1][1] += n
        values.append(block.values)
        at += n
    return np.concatenate(values, axis=1), segments


def check(path, names, seconds):
    signal = signal_file(path).read(names)
    said: list[str] = []
    values, segments = whole(open_recording(path).blocks(names, seconds, said.append))
    assert np.array_equal(values, signal.values)
    assert [(s.start, s.stop) for s in signal.segments] == [(a, b) for a, b, _ in segments]
    assert [s.onset for s in signal.segments] == pytest.approx([o for *_, o in segments])
    assert said == list(signal.warnings)


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.floats(0.1, 20))
def test_an_edf_file_with_gaps(make_edf, seconds) -> None:
    made = make_edf(onsets=ONSETS)
    check(made.path, ["O2", "O1"], seconds)


def test_an_edf_file_that_lacks_records_and_one_channel_twice(make_edf) -> None:
    made = make_edf(records=10)
    made.cut(len(made.path.read_bytes()) - 700)
    check(made.path, ["O1", "O1", "O2"], 3.0)


@pytest.mark.parametrize("seconds", [0.5, 3.0, 100.0])
def test_a_file_of_mne_with_breaks_and_missing_samples(tmp_path, seconds) -> None:
    import mne

    x = np.random.default_rng(0).normal(0, 2e-5, (2, 3000))
    x[0, 1495:1505] = np.nan  # on the border of two blocks
    x[1, 2990:] = np.nan
    raw = mne.io.RawArray(x, mne.create_info(["O1", "O2"], 100, "eeg"), verbose="error")
    raw.set_annotations(mne.Annotations([3.0, 20.0], [2.0, 0.0], ["BAD_ACQ_SKIP", "boundary"]))
    raw.save(tmp_path / "x_raw.fif", verbose="error")
    check(tmp_path / "x_raw.fif", ["O2", "O1"], seconds)


def test_what_the_whole_shows_is_refused_after_the_last_block(make_edf) -> None:
    values = np.random.default_rng(0).normal(0, 20, 1000)
    values[600:620] += 30_000  # 2 % of the samples, and they move: no limit of an amplifier
    made = make_edf(values=values, physical=(-32768, 32767))
    blocks = open_recording(made.path).blocks(["O1"], 2.0)
    assert [next(blocks).values.shape[1] for _ in range(5)] == [200] * 5
    with pytest.raises(DataError, match=r"night.edf.*'O1'.*10 mV"):
        next(blocks)


def test_a_header_that_cannot_be_read_is_refused_before_the_first_block(make_edf) -> None:
    made = make_edf().field("physical maximum", "-3276.8")
    with pytest.raises(DataError, match=r"'O1'.*physical"):
        next(iter(open_recording(made.path).blocks(["O1"])))


def test_a_recording_at_hand_comes_in_blocks_too(make_edf) -> None:
    path = make_edf(onsets=ONSETS).path
    signal = signal_file(path).read(["O1"])
    calls = []

    def samples(start, stop):
        calls.append((start, stop))
        return signal.values[:, start:stop]

    values, segments = whole(split(signal.segments, 250, samples, 100.0))
    assert np.array_equal(values, signal.values)
    assert [(a, b) for a, b, _ in segments] == [(s.start, s.stop) for s in signal.segments]
    # Four gaps, and no more calls than blocks.
    assert calls == [(0, 250), (250, 500), (500, 750), (750, 1000)]


def test_many_channels_come_in_shorter_blocks(make_edf, monkeypatch) -> None:
    path = make_edf(onsets=ONSETS).path
    monkeypatch.setattr("memcell_data.recording.MOST_VALUES", 2 * 130)
    blocks = list(open_recording(path).blocks(["O1", "O2"]))
    assert max(b.values.shape[1] for b in blocks) == 100  # a whole data record
    check(path, ["O1", "O2"], 300.0)
    monkeypatch.setattr("memcell_data.recording.MOST_VALUES", 2 * 30)
    assert max(b.values.shape[1] for b in open_recording(path).blocks(["O1", "O2"])) == 30
    check(path, ["O1", "O2"], 300.0)


def test_whole_segments_and_empty_files() -> None:
    assert list(split((), 10, lambda a, b: np.empty((1, b - a)), 100.0)) == []
    parts = (Segment(start=0, stop=5, onset=0.0), Segment(start=9, stop=12, onset=7.0))
    got = list(split(parts, 100, lambda a, b: np.arange(float(a), b)[None], 1.0))
    assert [b.values.tolist() for b in got] == [[[0, 1, 2, 3, 4]], [[9, 10, 11]]]
    assert [b.onset for b in got] == [0.0, 7.0]


def test_recordings_of_files_are_read_by_blocks(make_edf) -> None:
    assert isinstance(open_recording(make_edf().path).read, ByBlocks)
