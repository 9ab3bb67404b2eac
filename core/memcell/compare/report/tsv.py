"""The tables as files: tab-separated, full precision, ``n/a`` where not defined (BIDS)."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from memcell.compare.report.differences import PairedDifference
from memcell.compare.report.folder import Comparison
from memcell.compare.report.measures import BEST, CHOSEN, FINAL, LOSSES, UPDATES, Measures
from memcell.compare.report.summaries import LearningCurve, Summary
from memcell.escape import table
from memcell.statistics.targets import NEVER

#: Heads that a table has even without rows.
HEADS: Mapping[str, Sequence[str]] = {
    "runs": ("id", "seed", "status", "inference"),
    "subjects": ("seed", "inference", "subject"),
    "summary": ("inference", "planned", "done", "diverged", "failed"),
    "comparisons": tuple(f.name for f in dataclasses.fields(PairedDifference)),
    "curves": ("inference", "update", "n", "validation_loss"),
}


def tsv(rows: Sequence[Mapping[str, Any]], heads: Sequence[str] = ()) -> str:
    """Return rows as text; the heads are the names in the rows; without rows those given."""
    names = list(dict.fromkeys(name for row in rows for name in row)) or list(heads)
    return table([names, *([_cell(row.get(n)) for n in names] for row in rows)])


def run_rows(comparison: Comparison, measured: Measures) -> list[dict[str, Any]]:
    """Return a row for each record and inference policy, a diverged run with what it counts with."""
    rows: list[dict[str, Any]] = []
    for r in comparison.records:
        run = (comparison.key(r), r.seed)
        base = {"id": r.id, **_named(comparison, run[0]), "seed": r.seed, "status": r.status,
                "reason": r.reason, "updates": r.updates, "cpu_seconds": r.cpu_seconds}  # fmt: skip
        counted = run in measured.updates[UPDATES]
        names = (*LOSSES, *(name for name in measured.updates if name not in LOSSES))
        losses = {name: measured.values[name, ""].get(run) for name in names if counted}
        if losses:
            for name, updates in measured.updates.items():
                losses[name.removeprefix("log_")] = updates[run]
        for inference in measured.inferences or ("",):
            for name in (BEST, FINAL):  # under this one, where epochs were validated under both
                if counted and (name, inference) in measured.values:
                    losses = {**losses, name: measured.values[name, inference].get(run)}
            if (CHOSEN, inference) in measured.values:
                losses = {**losses, CHOSEN: measured.values[CHOSEN, inference].get(run)}
            scores = {n: measured.values.get((n, inference), {}).get(run) for n in measured.scores}
            rows.append({**base, "inference": inference, **losses, **scores})
    return rows


def subject_rows(comparison: Comparison, measured: Measures) -> list[dict[str, Any]]:
    """Return a row for each run, inference policy and test subject, with the main score that counts."""
    main = comparison.main_score
    return [
        {**_named(comparison, key), "seed": seed, "inference": inference, "subject": subject,
         main: value}
        for (inference, subject), values in measured.by_subject.items()
        for (key, seed), value in values.items()
    ]  # fmt: skip


def summary_rows(comparison: Comparison, summaries: Iterable[Summary]) -> list[dict[str, Any]]:
    """Return a row for each setting and inference policy."""
    rows = []
    for s in summaries:
        values = {k: v for k, v in plain(s).items() if k not in ("setting", "others")}
        main = comparison.main_score
        values = {main if k == "score" else k: v for k, v in values.items()}
        rows.append({**_named(comparison, s.setting), **values, **s.others})
    return rows


def difference_rows(differences: Iterable[PairedDifference]) -> list[dict[str, Any]]:
    """Return a row for each difference; those that decide come first, then those that the page shows."""
    return [plain(d) for d in sorted(differences, key=lambda d: (not d.primary, not d.main))]


def curve_rows(
    comparison: Comparison, losses: Iterable[LearningCurve], differences: Iterable[LearningCurve]
) -> list[dict[str, Any]]:
    """Return a row for each setting, inference policy and update, with the difference to the reference."""
    declared = "" if comparison.primary is None else comparison.primary.inference
    beside = {
        (c.setting, c.inference, u): {
            "pairs": c.n,
            "difference": d,
            "difference_low": lo,
            "difference_high": hi,
        }
        for c in differences
        for u, d, lo, hi in zip(c.updates, c.mean, c.low, c.high, strict=True)
    }
    return [
        {**_named(comparison, c.setting), "inference": c.inference or declared or None, "update": int(u),
         "n": c.n, "validation_loss": mean, "low": lo, "high": hi,
         **beside.get((c.setting, c.inference, u), {})}
        for c in losses
        for u, mean, lo, hi in zip(c.updates, c.mean, c.low, c.high, strict=True)
    ]  # fmt: skip


def plain(value: Any) -> Any:
    """Return dataclasses, tuples and numbers of numpy as what JSON has; not defined becomes None."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, float):
        if math.isnan(value):
            return None
        return "never" if value == NEVER else float(value)
    return value


def _named(comparison: Comparison, key: Sequence[str]) -> dict[str, str]:
    return {axis.name: value for axis, value in zip(comparison.axes, key, strict=True)}


def _cell(value: Any) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "n/a"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return "never" if value == NEVER else repr(float(value))
    return " ".join(str(value).split()) or "n/a"
