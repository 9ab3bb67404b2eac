"""The results and caveats of a run in sentences."""

from __future__ import annotations

import math
from collections.abc import Iterator

from memcell.reports.numbers import count, number, percent
from memcell.reports.parts import Paragraph, paragraph, strong
from memcell.statistics.paired import ALPHA
from memcell_eeg.reports.phrasing import capital, name_of
from memcell_eeg.reports.reading import TableRow, value
from memcell_eeg.reports.run.files import RunFiles, ScoreRow


def short(row: ScoreRow) -> str:
    """Return the name of a row: its training and its inference policy."""
    if row.inferred_with:
        return f"trained with {row.trained_with}, memory {handling(row)} at inference"
    return row.name


def confusion_of(run: RunFiles, row: ScoreRow, subject: str = "all") -> TableRow | None:
    """Return the counts of one model, over all test steps or of one subject."""
    rows = run.table("confusion", row)
    return next((r for r in rows if r.get("subject") == subject), None)


def _difference(run: RunFiles, other: ScoreRow) -> TableRow | None:
    """Return the row of the run's own network minus another model, in the main score."""
    rows = (
        r for r in run.table("differences")
        if r.get("score") == run.main_score and r.get("minus") == other.name
    )  # fmt: skip
    return next(rows, None)


def open_question(run: RunFiles, other: ScoreRow) -> bool:
    """Return whether the paired test over subjects is missing or not significant."""
    row = _difference(run, other)
    return row is None or not value(row, "p") <= ALPHA


def paired(run: RunFiles, other: ScoreRow) -> str:
    """Return the paired difference over subjects as a sentence."""
    row = _difference(run, other)
    if row is None:
        return ""
    n, low, high, p = (value(row, k) for k in ("subjects", "low", "high", "p"))
    if math.isnan(low) or n < 3:
        few = f"{count(n)} test subject{'' if n == 1 else 's'}"
        return f" With {few} the difference does not generalize to other people."
    least = value(row, "smallest_p")
    bound = f"; smallest possible p with so few subjects {number(least, 3)}" if least > 0.05 else ""
    return (
        f" Mean paired difference over {count(n)} subjects: {number(value(row, 'mean'))} (95 % CI "
        f"{number(low)} to {number(high)}; sign-flip p = {number(p, 3)}{bound})."
    )


def handling(row: ScoreRow) -> str:
    """Return the inference policy as a word."""
    return {"carry": "carried", "reset": "reset"}.get(row.inferred_with, row.inferred_with)


_FOUR = ("true_negative", "false_positive", "false_negative", "true_positive")


def usable_baselines(run: RunFiles) -> list[ScoreRow]:
    """Return the baselines that have a score and could be deployed."""
    return [
        r for r in run.rows
        if r.kind != "network" and r.deployable and not math.isnan(r.get(run.main_score))
    ]  # fmt: skip


def best_baseline(run: RunFiles) -> ScoreRow | None:
    """Return the best baseline that could be deployed."""
    return max(usable_baselines(run), key=lambda r: r.get(run.main_score), default=None)


def results(run: RunFiles) -> Iterator[Paragraph]:
    """Return the results: the score, the events, the difference to the baselines, the effect of memory."""
    own = run.own
    if own is None:
        yield paragraph(
            "This run has no scores yet: it is not finished, or its scores cannot be read.", style="verdict",
        )  # fmt: skip
        return
    yield paragraph(*_score(run, own), style="verdict")
    if events := _events(run, own):
        yield paragraph(*events, style="verdict")
    yield paragraph(*_baseline(run, own), style="verdict")
    if run.other is not None:
        yield paragraph(*_memory(run, own, run.other), style="verdict")


def _score(run: RunFiles, own: ScoreRow) -> Iterator[str]:
    score = own.get(run.main_score)
    yield strong(f"{capital(name_of(run.main_score))} {number(score)}")
    if run.main_score in own.intervals:
        low, high = own.intervals[run.main_score]
        yield f" (95 % CI over subjects {number(low)} to {number(high)})"
    if run.main_score == "balanced_accuracy":
        yield ", chance .5"
    yield f", for the network {short(own)}."
    found = confusion_of(run, own)
    if found is not None:
        tn, fp, fn, tp = (value(found, n) for n in _FOUR)
        if tp + fn and tn + fp:
            yield (
                f" Sensitivity {percent(tp / (tp + fn))} ({count(tp)} of {count(tp + fn)} positive test "
                f"steps), specificity {percent(tn / (tn + fp))} ({count(tn)} of {count(tn + fp)} "
                "negative steps)."
            )
    if math.isnan(score):
        yield " The score is undefined: the test split lacks a class."


