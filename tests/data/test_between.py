"""What differs between recordings: planted in generated files and found, and nothing where all are alike."""

from __future__ import annotations

import json
import tracemalloc

import numpy as np
import pytest

from memcell.cli.main import run as memcell
from memcell_data.checks.between import between
from memcell_data.checks.summary import BANDS, SignalSummary, Summarizing, summarized
from memcell_data.formats.edf.writer import Track, write_edf
from memcell_data.recording import Block

RATE = 128
CHANNELS = ("Fp1", "C3", "O1", "O2")
#: Alpha is strong at the back, and slow waves at the front.
ALPHA, SLOW = (0.2, 0.6, 2.0, 2.0), (3.0, 1.0, 0.6, 0.6)


def waves(random, n, low, high, rate):
    spectrum = np.fft.rfft(random.normal(size=n))
    f = np.fft.rfftfreq(n, 1 / rate)
    spectrum[(f < low) | (f > high)] = 0
    made = np.fft.irfft(spectrum, n)
    return made / made.std()


def person(k, seconds=120, rate=RATE, spread=0.08):
    """``[4, n]`` uV: 1/f noise, part of it common to all, with alpha and slow waves by place."""
    random = np.random.default_rng(k)
    n = seconds * rate
    f = np.maximum(np.fft.rfftfreq(n, 1 / rate), 1.0)
    noise = np.fft.irfft(np.fft.rfft(random.normal(size=(5, n))) / np.sqrt(f), n)
    noise /= noise.std(axis=1, keepdims=True)
    out = 0.7 * noise[:1] + 0.7 * noise[1:]
    own = np.array([1.0, 1.0, 1.0, 1.0])[:, None] * np.exp(random.normal(0, spread, (4, 1)))
    out = out + np.array(ALPHA)[:, None] * waves(random, n, 9, 11, rate)
    out = out + np.array(SLOW)[:, None] * waves(random, n, 1, 3, rate)
    return 8 * np.exp(random.normal(0, spread)) * own * out


def summary(values, name, rate=RATE, channels=CHANNELS):
    block = Block(values=values, onset=0.0, begins=True)
    made = summarized([block], name, name, channels, rate)
    assert made is not None
    return made


@pytest.fixture(scope="module")
def signals():
    return [person(k) for k in range(8)]


def found(signals, change=None, which=(3,), **options):
    """Return what is found when some of the signals are changed."""
    made = [change(v) if change is not None and k in which else v for k, v in enumerate(signals)]
    return between([summary(v, f"r{k}") for k, v in enumerate(made)], **options)


def the(findings, check):
    (one,) = [f for f in findings if f.check == check]
    return one


def test_people_alike_are_not_cried_at() -> None:
    for seed in range(0, 80, 8):
        made = [summary(person(k, 60), f"r{k}") for k in range(seed, seed + 8)]
        assert [f.severity for f in between(made)] == ["nothing"]
    # people who differ in amplitude by a factor of two and more
    made = [summary(person(k, 60, spread=0.4), f"r{k}") for k in range(8)]
    assert [f.severity for f in between(made)] == ["nothing"]


@pytest.mark.parametrize(("factor", "words"), [(1000, "times the amplitude"), (1e-3, "1/")])
@pytest.mark.parametrize("which", [(3,), (1, 5)])
def test_another_unit(signals, factor, words, which) -> None:
    one = the(found(signals, lambda v: factor * v, which), "units")
    assert one.severity == "serious"
    assert words in one.sentence
    assert one.where == ", ".join(f"r{k}" for k in which)
    assert "--data.unit" in one.advice


def test_a_unit_is_found_among_real_spreads() -> None:
    made = [person(k, 60, spread=0.4) for k in range(5)]
    made[2] = 1000 * made[2]
    one = the(between([summary(v, f"r{k}") for k, v in enumerate(made)]), "units")
    assert one.where == "r2"


