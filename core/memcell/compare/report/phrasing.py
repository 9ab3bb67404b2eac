"""The results of a comparison in sentences, and the glossary of its page."""

from __future__ import annotations

import math
from collections.abc import Sequence

from memcell.compare.report.differences import CROSSED, SECONDARY, SUBJECTS, PairedDifference
from memcell.compare.report.folder import NATS
from memcell.compare.report.measures import BEST, CHOSEN, FINAL, TRAINING, UPDATES, is_updates
from memcell.compare.report.staleness import MemoryShare
from memcell.reports.numbers import counted, number, percent
from memcell.reports.parts import Html, strong, text
from memcell.statistics.targets import NEVER

NAMES = {
    BEST: "best validation loss",
    FINAL: "final validation loss",
    TRAINING: "final training loss",
    UPDATES: "updates to the target loss",
    CHOSEN: "validation loss of the kept network",
}
MEMORY = {
    "carry": "memory carried at inference",
    "reset": "memory reset at every window at inference",
    "own": "each inferred as it was trained",
}


def updates_words(updates: float) -> str:
    """Return a number of updates, or that the target was never reached."""
    return "never" if updates == NEVER else number(updates, 0)


def p_value(p: float) -> str:
    """Return a p value for reading, never as 0."""
    if math.isnan(p):
        return "–"
    return "p < 0.0001" if p < 0.0001 else f"p = {p:.2g}" if p < 0.001 else f"p = {p:.3f}"


def measure_name(measure: str) -> str:
    """Return a measure's name as words."""
    if is_updates(measure) and measure not in NAMES:
        return f"updates to a validation loss of {measure.rpartition('_')[2]}"
    return NAMES.get(measure, measure.replace("_", " "))


def title(row: PairedDifference) -> str:
    """Return ``"policy: carry vs. reset (learning rate=.01)"``."""
    inside = f" ({row.within.replace('_', ' ')})" if row.within else ""
    return f"{row.axis.replace('_', ' ')}: {row.setting} vs. {row.reference}{inside}"


def paragraph_of(rows: Sequence[PairedDifference]) -> Html:
    """Return the result of one measure for one pair of settings: over seeds, then over test subjects."""
    return text(strong(f"{heading(rows[0])}."), " ", *(sentence(row) for row in rows))


def sentence(row: PairedDifference) -> Html:
    """Return one difference as a sentence: verdict, size, interval and p."""
    unit = _unit(row)
    if row.n == 0:
        return text(strong(f"No {unit} to compare. "))
    open_ = row.verdict == "undecided" and not row.can_decide and row.ties < row.n
    why = f" {too_few(row)}" if open_ else ""
    return text(
        f"Over {row.n} {unit}: ", strong(verdict_words(row)), f": {size(row)} {certainty(row)}.",
        _reached(row), why, " ",
    )  # fmt: skip


def sentence_text(row: PairedDifference) -> str:
    """Return one difference as a line of a screen."""
    unit = _unit(row)
    return f"{heading(row)}, {row.n} {unit}: {verdict_words(row)}: {size(row)} {certainty(row)}"


def verdict_words(row: PairedDifference) -> str:
    """Return the verdict, or that there is none."""
    return "secondary, no verdict" if row.verdict == SECONDARY else row.verdict


def _unit(row: PairedDifference) -> str:
    """Return what is paired, in the number that suits it."""
    if row.unit == CROSSED:
        return f"{'person' if row.n == 1 else 'people'} crossed with seeds"
    words = "test subject" if row.unit == SUBJECTS else "paired seed"
    return words if row.n == 1 else f"{words}s"


def heading(row: PairedDifference) -> str:
    """Return the measure, and how memory was handled at inference."""
    where = MEMORY.get(
        row.inference, f"memory at inference: {row.inference}" if row.inference else ""
    )
    head = measure_name(row.measure) + (f", {where}" if where else "")
    return heading_of(head)


def never_reached(row: PairedDifference) -> bool:
    """Whether a difference is of updates to a target that no run of either setting reached."""
    return is_updates(row.measure) and row.reached == row.reference_reached == 0


def certainty(row: PairedDifference) -> str:
    """Return interval and p in brackets; of a target that nobody reached p alone."""
    if never_reached(row):
        return f"({p_value(row.p_holm)})"
    ends = [
        number(math.exp(v)) if is_updates(row.measure) else signed(v) for v in (row.low, row.high)
    ]
    interval = f"95 % CI {ends[0]} to {ends[1]}" if row.low == row.low else "no interval"
    corrected = f", Holm-corrected for {row.family} tests" if row.family > 1 else ""
    return f"({interval}; {p_value(row.p_holm)}{corrected})"


def too_few(row: PairedDifference) -> str:
    """Return why so few pairs cannot decide."""
    pairs = counted(row.n, "subject" if row.unit == SUBJECTS else "pair")
    verb = "is" if row.n == 1 else "are"
    tests = f" after correction for {row.family} tests" if row.family > 1 else ""
    least = min(1.0, row.smallest_p * row.family)
    tied = f", {row.ties} of them tied," if row.ties else ""
    return f"{pairs}{tied} {verb} too few to decide: the smallest possible p{tests} is {least:.2g}."


def signed(value: float) -> str:
    """Return a difference for reading, with its sign."""
    return ("+" if value > 0 else "") + number(value)


