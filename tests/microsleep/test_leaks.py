"""Splits that leak are refused by name, and those that do not are let through."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from memcell.errors import DataError
from memcell.sequences.time_series import TimeSeries
from memcell_data.formats.edf.writer import Track, write_edf
from memcell_data.formats.measurement_date import measured_from
from memcell_data.formats.reader import open_recording
from memcell_eeg.features.pipeline import Pipeline
from memcell_eeg.signal.channels import ChannelChoice
from memcell_eeg.splits.leaks import Reach, check
from memcell_eeg.splits.split import Split, cut
from memcell_microsleep.app import Microsleep
from memcell_microsleep.config import MicrosleepConfig


def sequence(name, subject=None, seed=None, n=200, start=0.0, width=4):
    seed = sum(map(ord, name)) if seed is None else seed
    return TimeSeries(
        name=name,
        subject=subject or name,
        features=np.random.default_rng(seed).normal(size=(n, width)).astype(np.float32),
        targets=np.zeros(n, dtype=np.int64),
        start_time=start,
        step_seconds=0.2,
    )


def parts(train, valid=(), test=(), kind="subject"):
    return Split(train=tuple(train), valid=tuple(valid), test=tuple(test), kind=kind, notes=())


def test_a_clean_split_is_let_through() -> None:
    made = parts([sequence("a"), sequence("b")], [sequence("c")], [sequence("d")])
    assert check(made, [], Reach(back=1.0)) == ()


@pytest.mark.parametrize("kind", ["subject", "loso"])
def test_a_person_on_two_sides(kind) -> None:
    made = parts([sequence("r1", "Ann")], [], [sequence("r2", "Ann")], kind)
    with pytest.raises(
        DataError, match=r"'Ann' is in the training and in the test.*--split subject"
    ):
        check(made, [], Reach())


def test_a_person_spelled_in_two_ways() -> None:
    made = parts([sequence("r1", "P01")], [sequence("r2", "p01 ")], [sequence("r3", "P03")])
    with pytest.raises(
        DataError, match=r"'P01' \(training\) and 'p01 ' \(validation\) differ only"
    ):
        check(made, [], Reach())


def by_time(gap: float, n=400) -> Split:
    whole = sequence("a", n=n)
    half, rest = n // 2, n // 2 + round(gap / 0.2)
    pieces = cut(whole, 0, half, "@train"), cut(whole, rest, n, "@test")
    return parts([pieces[0]], [], [pieces[1]], "time")


def test_parts_of_a_recording_too_close() -> None:
    reach = Reach(back=2.6)
    with pytest.raises(
        DataError,
        match=r"'a': the training and the test part are 2 s.*over 2\.40 s.*--split-gap 2\.4",
    ):
        check(by_time(2.0), [], reach)
    assert check(by_time(2.4), [], reach) == ()
    # A pipeline that looks ahead reaches from the earlier part too.
    with pytest.raises(DataError, match=r"--split-gap 4\.4"):
        check(by_time(2.4), [], Reach(back=2.6, ahead=2.0))


def test_parts_that_overlap() -> None:
    with pytest.raises(DataError, match=r"-4 s apart"):
        check(by_time(-4.0), [], Reach())


def pipeline(**options) -> Pipeline:
    config = MicrosleepConfig(**options)
    return Pipeline.of(config, ChannelChoice(names=("O1",), eeg=("O1",), reason=""), 200.0)


def test_how_far_a_pipeline_reaches() -> None:
    usual = Reach.of(pipeline(), 200.0)
    assert usual.ahead == 0
    assert 1.0 < usual.back < 4.0
    assert Reach.of(pipeline(window=3.0), 200.0).back == pytest.approx(usual.back + 2)
    assert Reach.of(pipeline(low=0.1), 200.0).back > usual.back + 2  # it rings longer
    zero = Reach.of(pipeline(phase="zero"), 200.0)
    assert zero.ahead > 1.0
    assert zero.back > 1.0 + zero.ahead - 1e-9


@pytest.mark.parametrize("low", [0.1, 0.5])
def test_beyond_the_reach_nothing_is_left_of_a_sample(low, recording_of) -> None:
    # Two recordings that differ up to some sample only: a step beyond the reach does not see it.
    values = np.random.default_rng(0).normal(size=(1, 6000)) * 20
    other = values.copy()
    other[:, :2000] = np.random.default_rng(1).normal(size=(1, 2000)) * 20
    it = Pipeline.of(
        MicrosleepConfig(low=low, features=("bandpower",), normalization="none", outlier=0.0),
        ChannelChoice(names=("O1",), eeg=("O1",), reason=""),
        200.0,
    )
    made = [
        it.sequence(recording_of(v, rate=200.0, channels=("O1",))).features for v in (values, other)
    ]
    apart = np.abs(made[0] - made[1]).mean(axis=1)
    reach = Reach.of(it, 200.0)
    seen, unseen = round(10 / 0.2), round((10 + reach.back) / 0.2)
    assert apart[: seen - 1].min() > 0.05
    assert apart[unseen + 1 :].max() < 0.05


def test_an_option_that_leaks_is_refused_before_training(theta_dataset) -> None:
    config = MicrosleepConfig(split="time", split_gap=1.0, window=1.0)
    with pytest.raises(DataError, match=r"windows and filters reach over.*--split-gap"):
        Microsleep(config, theta_dataset).task()
    Microsleep(replace(config, split_gap=5.0), theta_dataset).task()


def test_one_recording_under_two_names() -> None:
    original = sequence("a", seed=1)
    # Exported in another format: the same but for rounding.
    rounded = replace(
        sequence("copy", seed=1), features=np.round(original.features, 2).astype(np.float32)
    )
    with pytest.raises(
        DataError, match=r"'a' \(training\) and 'copy' \(test\) hold the same signal"
    ):
        check(parts([original, sequence("b")], [], [rounded]), [], Reach())
    (said,) = check(parts([original, rounded], [], [sequence("c")]), [], Reach())
    assert "'a' and 'copy' hold the same signal, both in training" in said


def test_nights_that_are_only_alike_are_two() -> None:
    t = np.arange(200)[:, None] / 20
    wave = np.sin(t + np.arange(4))
    made = [
        replace(
            sequence(n),
            features=(wave + 0.1 * np.random.default_rng(k).normal(size=(200, 4))).astype("f4"),
        )
        for k, n in enumerate("abc")
    ]
    assert check(parts(made[:1], made[1:2], made[2:]), [], Reach()) == ()
    # A feature that never changes tells nobody apart.
    still = [replace(s, features=np.ones((200, 4), dtype="f4")) for s in made]
    assert check(parts(still[:1], still[1:2], still[2:]), [], Reach()) == ()


def test_a_copied_file_is_found_by_a_task(recording_of, dataset_of, labels_of) -> None:
    labels = labels_of([(10.0, 5.0), (30.0, 5.0)])
    recordings = [
        recording_of(
            np.random.default_rng(min(k, 3)).normal(size=(2, 6000)) * 20,
            name=f"r{k}",
            subject=f"s{k}",
            labels=labels,
        )
        for k in range(5)
    ]
    said = []
    for seed in range(12):
        try:
            task = Microsleep(MicrosleepConfig(split_seed=seed), dataset_of(recordings)).task()
        except DataError as error:
            said.append(str(error))
        else:
            said.append(next(note for note in task.notes if "hold the same signal" in note))
    assert all("'r3'" in line and "'r4'" in line for line in said)
    apart = [line for line in said if "Leave one of them out" in line]
    assert 0 < len(apart) < len(said)


@pytest.mark.parametrize("step", [1.0, 5.0])
@pytest.mark.parametrize("cut_seconds", [2.5, 43.21])
def test_a_cut_copy_is_found_in_long_steps(
    cut_seconds, step, recording_of, dataset_of, labels_of
) -> None:
    """Windows as long as the steps: those of the copy hold other samples."""
    labels = labels_of([(10.0, 5.0), (30.0, 5.0)])
    signals = [np.random.default_rng(k).normal(size=(2, 24_000)) * 20 for k in range(4)]

    def made(values):
        recordings = [
            recording_of(v, name=f"r{k}", subject=f"s{k}", labels=labels)
            for k, v in enumerate(values)
        ]
        config = MicrosleepConfig(step=step, window=step, cache="off", test_subjects=("s4",))
        return Microsleep(config, dataset_of(recordings))

    with pytest.raises(
        DataError, match=r"'r3' \(training\) and 'r4' \(test\) hold the same signal"
    ):
        made([*signals, 0.5 * signals[3][:, round(100 * cut_seconds) :]]).task()
    task = made([*signals, np.random.default_rng(9).normal(size=(2, 20_000)) * 20]).task()
    assert task.train[0].step_seconds == step
    assert not [note for note in task.notes if "same signal" in note]


def edf(path: Path, began: str | None = None) -> Path:
    values = np.random.default_rng(len(path.name)).normal(size=(100 * 60,)) * 20
    write_edf(path, [Track(name="O1", values=values, rate=100, physical=(-500.0, 500.0))])
    if began is not None:
        with path.open("r+b") as file:
            file.seek(168)
            file.write(began.encode())
    return path


def test_when_a_file_was_made(tmp_path) -> None:
    path = edf(tmp_path / "a.edf", "16.09.8720.35.00")
    assert measured_from(path) == pytest.approx(558822900.0)  # 16 September 1987, 20:35 UTC
    later = edf(tmp_path / "b.edf", "16.09.1520.35.01")
    assert measured_from(later) == pytest.approx(1442435701.0)
    for none in ("01.01.0000.00.00", "01.01.8500.00.00", "yy.mm.dd00.00.00"):
        assert measured_from(edf(tmp_path / "n.edf", none)) is None
    assert measured_from(tmp_path) is None


def test_recordings_of_one_person_at_the_same_time(tmp_path) -> None:
    def made(second_began: str) -> tuple[Split, list]:
        files = [
            edf(tmp_path / "one.edf", "03.05.1510.00.00"),
            edf(tmp_path / "second.edf", second_began),
        ]
        recordings = [open_recording(f, subject="Ann") for f in files]
        whole = [sequence(r.name, "Ann", n=300) for r in recordings]
        return parts(
            [cut(whole[0], 0, 100, "@train"), cut(whole[1], 0, 100, "@train")],
            [],
            [cut(whole[0], 150, 300, "@test"), cut(whole[1], 150, 300, "@test")],
            "time",
        ), recordings

    # The second began 30 s after the first: its training part is the first one's test part.
    split, recordings = made("03.05.1510.00.30")
    which = r"'Ann': the training part of recording 'second' and the test part of 'one'"
    with pytest.raises(DataError, match=which):
        check(split, recordings, Reach())
    for apart in ("03.05.1511.00.00", "01.01.0000.00.00"):
        split, recordings = made(apart)
        assert check(split, recordings, Reach()) == ()