def test_one_gain_among_people_who_are_alike() -> None:
    made = [person(k, 240, spread=0.02) for k in range(8)]
    one = the(found(made, lambda v: 1.4 * v), "gains")
    assert one.where == "r3"
    assert one.severity == "warning"
    assert the(found(made, lambda v: 1.4 * v, gain_matters=False), "gains").severity == "note"


def test_two_devices_of_different_gain() -> None:
    """Half of the recordings 1.4 times as large, and in other steps between values."""
    signals = [person(k, 240, spread=0.06) for k in range(12)]

    def stored(v, step):
        return np.round(v / step) * step

    fine = [summary(stored(v, 0.05), f"r{k}") for k, v in enumerate(signals)]
    assert [f.severity for f in between(fine)] == ["nothing"]
    made = [
        summary(stored(1.4 * v, 0.07) if k % 2 else stored(v, 0.05), f"r{k}")
        for k, v in enumerate(signals)
    ]
    one = the(between(made), "gains")
    assert "two devices of different gain" in one.sentence
    # another device that tells the same values in other steps is in order
    same = [summary(stored(v, 0.07 if k % 2 else 0.05), f"r{k}") for k, v in enumerate(signals)]
    assert [f.severity for f in between(same)] == ["nothing"]


def test_files_written_each_at_its_own_scale_are_no_devices() -> None:
    """Steps between values that follow the amplitude of a file: they tell its exporter, and no device."""
    made = []
    for k in range(30):
        v = person(k, 60, spread=0.4)
        step = 10 ** (round(np.log10(v.std() / 500) * 20) / 20)
        made.append(summary(np.round(v / step) * step, f"r{k}"))
    assert [f.severity for f in between(made)] == ["nothing"]


def test_values_that_were_never_integers_have_no_step(signals) -> None:
    assert np.isnan(summary(signals[0], "r").resolution).all()
    stored = summary(np.round(signals[0] / 0.05) * 0.05, "r")
    np.testing.assert_allclose(10**stored.resolution, 0.05, rtol=1e-6)


def test_channels_that_were_exchanged(signals) -> None:
    one = the(found(signals, lambda v: v[[2, 1, 0, 3]]), "channels")
    assert one.severity == "warning"
    assert "channels Fp1 and O1 of r3" in one.sentence


def test_another_reference(signals) -> None:
    every = found(signals, lambda v: v - v.mean(axis=0))
    assert any("another reference" in f.sentence and f.where == "r3" for f in every)


def test_a_channel_that_is_noise(signals) -> None:
    def loose(v):
        return np.concatenate([v[:3], np.random.default_rng(0).normal(0, 8, v[3:].shape)])

    one = next(f for f in found(signals, loose) if "noise" in f.sentence)
    assert "channel O2" in one.sentence
    assert one.where == "r3"


def test_muscles_are_no_noise(signals) -> None:
    def muscle(v):
        random = np.random.default_rng(0)
        return v + np.array([[0], [0], [0], [12.0]]) * waves(random, v.shape[1], 20, 60, RATE)

    assert not any("noise" in f.sentence for f in found(signals, muscle))


def test_a_channel_in_another_unit_than_its_neighbours(signals) -> None:
    every = found(signals, lambda v: v * np.array([[1.0], [30.0], [1.0], [1.0]]))
    assert any("channel C3" in f.sentence and f.where == "r3" for f in every)


def test_mains_in_one_recording(signals) -> None:
    def hum(v):
        return v + 20 * np.sin(2 * np.pi * 50 * np.arange(v.shape[1]) / RATE)

    one = the(found(signals, hum), "mains")
    assert one.severity == "note"
    assert "20 uV" in one.sentence
    assert one.where == "r3"


def test_rates_that_differ(signals) -> None:
    made = [summary(v, f"r{k}") for k, v in enumerate(signals[:4])]
    made.append(summary(person(9, rate=64), "slow", 64))
    one = the(between(made), "rates")
    assert one.severity == "note"
    assert "64 Hz in 1, 128 Hz in 4" in one.sentence


