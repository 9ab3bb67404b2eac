"""Tables of windows to order, and a sampler made ready for a check."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from memcell.sequences.sampler import Sampler
from memcell.sequences.time_series import UNLABELLED, TimeSeries
from memcell.sequences.windows import WindowTable, window_table
from memcell.testing.failure import require

BuildSampler = Callable[[], Sampler]

TIME_STEPS = 4


def made(build: BuildSampler, seed: int = 3) -> Sampler:
    """Return a sampler with the run's seed set, as the engine sets it."""
    sampler = build()
    require(
        isinstance(sampler, Sampler),
        expected="a memcell.sequences.Sampler",
        did=f"the factory returned a {type(sampler).__name__}",
        change="Derive from Sampler and name the class as factory.",
    )
    sampler.seed = seed
    return sampler


def epoch_rng(epoch: int, seed: int = 3) -> np.random.Generator:
    """Return the generator that an epoch is ordered with."""
    return np.random.default_rng([seed, epoch])


def table(lengths: tuple[int, ...], phase: int = 0) -> WindowTable:
    """Return the windows of sequences of these numbers of steps, labelled and unlabelled."""
    rng = np.random.default_rng(5)
    sequences = []
    for i, n in enumerate(lengths):
        targets = rng.integers(0, 3, n // 3 + 1).repeat(3)[:n].astype(np.int64)
        # in larger tables some windows have no label; a table without any would be another question
        if len(lengths) > 1 and i == 0:
            targets[: 2 * TIME_STEPS] = UNLABELLED
        sequences.append(
            TimeSeries(
                name=f"sequence {i}",
                subject=f"subject {i % 3}",
                features=rng.normal(size=(n, 2)).astype(np.float32),
                targets=targets,
            )
        )
    return window_table(sequences, TIME_STEPS, 3, phase=phase)


def tables() -> dict[str, tuple[WindowTable, int]]:
    """Return tables with numbers of lanes, by what is special about them."""
    many = (41, 17, 8, 30, 22, 12, 4, 9)
    return {
        "more sequences than lanes": (table(many), 3),
        "as many windows as fill the batches": (table((16, 16, 16)), 3),
        "fewer sequences than lanes": (table((64, 50)), 5),
        "one lane": (table(many), 1),
    }


def ordered(
    sampler: Sampler, windows: WindowTable, lanes: int, epoch: int = 0
) -> NDArray[np.int64]:
    """Return the order of an epoch, as a copy of what the sampler gave."""
    order = sampler.order(windows, lanes, epoch, epoch_rng(epoch))
    _check_form(order, windows, lanes)
    return order.copy()


def _check_form(order: object, windows: WindowTable, lanes: int) -> None:
    kind = f"{order.dtype}{list(order.shape)}" if isinstance(order, np.ndarray) else repr(order)
    require(
        isinstance(order, np.ndarray)
        and np.issubdtype(order.dtype, np.integer)
        and order.ndim == 2
        and order.shape[1] == lanes,
        expected=f"order to return whole numbers [n_batches, {lanes}]",
        did=f"it returned {kind[:80]}",
        change="Lay a flat order out with memcell.sequences.sampler.in_rows.",
    )
    assert isinstance(order, np.ndarray)
    wrong = order[(order < -1) | (order >= len(windows))]
    require(
        not len(wrong),
        expected=f"rows of the table, 0 to {len(windows) - 1}, or -1 for an empty lane",
        did=f"the order holds {wrong[:5].tolist()}",
        change="Return indices into the table that order was given.",
    )
