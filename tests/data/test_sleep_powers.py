"""Nights of sleep as band powers: aligned with their hypnogram, or refused by name."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from memcell.applications.datasets import DataUnavailable
from memcell.errors import ConfigError, DataError
from memcell_data.datasets.configs import SleepPowersConfig
from memcell_data.datasets.recognise import is_sleep_powers
from memcell_data.datasets.sleep_hypnogram import read_hypnogram
from memcell_data.datasets.sleep_powers import SleepPowers, open_night


def test_a_night_and_where_it_is_broken(nights):
    path = nights.write()
    night = open_night(path, SleepPowersConfig(powers="absolute"))
    assert (night.name, night.subject, night.channels) == ("SC4001E0", "SC400", ())
    made = night.features()
    assert made.values.shape == (132, 14)
    assert made.step_seconds == 30
    # The movement is epoch 60; the three unscored epochs are 93 to 95.
    assert made.breaks == (60, 92)
    assert made.times[59:61].tolist() == [59 * 30, 61 * 30]
    assert made.times[91:93].tolist() == [92 * 30, 96 * 30]
    assert made.warnings == ()
    power = nights.arrays()["power"].astype(float)
    assert made.names[:7] == (
        *(f"Fpz-Cz {b}" for b in ("delta", "theta", "alpha", "beta", "gamma")),
        "Fpz-Cz variance",
        "Fpz-Cz mobility",
    )
    assert made.values[:, :5] == pytest.approx(np.log(power[:, 0]))
    assert made.values[:, 7:12] == pytest.approx(np.log(power[:, 1]))
    labels = night.labels()
    assert labels.negative == {"Sleep stage W"}
    assert labels.positive == {f"Sleep stage {s}" for s in "1234R"}
    assert labels.background is None
    with pytest.raises(DataError, match=r"SC4001E0\.npz.*no signal"):
        night.read(["Fpz-Cz"])


def test_wake_around_sleep_is_kept_as_asked(nights):
    nights.write()
    config = SleepPowersConfig(path=str(nights.folder), wake_margin=5)
    (night,) = SleepPowers(config).recordings()
    made = night.features()
    assert made.times[0] == (40 - 10) * 30
    assert made.times[-1] == (105 + 10) * 30
    assert len(made.times) == 132 - 30 - 20
    assert made.breaks == (30, 62)


def test_powers_that_end_early_are_used_and_said(nights):
    cut = {k: v[:100] for k, v in nights.arrays().items()}
    made = open_night(nights.write(**cut)).features()
    assert len(made.values) == 100
    assert "100 of the 132" in made.warnings[0]


def test_stages_that_disagree_are_refused(nights):
    stage = nights.arrays()["stage"]
    stage[41] = 0
    path = nights.write(stage=stage)
    with pytest.raises(DataError, match=r"SC4001E0\.npz: epoch 41 has stage W and .*N1 \(1230 s\)"):
        open_night(path).features()
    longer = {k: np.concatenate([v, v]) for k, v in nights.arrays().items()}
    with pytest.raises(DataError, match=r"264 epochs and .* scores only 132"):
        open_night(nights.write(**longer)).features()


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"mobility": None}, "lacks mobility"),
        (
            {"power": np.ones((132, 3, 5))},
            r"'power' has shape \[132, 3, 5\], expected \[132, 2, 5\]",
        ),
        ({"power": np.zeros((132, 2, 5))}, "'power' is 0 at epoch 0 .channel Fpz-Cz"),
        ({"log_variance": np.full((132, 2), np.nan)}, "'log_variance' is nan"),
        ({"stage": np.array(["W"] * 132)}, "'stage' holds <U1"),
        ({"stage": np.array(0)}, "'stage' has shape"),
    ],
)
def test_damaged_powers_are_named(nights, changed, words):
    path = nights.write(**changed)
    with pytest.raises(DataError, match=rf"SC4001E0\.npz: {words}"):
        open_night(path).features()


def test_a_file_that_is_no_archive_is_named(nights):
    path = nights.write()
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(DataError, match=r"SC4001E0\.npz: cannot be read"):
        open_night(path).features()


def test_the_hypnogram_has_to_be_there_once_and_be_one(nights):
    path = nights.write()
    nights.hypnogram("SC4001EJ-Hypnogram.edf")
    with pytest.raises(DataError, match=r"EC-Hypnogram\.edf, SC4001EJ-Hypnogram\.edf"):
        open_night(path)
    for file in nights.folder.glob("*.edf"):
        file.unlink()
    with pytest.raises(DataError, match="found none"):
        open_night(path)
    with pytest.raises(DataError, match=r"'Sleep stage 9'.*is no sleep stage"):
        read_hypnogram(nights.hypnogram("a.edf", (("Sleep stage 9", 2),)))
    with pytest.raises(DataError, match="whole epochs"):
        read_hypnogram(nights.hypnogram("b.edf", (("Sleep stage W", 1.5),)))
    with pytest.raises(DataError, match="whole epochs"):
        read_hypnogram(nights.hypnogram("c.edf", shift=7.0))
    with pytest.raises(DataError, match="no annotation"):
        read_hypnogram(nights.hypnogram("d.edf", ()))


def test_paths_that_hold_no_night(nights):
    with pytest.raises(DataUnavailable, match=r"--data\.path FOLDER"):
        SleepPowers(SleepPowersConfig()).recordings()
    with pytest.raises(DataError, match="holds no night"):
        SleepPowers(SleepPowersConfig(path=str(nights.folder))).recordings()
    with pytest.raises(DataError, match="no such folder"):
        SleepPowers(SleepPowersConfig(path=str(nights.folder / "absent"))).recordings()
    assert not is_sleep_powers(nights.folder)
    path = nights.write()
    assert is_sleep_powers(nights.folder)
    assert is_sleep_powers(path)
    assert not is_sleep_powers(next(nights.folder.glob("*.edf")))


def test_the_real_nights_agree_with_their_hypnograms(real_data):
    folder = real_data("sleep-edf")
    nights = SleepPowers(SleepPowersConfig(path=str(folder))).recordings()
    assert len(nights) == 16
    assert len({n.subject for n in nights}) == 8
    made = {n.name: n.features() for n in nights}
    assert made["SC4002E0"].breaks == (936,)
    assert len(made["SC4042E0"].breaks) == 4  # four movements apart
    assert [n for n, f in made.items() if f.warnings] == ["SC4011E0"]
    assert sum(len(f.values) for f in made.values()) == 42452


def test_the_real_hypnograms_are_the_published_ones(real_data):
    folder = real_data("sleep-edf")
    from mne.datasets import sleep_physionet

    lines = (Path(sleep_physionet.__file__).parent / "SHA1SUMS").read_text().splitlines()
    published = {line.split()[1]: line.split()[0] for line in lines}
    for path in folder.glob("*-Hypnogram.edf"):
        assert hashlib.sha1(path.read_bytes()).hexdigest() == published[path.name]


def test_relative_powers_are_those_of_one_channel_less_their_mean(nights):
    nights.write()
    config = SleepPowersConfig(path=str(nights.folder), relative=True)
    (night,) = SleepPowers(config).recordings()
    made = night.features()
    logs = np.log(nights.arrays()["power"].astype(float)[:, 1, :4])
    assert made.names == tuple(f"relative {b}" for b in ("delta", "theta", "alpha", "beta"))
    assert made.values == pytest.approx(logs - logs.mean(axis=1, keepdims=True))
    assert made.step_seconds == 30


def test_no_gain_changes_what_is_relative(nights):
    nights.write()
    (night,) = SleepPowers(SleepPowersConfig(path=str(nights.folder))).recordings()
    made = night.features()
    power = np.log(nights.arrays()["power"].astype(float))
    assert made.names[:6] == (
        *(f"Fpz-Cz relative {b}" for b in ("delta", "theta", "alpha", "beta", "gamma")),
        "Fpz-Cz mobility",
    )
    expected = power[:, 1] - power[:, 1].mean(axis=1, keepdims=True)
    assert made.values[:, 6:11] == pytest.approx(expected)
    assert made.values[:, 11] == pytest.approx(np.log(nights.arrays()["mobility"][:, 1]))
    assert made.of_gain == (0.0,) * 12
    config = SleepPowersConfig(path=str(nights.folder), powers="absolute")
    (night,) = SleepPowers(config).recordings()
    assert night.features().values[:, :5] == pytest.approx(power[:, 0])


def test_a_model_gets_the_form_that_it_was_trained_on(nights):
    path = nights.write()
    for config in (
        SleepPowersConfig(powers="absolute"),
        SleepPowersConfig(),
        SleepPowersConfig(relative=True, step=5.0),
    ):
        made = open_night(path, config).features()
        for other in (None, config, SleepPowersConfig(powers="absolute")):
            found = open_night(path, other).features.named(made.names, made.step_seconds)
            assert found.names == made.names
            assert np.array_equal(found.values, made.values)
    assert open_night(path).features.named(("alpha",), 30.0) is None


def test_short_steps_have_the_powers_of_the_30_s_before_their_end(nights):
    nights.write()
    config = SleepPowersConfig(path=str(nights.folder), relative=True, step=5)
    (night,) = SleepPowers(config).recordings()
    made = night.features()
    assert made.step_seconds == 5
    assert len(made.times) == 6 * 132
    assert made.breaks == (6 * 60, 6 * 92)
    assert made.times[:3].tolist() == [0, 5, 10]
    power = nights.arrays()["power"].astype(float)[:, 1, :4]
    # a third of the way into epoch 8, the 30 s behind lie two thirds in epoch 7
    mixed = np.log(power[7] * 2 / 3 + power[8] / 3)
    assert made.values[6 * 8 + 1] == pytest.approx(mixed - mixed.mean())
    # behind a gap there is no epoch before the first
    first = np.log(power[60])
    assert made.values[6 * 60] == pytest.approx(first - first.mean())


@pytest.mark.parametrize(
    ("options", "said"),
    [({"step": 5.0}, "type --data.relative"), ({"relative": True, "step": 7.0}, "makes an epoch")],
)
def test_steps_that_cannot_be_made_are_refused(options, said):
    with pytest.raises(ConfigError, match=said):
        SleepPowersConfig(**options).validate()