def test_nothing_is_said_of_one_or_two(signals) -> None:
    made = [summary(signals[0], "a"), summary(1000 * signals[1], "b")]
    assert between(made) == []
    assert between(made[:1]) == []
    assert between([]) == []


def test_channels_that_only_some_have_are_left_out(signals) -> None:
    made = [summary(v, f"r{k}") for k, v in enumerate(signals[:5])]
    made.append(summary(signals[5][:2], "two", channels=CHANNELS[:2]))
    assert [f.severity for f in between(made)] == ["nothing"]
    made.append(summary(signals[6][:1], "other", channels=("Pz",)))
    assert not [f for f in between(made) if f.severity == "serious"]


def test_a_sine_has_its_power_in_its_band() -> None:
    t = np.arange(60 * RATE) / RATE
    made = summary(np.array([20 * np.sin(2 * np.pi * 10 * t)]), "sine", channels=("O1",))
    alpha = BANDS.index((8.0, 13.0))
    np.testing.assert_allclose(10 ** made.powers[0, alpha], 200.0, rtol=0.02)
    np.testing.assert_allclose(10 ** made.amplitude[0], 20 / np.sqrt(2), rtol=0.02)
    assert made.powers[0, 0] < -2


def test_blocks_of_any_size_make_the_same_summary() -> None:
    values = person(0, 60)
    whole = summary(values, "r")
    making, at, random = Summarizing(4, RATE), 0, np.random.default_rng(0)
    while at < values.shape[1]:
        n = int(random.integers(1, 900))
        making.push(values[:, at : at + n], at == 0)
        at += n
    other = making.summary("r", "r", CHANNELS)
    assert other is not None
    np.testing.assert_array_equal(whole.table(), other.table())
    back = SignalSummary.of_table(
        whole.table(), name="r", subject="r", channels=CHANNELS, rate=RATE
    )
    np.testing.assert_array_equal(back.likeness, whole.likeness)
    assert Summarizing(4, RATE).summary("r", "r", CHANNELS) is None


@pytest.fixture
def folder(tmp_path, signals):
    for k, values in enumerate(signals):
        write(tmp_path / f"p{k}.edf", values)
    return tmp_path


def write(path, values):
    tracks = [Track(name=c, values=v, rate=RATE) for c, v in zip(CHANNELS, values, strict=True)]
    write_edf(path, tracks)
    path.with_suffix(".csv").write_text("onset,duration,description\n10,5,microsleep\n")


def test_data_check_holds_files_against_each_other(folder, signals, capsys) -> None:
    assert memcell(["data", "check", str(folder)]) == 0
    assert "held against each other: nothing found" in capsys.readouterr().out
    write(folder / "p3.edf", 30 * signals[3])
    (folder / "p4.csv").write_text("onset,duration,description\n100,60,wake\n")
    assert memcell(["data", "check", str(folder)]) == 0
    said = capsys.readouterr().out.split("held against each other:")[1]
    assert "serious: p3.edf has" in said
    assert (
        "serious: the labels of p4.edf begin 100 s after its start" not in said
    )  # 40 s: an overhang
    assert "warning: the labels of p4.edf reach 40 s beyond its end" in said


def test_data_check_as_json_stays_an_object_a_file(folder, capsys) -> None:
    assert memcell(["data", "check", "--json", str(folder)]) == 0
    shown = capsys.readouterr()
    assert len([json.loads(line) for line in shown.out.splitlines()]) == 8
    assert "held against each other" in shown.err
    assert memcell(["data", "check", "--headers-only", str(folder)]) == 0
    assert memcell(["data", "check", str(folder / "p0.edf")]) == 0
    assert "held against" not in capsys.readouterr().out.splitlines()[-1]


def test_a_rate_that_a_damaged_header_states_takes_no_memory() -> None:
    tracemalloc.start()
    Summarizing(2, 3e9)
    assert tracemalloc.get_traced_memory()[1] < 400e6
    tracemalloc.stop()
