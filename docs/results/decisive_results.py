"""Runs of the decisive experiment as they are kept: a line of JSON each in a folder, or reduced to a table.

The table (``docs/results/decisive/*.tsv``) has of each run what `decisive_report` needs: its setting, where
it reached which loss, its validation loss at the last one, and how far its start states moved. What is the
same in all runs stands in the first line.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np
from decisive_plan import Setting, done, key

_COUNTS = ("per_epoch", "updates")
#: Under one inference, where a run did not look (the pilot's first ones).
_UNSEEN = "-"
_KINDS: dict[str, type] = {
    "hidden": int,
    "rate": float,
    "transitions": int,
    "seed": int,
    "epochs": int,
}


def read(path: Path) -> list[dict[str, Any]]:
    """Return the runs of a folder, or of a table.

    Raises:
        SystemExit: There is neither.
    """
    if path.is_dir() and (path / "runs.jsonl").exists():
        return done(path / "runs.jsonl")
    if path.suffix == ".tsv" and path.exists():
        return _read_table(path.read_text())
    raise SystemExit(f"{path}: expected a folder with runs.jsonl, or a .tsv that was made from one")


def reduced(lines: Sequence[dict[str, Any]], targets: Sequence[float]) -> str:
    """Return runs as a table; what is empty was not reached, or not measured."""
    rows = [_row(line, targets) for line in lines]
    same = {name: v for name, v in rows[0].items() if all(row[name] == v for row in rows)}
    names = [name for name in rows[0] if name not in same]
    first = "# " + json.dumps(same)
    body = ["\t".join(row[name] for name in names) for row in rows]
    return "\n".join([first, "\t".join(names), *body]) + "\n"


def _row(line: dict[str, Any], targets: Sequence[float]) -> dict[str, str]:
    found = {k: str(v) for k, v in asdict(key(line["setting"])).items()}
    found.update({name: str(line[name]) for name in _COUNTS})
    for target in map(str, targets):
        found[target] = str(line["reached"].get(target, ""))
        for inference in ("carry", "reset"):
            name = f"{target} {inference}"
            found[name] = str(line["common"].get(name, "")) if "common" in line else _UNSEEN
    for inference in ("carry", "reset"):
        losses = line["valid"].get(f"{targets[-1]} {inference}")
        found[f"valid {inference}"] = "" if losses is None else f"{np.mean(losses):.5g}"
    found["drift"] = " ".join(
        f"{d['epoch']}:{d['between']:.3g}:{d['within']:.3g}"
        for d in line["drift"]
        if line["setting"]["start"] == "carry"
    )
    return found


def _read_table(text: str) -> list[dict[str, Any]]:
    first, head, *body = text.splitlines()
    same: dict[str, str] = json.loads(first.removeprefix("# "))
    return [_line(same | dict(zip(head.split("\t"), row.split("\t"), strict=True))) for row in body]


def _line(row: dict[str, str]) -> dict[str, Any]:
    """Return a row as the line that it was made from, as far as it is kept."""
    line: dict[str, Any] = {name: int(row.pop(name)) for name in _COUNTS}
    line["setting"] = {f.name: _KINDS.get(f.name, str)(row.pop(f.name)) for f in fields(Setting)}
    drift = [d.split(":") for d in row.pop("drift").split()]
    line["drift"] = [
        {"epoch": int(epoch), "between": float(between), "within": float(within)}
        for epoch, between, within in drift
    ]
    line |= {"valid": {}, "reached": {}, "common": {}}
    last = [name for name in row if name.replace(".", "").isdigit()][-1]
    for name, value in row.items():
        if value == _UNSEEN:
            line.pop("common", None)
        elif value and name.startswith("valid"):
            line["valid"][f"{last} {name.split()[1]}"] = [float(value)]
        elif value:
            line["common" if " " in name else "reached"][name] = int(value)
    return line
