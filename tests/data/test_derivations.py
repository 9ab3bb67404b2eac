"""Channels that are computed from others."""

from __future__ import annotations

import numpy as np
import pytest
from tests.electrodes import TEN_TWENTY

from memcell_data.channels import kind_of
from memcell_data.derivations import NotDerivable, derive, derived, in_words
from memcell_data.recording import Channel, LostChannels, Recording, Segment, Signal

POTENTIALS = {name: np.arange(5.0) * (i + 1) for i, name in enumerate([*TEN_TWENTY, "M1", "M2"])}


def channels(*names, rate=100.0):
    return [Channel(name=n, kind=kind_of(n, names), rate=rate) for n in names]


def value(name):
    """What a channel measures where the common reference is 1000."""
    site, _, against = (
        name.removeprefix("EEG ").replace("A2", "M2").replace("A1", "M1").partition("-")
    )
    below = {"": 1000.0, "Ref": 1000.0, "LE": (POTENTIALS["M1"] + POTENTIALS["M2"]) / 2}
    return POTENTIALS[site] - below.get(against, POTENTIALS.get(against, 0.0))


@pytest.mark.parametrize(
    ("names", "reference"),
    [
        (["O1-M2"], "m2"),
        (["O1-Cz", "M2-Cz"], "m2"),
        (["EEG O1-Ref", "EEG A2-Ref"], "m2"),
        (["O1", "M2", "Cz"], "m2"),
        (["O1-LE", "Cz-LE"], "cz"),
        (["T5-O1", "T3-T5", "T3-A2"], "m2"),
        (["O1-M1", "M2-M1"], "ears"),
        ([f"{n}-Cz" for n in [*TEN_TWENTY, "A1"] if n != "Cz"], "average"),
        ([*TEN_TWENTY, "A1", "A2"], "average"),
    ],
)
def test_sum_of_channels_is_the_derivation(names, reference):
    weights = derive("o1", reference, channels(*names))
    found = sum(weight * value(name) for name, weight in weights.items())
    against = {
        "m2": POTENTIALS["M2"],
        "cz": POTENTIALS["Cz"],
        "ears": (POTENTIALS["M1"] + POTENTIALS["M2"]) / 2,
        "average": np.mean([POTENTIALS[n] for n in TEN_TWENTY], axis=0),
    }[reference]
    np.testing.assert_allclose(found, POTENTIALS["O1"] - against, atol=1e-9)


@pytest.mark.parametrize(
    ("site", "reference", "names", "reason"),
    [
        ("o1", "m2", ["O1", "Cz"], "no M2"),
        ("o2", "m2", ["O1", "M2"], "no channel of electrode O2"),
        ("o1", "ears", ["O1", "A1"], "both M1 and M2"),
        ("o1", "average", TEN_TWENTY[-10:], "needs 16 electrodes of the scalp, and it has 10"),
        ("o1", "m2", ["O1-LE", "M2-Cz"], "no channel that leads to M2"),
        # a cap that numbers its electrodes: its A2 is no ear lobe
        ("a1", "m2", ["A1", "A2", "A3", "B1"], "no channel of electrode A1"),
    ],
)
def test_what_cannot_be_computed_is_said(site, reference, names, reason):
    with pytest.raises(NotDerivable, match=reason):
        derive(site, reference, channels(*names))


def test_a_sleep_montage_has_its_eyes_and_its_chin():
    montage = channels("E1", "M2", "Chin1", "Chin2", "O1")
    assert in_words(derive("e1", "m2", montage)) == "E1 - M2"
    assert in_words(derive("chin1", "chin2", montage)) == "Chin1 - Chin2"
    with pytest.raises(NotDerivable, match="and it has 1"):  # eyes are no part of an average
        derive("o1", "average", montage)


def test_channels_of_another_rate_and_bad_ones_are_no_part_of_a_sum():
    with pytest.raises(NotDerivable):
        derive("o1", "m2", [*channels("O1-Cz"), *channels("M2-Cz", rate=50)])
    bad = Channel(name="M2-Cz", kind="misc", rate=100, bad=True)
    with pytest.raises(NotDerivable):
        derive("o1", "m2", [*channels("O1-Cz"), bad])


def test_derived_channels_are_read_beside_the_others_and_lost_with_their_parts():
    rows = {"O1-Cz": np.arange(4.0), "M2-Cz": np.full(4, 3.0), "E1": np.ones(4)}

    def read(names):
        if "E1" in names:
            raise LostChannels("M2 is flat", ["M2-Cz"])
        segment = Segment(start=0, stop=4, onset=0.0)
        return Signal(
            values=np.array([rows[n] for n in names]),
            rate=2,
            channels=tuple(names),
            segments=(segment,),
        )

    recording = Recording(
        name="r", subject="s", dataset="d", simulated=True, channels=tuple(channels(*rows)), duration=2.0,
        read=read, labels=lambda: None, fingerprint="f",
    )  # fmt: skip
    made = derived(recording, {"O1-M2": {"O1-Cz": 1.0, "M2-Cz": -1.0}})
    assert [c.name for c in made.channels] == ["O1-M2", "O1-Cz", "M2-Cz", "E1"]
    assert made.fingerprint != "f"
    found = np.concatenate([b.values for b in made.blocks(["O1-M2", "O1-Cz"], seconds=1)], axis=1)
    np.testing.assert_array_equal(found, [[-3, -2, -1, 0], [0, 1, 2, 3]])
    with pytest.raises(LostChannels) as lost:
        made.read(["O1-M2", "E1"])
    assert lost.value.channels == ("O1-M2",)
    assert in_words({"O1-Cz": 1.0, "M2-Cz": -0.5}) == "O1-Cz - 0.5 M2-Cz"
