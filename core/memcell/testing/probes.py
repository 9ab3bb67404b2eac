"""Checks of a probe: it measures, leaves the training as it is to the bit, pays, and resumes.

Each takes ``entry`` and ``config`` (`probe_of`): the class is asked for costs before a probe is built.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from memcell.applications.app import Task
from memcell.backends import Layer, RecurrentStack
from memcell.interrupt import Interrupted, Interrupts
from memcell.network.network import Network
from memcell.plugins import Entry
from memcell.plugins.specs import ProbeSpec
from memcell.probes.scheduler import ProbeScheduler, probe_type
from memcell.recurrent.policy import CarriedState, Memory, StatePolicy
from memcell.recurrent.state import State, leaves, rebuild, where
from memcell.runs.run_folder import RunFolder
from memcell.sequences import Batch, Sampler, WindowTable
from memcell.settings.options import TrainingConfig
from memcell.testing.failure import must_work, require
from memcell.testing.numbers import seeded
from memcell.testing.policies.harness import FEATURES, HIDDEN, recordings, stream_order
from memcell.testing.trace_parts import TraceCell
from memcell.training.gradients.mode import GradientMode
from memcell.training.parts import TrainingParts
from memcell.training.trainer import Trainer

#: As many lanes as `stream_order` lays out.
LANES = 3
CONFIG = TrainingConfig(
    time_steps=4,
    batch_size=LANES,
    epochs=2,
    min_updates=0,
    patience=0,
    backend="eager",
    probe_budget=1000.0,
    checkpoint_seconds=1e9,
)


class ProbeUnderTest(NamedTuple):
    """A probe to check, with its options."""

    entry: Entry
    config: Any


def probe_of(spec: ProbeSpec, **options: Any) -> ProbeUnderTest:
    """Return what the checks of probes take.

    Args:
        spec: The probe's spec.
        **options: Values of its config; defaults for the others.
    """
    entry = Entry(spec=spec, distribution="(not installed)", version="-")
    return ProbeUnderTest(entry, entry.config(options))


class _Carry(StatePolicy):
    def __init__(self) -> None:
        self.carried: CarriedState | None = None

    def begin_epoch(self, memory: Memory) -> None:
        self.carried = None

    def begin(self, batch: Batch, memory: Memory) -> CarriedState:
        initial = super().begin(batch, memory)
        if self.carried is None:
            return initial
        goes_on = batch.continues
        return CarriedState(
            where(goes_on, self.carried.state, initial.state),
            torch.where(goes_on, self.carried.age, initial.age),
        )

    def end(self, batch: Batch, states: Mapping[int, CarriedState], memory: Memory) -> None:
        self.carried = self.detached(states[batch.advance])

    def memory_dict(self) -> dict[str, Tensor]:
        if self.carried is None:
            return {}
        parts = {f"state.{i}": part for i, part in enumerate(leaves(self.carried.state))}
        return {"age": self.carried.age, **parts}

    def load_memory_dict(self, tensors: Mapping[str, Tensor], template: State) -> None:
        if tensors:
            parts = (tensors[f"state.{i}"] for i in range(len(tensors) - 1))
            self.carried = CarriedState(rebuild(template, parts), tensors["age"])


class _Streams(Sampler):
    def order(
        self, windows: WindowTable, batch_size: int, epoch: int, rng: np.random.Generator
    ) -> NDArray[np.int64]:
        return stream_order(windows, epoch)


class _StopAt:
    """Progress that asks for a stop after some updates."""

    def __init__(self, update: int, interrupts: Interrupts) -> None:
        self.update, self.interrupts = update, interrupts

    def expect(self, total: float) -> None:
        """Do nothing: how much there is in all is known."""

    def at(self, done: float, note: str = "") -> None:
        self.interrupts.requested = done >= self.update

    def advance(self, amount: float = 1, note: str = "") -> None:
        """Do nothing: a training says where it is."""


def _trainer(folder: Path) -> Trainer:
    data = recordings()
    task = Task(
        train=tuple(data[:3]), valid=(data[3],), test=(data[4],), n_classes=2, main_score="accuracy"
    )
    policy = _Carry()
    with seeded():
        encoder = nn.Linear(FEATURES, HIDDEN)
        stack = RecurrentStack([Layer(TraceCell(HIDDEN, HIDDEN), None, "eager")])
        network = Network(encoder, stack, 2, policy.make_start(stack.initial_state(1)))
    parts = TrainingParts(
        network=network,
        sampler=_Streams(),
        policy=policy,
        optimizer=torch.optim.SGD(network.parameters(), lr=CONFIG.learning_rate),
        gradient=GradientMode(CONFIG.time_steps),
        streams=True,
        observes=False,
        observes_gradients=False,
        covers_once=True,
    )
    return Trainer(CONFIG, "carry", task, parts, RunFolder(folder))


class _ProbeRun(NamedTuple):
    trainer: Trainer
    probes: ProbeScheduler | None
    lines: list[dict[str, Any]]
    metrics: bytes


def _train(
    folder: Path, subject: ProbeUnderTest | None, stop: int = 0, *, scheduled: bool = False
) -> _ProbeRun:
    """Train in a folder, with a probe or without; go on from a checkpoint where there is one.

    Args:
        folder: The folder.
        subject: The probe; None for none.
        stop: Update to stop after; 0 to train to the end.
        scheduled: Have a scheduler also without a probe: it looks at the network once by itself.
    """
    folder.mkdir(exist_ok=True)
    trainer, path = _trainer(folder), RunFolder(folder)
    probes = None
    if subject is not None or scheduled:
        probes = ProbeScheduler(trainer, path, [] if subject is None else [subject])
        trainer.observer = probes
    if path.checkpoint.exists():
        trainer.restore()
    interrupts = Interrupts()
    if stop:
        trainer.progress = _StopAt(stop, interrupts)
    try:
        trainer.train(interrupts)
    except Interrupted:
        return _ProbeRun(trainer, probes, [], b"")
    if probes is not None:
        probes.end()
    text = path.probes.read_text("utf-8") if path.probes.exists() else ""
    lines = [json.loads(line) for line in text.splitlines()]
    return _ProbeRun(trainer, probes, lines, path.metrics.read_bytes())


@contextmanager
def _folder() -> Iterator[Path]:
    with TemporaryDirectory() as folder:
        yield Path(folder)


def it_measures(subject: ProbeUnderTest) -> None:
    """In a small training it measures and sums up, and nothing that it does fails."""
    with _folder() as folder, must_work("a probe to be built", "See memcell.Probe."):
        probe_type(subject.entry)
        run = _train(folder, subject)
    assert run.probes is not None
    off = "; ".join(run.probes.off.values())
    require(
        not off,
        expected="a probe that runs to the end of the training",
        did=f"it was off: {off}",
        change="Return None for what cannot be measured; an exception stops the probe.",
    )
    require(
        any("values" in line for line in run.lines)
        and any("summary" in line for line in run.lines),
        expected="at least one measurement where it was due, and a summary",
        did=f"it wrote {len(run.lines)} line(s)",
        change="Return JSON values from after_update (or end_of_epoch), and the summary from end.",
    )


def training_stays_the_same(subject: ProbeUnderTest) -> None:
    """Weights, metrics and random numbers are those of a training without it, to the bit."""
    with _folder() as folder:
        plain = _train(folder / "plain", None)
        before = _random_numbers()
        probed = _train(folder / "probed", subject)
        after = _random_numbers()
    pairs = zip(
        plain.trainer.network.parameters(), probed.trainer.network.parameters(), strict=True
    )
    require(
        all(torch.equal(a, b) for a, b in pairs) and plain.metrics == probed.metrics,
        expected="the weights and metrics of a training without the probe, to the bit",
        did="they differ",
        change="Read the network through the context (run, replay, looking); write to no parameter, "
        "gradient or buffer.",
    )
    generators = (plain.trainer.memory.generator, probed.trainer.memory.generator)
    require(
        before == after and torch.equal(*(g.get_state() for g in generators)),
        expected="no random number to be taken from the training, torch, numpy or Python",
        did="some were",
        change="Draw from context.rng(NUMBER, event.update), with a number of the probe's own.",
    )


def cost_is_counted(subject: ProbeUnderTest) -> None:
    """What it spends is counted by the context, and at most what `cost` says for each measurement."""
    runs = 0

    def count(*_: Any) -> None:
        nonlocal runs
        runs += 1

    with _folder() as folder:
        plain_runs = _counted(folder / "plain", None, count, lambda: runs)
        run_count = _counted(folder / "probed", subject, count, lambda: runs)
        probes = _train(folder / "again", subject).probes
    assert probes is not None
    name = subject.entry.spec.name
    spent, times = probes.spent.get(name, 0.0), probes.times.get(name, 0)
    price = probes.price(name)
    require(
        spent <= max(1, times) * price * (1 + 1e-9),
        expected=f"{times} measurement(s) to cost at most {price:.0f} units each, as cost says",
        did=f"they cost {spent:.0f}",
        change="Return from cost the most that one measurement can spend (memcell.probes.cost).",
    )
    require(
        spent > 0 or run_count <= plain_runs,
        expected="runs of the network to be paid for",
        did=f"it ran the network {run_count - plain_runs} times and spent nothing",
        change="Run it through context.run or context.replay, or add to context.spent.",
    )


def it_resumes(subject: ProbeUnderTest) -> None:
    """A training that was stopped and goes on measures what the whole one measures, to the bit."""
    with _folder() as folder:
        whole = _train(folder / "whole", subject)
        _train(folder / "parts", subject, stop=7)
        parts = _train(folder / "parts", subject)
    require(
        whole.lines == parts.lines,
        expected="the lines of a training that never stopped",
        did=_first_difference(whole.lines, parts.lines),
        change="Keep what later measurements need in state_dict, as JSON values, or read it from past.",
    )


def _counted(
    folder: Path,
    subject: ProbeUnderTest | None,
    hook: Callable[..., None],
    total: Callable[[], int],
) -> int:
    before = total()
    handle = nn.modules.module.register_module_forward_hook(
        lambda module, *rest: hook() if isinstance(module, Network) else None
    )
    try:
        _train(folder, subject, scheduled=True)
    finally:
        handle.remove()
    return total() - before


def _first_difference(a: list[dict[str, Any]], b: list[dict[str, Any]]) -> str:
    if len(a) != len(b):
        return f"there are {len(b)} lines and not {len(a)}"
    wrong = next((i for i, (x, y) in enumerate(zip(a, b, strict=True)) if x != y), None)
    if wrong is None:
        return ""
    return f"line {wrong + 1} is {str(b[wrong])[:200]} and not {str(a[wrong])[:200]}"


def _random_numbers() -> tuple[Any, ...]:
    # what a probe must leave alone is the global generator itself
    numpy_state = np.random.get_state(legacy=False)  # noqa: NPY002
    return random.getstate(), repr(numpy_state), torch.get_rng_state().numpy().tobytes()


PROBE_CHECKS: tuple[Callable[[ProbeUnderTest], None], ...] = (
    it_measures,
    training_stays_the_same,
    cost_is_counted,
    it_resumes,
)
