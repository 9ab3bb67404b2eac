"""Which labels mean what, where a person says so: a mistyped or missing name lists what there is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from memcell.errors import DataError, did_you_mean
from memcell_data.labels.reading import ALL_OTHERS, Rule
from memcell_data.labels.words import is_unscored, meant, same

DEFAULT_POSITIVE = "microsleep"
MOST_LISTED = 30


def rule_for(
    where: str,
    vocabulary: Counter[str],
    positive: Sequence[str],
    negative: Sequence[str],
    background: str,
    mark_duration: float = 0.0,
) -> Rule:
    """Return the rule that the options ask for, once it is known to fit what occurs.

    Args:
        where: The data set as it was typed, for messages.
        vocabulary: How often each label occurs in all recordings.
        positive: Labels to detect; empty for 'microsleep' where that occurs.
        negative: Labels of its absence; empty for every known word of a scoring.
        background: The label of time that none covers; empty for none.
        mark_duration: See `memcell_data.labels.reading.Rule`.

    Raises:
        DataError: No label was named and none is called 'microsleep', or none of those named
            occurs; lists what does, with counts, and says how to map it.
    """
    keys = {same(word) for word in vocabulary}
    if not positive:
        if vocabulary and DEFAULT_POSITIVE not in keys:
            near = [w for w in vocabulary if meant(w, [DEFAULT_POSITIVE])]
            hint = f" Is '{near[0]}' meant for '{DEFAULT_POSITIVE}'?" if near else ""
            raise DataError(
                f"{where}: which label is the one to detect?{hint} There are: {counted(vocabulary)}. Type "
                "--data.positive NAME (several with commas), and --data.negative NAME where not every "
                "other label that is known to be a score is its absence"
            )
        positive = (DEFAULT_POSITIVE,)
    elif vocabulary and not keys & {same(p) for p in positive}:
        raise _absent(where, "positive", positive, vocabulary)
    known = {*keys, same(background), ALL_OTHERS}
    unknown = [name for name in negative if name != ALL_OTHERS and same(name) not in known]
    if vocabulary and unknown and len(unknown) == len(negative):
        raise _absent(where, "negative", unknown, vocabulary)
    return Rule(
        positive=tuple(positive),
        negative=tuple(negative),
        background=background,
        mark_duration=mark_duration,
    )


def label_notes(rule: Rule, vocabulary: Counter[str]) -> tuple[str, ...]:
    """Return notes on how the labels of a data set became classes, one line each."""
    return tuple(_label_notes(rule, vocabulary))


def _label_notes(rule: Rule, vocabulary: Counter[str]) -> Iterator[str]:
    spelled: dict[str, Counter[str]] = {}
    unscored: Counter[str] = Counter()
    unknown: Counter[str] = Counter()
    for label, n in vocabulary.items():
        word, found = rule.word(label), rule.class_of(label)
        if word != label and found:
            spelled.setdefault(word, Counter())[label] = n
        if not found:
            (unscored if is_unscored(label) else unknown)[label] = n
    for word, labels in spelled.items():
        yield f"labels read as '{word}': {counted(labels)}"
    if unknown:
        near = {label: meant(label, [*rule.positive, *rule.negative]) for label in unknown}
        hints = [f"'{label}' may be meant for '{word}'" for label, word in near.items() if word]
        hint = f" ({'; '.join(hints[:5])})" if hints else ""
        yield (
            f"labels without a class, neither trained on nor scored: {counted(unknown)}{hint}; give them one "
            "with --data.positive or --data.negative ('*' for all others)"
        )
    if unscored:
        yield f"labels that are no score (their time has no class): {counted(unscored)}"
    if vocabulary:
        for option in ("positive", "negative"):
            for name in getattr(rule, option):
                if not any(rule.word(label) == name for label in vocabulary) and name not in (
                    rule.background,
                    ALL_OTHERS,
                ):
                    yield (
                        f"no label is called '{name}' (--data.{option})."
                        f"{did_you_mean(name, [w for w in vocabulary if not rule.class_of(w)])}"
                    )


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
