"""A cell's weights: how they begin, how they are stored, and torch's own cell with the same ones."""

from __future__ import annotations

import torch

from memcell.backends import StepMasks
from memcell.backends.torch_kernels import unroll_torch
from memcell.recurrent.cell import Cell, torch_form_of
from memcell.recurrent.norms import SiteNorms
from memcell.recurrent.window_call import WindowCall
from memcell.testing.cells.made import (
    HIDDEN,
    INPUT,
    BuildCell,
    initialize,
    inputs,
    made,
    run,
    zero_state,
)
from memcell.testing.failure import must_work, require
from memcell.testing.numbers import distance, seeded, state_distance

_FORM = "Give the weights in torch's gate order with both biases, or return None."


def initialization_repeats(build: BuildCell) -> None:
    """`reset_parameters` fills every weight from the seed alone, whatever stood there before."""
    cell = made(build)
    change = (
        "Write to every parameter in place, from the initializers that are handed in or from torch's "
        "global generator."
    )
    with must_work("reset_parameters to run again", change), seeded(1):
        initialize(cell)
    first = {name: p.detach().clone() for name, p in cell.named_parameters()}
    with torch.no_grad():
        for parameter in cell.parameters():
            parameter.add_(1.0)
    with seeded(1):
        initialize(cell)
    differing = [n for n, p in cell.named_parameters() if distance(p, first[n]) > 0]
    require(
        not differing,
        expected="reset_parameters to give the same weights for the same seed",
        did=f"{', '.join(differing)} differed the second time",
        change=change,
    )
    infinite = [n for n, p in cell.named_parameters() if not bool(p.isfinite().all())]
    require(
        not infinite,
        expected="finite weights",
        did=f"{', '.join(infinite)} hold inf or NaN after reset_parameters",
        change=change,
    )


def state_dict_round_trips(build: BuildCell) -> None:
    """A cell that loads another's ``state_dict`` gives the same outputs."""
    one, other = made(build), _another(build)
    change = "Hold weights as nn.Parameter and constants as buffers, made in __init__."
    with must_work("a new cell to load the state_dict of another", change):
        other.load_state_dict({k: v.clone() for k, v in one.state_dict().items()})
    (a, end), (b, last) = run(one, inputs()), run(other, inputs())
    gap = max(distance(a, b), state_distance(end, last))
    require(
        gap == 0,
        expected="a cell with another's state_dict to give the same outputs",
        did=f"they differ by {gap:.3g}",
        change=change,
    )


def _another(build: BuildCell) -> Cell:
    with seeded(99):
        cell = build(INPUT, HIDDEN)
        initialize(cell)
    return cell.double().eval()


def torch_form_is_exact(build: BuildCell) -> None:
    """Where a cell says that it is torch's own, torch's kernel gives the same to 1e-10 (float64)."""
    cell = made(build)
    form = torch_form_of(cell)
    if form is None:
        return
    x = inputs()
    resets = torch.zeros(x.shape[:2], dtype=torch.bool)
    resets[4, 1] = True
    a, end = run(cell, x, resets=resets)
    zeros, steps = zero_state(cell), len(x)
    ages = torch.zeros(x.shape[1], dtype=torch.int64)
    masks = StepMasks.of(resets, torch.ones_like(resets), ages)
    with must_work(f"torch's own {form.name} to run with the weights of torch_form", _FORM):
        call = WindowCall(cell, SiteNorms({}, None), x, zeros, zeros, masks, (steps,))
        b, states = unroll_torch(form, call)
    last = states[steps]
    gap = max(distance(a, b), state_distance(end, last))
    require(
        gap <= 1e-10,
        expected=f"torch's own {form.name} to equal project and step within 1e-10 (float64)",
        did=f"they differ by {gap:.3g}",
        change=_FORM,
    )
