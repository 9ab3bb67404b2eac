"""Each recording by itself, and its chances against the class prior: what ``recordings.tsv`` says."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from memcell.reports.numbers import count, number, percent
from memcell.reports.parts import Paragraph, Part, Table
from memcell_eeg.reports.reading import TableRow, value
from memcell_eeg.reports.run.files import RunFiles, ScoreRow
from memcell_eeg.reports.run.phrasing import short

#: Scores whose mean over recordings stands beside the pooled one.
PER_RECORDING = ("balanced_accuracy", "kappa")
MOST = 60
_ALL = "all"
#: Shares that differ by more are worth a word.
APART = 0.1


def mean_of_recordings(run: RunFiles, row: ScoreRow, score: str) -> float:
    """Return the mean of a score over the recordings that have it; NaN without any."""
    values = [value(r, score) for r in _each(run, row)]
    known = [v for v in values if math.isfinite(v)]
    return float(np.mean(known)) if known else math.nan


def _each(run: RunFiles, row: ScoreRow) -> list[TableRow]:
    return [r for r in run.table("recordings", row) if r.get("recording") != _ALL]


def _all(run: RunFiles, row: ScoreRow) -> TableRow | None:
    return next((r for r in run.table("recordings", row) if r.get("recording") == _ALL), None)


def against_prior(run: RunFiles, row: ScoreRow) -> str:
    """Return the Brier score of the prior and the skill beside it; empty where they are not known."""
    found = _all(run, row)
    if found is None or math.isnan(value(found, "skill")):
        return ""
    return f" (the prior's {number(value(found, 'prior_brier'))}, skill {number(value(found, 'skill'), 2)})"


def recording_scores(run: RunFiles) -> Iterator[Part]:
    """Return the recordings of the run's network, all together first, and a sentence on its chances."""
    if run.own is None or (together := _all(run, run.own)) is None:
        return
    each = _each(run, run.own)
    yield Paragraph(_in_words(together, each))
    rows = [
        [r["recording"] if r is not together else "all together", _subject(r), count(value(r, "steps")),
         percent(value(r, "observed"), 1), percent(value(r, "mean_probability"), 1),
         *(number(value(r, n)) for n in ("brier", "prior_brier")), number(value(r, "skill"), 2),
         *(number(value(r, n)) for n in ("ece", "balanced_accuracy", "kappa", "auc_roc"))]
        for r in (together, *each[:MOST])
    ]  # fmt: skip
    more = f" (the first {MOST} of {len(each)})" if len(each) > MOST else ""
    yield Table(
        f"Each test recording, and all together: {short(run.own)}{more}. The prior says the share of all "
        "tested steps everywhere; skill is how much smaller the Brier score is than the prior's",
        ["test recording", "subject", "labelled steps", "observed positive", "mean probability",
         "Brier score", "prior's Brier score", "skill", "calibration error", "balanced accuracy", "kappa",
         "ROC AUC"],
        rows,
        2,
        run.source("recordings.tsv"),
    )  # fmt: skip


def _subject(row: TableRow) -> str:
    return "" if row.get("subject") == "n/a" else row.get("subject", "")


def _in_words(together: TableRow, each: list[TableRow]) -> str:
    """Return what the chances say of how much is positive, against what was observed."""
    said, seen = value(together, "mean_probability"), value(together, "observed")
    if math.isnan(said):
        return "What training did to the class prior is not known, so chances cannot be judged."
    apart = [r for r in each if abs(value(r, "mean_probability") - value(r, "observed")) > APART]
    worse = [r for r in each if value(r, "skill") < 0]
    return (
        f"Mean probability {percent(said, 1)} where {percent(seen, 1)} of the steps are positive. In "
        f"{len(apart)} of {len(each)} recording{'' if len(each) == 1 else 's'} the two lie more than "
        f"{percent(APART)} apart; in {len(worse)} the prior alone has a better Brier score."
    )
