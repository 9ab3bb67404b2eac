"""Which labels are the class to detect, which its absence, and which neither: a scoring protocol, by name.

The same model has one kappa under one protocol and another under the next, so a protocol has a name and
stands beside every score. What protocols there are is the application's (`Protocols`); a label that none of
them names stays what the data set says it is.
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
    """What counts as which class.

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
        """Return it as JSON holds it."""
        return {"name": self.name, **{k: sorted(v) for k, v in self._groups()}}

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any]) -> LabelProtocol:
        """Return what `facts` gave."""
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
    """The protocols of an application; as it stands here there are none, and labels are what a data set says.

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
        """Return the protocol of a data set, and what must be said about the choice (may be empty).

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
    """Return words for a line of a screen: notes that were typed freely may be thousands."""
    more = len(words) - MOST_SAID
    return ", ".join(words[:MOST_SAID]) + (f" and {more} more" if more > 0 else "")
