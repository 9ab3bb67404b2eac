"""Which labels mean what, where a person says so: a mistyped or missing name lists what there is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from memcell.errors import DataError, did_you_mean
from memcell_data.labels import Rule

DEFAULT_POSITIVE = "microsleep"
MOST_LISTED = 30


def rule_for(
    where: str,
    vocabulary: Counter[str],
    positive: Sequence[str],
    negative: Sequence[str],
    background: str,
) -> Rule:
    """Return the rule that the options ask for, once it is known to fit what occurs.

    Args:
        where: The data set as it was typed, for messages.
        vocabulary: How often each label occurs in all recordings.
        positive: Labels to detect; empty for 'microsleep' where that occurs.
        negative: Labels of its absence; empty for every other.
        background: The label of time that none covers; empty for none.

    Raises:
        DataError: No label was named and none is called 'microsleep', or none of those named
            occurs; lists what does, with counts, and says how to map it.
    """
    if not positive:
        if vocabulary and DEFAULT_POSITIVE not in vocabulary:
            raise DataError(
                f"{where}: which label is the one to detect? There are: {counted(vocabulary)}. Type "
                "--data.positive NAME (several with commas), and --data.negative NAME where not every "
                "other label is its absence"
            )
        positive = (DEFAULT_POSITIVE,)
    elif vocabulary and not set(vocabulary) & set(positive):
        raise _absent(where, "positive", positive, vocabulary)
    unknown = [name for name in negative if name not in (*vocabulary, background)]
    if vocabulary and unknown and len(unknown) == len(negative):
        raise _absent(where, "negative", unknown, vocabulary)
    return Rule(positive=tuple(positive), negative=tuple(negative), background=background)


def counted(vocabulary: Counter[str]) -> str:
    """Return labels with how often each occurs, the most frequent first, at most 30."""
    ordered = sorted(vocabulary.items(), key=lambda item: (-item[1], item[0]))
    listed = ", ".join(f"'{label}' ({n})" for label, n in ordered[:MOST_LISTED])
    more = len(ordered) - MOST_LISTED
    return (listed or "none") + (f" and {more} more" if more > 0 else "")


def _absent(where: str, option: str, names: Sequence[str], vocabulary: Counter[str]) -> DataError:
    return DataError(
        f"{where}: no label is called {' or '.join(map(repr, names))} (--data.{option})."
        f"{did_you_mean(names[0], vocabulary)} There are: {counted(vocabulary)}"
    )
