"""Tables beside the scores, one file each, from which a report draws its curves.

Tab-separated, ``n/a`` where undefined, full precision. All are pooled over the test steps, each under the
threshold that its model's decisions were made with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from memcell.applications.app import ModelPredictions, Row
from memcell.escape import table
from memcell.runs.by_subject import cell
from memcell.sequences.time_series import TimeSeries
from memcell_eeg.scores.by_recording import ALL, by_recording
from memcell_eeg.scores.curves import precision_recall, reliability
from memcell_eeg.scores.events import EventRules, count_events
from memcell_eeg.scores.scores import DecidedSteps
from memcell_eeg.scores.transition_errors import transition_errors

Line = Sequence[str | float]


def tables(rows: Sequence[Row], rules: EventRules) -> Mapping[str, str]:
    """Return the tables as a mapping of file name to content.

    Args:
        rows: With predictions.
        rules: How events are made and matched.
    """
    return {
        "confusion.tsv": _table(
            "subject true_negative false_positive false_negative true_positive true_events "
            "detected_events hit_events labelled_hours",
            rows,
            lambda row: _confusion(row, rules),
        ),
        "calibration.tsv": _table(
            "bin_low bin_high count mean_probability observed",
            rows,
            lambda row: [
                [b.low, b.high, b.count, b.predicted, b.observed]
                for b in reliability(DecidedSteps.of(row.predictions))
            ],
        ),
        "recordings.tsv": _table(
            "recording subject steps observed mean_probability brier prior_brier skill ece "
            "balanced_accuracy kappa auc_roc",
            rows,
            lambda row: [
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
            ],
        ),
        "pr.tsv": _table(
            "threshold recall precision",
            rows,
            lambda row: precision_recall(DecidedSteps.of(row.predictions)),
        ),
        "operating.tsv": _table(
            "threshold recall precision specificity",
            rows,
            lambda row: [_operating(row.predictions)],
        ),
        "transitions.tsv": _table(
            "change from_s to_s count errors error_rate",
            rows,
            lambda row: [
                [b.change, b.start, b.stop, b.count, b.errors, b.errors / b.count]
                for b in transition_errors(row.predictions)
            ],
        ),
        "delays.tsv": _table(
            "subject recording onset_s delay_s", rows, lambda row: _delays(row.predictions, rules)
        ),
    }


def _confusion(row: Row, rules: EventRules) -> Iterable[Line]:
    subjects = sorted({s.subject for part in row.predictions for s in part.sequences})
    for subject in (None, *subjects):
        steps = DecidedSteps.of(row.predictions, subject)
        counted = [
            count_events(s, state, rules)
            for s, state in _states(row.predictions)
            if subject is None or s.subject == subject
        ]
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


def _delays(predictions: Sequence[ModelPredictions], rules: EventRules) -> Iterable[Line]:
    for sequence, state in _states(predictions):
        for onset, delay in count_events(sequence, state, rules).delays:
            yield [sequence.subject, sequence.name, onset, delay]


def _states(
    predictions: Sequence[ModelPredictions],
) -> Iterator[tuple[TimeSeries, NDArray[np.bool_]]]:
    for part in predictions:
        for s, q in zip(part.sequences, part.probabilities, strict=True):
            yield s, np.asarray(q[:, 1], dtype=np.float64) >= part.decision["threshold"]


def _table(columns: str, rows: Sequence[Row], lines: Callable[[Row], Iterable[Line]]) -> str:
    out = [["name", "kind", *columns.split()]]
    for row in rows:
        out += [[row.name, row.kind, *map(cell, line)] for line in lines(row)]
    return table(out)
