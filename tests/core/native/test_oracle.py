"""Outputs, states and every gradient equal the eager loop's, for every cell and normalizer."""

from __future__ import annotations

import pytest
import torch

from memcell.backends.eager import unroll_eager
from memcell.plugins import default_registry
from memcell.recurrent.state import leaves
from memcell.recurrent.window_call import WindowCall
from memcell_compiler.runtime import plan
from memcell_compiler.runtime.stepper import NativeStepper
from memcell_compiler.runtime.unroll import native_reason, unroll_native

CELLS = default_registry().names("cell")
NORMS = default_registry().names("normalizer")
#: In the fast tests every cell and every normalizer, all pairs in the slow ones (compiling takes long).
FAST = {(c, "none") for c in CELLS} | {("lstm", n) for n in NORMS} | {("gru", "layer")}
PAIRS = [
    pytest.param(c, n, marks=() if (c, n) in FAST else pytest.mark.slow)
    for c in CELLS
    for n in NORMS
]


@pytest.mark.parametrize(("cell", "norm"), PAIRS)
def test_every_number_equals_the_eager_loops(agree, cell, norm):
    made = agree.cell(cell)
    norms = agree.norms(made, norm)
    window = agree.Window
    assert not agree.difference(made, norms, window(lanes=5))
    assert not agree.difference(made, norms, window(resets=True, padding=True))
    assert not agree.difference(made, norms, window(resets=True, padding=True), threads=2)
    assert not agree.difference(
        made, norms, window(resets=True, padding=True, update_statistics=False)
    )
    assert not agree.difference(made, norms, window(steps=1, lanes=1))
    assert not agree.difference(made, norms, window(steps=1, lanes=6, resets=True))
    assert not agree.difference(made, norms, window(steps=12, lanes=70), threads=2)


@pytest.mark.parametrize(
    ("cell", "norm"),
    [("lstm", "none"), ("gru", "none"), ("lstm97", "none"), ("lstm", "layer"), ("gru", "batch")],
)
def test_float32_over_forty_steps(agree, cell, norm):
    made = agree.cell(cell, features=5, hidden=48, dtype=torch.float32)
    norms = agree.norms(made, norm, dtype=torch.float32)
    assert not agree.difference(made, norms, agree.Window(steps=40, lanes=33), limit=2e-4)


@pytest.mark.parametrize(
    ("cell", "options"),
    [
        ("lstm97", {"block_size": 2}),
        ("lstm97", {"block_size": 2, "truncate": True}),
        ("lstm97", {"gate_recurrence": False, "bias": False, "gate_bias": False}),
        ("cec", {"truncate": True, "squash_output": "scaled_sigmoid"}),
    ],
)
def test_options_of_cells(agree, cell, options):
    made = agree.cell(cell, **options)
    assert not agree.difference(
        made, agree.norms(made, "none"), agree.Window(resets=True, padding=True)
    )


def test_statistics_of_ages_with_too_few_lanes(agree):
    cell = agree.cell("lstm", hidden=23)
    norms = agree.norms(cell, "batch", min_lanes=4, beta=True)
    assert not agree.difference(
        cell, norms, agree.Window(steps=14, lanes=23, resets=True, padding=True), threads=2
    )


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_one_unit_and_one_lane(agree, cell):
    made = agree.cell(cell, hidden=1, features=1)
    assert not agree.difference(made, agree.norms(made, "layer"), agree.Window(lanes=1))
    assert not agree.difference(made, agree.norms(made, "none"), agree.Window(lanes=3, resets=True))


def test_without_gradient_of_the_input(agree):
    cell = agree.cell("lstm")
    assert not agree.difference(cell, agree.norms(cell, "none"), agree.Window(), x_grad=False)


def test_frozen_parameters_get_no_gradient(agree):
    cell = agree.cell("lstm")
    cell.weight_recurrent.requires_grad_(False)
    assert not agree.difference(cell, agree.norms(cell, "none"), agree.Window())


