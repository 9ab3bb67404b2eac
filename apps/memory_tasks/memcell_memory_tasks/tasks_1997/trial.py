"""One trial: its own network and sequences, trained until the task's rule is met or a budget is spent."""

from __future__ import annotations

import json
import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from memcell.errors import CheckpointError
from memcell.training.checkpoint import load_checkpoint, save_checkpoint
from memcell_memory_tasks.tasks_1997.definitions import Definition
from memcell_memory_tasks.tasks_1997.held_out import HeldOut
from memcell_memory_tasks.tasks_1997.network import Network1997
from memcell_memory_tasks.tasks_1997.real_time import RealTime
from memcell_memory_tasks.tasks_1997.sequences import Example, reber_example, reber_strings
from memcell_memory_tasks.tasks_1997.stopping import Stalled

#: Strings of each of the two sets of task 1.
STRINGS = 256
#: Sequences that are learned in one call; looks at a test set and at the error's fall come after so many.
TOGETHER = 50


@dataclass(frozen=True, kw_only=True)
class Variant:
    """What a trial is run with that is not the paper's.

    Args:
        blocks: Memory blocks at most; 0 for the task's own number.
        grow: Begin with so many of them and add one when the error stops falling; -1 for all from the start,
            -2 for what the paper does in this task.
        output_gate_bias: What output gates' biases start with; empty for the task's own.
        full_gradient: Backpropagate through everything rather than through the state alone.
        rate: Learning rate; 0 for the task's own.
    """

    blocks: int = 0
    grow: int = -2
    output_gate_bias: tuple[float, ...] = ()
    full_gradient: bool = False
    rate: float = 0.0

    @property
    def name(self) -> str:
        """What tells it from the paper's own, in words; empty for that."""
        said = {
            "blocks": f"{self.blocks} blocks" if self.blocks else "",
            "grow": ""
            if self.grow == -2
            else "fixed size"
            if self.grow < 0
            else f"grows from {self.grow}",
            "bias": "output gates from " + ",".join(f"{b:g}" for b in self.output_gate_bias)
            if self.output_gate_bias
            else "",
            "gradient": "full gradient" if self.full_gradient else "",
            "rate": f"rate {self.rate:g}" if self.rate else "",
        }
        return ", ".join(v for v in said.values() if v)


PAPER = Variant()


@dataclass(frozen=True, kw_only=True)
class FinishedTrial:
    """What a trial came to.

    Args:
        task: Its task.
        variant: `Variant.name`.
        seed: Its seed.
        solved: Whether the rule was met.
        needed: Sequences that the rule counts; None where it was not met.
        trained: Sequences that were trained on in all.
        first: Sequences until nothing was wrong in the test set, whatever the mean error; None where a rule
            has no such condition or it was not met.
        blocks: Memory blocks that took part at the end.
        error: Mean error over the last 500 training sequences.
        diverged: The weights became infinite.
        seconds: Time that it took.
    """

    task: str
    variant: str
    seed: int
    solved: bool
    needed: int | None
    trained: int
    first: int | None
    blocks: int
    error: float
    diverged: bool
    seconds: float


