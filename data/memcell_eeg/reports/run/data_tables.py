"""What went in: recordings and their quality, features, versions."""

from __future__ import annotations

import math

from memcell.reports import Html, paragraph, table
from memcell.reports.numbers import count, length, number, percent
from memcell_eeg.reports.run.held import Run
from memcell_eeg.reports.tables_in import as_float, value

MOST_RECORDINGS = 100


MOST_FEATURES = 10


def feature_table(run: Run) -> Html | None:
    """Return the features that differ most between the classes, over training subjects."""
    found = [r for r in run.table("features") if not math.isnan(value(r, "dz"))]
    if not found:
        return None
    ordered = sorted(found, key=lambda r: -abs(value(r, "dz")))[:MOST_FEATURES]
    rows = [
        [r.get("name", ""), number(value(r, "negative"), 2), number(value(r, "positive"), 2),
         number(value(r, "dz"), 2), number(value(r, "auc"), 2), number(value(r, "p_t_holm")),
         number(value(r, "p_flip_holm"))]
        for r in ordered
    ]  # fmt: skip
    n = value(ordered[0], "n")
    heads = ["feature", "mean, negative", "mean, positive", "d_z", "area under ROC", "p (paired t, Holm)",
             "p (sign flip, Holm)"]  # fmt: skip
    caption = (
        f"Features that differ most between the classes, over {count(n)} training subjects "
        f"({len(ordered)} of {len(found)}; all in features.tsv)"
    )
    return table(caption, heads, rows)


def recording_table(run: Run) -> Html:
    """Return the quality of each recording."""
    rows_in = run.facts.get("recordings", [])
    if not rows_in:
        return paragraph("The run does not say what its recordings were like.")
    part_of = {
        str(s): words
        for part, words in (("train", "train"), ("valid", "validation"), ("test", "test"))
        for s in run.facts.get("subjects", {}).get(part, ())
    }
    by_time = run.facts.get("split") == "time"
    rows = []
    for r in rows_in[:MOST_RECORDINGS]:
        labelled, positive, steps = (as_float(r.get(n)) for n in ("labelled", "positive", "steps"))
        part = (
            "cut by time"
            if by_time
            else "left out in turn"
            if run.folds
            else part_of.get(str(r.get("subject")), "")
        )
        warnings = "; ".join(map(str, r["warnings"]))
        rows.append(
            [str(r.get("name", "")), str(r.get("subject", "")), part, warnings or "none",
             length(as_float(r.get("seconds"))), number(as_float(r.get("rate")) or math.nan, 0),
             count(steps), percent(labelled / steps if steps else math.nan),
             percent(positive / labelled if labelled else math.nan, 1),
             f"{r.get('gaps', 0)} ({length(as_float(r.get('gap_seconds')))})"]
        )  # fmt: skip
    heads = ["recording", "subject", "part", "warnings", "length", "rate (Hz)", "steps", "labelled",
             "positive", "gaps"]  # fmt: skip
    left = len(rows_in) - len(rows)
    more = f" (the first {MOST_RECORDINGS} of {len(rows_in)})" if left > 0 else ""
    return table(f"Recordings{more}", heads, rows, 4)


def environment_table(run: Run) -> Html:
    """Return with what it was made."""
    e = run.environment
    libraries = e.get("libraries")
    named = {
        "memcell": e.get("memcell"), "git commit": e.get("git"), "Python": e.get("python"),
        "system": e.get("platform"), "device": e.get("device"), "threads": e.get("threads"),
        **(libraries if isinstance(libraries, dict) else {}),
    }  # fmt: skip
    rows = [[k, str(v)] for k, v in named.items() if v not in (None, "")]
    if not rows:
        return paragraph("The run does not say with which versions it was made.")
    return table("Made with", ["what", "version"], rows, 2)
