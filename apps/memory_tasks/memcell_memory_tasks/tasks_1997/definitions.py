"""Each task of 1997: network, learning rate, initial weights, stopping rule, and what was published.

The settings and the figures are those of S. Hochreiter and J. Schmidhuber, "Long short-term memory", Neural
Computation 9 (1997) 1735-1780, section 5. Where a figure of theirs could not be checked it is left out
(None), and the table shows nothing in its place.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from memcell.errors import UsageError, unknown
from memcell_memory_tasks.tasks_1997 import sequences
from memcell_memory_tasks.tasks_1997.sequences import Draw
from memcell_memory_tasks.tasks_1997.stopping import InARow, LastSequences, StoppingRule, TestSet


@dataclass(frozen=True, kw_only=True)
class Published:
    """What the paper reports.

    Args:
        sequences: Training sequences needed, mean of the solved trials.
        trials: Trials.
        solved: Share of them that was solved.
    """

    sequences: int
    trials: int | None = None
    solved: float | None = None


@dataclass(frozen=True, kw_only=True)
class Definition:
    """One task.

    Args:
        name: As the paper numbers it.
        title: What it is, in words.
        draw: Draws a training sequence; None for task 1, whose strings are a set.
        rule: Makes the stopping rule.
        inputs, outputs: Width of the input and of the output.
        blocks, block_size: Memory blocks, and cells of each.
        rate: Learning rate.
        start: Initial weights are uniform between minus this and this.
        input_gates, output_gates: What the gates' biases start with, one a block; empty for random ones like
            the other weights.
        cell_bias, gate_bias, output_bias: Which units have a bias.
        weights: Number of trained weights that the paper states.
        every_step: There is an error at each step rather than at the last one.
        direct: Inputs are also connected with the outputs.
        bare: Cells see the input alone, and there is no output gate (2a, 2b).
        squash_input, squash_output: g and h.
        grows: The paper adds memory cells when the error stops falling, from none.
        test_set: Sequences that a rule on a test set looks at.
        published: What the paper reports.
        note: What else must be said.
    """

    name: str
    title: str
    draw: Draw | None
    rule: Callable[[], StoppingRule]
    inputs: int
    outputs: int
    blocks: int
    block_size: int
    rate: float
    start: float
    weights: int
    published: Published | None
    input_gates: tuple[float, ...] = ()
    output_gates: tuple[float, ...] = ()
    cell_bias: bool = True
    gate_bias: bool = True
    output_bias: bool = True
    every_step: bool = False
    direct: bool = False
    bare: bool = False
    squash_input: str = "scaled_sigmoid"
    squash_output: str = "scaled_sigmoid"
    grows: bool = False
    test_set: int = 0
    note: str = ""


def _local(name: str, p: int, random: bool) -> Definition:
    return Definition(
        name=name,
        title=f"{'a random middle' if random else 'local regularities'}, p = {p}",
        draw=partial(sequences.local_regularities, p=p, random=random),
        rule=partial(InARow, 0.25, 10_000),
        inputs=p + 1,
        outputs=p + 1,
        blocks=1,
        block_size=1,
        rate=1.0,
        start=0.2,
        cell_bias=False,
        gate_bias=False,
        output_bias=False,
        every_step=not random,
        direct=True,
        bare=True,
        squash_input="sigmoid",
        squash_output="identity",
        grows=True,
        weights=(p + 1) ** 2 + 3 * (p + 1),
        published=None
        if p != 100
        else Published(sequences=5680)
        if random
        else Published(sequences=5040, trials=18, solved=1.0),
        note="the output gate is held open, recurrent weights are held at 0: so the number of weights says",
    )


def _lag(q: int, p: int) -> Definition:
    found = {(50, 50): 30_000, (1000, 1000): 49_000, (1000, 50): 203_000}.get((q, p))
    return Definition(
        name="2c" if (q, p) == (50, 50) else f"2c-{q}-{p}",
        title=f"long lags, q = {q} distractors of p = {p}",
        draw=partial(sequences.long_lag, q=q, p=p),
        rule=partial(InARow, 0.2, 10_000),
        inputs=p + 4,
        outputs=2,
        blocks=2,
        block_size=1,
        rate=0.01,
        start=0.2,
        cell_bias=False,
        gate_bias=False,
        output_bias=False,
        weights=6 * (p + 10) + 4,
        published=None if found is None else Published(sequences=found),
    )


def _noise(variant: str, t: int, n: int) -> Definition:
    rule = {
        "3a": partial(TestSet, 0.01, 500),
        "3b": partial(TestSet, 0.04, 500, 5),
        "3c": partial(TestSet, 0.015, 500),
    }[variant]
    found = {("3a", 100, 3): 39_850, ("3c", 100, 3): 269_650}.get((variant, t, n))
    return Definition(
        name=variant if (t, n) == (100, 3) else f"{variant}-{t}-{n}",
        title=f"noise and signal on one channel, T = {t}, N = {n}",
        draw=partial(sequences.same_channel, t=t, n=n, variant=variant),
        rule=rule,
        inputs=1,
        outputs=1,
        blocks=3,
        block_size=1,
        rate=0.1 if variant == "3c" else 1.0,
        start=0.1,
        input_gates=(-1.0, -3.0, -5.0),
        output_gates=(-2.0, -4.0, -6.0),
        output_bias=False,
        weights=102,
        test_set=256,
        published=None if found is None else Published(sequences=found),
        note="the stop of 3b (at most 5 wrong, mean error below .04) is from memory of the paper"
        if variant == "3b"
        else "",
    )


def _pairs(t: int, multiply: bool, wrong: int = 0) -> Definition:
    task = "5" if multiply else "4"
    found = (
        {13: 1_273_000, 140: 482_000}.get(wrong)
        if multiply
        else {100: 74_000, 500: 209_000, 1000: 853_000}.get(t)
    )
    published = found if found is not None and (not multiply or t == 100) else None
    extra = ([f"{t}"] if t != 100 else []) + ([f"{wrong}"] if multiply and wrong != 140 else [])
    return Definition(
        name="-".join([task, *extra]),
        title=f"{'multiplication' if multiply else 'adding'}, T = {t}"
        + (f", fewer than {wrong} of 2000 wrong" if multiply else ""),
        draw=partial(sequences.adding, t=t, multiply=multiply),
        rule=partial(LastSequences, 0.04, math.inf, wrong - 1)
        if multiply
        else partial(LastSequences, 0.04, 0.01),
        inputs=2,
        outputs=1,
        blocks=2,
        block_size=2,
        rate=0.1 if multiply else 0.5,
        start=0.1,
        input_gates=(-3.0, -6.0),
        weights=93,
        published=None if published is None else Published(sequences=published),
    )


def _order(places: tuple[tuple[int, int], ...]) -> Definition:
    three = len(places) == 3
    return Definition(
        name="6b" if three else "6a",
        title=f"temporal order of {'three' if three else 'two'} symbols",
        draw=partial(sequences.temporal_order, places=places),
        rule=partial(LastSequences, 0.3, 0.1),
        inputs=8,
        outputs=8 if three else 4,
        blocks=3 if three else 2,
        block_size=2,
        rate=0.1 if three else 0.5,
        start=0.1,
        input_gates=(-2.0, -4.0, -6.0)[: len(places)],
        weights=308 if three else 156,
        published=Published(sequences=571_100 if three else 31_390),
    )


def _reber(blocks: int, size: int) -> Definition:
    wide = size == 2
    return Definition(
        name="1" if wide else "1-4x1",
        title=f"embedded Reber grammar, {blocks} blocks of {size}",
        draw=None,
        rule=partial(TestSet, math.inf, 50),
        inputs=7,
        outputs=7,
        blocks=blocks,
        block_size=size,
        rate=0.5,
        start=0.2,
        output_gates=(-1.0, -2.0, -3.0, -4.0)[:blocks],
        cell_bias=False,
        output_bias=False,
        weights=276 if wide else 264,
        every_step=True,
        test_set=256,
        published=Published(sequences=8_440, solved=1.0)
        if wide
        else Published(sequences=9_500, solved=0.97),
        note="both sets, 256 strings each, have to be right",
    )


def _all() -> dict[str, Definition]:
    made = (
        _reber(3, 2),
        _reber(4, 1),
        _local("2a", 100, random=False),
        _local("2b", 100, random=True),
        _lag(50, 50),
        _lag(1000, 1000),
        _lag(1000, 50),
        _noise("3a", 100, 3),
        _noise("3b", 100, 3),
        _noise("3c", 100, 3),
        _pairs(100, False),
        _pairs(500, False),
        _pairs(1000, False),
        _pairs(100, True, 140),
        _pairs(100, True, 13),
        _order(((10, 20), (50, 60))),
        _order(((10, 20), (33, 43), (66, 76))),
    )
    return {d.name: d for d in made}


#: Every task by name, in the paper's order.
TASKS: dict[str, Definition] = _all()


def definition(name: str) -> Definition:
    """Return a task.

    Raises:
        UsageError: There is none of that name.
    """
    if name not in TASKS:
        raise UsageError(unknown("task of 1997", name, TASKS))
    return TASKS[name]


def cell_options(task: Definition, blocks: int, **changed: Any) -> dict[str, Any]:
    """Return the options of ``lstm97`` for a task.

    Args:
        task: The task.
        blocks: Memory blocks.
        changed: Options that are to be others.
    """
    gates = task.gate_bias or task.bare  # a gate that is held open is held by its bias
    options: dict[str, Any] = {
        "block_size": task.block_size,
        "truncate": True,
        "bias": task.cell_bias,
        "gate_bias": gates,
        "gate_recurrence": not task.bare,
        "squash_input": task.squash_input,
        "squash_output": task.squash_output,
    }
    for name, values in (
        ("input_gate_bias", task.input_gates),
        ("output_gate_bias", task.output_gates),
    ):
        if values:
            options[name] = values if len(values) == blocks else values[:1]
    return options | changed
