"""The tables of the page: what a person reads; the files hold the rest."""

from __future__ import annotations

import math
from collections.abc import Sequence

from memcell.compare.report.differences import SUBJECTS, Difference
from memcell.compare.report.folder import Comparison
from memcell.compare.report.measured import UPDATES, Measured
from memcell.compare.report.staleness import Seen, staleness_by_setting
from memcell.compare.report.summary import Summary
from memcell.compare.report.words import measure_name, number, p_value, signed
from memcell.reports import Html, strong, table, text

#: Scores that a page has room for, the main one included.
MOST_SCORES = 6


def glance(differences: Sequence[Difference]) -> Html:
    """Return the verdicts at a glance: a row for each pair of settings, a column for each measure."""
    main = [d for d in differences if d.main]
    columns = list(dict.fromkeys((d.measure, d.inference, d.unit) for d in main))
    found = {(_pair(d), (d.measure, d.inference, d.unit)): d for d in main}
    rows = []
    for pair in dict.fromkeys(map(_pair, main)):
        cells = []
        for column in columns:
            d = found.get((pair, column))
            cells.append(_short(d) if d is not None and d.n else "–")
        rows.append([*pair, *cells])
    heads = ["compared", "at", *(_column(*c) for c in columns)]
    if not any(row[1] for row in rows):
        rows, heads = [[r[0], *r[2:]] for r in rows], [heads[0], *heads[2:]]
    words = len(heads)
    return table(
        "Verdicts at a glance: verdict, and difference (of updates: ratio)", heads, rows, words
    )


def summary_table(comparison: Comparison, summaries: Sequence[Summary]) -> Html:
    """Return a row for each setting and inference policy."""
    main = measure_name(comparison.main_score)
    heads = [*(a.name.replace("_", " ") for a in comparison.axes), "memory at inference", "runs",
             "of them diverged", main, "95 % interval", "interquartile mean", "best validation loss",
             "final training loss", "reached target", "median updates to it"]  # fmt: skip
    rows = [
        [*s.setting, s.inference or "–", f"{s.done + s.diverged} of {s.planned}", str(s.diverged),
         number(s.score), span(s.low, s.high), number(s.iqm), number(s.best_validation_loss),
         number(s.final_training_loss), percent(s.reached), number(s.updates, 0)]
        for s in summaries
    ]  # fmt: skip
    return table("Each setting by itself (means over seeds)", heads, rows, len(comparison.axes) + 1)


def difference_table(differences: Sequence[Difference], caption: str, unit: str) -> Html:
    """Return every main comparison in numbers."""
    heads = ["compared", "measure", "pairs", "difference", "95 % interval", "d_z", "higher in", "p",
             "p corrected", "verdict"]  # fmt: skip
    rows = []
    for d in differences:
        if not d.main or d.unit != unit:
            continue
        inside = f" ({d.within.replace('_', ' ')})" if d.within else ""
        measure = measure_name(d.measure) + (f", inference {d.inference}" if d.inference else "")
        if d.measure == UPDATES:
            measure = "ln(updates to target)"
        rows.append(
            [f"{d.setting} – {d.reference}{inside}", measure, str(d.n), signed(d.difference),
             span(d.low, d.high), number(d.d_z, 2), percent(d.superiority),
             p_value(d.p).removeprefix("p = ").removeprefix("p "),
             p_value(d.p_holm).removeprefix("p = ").removeprefix("p "), d.verdict]
        )  # fmt: skip
    return table(caption, heads, rows, 2)


def baseline_table(
    comparison: Comparison, measured: Measured, summaries: Sequence[Summary]
) -> Html:
    """Return the networks and what needs no network, side by side."""
    shown = [n for n in comparison.shown_scores if n in measured.scores] or measured.scores
    names = list(dict.fromkeys([comparison.main_score, *shown]))[:MOST_SCORES]
    rows = [
        [f"{', '.join(s.setting) or 'network'}; inference {s.inference}", "network", number(s.score),
         *(number(s.others[n]) for n in names[1:])]
        for s in summaries if s.inference
    ]  # fmt: skip
    for b in comparison.baselines:
        kind = f"baseline: {b.note}" if b.note else "baseline"
        if "not deployable" in b.name:
            kind = f"not deployable: {b.note}" if b.note else "not deployable"
        rows.append([b.name, kind, *(number(b.scores.get(n, float("nan"))) for n in names)])
    heads = ["name", "kind", *map(measure_name, names)]
    return table("Networks (means over seeds) beside what needs no network", heads, rows, 2)


def staleness_table(seen: Sequence[Seen]) -> Html:
    """Return what the probes of staleness measured, a row for each setting."""
    rows = [
        [", ".join(s.setting), str(s.seeds), str(s.measured), number(s.lag, 1), number(s.distance),
         number(s.cost, 4), number(s.gain, 4), percent(s.ratio),
         "–" if s.low != s.low else f"{percent(s.low)} to {percent(s.high)}", number(s.turned, 5)]
        for s in staleness_by_setting(seen)
    ]  # fmt: skip
    heads = ["setting", "runs", "measurements", "mean lag (updates)", "S: how far off", "cost of staleness",
             "gain of memory", "cost as share of gain", "95 % interval", "1 − cosine"]  # fmt: skip
    return table("Staleness while training (loss in nats; ratio of means)", heads, rows)


def span(low: float, high: float) -> str:
    """Return an interval for reading."""
    return "–" if low != low else f"{number(low)} to {number(high)}"


def percent(share: float) -> str:
    """Return a share for reading."""
    return "–" if share != share else f"{100 * share:.0f} %".replace("-", "−")


def _pair(d: Difference) -> tuple[str, str]:
    return f"{d.setting} against {d.reference}", d.within.replace("_", " ")


def _column(measure: str, inference: str, unit: str) -> str:
    name = measure_name(measure) + (f", inference {inference}" if inference else "")
    return name + (", over subjects" if unit == SUBJECTS else "")


def _short(d: Difference) -> Html:
    size = (
        f"×\u00a0{number(math.exp(d.difference), 2)}"
        if d.measure == UPDATES
        else signed(d.difference)
    )
    return text(strong(d.verdict) if d.verdict != "undecided" else d.verdict, f" {size}")
