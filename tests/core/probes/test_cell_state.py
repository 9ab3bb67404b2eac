"""Directions, norms by age, and gates."""

from __future__ import annotations

import pytest
import torch

from memcell_plugins.probes.cell_state import CellState, by_age, directions


def test_the_participation_ratio_counts_directions():
    generator = torch.Generator().manual_seed(0)
    ball = torch.randn(20000, 6, generator=generator, dtype=torch.float64)
    shares, ratio = directions(ball)
    assert ratio == pytest.approx(6, rel=0.01)
    assert sum(shares) == pytest.approx(5 / 6, rel=0.02)
    line = ball[:, :1] * torch.arange(1.0, 7.0, dtype=torch.float64)
    assert directions(line)[1] == pytest.approx(1)
    assert directions(line)[0][0] == pytest.approx(1)
    assert directions(torch.ones(9, 3, dtype=torch.float64)) == (None, None)


def test_norms_are_binned_by_ages_that_double():
    ages = torch.tensor([0, 1, 2, 3, 4, 7, 8])
    norms = torch.tensor([1.0, 2, 3, 5, 6, 8, 9], dtype=torch.float64)
    assert by_age(norms, ages) == [
        [0.0, 1.0, 1.0], [1.0, 2.0, 1.0], [2.0, 4.0, 2.0], [4.0, 7.0, 2.0], [8.0, 9.0, 1.0],
    ]  # fmt: skip


def look(trainer, make_context, event):
    probe = CellState(make_context(trainer), 4)
    probe.before_update(event, due=True)
    return probe.after_update(event, due=True)


def test_the_gates_of_any_cell_are_found(make_trainer, make_context, event_after):
    trainer = make_trainer(network={"layers": 2})
    event = event_after(trainer, 3)
    with torch.no_grad():
        trainer.network.recurrent.layers[1].cell.bias.chunk(4)[1].fill_(50.0)  # forget nothing
        trainer.network.recurrent.layers[1].cell.bias.chunk(4)[0].fill_(-50.0)  # let nothing in
    values = look(trainer, make_context, event)
    names = [f"{layer}.sigmoid {k}" for layer in (0, 1) for k in (0, 1, 2)]
    assert sorted(values["low"]) == names
    assert values["high"]["1.sigmoid 0"] == 1.0
    assert values["low"]["1.sigmoid 1"] == 1.0
    assert 0 <= values["high"]["0.sigmoid 0"] < 1
    assert set(values["norm"]) == {"0.h", "0.c", "1.h", "1.c"}
    assert sum(steps for _, _, steps in values["norm"]["0.c"]) == values["steps"]
    assert all("step" not in vars(layer.cell) for layer in trainer.network.recurrent.layers)


def test_the_slope_of_a_tanh_is_1_where_it_is_at_0_and_0_where_it_is_full(
    make_trainer, make_context, event_after
):
    trainer = make_trainer()
    event = event_after(trainer, 1)
    cell = trainer.network.recurrent.layers[0].cell
    slopes = []
    for bias in (0.0, 50.0):
        with torch.no_grad():
            cell.weight_input.chunk(4)[2].zero_()
            cell.weight_recurrent.chunk(4)[2].zero_()
            cell.bias.chunk(4)[2].fill_(bias)
        slopes.append(look(trainer, make_context, event)["slope"])
    # of the candidate; what is remembered is squashed by the second one
    assert [s["0.tanh 0"] for s in slopes] == [1.0, 0.0]
    assert 0 < slopes[1]["0.tanh 1"] < slopes[0]["0.tanh 1"] <= 1


def test_a_cell_may_name_its_gates(make_trainer, make_context, event_after):
    trainer = make_trainer()
    trainer.network.recurrent.layers[0].cell.gate_names = ("forget", "input")
    values = look(trainer, make_context, event_after(trainer, 1))
    assert sorted(values["low"]) == ["0.forget", "0.input", "0.sigmoid 2"]


def test_a_cell_without_gates_has_none(make_trainer, make_context, event_after):
    trainer = make_trainer(cell="rnn")
    values = look(trainer, make_context, event_after(trainer, 2))
    assert values["low"] == {}
    assert 1 <= values["participation"]["0.h"] <= 6
