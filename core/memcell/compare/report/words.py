"""What the comparison found, in plain words, and what speaks against believing it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from memcell.compare.report.differences import SUBJECTS, Difference
from memcell.compare.report.measured import BEST, FINAL, TRAINING, UPDATES
from memcell.compare.report.memory import MemoryShare
from memcell.reports import Html, strong, text

NAMES = {
    BEST: "best validation loss",
    FINAL: "final validation loss",
    TRAINING: "final training loss",
    UPDATES: "updates to the target loss",
}
MEMORY = {
    "carry": "memory carried through the recording when scoring",
    "reset": "memory restarted at every window when scoring",
}


def number(value: float, digits: int = 3) -> str:
    """Return a number for reading; small ones keep their first digits."""
    if math.isnan(value):
        return "–"
    if math.isinf(value):
        return "never"
    if value and abs(value) < 10 ** (1 - digits):
        return f"{value:.2g}".replace("-", "−")
    return f"{value:.{digits}f}".replace("-", "−")


def p_value(p: float) -> str:
    """Return a p value for reading, never as 0."""
    if math.isnan(p):
        return "–"
    return "p < 0.0001" if p < 0.0001 else f"p = {p:.2g}" if p < 0.001 else f"p = {p:.3f}"


def measure_name(measure: str) -> str:
    """Return a measure's name as words."""
    return NAMES.get(measure, measure.replace("_", " "))


def title(row: Difference) -> str:
    """Return ``"policy: carry against reset (learning rate=.01)"``."""
    inside = f" ({row.within.replace('_', ' ')})" if row.within else ""
    return f"{row.axis.replace('_', ' ')}: {row.setting} against {row.reference}{inside}"


def paragraph_of(rows: Sequence[Difference]) -> Html:
    """Return what one measure says of one pair of settings: over seeds, then over test subjects."""
    return text(strong(f"{heading(rows[0])}."), " ", *(sentence(row) for row in rows))


def sentence(row: Difference) -> Html:
    """Return what one difference says: the verdict first, then its size, then how sure it is."""
    unit = "test subjects" if row.unit == SUBJECTS else "paired seeds"
    if row.n == 0:
        return text(strong(f"No {unit} to compare. "))
    why = "" if row.can_decide or row.verdict != "undecided" else f" {too_few(row)}"
    return text(
        f"Over {row.n} {unit}: ", strong(row.verdict), f": {size(row)} {certainty(row)}.",
        _reached(row), why, " ",
    )  # fmt: skip


def sentence_text(row: Difference) -> str:
    """Return what one difference says on one line of a screen."""
    unit = "test subjects" if row.unit == SUBJECTS else "paired seeds"
    return f"{heading(row)}, {row.n} {unit}: {row.verdict}: {size(row)} {certainty(row)}"


def heading(row: Difference) -> str:
    """Return what is measured, and how memory was handled meanwhile."""
    where = MEMORY.get(
        row.inference, f"memory at inference: {row.inference}" if row.inference else ""
    )
    head = measure_name(row.measure) + (f", {where}" if where else "")
    return heading_of(head)


def certainty(row: Difference) -> str:
    """Return interval and p in brackets."""
    ends = [
        number(math.exp(v)) if row.measure == UPDATES else signed(v) for v in (row.low, row.high)
    ]
    interval = f"95 % interval {ends[0]} to {ends[1]}" if row.low == row.low else "no interval"
    corrected = f" after correction for {row.family} tests" if row.family > 1 else ""
    return f"({interval}; {p_value(row.p_holm)}{corrected})"


def too_few(row: Difference) -> str:
    """Say why so few pairs cannot decide."""
    pairs = "subjects" if row.unit == SUBJECTS else "pairs"
    tests = f" over {row.family} tests" if row.family > 1 else ""
    least = min(1.0, row.smallest_p * row.family)
    tied = f", {row.ties} of them without a difference," if row.ties else ""
    return f"{row.n} {pairs}{tied} cannot decide it: the smallest p that they can give{tests} is {least:.2g}."


def signed(value: float) -> str:
    """Return a difference for reading, with its sign."""
    return ("+" if value > 0 else "") + number(value)


