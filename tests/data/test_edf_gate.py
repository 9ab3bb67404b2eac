"""Every defect of an EDF file that the gate knows: read rightly, or refused by name."""

from __future__ import annotations

import numpy as np
import pytest

from memcell.errors import DataError
from memcell_data.formats.edf.writer import Track, write_edf
from memcell_data.formats.reader import open_recording, signal_file
from memcell_data.recording import Segment
from memcell_data.renaming import Renaming


def read(path, names=("O1",), **options):
    return open_recording(path, **options).read(names)


def refused(path, *words, names=("O1",)):
    with pytest.raises(DataError) as caught:
        read(path, names)
    message = str(caught.value)
    assert "\n" not in message
    for word in (path.name, *words):
        assert word in message, message
    return message


def test_a_sound_file(make_edf):
    file = make_edf()
    recording = open_recording(file.path)
    assert recording.duration == 10
    assert [(c.name, c.kind, c.rate) for c in recording.channels] == [
        ("O1", "eeg", 100),
        ("O2", "eeg", 100),
    ]
    signal = recording.read(["O2", "O1"])
    assert signal.channels == ("O2", "O1")
    assert signal.values.shape == (2, 1000)
    assert signal.values.dtype == np.float64
    assert signal.segments == (Segment(start=0, stop=1000, onset=0.0),)
    assert signal.warnings == ()
    expected = np.random.default_rng(0).normal(0, 20.0, 1000)
    assert np.abs(signal.values[1] - expected).max() < 0.051  # half a digital step of .1 uV


def test_truncated_in_mid_record(make_edf):
    file = make_edf()
    file.cut(file.path.stat().st_size - 350)
    signal = read(file.path)
    assert signal.values.shape == (1, 900)
    assert any("10 data records" in w and "9 whole" in w and "1 s" in w for w in signal.warnings)
    assert any("middle of a data record" in w for w in signal.warnings)
    assert all("night.edf" in w for w in signal.warnings)


@pytest.mark.parametrize(
    ("said", "word"), [("-1", "never closed"), ("0", "says 0"), ("7", "says 7")]
)
def test_wrong_number_of_records(make_edf, said, word):
    file = make_edf().field("number of records", said)
    signal = read(file.path)
    assert signal.values.shape == (1, 1000)
    assert any(word in w for w in signal.warnings)


@pytest.mark.parametrize(
    ("length", "word"), [(100, "recording"), (300, "label"), (1000, "reserved")]
)
def test_truncated_header(make_edf, length, word):
    refused(make_edf().cut(length).path, "cut", word)


def test_no_whole_record(make_edf):
    refused(make_edf().cut(256 * 4 + 30).path, "no whole data record")


def test_gap_of_edf_d(make_edf):
    onsets = [float(i if i < 6 else i + 40) for i in range(10)]
    recording = open_recording(make_edf(onsets=onsets).path)
    signal = recording.read(["O1"])
    assert recording.duration == 50
    assert signal.segments == (
        Segment(start=0, stop=600, onset=0.0),
        Segment(start=600, stop=1000, onset=46.0),
    )
    first, second = signal.segments
    assert second.onset - (first.onset + (first.stop - first.start) / signal.rate) == 40


def test_gap_is_found_where_the_header_denies_it(make_edf):
    onsets = [float(i if i < 6 else i + 40) for i in range(10)]
    for word in ("EDF+C", "", "garbage"):
        file = make_edf(onsets=onsets).field("reserved", word)
        assert len(read(file.path).segments) == 2


def test_edf_starting_a_fraction_late_has_no_gap(make_edf):
    recording = open_recording(make_edf(onsets=[i + 0.25 for i in range(10)]).path)
    assert recording.duration == 10
    assert recording.read(["O1"]).segments[0].onset == 0


def test_edf_d_without_a_time_stamp(make_edf):
    file = make_edf(onsets=[float(i if i < 6 else i + 40) for i in range(10)])
    content = file.path.read_bytes()
    file.path.write_bytes(content.replace(b"+3\x14\x14", b"*3\x14\x14"))
    with pytest.raises(DataError, match=r"night\.edf.*record 3 has no time stamp"):
        open_recording(file.path)


def test_time_running_backwards(make_edf):
    onsets = [0, 1, 2, 50, 51, 20, 21, 22, 23, 24]
    with pytest.raises(DataError, match=r"night\.edf.*backwards.*record 5"):
        open_recording(make_edf(onsets=onsets).path)


@pytest.mark.parametrize(
    ("unit", "factor"),
    [
        (b"uV", 1),
        (b"UV", 1),
        (b"\xb5V", 1),
        ("µV".encode(), 1),
        ("μV".encode(), 1),
        (b"mV", 1e3),
        (b"V", 1e6),
        (b"nV", 1e-3),
    ],
)
def test_units(make_edf, unit, factor):
    expected = np.random.default_rng(1).normal(0, 20, 1000)
    limit = 3200 / factor  # exact within the 8 characters that the header has
    file = make_edf(values=expected / factor, physical=(-limit, limit)).field("unit", unit)
    signal = read(file.path)
    assert np.abs(signal.values[0] - expected).max() < 0.05


