"""What is said of a run holds: epochs, and what was chosen on validation."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from memcell.cli.main import main
from memcell.recurrent.refusals import Unsupported
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
    assert ("type --min-updates 0 for 1 epoch" in said) == (least != "0")


def said_by(tmp_path, capsys, *options: str) -> str:
    """Return what a tiny run in ``tmp_path / "run"`` says."""
    with pytest.raises(SystemExit, match="0"):
        main(["train", "memory", *TINY, *options, "--out", str(tmp_path / "run")])
    return "".join(capsys.readouterr())


def test_typed_epochs_are_what_is_done(tmp_path, capsys) -> None:
    assert "1 epoch done" in said_by(tmp_path, capsys, "--epochs", "1")


def test_typed_epochs_win_over_the_updates_of_a_config_file(tmp_path, capsys) -> None:
    file = tmp_path / "config.toml"
    file.write_text("[training]\nepochs = 40\nmin_updates = 200\n")
    assert "all 2 epochs done" in said_by(tmp_path, capsys, "--config", str(file), "--epochs", "2")


def test_message_common_to_both_networks_is_printed_once(tmp_path, capsys) -> None:
    options = ("--control", "reset", "--epochs", "1", "--min-updates", "40")
    said = said_by(tmp_path, capsys, *options)
    assert said.count("1 epoch") == 1
    assert said.count("time loop") == 1


def test_a_reason_for_the_eager_loop_is_said_once(tmp_path, capsys, monkeypatch) -> None:
    monkeypatch.setattr("memcell_compiler.backend.NativeBackend.why_not", lambda *_: "for a test")

    def refuse(*_: object) -> None:
        raise Unsupported("for a test")

    monkeypatch.setattr("memcell_compiler.backend.NativeBackend.run", refuse)
    said = said_by(tmp_path, capsys, "--epochs", "1", "--backend", "native")
    assert said.count("for a test") == 1


def test_the_result_stands_last_and_tables_within_80_columns(tmp_path, capsys) -> None:
    lines = said_by(tmp_path, capsys, "--epochs", "1").splitlines()
    rule = next(i for i, line in enumerate(lines) if line and not line.strip("-"))
    table = lines[rule - 4 : rule + 4]
    assert max(map(len, table)) <= 80
    (result,) = [i for i, line in enumerate(lines) if line.startswith("Accuracy ")]
    assert result > rule
    assert not any(line.startswith("note: ") for line in lines[rule:result])


def test_the_bound_without_memory_is_that_of_the_windows(tmp_path, capsys) -> None:
    assert "no memory beyond a window (10 steps" in said_by(tmp_path, capsys, "--epochs", "1")


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
    lines = " ".join(_shared(MicrosleepConfig(decision=decision, tune="none"), "causal", parts))
    chosen = ("chosen on validation", "fitted on validation", "kappa on validation")
    assert any(words in lines for words in chosen) == (valid == "both")


def test_validation_subjects_are_as_documented() -> None:
    """People in a circle: those next to the one left out validate, the first of them with both classes."""
    made = [sequence(f"p{k}", [0, 1] * 20 if k % 3 else [0] * 40) for k in range(9)]
    times = dict.fromkeys((s.subject for s in made), 0)
    for s in made:
        parts = split(
            made,
            MicrosleepConfig(split="loso", held_out=s.subject, valid_fraction=0.1, tune="none"),
        )
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