def _events(run: RunFiles, own: ScoreRow) -> list[str]:
    found = confusion_of(run, own)
    if found is None or not value(found, "true_events") > 0:
        return []
    true, hits = value(found, "true_events"), value(found, "hit_events")
    parts: list[str] = [
        strong(f"{count(hits)} of {count(true)} true events were detected"),
        f" ({percent(hits / true)})",
    ]
    if not math.isnan(own.get("false_alarms_per_hour")):
        parts.append(f", with {number(own.get('false_alarms_per_hour'), 1)} false alarms per hour")
    if not math.isnan(own.get("onset_delay_s")):
        parts.append(
            f". Median onset delay {number(own.get('onset_delay_s'), 1)} s; 90th percentile "
            f"{number(own.get('onset_delay_p90_s'), 1)} s (to the start of the first detected step, which is "
            "known at its end)"
        )
    return [*parts, "."]


def _baseline(run: RunFiles, own: ScoreRow) -> Iterator[str]:
    best = best_baseline(run)
    if best is None:
        yield "There is no baseline to compare with."
        return
    a, b = own.get(run.main_score), best.get(run.main_score)
    if math.isnan(a):
        yield f"The best baseline ({best.name}) scores {number(b)}; the network has no score."
        return
    of_all = f"the best of {len(usable_baselines(run))} baselines"
    row = _difference(run, best)
    if row is None or open_question(run, best):
        yield strong(f"The network and {of_all} are not told apart")
    else:
        where = "above" if value(row, "mean") > 0 else "below"
        yield strong(f"The network scores {where} {of_all}")
    yield f" ({best.name}: {number(b)}, {number(abs(a - b))} {'lower' if b < a else 'higher'})."
    yield paired(run, best)


def _memory(run: RunFiles, own: ScoreRow, other: ScoreRow) -> Iterator[str]:
    a, b = own.get(run.main_score), other.get(run.main_score)
    if math.isnan(a) or math.isnan(b):
        yield "The effect of carrying memory is unknown: a score is undefined."
        return
    carry, reset = (a, b) if own.inferred_with == "carry" else (b, a)
    effect = "raised" if carry > reset else "lowered" if carry < reset else "did not change"
    if open_question(run, other):
        effect = "did not significantly change"
    whose = "these networks" if run.folds else "this network"
    yield strong(f"Carrying memory through a recording {effect} the score")
    yield f" of {whose}: {number(carry)} carried, {number(reset)} reset."
    yield paired(run, other)
    if run.seeds == 1:
        yield " One run with one seed is an example; memcell compare compares several seeds."


FEW_SUBJECTS = 6
#: Letters of a caveat that are shown.
MOST_LETTERS = 600


def caveats(run: RunFiles) -> list[str]:
    """Return the caveats, the most important first."""
    lines: list[str] = []
    subjects = run.facts.get("subjects")
    test = sorted({r.get("subject", "") for r in run.table("subjects")})
    if not test and isinstance(subjects, dict):
        test = list(subjects.get("test", []))
    if run.simulated:
        lines.append("The recordings are simulated: scores on them say nothing about people.")
    if len(test) == 1:
        lines.append("There is one test subject: the results do not generalize to other people.")
    elif 0 < len(test) < FEW_SUBJECTS:
        lines.append(
            f"There are {len(test)} test subjects: too few to generalize to other people; no test over "
            "subjects can reach p ≤ .05."
        )
    if one := _one_class(run):
        lines.append(one)
    if run.facts.get("split") == "time":
        lines.append(
            "The split is by time: the test subjects are also training subjects, which is easier than new "
            "people."
        )
    seed = run.sections.get("training", {}).get("seed", 0)
    lines.append(
        f"One seed ({seed}): other initial weights give other scores, and differences between the networks "
        "of this page may be due to chance."
        if run.seeds == 1
        else f"The scores are those of {run.seeds} seeds, from {seed} on (each by itself in seeds.tsv); "
        "learning curves and recordings are shown for the first."
    )
    for policy, decision in run.decisions.items():
        # where validation has both classes its cost is known, whether or not it chose
        if decision.get("threshold_chosen") == 0 and "cost" not in decision:
            lines.append(
                f"The threshold for inference {policy} was not tuned, since the validation split lacks a "
                f"class; it is {decision.get('threshold', math.nan):.3g}, the optimal one of a calibrated "
                "network."
            )
    if any(decision.get("weight_odds", 1.0) != 1.0 for decision in run.decisions.values()):
        lines.append(
            "Training weighted the classes (class weights, sampler, --around-transitions), so a raw "
            "probability of .5 is not an even chance; the calibration below corrects for this."
        )
    if run.folds:
        lines.append(
            f"Each of the {len(run.folds)} subjects was left out in turn and scored by networks trained "
            "without them; no single network has these scores."
        )
    return [line[:MOST_LETTERS] for line in lines]


def _one_class(run: RunFiles) -> str:
    """Return a caveat if no test recording has both classes."""
    own = run.own
    sequences = (
        [s for part in run.predictions.get(own.name, ()) for s in part.sequences] if own else []
    )
    both = sum(bool((s.targets == 1).any() and (s.targets == 0).any()) for s in sequences)
    if not sequences or both:
        return ""
    return (
        "No test recording has both classes: the scores show how well whole recordings are distinguished, "
        "not how well changes within a recording are detected."
    )
