"""What is said of a run holds: epochs, and what was chosen on validation."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from memcell.cli.main import main
from memcell.sequences.time_series import TimeSeries
from memcell_data.checks.check import Check
from memcell_eeg.preparation.notes import _shared
from memcell_eeg.splits.split import Split, split
from memcell_microsleep.config import MicrosleepConfig

TINY = (
    *("--task", "recall", "--streams", "4", "--test-streams", "2", "--trials", "6", "--lag", "8"),
    *("--time-steps", "10", "--hidden-size", "6", "--batch-size", "2", "--backend", "eager"),
    *("--against", "none"),
)


@pytest.mark.parametrize("least", ["0", "40"])
def test_more_epochs_than_were_asked_for_are_said(tmp_path, capsys, least) -> None:
    out = str(tmp_path / "run")
    with pytest.raises(SystemExit, match="0"):
        main(["train", "memory", *TINY, "--epochs", "1", "--min-updates", least, "--out", out])
    said = "".join(capsys.readouterr())
    assert ("type --min-updates 0 for 1 epochs" in said) == (least != "0")


def sequence(name, targets):
    return TimeSeries(
        name=name,
        subject=name,
        features=np.zeros((len(targets), 1), dtype=np.float32),
        targets=np.asarray(targets, dtype=np.int64),
        step_seconds=0.2,
    )


@pytest.mark.parametrize("decision", ["threshold", "kappa", "intercept"])
@pytest.mark.parametrize("valid", ["none", "wake", "both"])
def test_chosen_on_validation_is_said_where_it_was(decision, valid) -> None:
    both = sequence("a", [0, 1] * 10)
    held = {"none": (), "wake": (sequence("b", [0] * 20),), "both": (replace(both, name="b"),)}
    parts = Split(train=(both,), valid=held[valid], test=(both,), kind="subject", notes=())
    lines = " ".join(_shared(MicrosleepConfig(decision=decision), "causal", parts))
    chosen = ("chosen on validation", "fitted on validation", "kappa on validation")
    assert any(words in lines for words in chosen) == (valid == "both")


def test_who_validates_is_as_documented() -> None:
    """People in a circle: those next to the one left out validate, the first of them with both classes."""
    made = [sequence(f"p{k}", [0, 1] * 20 if k % 3 else [0] * 40) for k in range(9)]
    times = dict.fromkeys((s.subject for s in made), 0)
    for s in made:
        parts = split(made, MicrosleepConfig(split="loso", held_out=s.subject, valid_fraction=0.1))
        (one,) = {v.subject for v in parts.valid}
        assert set(made[int(one[1:])].targets.tolist()) == {0, 1}
        assert one != s.subject
        times[one] += 1
    assert all(n == 0 for u, n in times.items() if int(u[1:]) % 3 == 0)


def test_a_night_lasts_as_long_as_its_powers() -> None:
    """Not as long as its hypnogram, which is unscored up to the end of the day."""
    shared = Path(__file__).parents[3] / "shared" / "data" / "sleep-edf"
    if not shared.is_dir():
        pytest.skip("the nights of ../shared/data/sleep-edf are not there")
    report = Check().check(shared / "SC4011E0.npz", samples=True)
    with np.load(shared / "SC4011E0.npz") as held:
        assert report.seconds == pytest.approx(30 * len(held["stage"]))
