"""Names of scores and short texts that the pages of runs and of predictions share."""

from __future__ import annotations

from memcell.reports.numbers import count, number

#: Scores whose names are not their words.
NAMES = {
    "auc_pr": "PR AUC", "auc_roc": "ROC AUC", "f1": "F1", "event_f1": "event F1", "mcc": "MCC", "ece": "ECE",
    "brier": "Brier score",
    "onset_delay_s": "onset delay (s)", "onset_delay_p90_s": "onset delay, 90th percentile (s)",
}  # fmt: skip


def name_of(score: str) -> str:
    """Return a score's name as words."""
    return NAMES.get(score, score.replace("_", " "))


def capital(words: str) -> str:
    """Return a phrase capitalized; abbreviations are kept."""
    return words[:1].upper() + words[1:]


def score_text(score: str, value: float) -> str:
    """Return a score, formatted with its number of decimals."""
    return number(value, digits_of(score))


def digits_of(score: str) -> int:
    """Return the number of decimals of a score."""
    return 1 if score in ("false_alarms_per_hour", "onset_delay_s", "onset_delay_p90_s") else 3


def sentence(line: str) -> str:
    """Return a note as a sentence."""
    line = line.strip()
    return line[:1].upper() + line[1:].rstrip(".") + "." if line else line


def some(names: list[str], most: int = 5) -> str:
    """Return the first names, and the number of others."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {count(more)} more" if more > 0 else "")


def cut(words: str, most: int) -> str:
    """Return a text cut to a number of characters."""
    return words if len(words) <= most else words[: most - 1] + "…"