@pytest.mark.parametrize("unit", ["", "MV", "bananas", "degC"])
def test_unknown_unit_is_refused_and_never_guessed(make_edf, unit):
    file = make_edf(channels=("O1", "O2")).field("unit", unit, channel=0)
    refused(file.path, "'O1'", "--data.unit")
    assert read(file.path, ["O2"]).values.shape == (1, 1000)


def test_blank_unit_with_a_persons_word(make_edf):
    file = make_edf().field("unit", "", channel=0)
    signal = read(file.path, unit="uV")
    assert 15 < signal.values.std() < 25
    known = make_edf(name="known.edf")
    assert 15 < read(known.path, unit="V").values.std() < 25, "a known unit is not overruled"


def test_amplitude_gate(make_edf):
    refused(make_edf().field("unit", "mV").path, "'O1'", "10 mV", "unit is wrong")


def test_one_pop_beyond_10_mv_is_a_warning(make_edf):
    values = np.random.default_rng(0).normal(0, 20, 1000)
    values[500] = 20_000
    signal = read(make_edf(values=values, physical=(-32768, 32767)).path)
    assert any("1 samples are beyond 10 mV" in w for w in signal.warnings)


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"physical minimum": "NaN"}, "finite"),
        ({"physical maximum": "inf"}, "finite"),
        ({"digital minimum": "5", "digital maximum": "5"}, "digital range"),
        ({"digital minimum": "10", "digital maximum": "-10"}, "digital range"),
        ({"physical minimum": "7", "physical maximum": "7"}, "no scale"),
    ],
)
def test_range_is_refused_only_for_the_wanted_channel(make_edf, fields, word):
    file = make_edf()
    for name, text in fields.items():
        file.field(name, text, channel=0)
    refused(file.path, "'O1'", word)
    assert read(file.path, ["O2"]).values.shape == (1, 1000)


def test_inverted_physical_range_is_an_inverted_signal(make_edf):
    file = make_edf()
    upright = read(file.path).values
    file.field("physical minimum", "3276.7").field("physical maximum", "-3276.8")
    assert np.allclose(read(file.path).values, -upright, atol=0.11)


def test_duplicate_names(make_edf):
    file = make_edf(channels=("O1", "O1", "C3"))
    refused(file.path, "'O1'", "ambiguous", "number 1", "number 2", "--rename 'O1-0=O1'")
    assert read(file.path, ["C3", "O1-1"]).channels == ("C3", "O1-1")
    assert signal_file(file.path).doubles() == [
        "channel 'O1' is there 2 times, and is read as O1-0 and O1-1: --rename 'O1-0=O1' takes the first"
    ]
    first = Renaming.of(["O1-0=O1"]).recording(open_recording(file.path))
    assert (first.read(["O1"]).values == read(file.path, ["O1-0"]).values).all()


def test_unknown_channel_lists_what_there_is(make_edf):
    message = refused(make_edf(channels=("Fpz", "O1")).path, names=("Fpzz",))
    assert "Did you mean 'Fpz'? It has: Fpz, O1." in message


def test_mixed_rates(tmp_path):
    path = tmp_path / "mixed.edf"
    rng = np.random.default_rng(0)
    slow, fast = rng.normal(0, 20, 1000), rng.normal(0, 20, 20_000)
    write_edf(
        path,
        [
            Track(name="O1", values=slow, rate=100),
            Track(name="EMG", values=fast, rate=2000),
        ],
    )
    assert np.abs(read(path, ["O1"]).values[0] - slow).max() < 0.051
    assert read(path, ["EMG"]).rate == 2000
    refused(path, "different rates", "O1 100 Hz", "EMG 2000 Hz", names=("O1", "EMG"))


def test_record_duration_0(make_edf):
    refused(make_edf().field("record duration", "0").path, "record duration", "byte 244")


@pytest.mark.parametrize(
    ("name", "text", "channel", "byte"),
    [
        ("number of records", "many", 0, 236),
        ("number of signals", "x", 0, 252),
        ("number of signals", "-2", 0, 252),
        ("header bytes", "512", 0, 184),
        ("physical minimum", "low", 1, 256 + 3 * 104 + 8),
        ("samples per record", "-5", 1, 256 + 3 * 216 + 8),
    ],
)
def test_unreadable_field_is_named_with_its_byte(make_edf, name, text, channel, byte):
    refused(make_edf().field(name, text, channel).path, name, f"byte {byte}")


