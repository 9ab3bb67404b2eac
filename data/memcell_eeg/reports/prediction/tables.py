"""The tables of a prediction's page: every recording, and why some have no result."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from memcell.reports import Html, paragraph, table
from memcell.reports.numbers import count, length, number
from memcell_eeg.reports.prediction.files import Prediction
from memcell_eeg.reports.prediction.phrasing import cut, rate, recordings, remarks, some
from memcell_eeg.reports.tables_in import value

MOST_ROWS = 200


MOST_REASONS = 20


def failures(found: Prediction) -> Html:
    """Return why recordings have no result, a row for each reason."""
    by_reason: dict[str, list[str]] = {}
    for row in found.failed:
        reason = row.get("reason", "").strip() or row.get("status", "") or "no reason was given"
        for own in (row.get("file", ""), row.get("recording", "")):
            # the same trouble in a hundred files is one line
            reason = reason.replace(own, "…") if own else reason
        by_reason.setdefault(reason, []).append(row.get("recording", ""))
    ordered = sorted(by_reason.items(), key=lambda item: -len(item[1]))
    rows = [
        [some(names), count(len(names)), cut(why, 600)] for why, names in ordered[:MOST_REASONS]
    ]
    left = len(ordered) - len(rows)
    more = (
        f" (the {MOST_REASONS} most frequent reasons; {left} more stand in summary.tsv)"
        if left > 0
        else ""
    )
    heads = ["recordings", "how many", "reason"]
    return table(f"Why recordings have no result{more}", heads, rows, 3)


def every_recording(found: Prediction) -> Iterator[Html]:
    """Return a row for each of the first recordings, and what the other files hold."""
    shown = found.rows[:MOST_ROWS]
    left = len(found.rows) - len(shown)
    columns: dict[str, list[str]] = {
        "recording": [r.get("recording", "") for r in shown],
        "status": [r.get("status", "") for r in shown],
        "reason, notes, warnings": [cut(remarks(r), 160) for r in shown],
        "channels": [r.get("channels", "").replace(",", ", ") for r in shown],
        "events": [number(value(r, "events"), 0) for r in shown],
        "events an hour": [number(rate(r), 1) for r in shown],
        "time in events": [length(value(r, "event_seconds")) for r in shown],
        "largest probability": [number(value(r, "probability_max"), 2) for r in shown],
        "length": [length(3600 * value(r, "hours")) for r in shown],
        "rate (Hz)": [number(value(r, "rate"), 0) for r in shown],
        "gaps": [number(value(r, "gaps"), 0) for r in shown],
    }
    # what no recording has anything to say of is left out
    there = {h: c for h, c in columns.items() if any(v.strip("–") for v in c)}
    words = sum(h in ("recording", "status", "reason, notes, warnings", "channels") for h in there)
    if shown:
        more = (
            f" (the first {MOST_ROWS}; {count(left)} more stand in summary.tsv)" if left > 0 else ""
        )
        rows = [list(cells) for cells in zip(*there.values(), strict=True)]
        yield table(f"Every recording{more}", list(there), rows, words)
    states = Counter(r.get("status", "") for r in found.rows)
    told = ", ".join(f"{count(n)} {s or 'without a status'}" for s, n in states.items())
    yield paragraph(
        f"{recordings(len(found.rows))}: {told or 'none'}. The files beside this page hold everything: "
        "summary.tsv, and of each recording NAME_events.tsv (onset and duration in seconds, as BIDS "
        "has them), NAME_probability.tsv (a row a step) and NAME_events.json (which model, which file)."
    )