def size(row: PairedDifference) -> str:
    """Return the size of a difference in words."""
    if never_reached(row):
        return f"no run of {row.setting} or {row.reference} reached it, so their updates to it are not known"
    if is_updates(row.measure):
        times = number(math.exp(row.difference), 2)
        return f"{row.setting} took {times} times as many updates as {row.reference}"
    if row.difference == 0:
        return f"{row.setting} and {row.reference} are equal"
    direction = "higher" if row.difference > 0 else "lower"
    return f"{row.setting} is {number(abs(row.difference))} {direction} than {row.reference}"


def _reached(row: PairedDifference) -> str:
    if not is_updates(row.measure) or math.isnan(row.reached):
        return ""
    rank = (
        "" if math.isnan(row.log_rank) else f" Log-rank test, not paired: {p_value(row.log_rank)}."
    )
    return (
        f" {percent(row.reached)} of the runs of {row.setting} and {percent(row.reference_reached)} of those "
        f"of {row.reference} reached the target.{rank}"
    )


def memory_sentence(share: MemoryShare) -> Html:
    """Return the cost of staleness beside the gain of memory, and their ratio where it is clear."""
    where = MEMORY.get(share.inference, "") if share.inference else ""
    inside = f" ({share.within.replace('_', ' ')})" if share.within else ""
    head = f"Gain of memory and cost of staleness, {measure_name(share.measure)}{inside}"
    facts = (
        f" Gain of memory (oracle minus reset) {_with(share.gain, share.gain_low, share.gain_high)}; cost of "
        f"staleness (oracle minus carry) {_with(share.cost, share.cost_low, share.cost_high)}."
    )
    if math.isnan(share.low):
        why = (
            "In some resamples memory brings no gain"
            if share.gain_low > 0
            else "The gain is not clearly positive"
        )
        last = f" {why}, so the cost is not expressed as a share of it."
    else:
        unclear = ", which includes 0" if share.low <= 0 <= share.high else ""
        last = (
            f" Staleness cost {percent(share.ratio)} of the gain (95 % CI {percent(share.low)} to "
            f"{percent(share.high)}{unclear})."
        )
    title = f"{head}, {where}." if where else f"{head}."
    return text(
        strong(title), facts, last, f" n = {share.n} paired seeds; descriptive, without a test."
    )


def _with(value: float, low: float, high: float) -> str:
    return f"{number(value)} (95 % CI {number(low)} to {number(high)})"


def heading_of(name: str) -> str:
    """Return a title with a capital."""
    return name[:1].upper() + name[1:]


def listed(words: Sequence[str], most: int = 6) -> str:
    """Return a list in words, cut after ``most`` with how many more there are."""
    more = f" and {len(words) - most} more" if len(words) > most else ""
    return ", ".join(words[:most]) + more


def glossary(loss_unit: str) -> dict[str, str]:
    """Return the terms of the page.

    Args:
        loss_unit: ``"nats"``, or what an error of values is measured in.
    """
    if loss_unit == NATS:
        return GLOSSARY
    error = (
        f"the error that training goes by, in {loss_unit} of the training data; lower is better."
    )
    return {**GLOSSARY, "Loss": error}


#: Terms of the page, for a reader who trains no networks.
GLOSSARY = {
    "Memory, window, update": "a network reads a sequence in windows of a fixed number of steps and updates "
    "its parameters after each batch of windows. Memory is the state that it keeps from earlier steps.",
    "Carry, reset, oracle": "the memory that a window starts with in training. Carry: the state that the "
    "previous window left; reset: none; oracle: the state recomputed with the current parameters.",
    "Staleness": "carried memory was computed with earlier parameters; staleness is its distance from what "
    "the current parameters would compute.",
    "Memory at inference": "the same choice for a trained network: state carried through the sequence, or "
    "reset at every window.",
    "Seed, pair": "a seed fixes the initial weights and all randomness in training. Two settings with the "
    "same seed form a pair, which removes the variation that they share.",
    "Loss": "mean negative log likelihood of the true class, in nats; lower is better.",
    "Validation, test": "validation sequences decide when training stops and which threshold is used; test "
    "sequences are used for scores only.",
    "p": "two-sided p of the paired sign-flip test: the share of all sign patterns of the differences whose "
    "mean is at least as far from 0 as the observed one (beyond 20 pairs: of 100,000 random patterns).",
    "Primary, secondary": "one outcome was declared before the first run, under one inference; it alone has "
    "verdicts. All other measures are secondary: they describe, and say where to look next.",
    "People and "
    "seeds": "both taken as random: the min F' test (Clark 1973) and an interval that resamples people "
    "and seeds independently. Of seeds alone, a difference is about other trainings on the same data.",
    "Restricted mean": "of the logarithm of updates to a target, up to the update until which every run was "
    "followed; who did not get there by then counts as just there.",
    "Holm "
    "correction": "controls the family-wise error rate at 5 %. The primary outcome is one family: all pairs "
    "of settings on all axes. All secondary differences are another one.",
    "Verdict": "of the primary outcome: better or worse where the corrected p is at most .05, or undecided.",
    "95 % CI": "bootstrap confidence interval: BCa over seeds, or over subjects.",
    "d_z": "Cohen’s d for paired data: the mean difference divided by its standard deviation; .2 is small, "
    ".8 large.",
    "Interquartile mean": "the mean of the middle half of the runs, which single outliers do not move.",
}
