"""A resumed run asks for the same epoch again and must get the same order."""

from __future__ import annotations

import json

import numpy as np
from numpy.typing import NDArray

from memcell.plugins.specs import SamplerSpec
from memcell.sequences.sampler import Sampler
from memcell.sequences.windows import WindowTable
from memcell.testing.failure import must_work, require
from memcell.testing.samplers.made import BuildSampler, epoch_rng, made, ordered, table

_EPOCHS, _LANES = 3, 4


def order_repeats(build: BuildSampler, spec: SamplerSpec) -> None:
    """Asked again, or anew after loading ``state_dict``, an epoch has the same phase and order.

    Also in the middle of the epoch, when a part of its losses has been observed: what is observed in an
    epoch may change the next one, never the one in progress.
    """
    windows = table((41, 17, 8, 30))
    sampler = made(build)
    for epoch in range(_EPOCHS):
        first = ordered(sampler, windows, _LANES, epoch)
        phase = sampler.phase(epoch, windows.time_steps, epoch_rng(epoch))
        half = len(first) // 2
        _compare(build, sampler, windows, epoch, phase, first)
        if spec.observes:
            _observe(sampler, spec, first[:half])
            _compare(build, sampler, windows, epoch, phase, first)
            _observe(sampler, spec, first[half:])


def _compare(
    build: BuildSampler,
    sampler: Sampler,
    windows: WindowTable,
    epoch: int,
    phase: int,
    order: NDArray[np.int64],
) -> None:
    change = (
        "Draw from the rng that is given, or from a generator made of self.seed at each call; give out "
        "in state_dict, as JSON values, whatever else the order depends on."
    )
    with must_work("state_dict to be JSON, and a new sampler to load it", change):
        state = json.loads(json.dumps(sampler.state_dict()))
        resumed = made(build)
        resumed.load_state_dict(state)
    # the new one first: asking the old one again may move what it keeps
    for source, other in (("by a resumed run", resumed), ("again", sampler)):
        again = ordered(other, windows, _LANES, epoch)
        require(
            np.array_equal(order, again)
            and phase == other.phase(epoch, windows.time_steps, epoch_rng(epoch)),
            expected=f"epoch {epoch}, asked for {source}, to have the same phase and order",
            did="they differ",
            change=change,
        )


def observing_is_declared(build: BuildSampler, spec: SamplerSpec) -> None:
    """A sampler that is told losses and changes its order by them declares ``observes``."""
    windows = table((41, 17, 8, 30))
    observing, unobserving = made(build), made(build)
    for epoch in range(_EPOCHS):
        order = ordered(observing, windows, _LANES, epoch)
        require(
            spec.observes or np.array_equal(order, ordered(unobserving, windows, _LANES, epoch)),
            expected="an order that does not depend on losses (observes=False)",
            did=f"epoch {epoch} came in another order after observe was called",
            change="Declare observes=True; the engine calls observe only then.",
        )
        with must_work(
            "observe to take a batch with empty lanes",
            "Skip the lanes whose window is -1; their loss says nothing.",
        ):
            _observe(observing, spec, order)


def _observe(sampler: Sampler, spec: SamplerSpec, order: NDArray[np.int64]) -> None:
    nothing = np.full((1, order.shape[1]), -1, dtype=np.int64)
    for k, rows in enumerate(np.concatenate([order, nothing])):
        losses = np.where(rows >= 0, 1.0 + (rows * 7 % 5) + 0.1 * k, 0.0)
        arguments = [rows.copy(), losses]
        if spec.observes_gradients:
            arguments.append(
                np.stack([losses, rows % 3 - 1.0, rows % 2 - 0.5], 1).astype(np.float32)
            )
        sampler.observe(*arguments)