def size(row: Difference) -> str:
    """Return how far apart the two settings are, in words."""
    if row.measure == UPDATES:
        times = number(math.exp(row.difference), 2)
        return f"{row.setting} took {times} times the updates of {row.reference}"
    if row.difference == 0:
        return f"{row.setting} and {row.reference} are the same"
    way = "higher" if row.difference > 0 else "lower"
    return f"{row.setting} is {number(abs(row.difference))} {way} than {row.reference}"


def _reached(row: Difference) -> str:
    if row.measure != UPDATES or math.isnan(row.reached):
        return ""
    return (
        f" The target was reached by {100 * row.reached:.0f} % of the runs of {row.setting} and "
        f"{100 * row.reference_reached:.0f} % of {row.reference}."
    )


def memory_sentence(share: MemoryShare) -> Html:
    """Say what staleness cost of what memory gave."""
    where = MEMORY.get(share.inference, "") if share.inference else ""
    inside = f" ({share.within.replace('_', ' ')})" if share.within else ""
    head = f"Staleness and memory, {measure_name(share.measure)}{inside}"
    facts = (
        f" Memory gave {_with(share.gain, share.gain_low, share.gain_high)}: oracle, whose memory is made "
        f"anew by today’s parameters, against reset, which has none from before. Staleness cost "
        f"{_with(share.cost, share.cost_low, share.cost_high)}: carry against oracle."
    )
    unclear = ", which cannot be told from nothing" if share.low <= 0 <= share.high else ""
    if math.isnan(share.low):
        why = (
            "Resampled, memory at times gives nothing"
            if share.gain_low > 0
            else ("Memory’s own gain is not clear")
        )
        last = f" {why}, so no share of it is given."
    else:
        last = (
            f" That is {_percent(share.ratio)} of what memory gave (95 % interval {_percent(share.low)} to "
            f"{_percent(share.high)}){unclear}."
        )
    named = f"{head}, {where}." if where else f"{head}."
    return text(
        strong(named), facts, last, f" n = {share.n} paired seeds; description, not a test."
    )


def _with(value: float, low: float, high: float) -> str:
    return f"{number(value)} (95 % interval {number(low)} to {number(high)})"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %".replace("-", "−")


def heading_of(name: str) -> str:
    """Return a title with a capital."""
    return name[:1].upper() + name[1:]


def listed(words: Sequence[str], most: int = 6) -> str:
    """Return a list in words, cut after ``most`` with how many more there are."""
    more = f" and {len(words) - most} more" if len(words) > most else ""
    return ", ".join(words[:most]) + more


#: What a reader who trains no networks needs to know.
GLOSSARY = {
    "memory, window, update": "the network reads a recording in windows of a fixed number of steps and "
    "changes its parameters a little after each batch of them (an update). Memory is what it keeps from the "
    "steps before.",
    "carry, reset, oracle": "what memory a window begins with in training: carry takes over what the window "
    "before left, reset begins with none, oracle works it out anew with today’s parameters.",
    "staleness": "carried memory was made by parameters that have changed since; staleness is how far it is "
    "from what today’s parameters would have made.",
    "memory at inference": "the same choice when a trained network is scored: carried through the whole "
    "recording, or restarted at every window.",
    "seed, paired": "a seed fixes the initial weights and all chance in training. Two settings with the same "
    "seed make a pair, so that luck with the start cancels.",
    "loss, nats": "how badly the network predicts, less is better; measured in natural logarithms.",
    "validation, test": "validation recordings guide the training (when to stop, which threshold), test "
    "recordings are used for scores only.",
    "p": "how often chance alone would make a difference this large. It comes from the paired sign-flip "
    "test: the sign of each pair’s difference is flipped in all possible ways (beyond 20 pairs, in 100,000 "
    "random ways).",
    "correction (Holm)": "many tests give some false alarms, so p is raised by how many tests there are: all "
    "settings of one axis in one measure, under both ways of scoring, share one chance of 5 %.",
    "verdict": "better or worse where the corrected p is at most .05, undecided otherwise.",
    "95 % interval": "differences that agree with the data, from a bootstrap (the seeds, or the subjects, "
    "drawn anew many times).",
    "d_z": "the mean difference in units of its spread over pairs; .2 is small, .8 large.",
    "interquartile mean": "the mean of the middle half of the runs, which single odd runs do not move.",
}
