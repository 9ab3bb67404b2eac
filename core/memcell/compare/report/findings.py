"""The numbers of a comparison, before any is drawn or put into words, and the files that hold them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from memcell.compare.report import tsv
from memcell.compare.report.answer import answer
from memcell.compare.report.caveats import caveats, missing_line
from memcell.compare.report.differences import PairedDifference, differences
from memcell.compare.report.folder import Comparison, read_comparison
from memcell.compare.report.measures import Measures, measure
from memcell.compare.report.phrasing import sentence_text, title
from memcell.compare.report.staleness import (
    MemoryShare,
    StalenessMeasurement,
    memory_shares,
    read_staleness,
    staleness_by_setting,
)
from memcell.compare.report.summaries import (
    LearningCurve,
    Summary,
    difference_curves,
    loss_curves,
    summaries,
)
from memcell.files.atomic import write_atomic

#: So many comparisons fit on a screen.
MOST_LINES = 20


@dataclass(frozen=True, kw_only=True)
class Findings:
    """Everything that was found.

    Args:
        comparison: The plan and the records.
        measured: The measures of each run.
        summaries: Each setting by itself.
        differences: Each setting minus the reference.
        shares: The cost of staleness as a share of the gain of memory.
        losses: Learning curves.
        loss_differences: Learning curves minus that of the reference.
        staleness: Measurements of the staleness probe.
        caveats: What limits the conclusions.
        answer: Whether to carry state, in sentences; empty where that was not asked.
    """

    comparison: Comparison
    measured: Measures
    summaries: Sequence[Summary]
    differences: Sequence[PairedDifference]
    shares: Sequence[MemoryShare]
    losses: Sequence[LearningCurve]
    loss_differences: Sequence[LearningCurve]
    staleness: Sequence[StalenessMeasurement]
    caveats: Sequence[str]
    answer: Sequence[str] = ()


def find(folder: Path) -> Findings:
    """Read a comparison's folder and compute everything.

    Raises:
        DataError: It is no folder of a comparison.
    """
    comparison = read_comparison(folder)
    measured = measure(comparison)
    found = differences(comparison, measured)
    return Findings(
        comparison=comparison,
        measured=measured,
        summaries=summaries(comparison, measured),
        differences=found,
        shares=memory_shares(comparison, measured),
        losses=loss_curves(comparison, measured),
        loss_differences=difference_curves(comparison, measured),
        staleness=read_staleness(comparison),
        caveats=caveats(comparison, measured, found),
        answer=tuple(answer(comparison, measured, found)),
    )


def write_numbers(found: Findings) -> None:
    """Write the tables and ``results.json`` into the comparison's folder."""
    comparison, measured = found.comparison, found.measured
    rows: dict[str, list[dict[str, Any]]] = {
        "runs": tsv.run_rows(comparison, measured),
        "subjects": tsv.subject_rows(comparison, measured),
        "summary": tsv.summary_rows(comparison, found.summaries),
        "comparisons": tsv.difference_rows(found.differences),
        "curves": tsv.curve_rows(comparison, found.losses, found.loss_differences),
    }
    for name, table in rows.items():
        write_atomic(comparison.folder / f"{name}.tsv", tsv.tsv(table, tsv.HEADS[name]))
    results = {
        "format": 1,
        "app": comparison.app,
        "axes": {a.name: a.values for a in comparison.axes},
        "seeds": comparison.seeds,
        "commands": comparison.commands,
        "main_score": comparison.main_score,
        "target_loss": measured.target,
        "target_given": measured.given,
        "targets": list(measured.targets.values()),
        "horizons": list(measured.horizon.values()),
        "primary": comparison.primary,
        "limits": comparison.limits,
        "missing": [{"setting": key, "seed": seed} for key, seed in comparison.missing],
        "answer": found.answer,
        "caveats": found.caveats,
        "memory": found.shares,
        "staleness": staleness_by_setting(found.staleness),
        "baselines": comparison.baselines,
        **rows,
    }
    text = json.dumps(tsv.plain(results), indent=1, allow_nan=False)
    write_atomic(comparison.folder / "results.json", text + "\n")


def messages(found: Findings) -> Iterator[str]:
    """Yield the lines for a screen: missing runs, results, caveats."""
    yield missing_line(found.comparison)
    yield from found.answer
    declared = found.comparison.primary is not None
    reported = [r for r in found.differences if (r.primary if declared else r.main) and r.n]
    if len(reported) > MOST_LINES:
        decided = [row for row in reported if row.verdict != "undecided"]
        yield f"{len(decided)} of {len(reported)} comparisons are decided; the report has all of them"
        reported = decided[:MOST_LINES]
    for row in reported:
        yield f"{title(row)}: {sentence_text(row)}"
    others = sum(row.main and not row.primary and row.n > 0 for row in found.differences)
    if declared and others:
        yield f"{others} secondary differences have no verdict; the report has them"
    for caveat in found.caveats:
        yield f"note: {caveat}"
