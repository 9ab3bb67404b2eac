"""A normalizer at work in a cell, over a window with resets, padding and lanes of several ages."""

from __future__ import annotations

import torch

from memcell.backends import Layer, StepMasks
from memcell.plugins.specs import NormalizerSpec
from memcell.testing.failure import must_work, require
from memcell.testing.normalizers.made import BuildNormalizer, lanes_for, made
from memcell.testing.numbers import noise, seeded
from memcell.testing.trace_parts import TraceCell

_STEPS, _INPUT, _HIDDEN = 10, 3, 4


def works_inside_a_cell(build: BuildNormalizer, spec: NormalizerSpec) -> None:
    """Training, inference and their gradients are finite, and its parameters learn."""
    lanes = lanes_for(spec)
    resets = torch.zeros(_STEPS, lanes, dtype=torch.bool)
    resets[0, : lanes // 2] = True
    resets[4, 0] = resets[6, lanes - 1] = True
    valid = torch.ones_like(resets)
    valid[7:, 1] = False
    age = torch.where(torch.arange(lanes) % 3 == 0, 40, 2)
    masks = StepMasks.of(resets, valid, age)
    with seeded():
        layer = Layer(TraceCell(_INPUT, _HIDDEN).double(), lambda w: made(build, width=w), "eager")
    for seed, update_statistics in ((1, True), (2, True), (3, False)):
        x = noise(_STEPS, lanes, _INPUT, seed=seed)
        zeros = layer.cell.initial_state(lanes, dtype=x.dtype)
        change = "See `memcell.recurrent.normalizer` for what window, normalize and accumulate are given."
        with must_work(
            f"a window with resets and padding to run (update_statistics={update_statistics})",
            change,
        ):
            out = layer(x, zeros, zeros, masks, (_STEPS,), update_statistics).outputs
        parameters = dict(layer.named_parameters())
        loss = (out[valid] * noise(*out[valid].shape, seed=9)).sum()
        gradients = torch.autograd.grad(loss, list(parameters.values()), allow_unused=True)
        named = list(zip(parameters, gradients, strict=True))
        missing = [name for name, g in named if g is None]
        broken = [name for name, g in named if g is not None and not bool(g.isfinite().all())]
        require(
            bool(out.isfinite().all()) and not missing and not broken,
            expected="finite outputs, and a finite gradient for every parameter "
            f"(update_statistics={update_statistics})",
            did=f"outputs finite: {bool(out.isfinite().all())}; without gradient: {missing or 'none'}; "
            f"not finite: {broken or 'none'}",
            change="Use every parameter in every mode, and guard counts of 0.",
        )
