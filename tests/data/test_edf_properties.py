"""EDF by chance: what is written is read back, and no damage gets past the gate as a traceback."""

from __future__ import annotations

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from memcell.errors import MemcellError
from memcell_data.formats.edf import times
from memcell_data.formats.edf.writer import Track, write_edf
from memcell_data.formats.reader import open_recording
from memcell_data.labels.reading import read_labels
from memcell_data.recording import Interval

SLOW = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


@settings(max_examples=40, deadline=None, suppress_health_check=SLOW)
@given(
    rate=st.integers(2, 300),
    records=st.integers(2, 12),
    seconds=st.sampled_from([0.5, 1.0, 2.0, 10.0]),
    breaks=st.lists(st.tuples(st.integers(1, 11), st.integers(1, 5000)), max_size=3),
    limit=st.sampled_from([100.0, 1000.0, 5000.0]),
    seed=st.integers(0, 2**16),
)
def test_round_trip(tmp_path, rate, records, seconds, breaks, limit, seed):
    rng = np.random.default_rng(seed)
    onsets = np.arange(records) * seconds
    for at, length in breaks:
        onsets[at:] += length
    n = round(rate * seconds) * records
    values = rng.uniform(-limit, limit, (2, n))
    marks = [Interval(onset=0.25, duration=0.125, label="microsleep")]
    path = tmp_path / "round.edf"
    tracks = [
        Track(name=name, values=row, rate=rate, physical=(-limit, limit))
        for name, row in zip(("O1", "E1"), values, strict=True)
    ]
    write_edf(path, tracks, seconds=seconds, onsets=onsets.tolist(), annotations=marks)
    recording = open_recording(path)
    signal = recording.read(["E1", "O1"])
    assert np.abs(signal.values[::-1] - values).max() <= limit / 65535 * 1.01
    assert read_labels(path)[0] == tuple(marks)
    assert recording.duration == onsets[-1] + seconds
    assert len(signal.segments) == 1 + len({at for at, _ in breaks if at < records})
    for segment in signal.segments:
        record = segment.start // round(rate * seconds)
        assert segment.onset == onsets[record]
    assert signal.segments[-1].stop == n


def test_no_mutation_raises_anything_but_a_memcell_error(make_edf, episode):
    file = make_edf(
        onsets=[float(i if i < 6 else i + 40) for i in range(10)], annotations=[episode]
    )
    sound = file.path.read_bytes()
    head = 256 * (file.n_channels + 1)
    rng = np.random.default_rng(7)
    messages = []
    for number in range(600):
        content = bytearray(sound)
        if number % 4 == 0:
            content[rng.integers(head)] = rng.integers(256)
        elif number % 4 == 1:
            at, length = rng.integers(head), rng.integers(1, 9)
            content[at : at + length] = bytes(
                rng.choice(list(b" 0123456789.-+eNa"), length).tolist()
            )
        elif number % 4 == 2:
            content = content[: rng.integers(len(content))]
        else:
            for at in rng.integers(168, len(content), 5):
                content[at] = rng.integers(256)
        file.path.write_bytes(bytes(content))
        try:
            recording = open_recording(file.path)
            signal = recording.read([recording.channels[0].name])
            read_labels(file.path)
        except MemcellError as error:
            messages.append(str(error))
        else:
            assert signal.segments[-1].stop == signal.values.shape[1]
            assert np.isfinite(signal.values).all()
    assert 50 < len(messages) < 400
    assert all(file.path.name in message and "\n" not in message for message in messages)


def test_stamps_are_the_doubles_nearest_to_what_is_written() -> None:
    rng = np.random.default_rng(0)
    texts = [
        f"+{rng.random() * 10 ** rng.integers(0, 6):.{rng.integers(0, 8)}f}" for _ in range(500)
    ]
    for more in ([], ["-3", "+7.", "-0.125"], ["+1234567890.1234567890123"]):
        written = [*texts, *more]
        rows = [
            text.encode().ljust(40, b"\x14")[: len(text) + 2].ljust(40, b"\0") for text in written
        ]
        stamps, bare = times._stamps(np.frombuffer(b"".join(rows), dtype=np.uint8).reshape(-1, 40))
        assert bare.all()
        assert stamps.tolist() == [float(text) for text in written]
