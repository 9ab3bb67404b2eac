"""What a person sees of several test subjects: scores with intervals, and differences between models."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from memcell.applications.app import Pooling, Row
from memcell.escape import line
from memcell.runs.by_subject import SubjectDifferences, mean_of, mean_of_recordings
from memcell.runs.tables import aligned, format_score, laid_out, networks_first
from memcell.statistics.bootstrap import NONE, Interval
from memcell.statistics.paired import ALPHA

#: Scores that have their intervals on a screen; the files have all.
MOST = 3
#: Subjects that each have a column, at most; of more, quantiles over them.
MOST_SUBJECTS = 24
SPREAD = {"lowest": 0.0, "Q1": 0.25, "median": 0.5, "Q3": 0.75, "highest": 1.0}


def with_intervals(
    rows: Sequence[Row], scores: Sequence[str], pooled: Mapping[str, Mapping[str, Interval]]
) -> str:
    """Return a line a row: each score pooled with its interval, networks first.

    Args:
        rows: The rows.
        scores: Their names; the first `MOST` are shown.
        pooled: Row name to score to interval.
    """
    ordered = networks_first(rows)
    columns = []
    for name in scores[:MOST]:
        ends = [pooled.get(row.name, {}).get(name, NONE) for row in ordered]
        values = [row.scores.get(name, math.nan) for row in ordered]
        columns.append((name.replace("_", " "), list(map(between, values, ends))))
    return aligned(ordered, columns)


def by_subject(rows: Sequence[Row], name: str) -> str:
    """Return a line a row: a score of each subject, and their mean with its interval.

    Of more than `MOST_SUBJECTS` how they are spread instead of each.
    """
    subjects = sorted({u for row in rows for u in row.subjects})
    values = np.array(
        [[row.subjects.get(u, {}).get(name, math.nan) for u in subjects] for row in rows]
    )
    title = "by subject"
    if len(subjects) <= MOST_SUBJECTS:
        columns = [
            (u, [format_score(v) for v in mine])
            for u, mine in zip(subjects, values.T.tolist(), strict=True)
        ]
    else:
        title = f"over {len(subjects)} subjects (subjects.tsv has each)"
        columns = [
            (word, [format_score(_quantile(mine, share)) for mine in values])
            for word, share in SPREAD.items()
        ]
    means = [mean_of(row, name) for row in rows]
    columns.append(("mean", [between(mean.value, mean.interval) for mean in means]))
    return f"{name.replace('_', ' ')}, {title}\n{aligned(rows, columns)}"


def _quantile(values: NDArray[np.float64], share: float) -> float:
    known = values[np.isfinite(values)]
    return float(np.quantile(known, share)) if len(known) else math.nan


def beside_recordings(row: Row, scores: Sequence[str], app: object) -> list[str]:
    """Return a row's scores, all steps together and below them their mean over recordings.

    Nothing of fewer than two recordings, or where the app cannot score one by itself.

    Args:
        row: With predictions.
        scores: Their names; the first two are told.
        app: Scores them.
    """
    recordings = {(s.subject, s.name) for part in row.predictions for s in part.sequences}
    if not isinstance(app, Pooling) or len(recordings) < 2:
        return []
    pooled, each = [], []
    for name in scores[:2]:
        words = name.replace("_", " ")
        mean = mean_of_recordings(app, row, name)
        few = f" (of {mean.n})" if mean.n < len(recordings) else ""
        pooled.append(f"{words} {format_score(row.scores.get(name, math.nan))}")
        each.append(f"{words} {format_score(mean.value)}{few}")
    head = f"mean of {len(recordings)} recordings:"
    return [
        f"{'all steps together:':<{len(head)}} {', '.join(pooled)}",
        f"{head} {', '.join(each)}",
    ]


def of_differences(made: Sequence[SubjectDifferences], name: str) -> str:
    """Return a line for each difference in one score."""
    mine = [d for d in made if d.score == name]
    if not mine:
        return ""
    differences = [between(d.mean.value, d.mean.interval, signed=True) for d in mine]
    columns = [("difference", differences), ("p", [f"{d.test.p:.3g}" for d in mine])]
    lines = [
        f"{line(mine[0].name)}, {name.replace('_', ' ')}, mean over subjects",
        laid_out([(f"minus {d.minus}",) for d in mine], columns),
    ]
    # who does not differ at all from another row says nothing of how many people there are
    least: dict[int, float] = {}
    for d in mine:
        least[d.test.n] = min(d.test.smallest_p, least.get(d.test.n, 1.0))
    lines += [
        f"({n} subjects cannot give a p below {p:.3g})" for n, p in least.items() if p > ALPHA
    ]
    return "\n".join(lines)


def between(value: float, ends: Interval, signed: bool = False) -> str:
    """Return ``0.934 [0.912, 0.950]``; without ends where there are none."""
    if math.isnan(value):
        return "-"
    number = f"{value:+.3f}" if signed else format_score(value)
    if any(math.isnan(end) for end in ends):
        return number
    low, high = (f"{end:+.3f}" if signed else format_score(end) for end in ends)
    return f"{number} [{low}, {high}]"