class Trial:
    """One trial of a task.

    Sequence n of seed s is drawn from a generator of (s, n) alone, so that a stopped trial goes on as if it
    had not been stopped.

    Args:
        task: The task.
        seed: Of weights and sequences.
        most: Sequences after which it is given up.
        variant: What is not as in the paper.
        checkpoint: Where it is kept while it runs; None for nowhere.
        backend: What runs the time loop.
    """

    def __init__(
        self,
        task: Definition,
        seed: int,
        most: int,
        variant: Variant = PAPER,
        checkpoint: Path | None = None,
        backend: str = "auto",
    ) -> None:
        self.task, self.seed, self.most = task, seed, most
        self.variant, self.checkpoint = variant, checkpoint
        cell: dict[str, Any] = {"truncate": not variant.full_gradient}
        if variant.output_gate_bias:
            cell["output_gate_bias"] = variant.output_gate_bias
        grow = (0 if task.grows else -1) if variant.grow == -2 else variant.grow
        # a net that grows has room for three times the paper's blocks
        blocks = variant.blocks or (3 * task.blocks if grow >= 0 else task.blocks)
        self.network = Network1997(
            task, seed, blocks=blocks, start_blocks=grow, cell=cell, backend=backend
        )
        self.rate = variant.rate or task.rate
        # full gradients need a way back through time
        self.real_time = None if variant.full_gradient else RealTime(self.network)
        self.rule = task.rule()
        self.stalled = Stalled() if grow >= 0 else None
        self.number = 0
        self.seconds = 0.0
        self.recent: deque[float] = deque(maxlen=500)
        self._strings = reber_strings(seed, STRINGS) if task.draw is None else ((), ())
        self._held_out: HeldOut | None = None
        if task.draw is None:
            strings = [reber_example(s) for both in self._strings for s in both]
            self._held_out = HeldOut(strings, grammar=True)
        elif task.test_set:
            rng = np.random.default_rng([seed, 2])
            drawn = [task.draw(rng) for _ in range(task.test_set)]
            self._held_out = HeldOut(drawn, grammar=False)

    def example(self, number: int) -> Example:
        """Return training sequence ``number``."""
        rng = np.random.default_rng([self.seed, 0, number])
        if self.task.draw is None:
            strings = self._strings[0]
            return reber_example(strings[int(rng.integers(len(strings)))])
        return self.task.draw(rng)

    def run(self, tell: Callable[[int], None] = lambda number: None) -> FinishedTrial:
        """Train until the rule is met, the budget is spent or the weights are infinite.

        Args:
            tell: Told of the sequences so far, now and then.
        """
        self._restore()
        began = saved = time.monotonic()
        diverged = False
        while self.rule.solved is None and self.number < self.most and not diverged:
            count = min(TOGETHER - self.number % TOGETHER, self.most - self.number)
            for errors in self.learn(range(self.number, self.number + count)):
                self.number += 1
                diverged = not bool(np.isfinite(errors).all())
                if diverged:
                    break
                self.recent.append(float(errors.mean()))
                self.rule.tell(errors)
                if self.rule.solved is not None:
                    break
                if self.stalled is not None and self.stalled.tell(float(np.square(errors).sum())):
                    self._grow()
            if diverged or self.rule.solved is not None:
                break
            if self.rule.every and self.number % self.rule.every == 0:
                self.rule.judge(self.number, self.tested())
            if self.number % 500 == 0:
                tell(self.number)
                now = time.monotonic()
                if self.checkpoint is not None and now - saved > 30:
                    self.seconds += now - began
                    began = saved = now
                    self.save()
        self.seconds += time.monotonic() - began
        return self._outcome(diverged)

    def learn(self, numbers: range) -> list[NDArray[np.float64]]:
        """Train on these sequences; return the errors ``[n, K]`` of each, of before its update."""
        examples = [self.example(n) for n in numbers]
        if self.real_time is not None:
            return self.real_time.learn_all(examples, self.rate)
        return [self.network.learn(e, self.rate) for e in examples]

    def _grow(self) -> None:
        """Add a memory block, where there is one left."""
        self._settle()
        if self.network.cell.grow() and self.real_time is not None:
            self.real_time.take()

    def _settle(self) -> None:
        """Let the network have the weights that were learned."""
        if self.real_time is not None:
            self.real_time.give_back()

    def tested(self) -> tuple[int, float]:
        """Return how many test sequences are wrong, and the mean error of all of them."""
        self._settle()
        assert self._held_out is not None
        return self._held_out.judge(self.network)

    def _outcome(self, diverged: bool) -> FinishedTrial:
        cell = self.network.cell
        taking = int(cell.taking_part.sum()) if cell.grows else cell.blocks
        return FinishedTrial(
            task=self.task.name,
            variant=self.variant.name,
            seed=self.seed,
            solved=self.rule.solved is not None,
            needed=self.rule.solved,
            trained=self.number,
            first=getattr(self.rule, "first", None),
            blocks=taking,
            error=float(np.mean(self.recent)) if self.recent else math.nan,
            diverged=diverged,
            seconds=round(self.seconds, 3),
        )

    def _described(self) -> dict[str, Any]:
        return {"task": self.task.name, "seed": self.seed, "variant": asdict(self.variant)}

    def save(self) -> None:
        """Write the checkpoint."""
        assert self.checkpoint is not None
        self._settle()
        meta = {
            "trial": json.loads(json.dumps(self._described())),
            "number": self.number,
            "seconds": self.seconds,
            "rule": self.rule.dump(),
            "stalled": None if self.stalled is None else list(self.stalled.dump()),
            "recent": list(self.recent),
        }
        exact = {} if self.real_time is None else self.real_time.state()
        save_checkpoint(self.checkpoint, {**self.network.state_dict(), **exact}, meta)

    def _restore(self) -> None:
        if self.checkpoint is None or not self.checkpoint.exists():
            return
        tensors, meta = load_checkpoint(self.checkpoint)
        if meta.get("trial") != json.loads(json.dumps(self._described())):
            raise CheckpointError(
                f"'{self.checkpoint}' is the checkpoint of another trial, {meta.get('trial')}; move it away"
            )
        exact = {k: tensors.pop(k) for k in list(tensors) if k.startswith("real_time.")}
        self.network.load_state_dict(tensors)
        if self.real_time is not None:
            self.real_time.restore(exact)
        self.number, self.seconds = meta["number"], meta["seconds"]
        self.recent.extend(meta["recent"])
        self.rule.restore(meta["rule"])
        if self.stalled is not None:
            self.stalled.restore(meta["stalled"])


def seconds_a_sequence(task: Definition, sequences: int = 40) -> float:
    """Return what a training sequence takes here, looks at the test set included; measured over a few.

    Args:
        task: The task.
        sequences: How many are timed.
    """
    trial = Trial(task, 0, sequences)
    trial.learn(range(4))
    began = time.monotonic()
    trial.learn(range(4, 4 + sequences))
    found = (time.monotonic() - began) / sequences
    if trial.rule.every:
        trial.tested()  # the first one compiles
        began = time.monotonic()
        trial.tested()
        found += (time.monotonic() - began) / trial.rule.every
    return found


def one_thread() -> None:
    """Let torch use one thread: these networks have a dozen units."""
    torch.set_num_threads(1)
