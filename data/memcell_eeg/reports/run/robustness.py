"""The network under other conditions: the worst in a sentence, and all of them in a table."""

from __future__ import annotations

import math
import shlex

from memcell.reports.numbers import count, number
from memcell.reports.parts import Listing, Paragraph, Part, Table, paragraph, strong, with_interval
from memcell_eeg.reports.phrasing import capital, name_of
from memcell_eeg.reports.reading import TableRow, as_object, read_json, value
from memcell_eeg.reports.run.files import RunFiles

#: As `memcell.runs.robustness` names it.
AS_RECORDED = "as recorded"
#: A difference in a score that nobody minds.
NOTHING = 0.0005
#: And one that a gain may not cost.
MUCH = 0.02


def robustness(run: RunFiles) -> list[Part]:
    """Return the parts of the section."""
    found = run.table("robustness")
    if run.own is None:
        return []
    if not found:
        return [Paragraph(_why_not(run))]
    network = [r for r in found if r.get("kind") == "network"]
    scores = list(dict.fromkeys(r["score"] for r in network))
    parts: list[Part] = [_worst(network, scores), *_advice(network), _table(run, found, scores)]
    refused = _refused(found)
    return [*parts, Listing(refused)] if refused else parts


def _why_not(run: RunFiles) -> str:
    about = as_object(read_json(run.folder / "robustness" / "about.json"))
    why = str(about.get("why") or "the run has no table of it")
    command = f"memcell evaluate {run.task.name} {shlex.quote(str(run.folder))} --robustness"
    return f"Not measured: {why}. This makes it: {command}"


def _worst(network: list[TableRow], scores: list[str]) -> Paragraph:
    """Return in a sentence what costs the network most, in the main score."""
    main = scores[0]
    rows = [
        r for r in network
        if r["score"] == main and r["condition"] != AS_RECORDED
        and math.isfinite(value(r, "difference"))
    ]  # fmt: skip
    if not rows:
        return Paragraph("Under no condition could the recordings be scored.")
    lowest = min(rows, key=lambda r: value(r, "difference"))
    before, now = value(lowest, "as_recorded"), value(lowest, "value")
    many = f"of {len(rows)} condition{'' if len(rows) == 1 else 's'}"
    if value(lowest, "difference") > -NOTHING:
        return paragraph(
            strong(f"{capital(name_of(main))} is {number(before)} as recorded and no worse under any {many}"),
            ".",
        )  # fmt: skip
    other = next(
        (r for r in network if r["condition"] == lowest["condition"] and r["score"] != main), None
    )
    more = "" if other is None else (
        f"; {name_of(other['score'])} {number(value(other, 'value'))} instead of "
        f"{number(value(other, 'as_recorded'))}"
    )  # fmt: skip
    return paragraph(
        strong(f"Worst {many}: {lowest['condition']}"),
        f": {name_of(main)} {number(now)} instead of {number(before)}{more}.",
    )


def _advice(network: list[TableRow]) -> list[Paragraph]:
    """Return what to do where another gain costs much."""
    gains = [value(r, "difference") for r in network if r["condition"].startswith("gain")]
    if min(filter(math.isfinite, gains), default=0.0) >= -MUCH:
        return []
    return [
        Paragraph(
            "Absolute powers grow with the gain of an amplifier, and the scale of the training people does "
            "not follow. Relative ones do not: --features relative, or of sleep-edf-powers --data.powers "
            "relative."
        )
    ]


def _table(run: RunFiles, found: list[TableRow], scores: list[str]) -> Table:
    models = list(dict.fromkeys((r["kind"], r["name"]) for r in found))
    at = {(r["condition"], r["name"], r["score"]): r for r in found}
    heads, columns = ["condition"], []
    for kind, name in models:
        for score in scores if kind == "network" else scores[:1]:
            words = name_of(score) if kind == "network" else f"{name}: {name_of(score)}"
            heads += [words, "difference"]
            columns.append((name, score))
    rows = []
    for condition in dict.fromkeys(r["condition"] for r in found):
        cells: list[str] = [condition]
        for name, score in columns:
            row = at.get((condition, name, score), {})
            text, low, high = (number(value(row, n)) for n in ("value", "low", "high"))
            known = math.isfinite(value(row, "low"))
            cells.append(with_interval(text, low, high) if known else text)
            cells.append("" if condition == AS_RECORDED else _signed(value(row, "difference")))
        rows.append(cells)
    return Table(
        "The test recordings read again under other conditions; nothing is fitted anew, and differences are "
        "on the recordings that can be used so",
        heads,
        rows,
        source=run.source("robustness.tsv"),
    )


def _signed(change: float) -> str:
    """Return a difference with its sign; nothing where it is not defined."""
    if not math.isfinite(change):
        return ""
    return ("+" if change >= NOTHING else "") + number(0.0 if abs(change) < NOTHING else change)


def _refused(found: list[TableRow]) -> list[str]:
    """Return what could not be used under which condition."""
    lines = []
    for condition in dict.fromkeys(r["condition"] for r in found):
        said = next(r["refused"] for r in found if r["condition"] == condition)
        reasons = [] if said in ("", "n/a") else said.split("; ")
        if reasons:
            more = len(reasons) - 1
            also = f" (and {count(more)} more)" if more else ""
            lines.append(f"{capital(condition)}: {reasons[0].rstrip('.')}{also}.")
    return lines
