"""What one update of training takes at a detector's size, beside the same in plain torch.

``python -m memcell_benchmarks.update`` trains a network with memcell's own trainer, and one of torch of the
same sizes (`torch.nn.LSTM`, a linear readout, cross-entropy, bounded gradients, Adam). Both carry their state
from batch to batch. It prints the smallest and the middle time of an update of each, and the ratio. Batches
are made before the clock starts. Both run in turn on one thread, some updates at a time, so that a moment
in which the machine is busy falls on both.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from memcell.applications.app import Task
from memcell.network.around import Unchanged
from memcell.plugins import default_registry
from memcell.recurrent.state import map_state
from memcell.runs.run_folder import RunFolder
from memcell.sequences import TimeSeries, collate
from memcell.settings.options import NetworkConfig, TrainingConfig
from memcell.settings.run_config import DEFAULTS, Choice, RunConfig
from memcell.training.parts import build_parts
from memcell.training.trainer import Trainer

#: Features of a step; classes.
FEATURES, CLASSES = 21, 2


class Sizes(NamedTuple):
    """A training window.

    Args:
        hidden: H, units.
        lanes: B.
        steps: T.
    """

    hidden: int
    lanes: int
    steps: int


class UpdateTimes(NamedTuple):
    """Microseconds of an update.

    Args:
        least: The smallest.
        middle: The median.
    """

    least: float
    middle: float


class _PlainApp:
    """An app that is nothing but an encoder which passes features on."""

    def encoder(self, n_features: int) -> nn.Module:
        """Return it."""
        return Unchanged(n_features)


def memcells(sizes: Sizes, cell: str, folder: Path, normalizer: str = "none") -> Callable[[], None]:
    """Return an update of memcell's trainer, under the policy ``carry``."""
    rng = np.random.default_rng(0)
    length = 3 * sizes.steps
    series = tuple(
        TimeSeries(
            name=f"recording {i}",
            subject=f"person {i}",
            features=rng.standard_normal((length, FEATURES)).astype(np.float32),
            targets=rng.integers(0, CLASSES, length),
        )
        for i in range(sizes.lanes)
    )
    task = Task(train=series, valid=(), test=(), n_classes=CLASSES, main_score="accuracy")
    registry = default_registry()
    named = {
        **DEFAULTS,
        "cell": cell,
        "normalizer": normalizer,
        "policy": "carry",
        "sampler": "stream",
    }
    config = RunConfig(
        app="update",
        app_config=None,
        dataset=None,
        training=TrainingConfig(
            time_steps=sizes.steps, batch_size=sizes.lanes, learning_rate=0.001, schedule="constant"
        ),
        network=NetworkConfig(hidden_size=sizes.hidden),
        choices={
            kind: Choice(name=name, config=registry.get(kind, name).config({}))
            for kind, name in named.items()
        },
        probes=(),
    )
    # of an app nothing but the encoder is asked for here
    app: Any = _PlainApp()
    parts = build_parts(config, registry, app, task, torch.device("cpu"))
    trainer = Trainer(config.training, "carry", task, parts, RunFolder(folder))
    table, order = trainer.order(0)
    batches = [
        collate(task.train, table, rows, None if k == 0 else table.ends(order[k - 1]))
        for k, rows in enumerate(order)
    ]
    count = [0]

    def update() -> None:
        trainer._update(batches[min(1, count[0])])  # each goes on from the one before
        count[0] += 1

    return update


def torchs(sizes: Sizes, cell: str) -> Callable[[], None]:
    """Return the same update in plain torch."""
    kind = {"lstm": nn.LSTM, "gru": nn.GRU}[cell]
    network = kind(FEATURES, sizes.hidden)
    readout = nn.Linear(sizes.hidden, CLASSES)
    parameters = [*network.parameters(), *readout.parameters()]
    optimizer = torch.optim.Adam(parameters, 0.001)
    x = torch.randn(sizes.steps, sizes.lanes, FEATURES)
    y = torch.randint(0, CLASSES, (sizes.steps, sizes.lanes))
    carried = [map_state(Tensor.detach, network(x)[1])]

    def update() -> None:
        hidden, after = network(x, carried[0])
        carried[0] = map_state(Tensor.detach, after)
        loss = nn.functional.cross_entropy(readout(hidden).flatten(0, 1), y.flatten())
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        loss.item()

    return update


def measured(
    sizes: Sizes, cell: str, rounds: int, normalizer: str = "none"
) -> tuple[UpdateTimes, UpdateTimes]:
    """Return the times of memcell's update and of torch's.

    Args:
        sizes: Of the window.
        cell: ``"lstm"`` or ``"gru"``.
        rounds: Of 20 updates each, in turn.
        normalizer: Of memcell's; torch's has none.
    """
    with tempfile.TemporaryDirectory() as folder:
        works = (memcells(sizes, cell, Path(folder), normalizer), torchs(sizes, cell))
        found: tuple[list[float], list[float]] = ([], [])
        for work in works:
            for _ in range(20):
                work()
        for _ in range(rounds):
            for work, times in zip(works, found, strict=True):
                for _ in range(20):
                    start = time.perf_counter()
                    work()
                    times.append((time.perf_counter() - start) * 1e6)
    ours, theirs = (UpdateTimes(min(times), statistics.median(times)) for times in found)
    return ours, theirs


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--hidden-size", type=int, default=32)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--time-steps", type=int, default=50)
    parser.add_argument("--cell", choices=("lstm", "gru"), default="lstm")
    parser.add_argument(
        "--normalizer", choices=("none", "batch", "batch_shared", "layer", "rms"), default="none"
    )
    parser.add_argument("--rounds", type=int, default=50, help="Of 20 updates each, in turn.")
    typed = parser.parse_args(arguments)
    torch.set_num_threads(1)
    sizes = Sizes(typed.hidden_size, typed.batch_size, typed.time_steps)
    ours, theirs = measured(sizes, typed.cell, typed.rounds, typed.normalizer)
    name = typed.cell if typed.normalizer == "none" else f"{typed.cell}+{typed.normalizer}"
    beside = "plain torch" if typed.normalizer == "none" else "plain torch without a normalizer"
    print(
        f"an update, {name}, H{sizes.hidden} B{sizes.lanes} T{sizes.steps}, one thread: "
        f"{ours.least:.0f} us (median {ours.middle:.0f}), {beside} "
        f"{theirs.least:.0f} ({theirs.middle:.0f}): ratio {ours.least / theirs.least:.2f}"
    )


if __name__ == "__main__":
    main()