def test_any_batch_and_any_length_without_compiling_again(agree, monkeypatch):
    cell = agree.cell("rnn")
    norms = agree.norms(cell, "batch")

    def no(*args):
        raise AssertionError("traced again")

    def run(steps, lanes):
        masks = agree.Window(steps=steps, lanes=lanes).masks()
        state = cell.initial_state(lanes, dtype=torch.float64)
        x = torch.randn(steps, lanes, 3, dtype=torch.float64)
        return unroll_native(WindowCall(cell, norms, x, state, state, masks, (steps,), True))

    run(3, 4)
    monkeypatch.setattr(plan, "_planned", no)
    for steps, lanes in ((7, 4), (7, 33), (1, 2)):
        run(steps, lanes)


@pytest.mark.parametrize(("norm", "lanes"), [("none", 1), ("none", 3), ("layer", 3), ("batch", 1)])
def test_chunks_and_single_steps_are_the_whole_bit_for_bit(agree, norm, lanes):
    cell = agree.cell("lstm", features=5, hidden=40, dtype=torch.float32).eval()
    norms = agree.norms(cell, norm, dtype=torch.float32)
    steps, cut = 11, 4
    masks = agree.Window(steps=steps, lanes=lanes, update_statistics=False).masks
    x = torch.randn(steps, lanes, 5, generator=torch.Generator().manual_seed(1))
    state = cell.initial_state(lanes)

    def unroll(part, at, age):
        window = agree.Window(steps=part.shape[0], lanes=lanes).masks()
        window = type(window).of(window.resets, window.valid, torch.full((lanes,), age))
        out, states = unroll_native(
            WindowCall(cell, norms, part, at, at, window, (part.shape[0],), False)
        )
        return out, states[part.shape[0]]

    with torch.no_grad():
        whole, end = unroll(x, state, 0)
        first, middle = unroll(x[:cut], state, 0)
        second, last = unroll(x[cut:], middle, cut)
        stepper = NativeStepper(cell, norms, lanes)
        single = torch.stack([stepper.step(x[t]).clone() for t in range(steps)])
        eager, _ = unroll_eager(WindowCall(cell, norms, x, state, state, masks(), (), False))
    assert torch.equal(torch.cat([first, second]), whole)
    assert torch.equal(single, whole)
    for a, b, c in zip(leaves(end), leaves(last), leaves(stepper.state), strict=True):
        assert torch.equal(a, b)
        assert torch.equal(a, c)
    torch.testing.assert_close(whole, eager, rtol=1e-5, atol=1e-6)


def test_inference_mode_and_training_share_what_is_kept(agree):
    cell = agree.cell("gru", features=3, hidden=9)
    norms = agree.norms(cell, "none")
    x = torch.randn(9, 7, 3, dtype=torch.float64)
    state = cell.initial_state(7, dtype=torch.float64)
    masks = agree.Window().masks()
    with torch.inference_mode():
        out, _ = unroll_native(WindowCall(cell, norms, x, state, state, masks, (9,), False))
    torch.testing.assert_close(
        out.clone(),
        unroll_eager(WindowCall(cell, norms, x, state, state, masks, (), False))[0].detach(),
    )
    assert not agree.difference(cell, norms, agree.Window())


def test_a_stepper_sees_changed_weights_and_loads_states(agree):
    cell = agree.cell("gru", dtype=torch.float32).eval()
    norms = agree.norms(cell, "none")
    stepper = NativeStepper(cell, norms, 2)
    x, state = torch.randn(2, 3), type(cell.initial_state(2))(torch.randn(2, 4))
    for _ in range(2):
        stepper.load(state)
        p = cell.project(x[None])[0]
        wanted, _ = cell.step(p, state, lambda site, z: z)
        torch.testing.assert_close(stepper.step(x), wanted.detach())
        with torch.no_grad():
            cell.weight_recurrent.mul_(0.5)


@pytest.mark.parametrize(("cell", "norm"), [("lstm", "none"), ("gru", "layer"), ("rnn", "batch")])
def test_no_reason_against_built_in_cells(agree, cell, norm):
    made = agree.cell(cell)
    assert native_reason(made, agree.norms(made, norm)) is None
