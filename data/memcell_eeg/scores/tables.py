"""Tables beside the scores, one file each, from which a report draws its curves.

Tab-separated, ``n/a`` where undefined, full precision. All are pooled over the test steps, each under the
threshold that its model's decisions were made with.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from memcell.applications.app import ModelPredictions, Row
from memcell.escape import table
from memcell.runs.by_subject import cell
from memcell.sequences.time_series import TimeSeries
from memcell_eeg.scores.by_recording import ALL, by_recording
from memcell_eeg.scores.curves import precision_recall, reliability
from memcell_eeg.scores.events import Counted, EventRules, count_events
from memcell_eeg.scores.scores import DecidedSteps
from memcell_eeg.scores.transition_errors import transition_errors

Line = Sequence[str | float]
#: Sequences with the events that were counted in them.
CountedSequences = Sequence[tuple[TimeSeries, Counted]]


def tables(rows: Sequence[Row], rules: EventRules) -> Mapping[str, str]:
    """Return the tables as a mapping of file name to content.

    Args:
        rows: With predictions.
        rules: How events are made and matched.
    """
    counted = [_counted(row.predictions, rules) for row in rows]
    return {
        "confusion.tsv": _table(
            "subject true_negative false_positive false_negative true_positive true_events "
            "detected_events hit_events labelled_hours",
            rows,
            map(_confusion, rows, counted),
        ),
        "calibration.tsv": _table(
            "bin_low bin_high count mean_probability observed",
            rows,
            (
                [
                    [b.low, b.high, b.count, b.predicted, b.observed]
                    for b in reliability(DecidedSteps.of(row.predictions))
                ]
                for row in rows
            ),
        ),
        "recordings.tsv": _table(
            "recording subject steps observed mean_probability brier prior_brier skill ece "
            "balanced_accuracy kappa auc_roc",
            rows,
            (
                [
                    [
                        r.recording,
                        r.subject or "n/a",
                        r.steps,
                        r.observed,
                        r.mean_probability,
                        r.brier,
                        r.prior_brier,
                        r.skill,
                        r.ece,
                        r.balanced_accuracy,
                        r.kappa,
                        r.auc_roc,
                    ]
                    for r in by_recording(row.predictions, row.scores, row.subjects)
                ]
                for row in rows
            ),
        ),
        "pr.tsv": _table(
            "threshold recall precision",
            rows,
            (precision_recall(DecidedSteps.of(row.predictions)) for row in rows),
        ),
        "operating.tsv": _table(
            "threshold recall precision specificity",
            rows,
            ([_operating(row.predictions)] for row in rows),
        ),
        "transitions.tsv": _table(
            "change from_s to_s count errors error_rate",
            rows,
            (
                [
                    [b.change, b.start, b.stop, b.count, b.errors, b.errors / b.count]
                    for b in transition_errors(row.predictions)
                ]
                for row in rows
            ),
        ),
        "delays.tsv": _table("subject recording onset_s delay_s", rows, map(_delays, counted)),
    }


def _counted(predictions: Sequence[ModelPredictions], rules: EventRules) -> CountedSequences:
    return [
        (
            s,
            count_events(
                s, np.asarray(q[:, 1], dtype=np.float64) >= part.decision["threshold"], rules
            ),
        )
        for part in predictions
        for s, q in zip(part.sequences, part.probabilities, strict=True)
    ]


def _confusion(row: Row, events: CountedSequences) -> Iterable[Line]:
    subjects = sorted({s.subject for part in row.predictions for s in part.sequences})
    for subject in (None, *subjects):
        steps = DecidedSteps.of(row.predictions, subject)
        counted = [c for s, c in events if subject is None or s.subject == subject]
        yield [
            subject or ALL,
            int(((steps.y == 0) & (steps.state == 0)).sum()),
            int(((steps.y == 0) & (steps.state == 1)).sum()),
            int(((steps.y == 1) & (steps.state == 0)).sum()),
            int(((steps.y == 1) & (steps.state == 1)).sum()),
            sum(c.true for c in counted),
            sum(c.detected for c in counted),
            sum(c.hits for c in counted),
            sum(c.hours for c in counted),
        ]


def _operating(predictions: Sequence[ModelPredictions]) -> Line:
    steps = DecidedSteps.of(predictions)
    thresholds = {part.decision["threshold"] for part in predictions}
    positive, called = steps.y == 1, steps.state == 1
    return [
        thresholds.pop() if len(thresholds) == 1 else float("nan"),
        _share(called, positive),
        _share(positive, called),
        _share(~called, ~positive),
    ]


def _share(of: NDArray[np.bool_], among: NDArray[np.bool_]) -> float:
    return float(of[among].mean()) if among.any() else float("nan")


def _delays(events: CountedSequences) -> Iterable[Line]:
    for sequence, counted in events:
        for onset, delay in counted.delays:
            yield [sequence.subject, sequence.name, onset, delay]


def _table(columns: str, rows: Sequence[Row], lines: Iterable[Iterable[Line]]) -> str:
    out = [["name", "kind", *columns.split()]]
    for row, own in zip(rows, lines, strict=True):
        out += [[row.name, row.kind, *map(cell, line)] for line in own]
    return table(out)
