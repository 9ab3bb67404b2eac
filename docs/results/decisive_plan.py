"""Plans of the decisive experiment: their runs, in order, the runs there are, and the hours of the others."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

#: Training losses that are given beforehand.
TARGETS = (0.1, 0.03)


@dataclass(frozen=True, kw_only=True, order=True)
class Setting:
    """One run.

    Args:
        cell: Name of the cell.
        hidden: H.
        optimizer: ``adam`` or ``sgd`` (momentum .9).
        rate: The learning rate, constant.
        transitions: Mean changes of label in a batch (of `LANES` times `T` steps).
        start: One of `STARTS`.
        seed: Of data, weights, everything.
        epochs: Epochs at most.
        data: What recordings: simulated ones, or real ones (``transitions`` 0: as they are).
    """

    cell: str
    hidden: int
    optimizer: str
    rate: float
    transitions: int
    start: str
    seed: int
    epochs: int = 300
    data: str = "simulated"


def settings_of(plan: dict[str, Any]) -> Iterator[Setting]:
    """Yield a plan's runs in its order: blocks, in a block seeds, in a seed the grid."""
    seen = set()
    for block in plan["blocks"]:
        axes = {f.name: block.get(f.name, plan["base"].get(f.name)) for f in fields(Setting)}
        axes["epochs"], axes["data"] = axes["epochs"] or 300, axes["data"] or "simulated"
        seeds = axes.pop("seed")
        first, last = seeds
        grid = [v if isinstance(v, list) else [v] for v in axes.values()]
        for seed in range(first, last):
            for values in itertools.product(*grid):
                setting = Setting(**dict(zip(axes, values, strict=True)), seed=seed)
                if setting not in seen:
                    seen.add(setting)
                    yield setting


def done(path: Path) -> list[dict[str, Any]]:
    """Return the lines that are there; one that was cut off is dropped from the file."""
    if not path.exists():
        return []
    text = path.read_text()
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        path.write_text(whole)
    return [json.loads(line) for line in whole.splitlines()]


def key(setting: dict[str, Any]) -> Setting:
    """Return what tells a run from all others."""
    return Setting(**setting)


def targets_of(plan: dict[str, Any]) -> tuple[float, ...]:
    """Return the training losses that are looked for; a run ends at the last one."""
    return tuple(plan.get("targets", TARGETS))


def predict(plan: dict[str, Any], lines: list[dict[str, Any]]) -> str:
    """Return the plan's runs, and its hours by the nearest runs there are whose time is known."""
    lines = [line for line in lines if "seconds" in line]
    kinds = ("data", "cell", "hidden", "optimizer", "rate", "transitions", "start")
    known: dict[tuple[str, ...], dict[tuple[Any, ...], list[float]]] = {}
    for n in range(len(kinds), -1, -1):
        for chosen in itertools.combinations(kinds, n):
            table = known.setdefault(chosen, {})
            for line in lines:
                at = tuple(getattr(key(line["setting"]), k) for k in chosen)
                table.setdefault(at, []).append(line["seconds"])
    total, count = 0.0, 0
    for setting in settings_of(plan):
        found = next(
            (
                table[at]
                for chosen, table in known.items()
                if (at := tuple(getattr(setting, k) for k in chosen)) in table
            ),
            [15.0],
        )
        total, count = total + float(np.mean(found)), count + 1
    return f"{count} runs, {total / 3600:.1f} CPU hours by {len(lines)} runs measured"