def test_not_a_recording(tmp_path):
    for name, content, word in [
        ("empty.edf", b"", "empty"),
        ("pointer.edf", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git-lfs"),
        ("picture.edf", b"\x89PNG\r\n\x1a\n" + bytes(600), "not an EDF"),
        ("empty.fif", b"", "empty"),
        ("notes.fif", b"hello" * 100, "MNE cannot read it"),
        ("text.vhdr", b"nothing here\n", "MNE cannot read it"),
        ("table.xyz", b"a,b\n1,2\n", "MNE cannot read it"),
    ]:
        path = tmp_path / name
        path.write_bytes(content)
        refused(path, word)
    refused(tmp_path / "absent.edf", "no such file")


def test_wrong_extension_says_what_to_rename(make_edf):
    refused(make_edf(name="night.rec").path, "another extension", "night.edf")


def test_annotation_only(real_data):
    hypnogram = sorted(real_data("sleep-edf").glob("*-Hypnogram.edf"))[0]
    refused(hypnogram, "annotations and no signal", "--data.labels")


def test_the_patient_is_never_quoted(make_edf):
    file = make_edf().field("patient", "123 F 01-JAN-1970 Jane_Doesnt")
    assert "Doesnt" not in repr(open_recording(file.path))
    message = refused(file.field("physical minimum", "low").path, "physical minimum")
    assert "Doesnt" not in message


def test_odd_patient_fields_are_no_tracebacks(make_edf):
    for patient in ("X X X X weight=a=b", "X F 99-ZZZ-0000 X", "\xff" * 80):
        file = make_edf().field("patient", patient)
        try:
            signal = read(file.path)
        except DataError as error:
            message = str(error)
            assert "night.edf" in message
        else:
            assert signal.values.shape == (1, 1000)


def test_a_file_that_becomes_shorter_while_it_is_read(make_edf):
    file = make_edf(records=10)
    blocks = open_recording(file.path).blocks(["O1"], 1.0)
    next(blocks)
    file.cut(len(file.path.read_bytes()) - 5 * 100)
    with pytest.raises(DataError, match=r"night.edf: .*became shorter"):
        list(blocks)


def test_latin_1_labels(make_edf, episode):
    file = make_edf(annotations=[type(episode)(onset=1, duration=1, label="Schlafbeginn ue")])
    content = file.path.read_bytes().replace(b"beginn ue", b"beginn \xfce")
    file.path.write_bytes(content)
    from memcell_data.labels.reading import read_labels

    assert read(file.path).values.shape == (1, 1000)
    assert read_labels(file.path)[0][0].label == "Schlafbeginn üe"


def test_overlapping_annotations(make_edf, episode):
    from memcell_data.labels.reading import read_labels

    twice = [episode, type(episode)(onset=3.0, duration=4.0, label="drowsy")]
    assert [i.label for i in read_labels(make_edf(annotations=twice).path)[0]] == [
        "microsleep",
        "drowsy",
    ]


def test_bdf(tmp_path):
    mne = pytest.importorskip("mne")
    pytest.importorskip("edfio")
    values = np.random.default_rng(0).normal(0, 20e-6, (1, 1000))
    raw = mne.io.RawArray(values, mne.create_info(["O1"], 100, "eeg"), verbose="error")
    path = tmp_path / "night.bdf"
    mne.export.export_raw(path, raw, fmt="bdf", verbose="error")
    signal = read(path)
    assert np.abs(signal.values[0] - values[0] * 1e6).max() < 0.01


def test_a_channel_asked_for_twice_is_given_twice(make_edf):
    signal = read(make_edf().path, ["O2", "O1", "o2"])
    assert signal.channels == ("O2", "O1", "O2")
    assert (signal.values[0] == signal.values[2]).all()
    assert (signal.values[0] != signal.values[1]).any()


@pytest.mark.parametrize("digital", [(-72984, 50277), (-32768, 99999), (-99999, 99999)])
def test_a_digital_range_wider_than_the_samples_gives_one_scale(make_edf, digital):
    """As in excerpt 3 of DREAMS."""
    file = make_edf()
    before = read(file.path).values[0]
    for name, number in zip(("digital minimum", "digital maximum"), digital, strict=True):
        file.field(name, str(number), channel=0)
    signal = read(file.path)
    counts = (before + 3276.8) / (3276.7 + 3276.8) * 65535 - 32768
    expected = (counts - digital[0]) / (digital[1] - digital[0]) * (3276.7 + 3276.8) - 3276.8
    assert np.abs(signal.values[0] - expected).max() < 0.01
    assert any(
        f"{digital[0]:g} to {digital[1]:g} is wider than 16 bits" in w for w in signal.warnings
    )


def test_the_drift_of_a_dc_amplifier_is_read(make_edf):
    n = 60_000
    drift = np.random.default_rng(0).normal(0, 30, n) + np.linspace(0, 30_000, n)
    file = make_edf(values=drift, records=600, physical=(-262144, 262143))
    signal = read(file.path)
    assert signal.values.shape == (1, n)
    assert any(
        "'O1' drifts by 29.9 mV" in w or "'O1' drifts by 30 mV" in w for w in signal.warnings
    )
