"""Scoring protocols: which labels are positive, which negative, and which unlabelled.

The same model has a different kappa under each protocol, so a protocol has a name and is reported with every
score. The application defines its protocols (`Protocols`); a label that none of them names keeps the class of
the data set.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from memcell_data.recording import Labels

#: Words of a class that are said in a line.
MOST_SAID = 12
AS_LABELLED = "as labelled"


@dataclass(frozen=True, kw_only=True)
class LabelProtocol:
    """The labels of each class.

    Args:
        name: Of the protocol, or `AS_LABELLED`: what the data set itself says.
        positive: Labels of the class to detect.
        negative: Labels of its absence.
        unlabelled: Labels whose steps are neither trained on nor scored.
        order: In which the labels are listed; others follow by the alphabet.
    """

    name: str
    positive: frozenset[str]
    negative: frozenset[str]
    unlabelled: frozenset[str] = frozenset()
    order: tuple[str, ...] = field(default=(), compare=False)

    def apply(self, labels: Labels) -> Labels:
        """Return the labels of a recording under this protocol; other words keep their class."""
        if self.name == AS_LABELLED:
            return labels
        named = self.positive | self.negative | self.unlabelled
        return replace(
            labels,
            positive=(labels.positive - named) | self.positive,
            negative=(labels.negative - named) | self.negative,
        )

    def facts(self) -> dict[str, Any]:
        """Return the protocol as a JSON object."""
        return {"name": self.name, **{k: sorted(v) for k, v in self._groups()}}

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any]) -> LabelProtocol:
        """Return the protocol of `facts`."""
        positive, negative, rest = (
            frozenset(map(str, facts[k])) for k in ("positive", "negative", "unlabelled")
        )
        return cls(name=str(facts["name"]), positive=positive, negative=negative, unlabelled=rest)

    def __str__(self) -> str:
        classes = [f"{k}: {_few(self._ordered(v))}" for k, v in self._groups() if v]
        return f"protocol: {self.name} ({'; '.join(classes)})"

    def _groups(self) -> tuple[tuple[str, frozenset[str]], ...]:
        return (
            ("positive", self.positive),
            ("negative", self.negative),
            ("unlabelled", self.unlabelled),
        )

    def _ordered(self, words: frozenset[str]) -> list[str]:
        return [c for c in self.order if c in words] + sorted(words - set(self.order))


@dataclass(frozen=True, kw_only=True)
class Protocols:
    """The protocols of an application; by default none, and labels have the classes of the data set.

    Args:
        classes: The words of its graded scoring, from one end to the other.
        graded: Those of them that a scoring in two classes does not have.
        named: The protocols, each over all of the words.
        usual: Name of the one that ``auto`` is, where a label of `graded` occurs that the data set itself
            gives no class.
    """

    classes: tuple[str, ...] = ()
    graded: frozenset[str] = frozenset()
    named: tuple[LabelProtocol, ...] = ()
    usual: str = ""

    def __getitem__(self, name: str) -> LabelProtocol:
        """Return a protocol by name.

        Raises:
            KeyError: There is none of this name.
        """
        return {p.name: p for p in self.named}[name]

    def choose(self, requested: str, found: Iterable[Labels]) -> tuple[LabelProtocol, str]:
        """Return the protocol of a data set, and a note on the choice (may be empty).

        Args:
            requested: ``"auto"``, ``"as_labelled"`` or the name of a protocol.
            found: The labels of all its recordings.
        """
        labels = list(found)
        words = frozenset[str]().union(*(_words(one) for one in labels))
        positive = frozenset[str]().union(*(one.positive for one in labels)) & words
        negative = frozenset[str]().union(*(one.negative for one in labels)) & words
        plain = LabelProtocol(
            name=AS_LABELLED,
            positive=positive,
            negative=negative,
            unlabelled=words - positive - negative,
            order=self.classes,
        )
        if requested == "as_labelled":
            return plain, ""
        if requested == "auto":
            without_class = (words & self.graded) - positive - negative
            return (self[self.usual], "") if without_class else (plain, "")
        if words & self.graded:
            return self[requested], ""
        return plain, (
            f"--protocol {requested} has no effect here: it distinguishes {', '.join(sorted(self.graded))}, "
            f"and the labels are {', '.join(sorted(words)) or 'none'}"
        )


def _words(labels: Labels) -> frozenset[str]:
    background = {labels.background} if labels.background is not None else set()
    return frozenset({i.label for i in labels.intervals} | background)


def _few(words: Sequence[str]) -> str:
    """Return the first words for a message: free-text labels may be thousands."""
    more = len(words) - MOST_SAID
    return ", ".join(words[:MOST_SAID]) + (f" and {more} more" if more > 0 else "")
