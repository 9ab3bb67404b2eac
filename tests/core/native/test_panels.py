"""Widths that fill panels: gradients of gates then lie as packed factors, and products are read in parts."""

from __future__ import annotations

import pytest
import torch

from memcell.recurrent.window_call import WindowCall
from memcell_compiler.runtime.unroll import unroll_native


@pytest.mark.parametrize("norm", ["none", "layer", "batch"])
@pytest.mark.parametrize("name", ["lstm", "gru", "lstm97", "rnn"])
def test_wide_cells_agree(agree, name, norm):
    cell = agree.cell(name, features=5, hidden=64)
    norms = agree.norms(cell, norm)
    assert not agree.difference(
        cell, norms, agree.Window(lanes=37, steps=6, resets=True, padding=True)
    )


@pytest.mark.parametrize("name", ["lstm", "lstm97"])
def test_threads_share_wide_cells(agree, name):
    cell = agree.cell(name, features=64, hidden=128)
    assert not agree.difference(
        cell, agree.norms(cell, "none"), agree.Window(lanes=70, steps=5), threads=2
    )


@pytest.mark.parametrize("lanes", [1, 7, 40])
def test_a_chunk_of_steps_gives_the_bits_of_one(agree, lanes):
    cell = agree.cell("lstm", features=5, hidden=64, dtype=torch.float32)
    norms = agree.norms(cell, "none")
    window = agree.Window(lanes=lanes, steps=9)
    state, masks = cell.initial_state(lanes), window.masks()
    x = torch.randn(9, lanes, 5)
    with torch.no_grad():
        whole, _ = unroll_native(WindowCall(cell, norms, x, state, state, masks, (9,), False))
    trained, _ = unroll_native(WindowCall(cell, norms, x, state, state, masks, (9,), False))
    assert torch.equal(whole, trained)
    one = agree.Window(lanes=lanes, steps=1)
    with torch.no_grad():
        for t in range(9):
            y, kept = unroll_native(
                WindowCall(cell, norms, x[t : t + 1], state, state, one.masks(), (1,), False)
            )
            state = kept[1]
            assert torch.equal(y[0], whole[t])
