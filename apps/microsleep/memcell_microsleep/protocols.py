"""Which labels are the class to detect, which its absence, and which neither: a scoring protocol, by name.

The same model has a kappa of .87 under one and .67 under another, so a protocol has a name and stands
beside every score. The words are those of a graded scoring (data set ``mwt``): ``wake`` is certain on both
sides, ``drowsy`` the time around sleep that is neither, ``candidate`` looks like a microsleep with the eyes
not closed, ``one-sided`` is a microsleep in one of O1 and O2 alone, ``microsleep`` one in both.

=====================  ================================  ========================  ===================
protocol               positive                          negative                  without a label
=====================  ================================  ========================  ===================
``sure``               microsleep                        wake                      all the others
``one_vs_rest``        microsleep                        all the others
``wake_drowsy_vs_ms``  microsleep, one-sided, candidate  wake, drowsy
``wake_vs_all``        all the others                    wake
=====================  ================================  ========================  ===================

"All microsleep kinds" are read as microsleep, one-sided and candidate: each names an episode of 1-15 s that
looks like sleep, and differs in how sure the scorer was; drowsy time has no such episode. These are the four
comparisons of Skorucak et al. 2020 and its replication. A label that is none of these words stays what the
data set says it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from memcell_data.recording import Labels

WAKE, DROWSY, CANDIDATE = "wake", "drowsy", "candidate"
ONE_SIDED, MICROSLEEP = "one-sided", "microsleep"

#: The words of a graded scoring, from wake to sleep.
CLASSES = (WAKE, DROWSY, CANDIDATE, ONE_SIDED, MICROSLEEP)
#: Those of them that a scoring in two classes does not have.
GRADED = frozenset({DROWSY, CANDIDATE, ONE_SIDED})

#: Words of a class that are said in a line.
MOST_SAID = 12
AS_LABELLED = "as labelled"
#: What ``--protocol auto`` is where labels are graded: of those in which every step counts, the one that asks
#: for every episode that looks like sleep. `sure` leaves out just the steps that are hard.
USUAL = "wake_drowsy_vs_ms"


@dataclass(frozen=True, kw_only=True)
class LabelProtocol:
    """What counts as which class.

    Args:
        name: One of `PROTOCOLS`, or `AS_LABELLED`: what the data set itself says.
        positive: Labels of the class to detect.
        negative: Labels of its absence.
        unlabelled: Labels whose steps are neither trained on nor scored.
    """

    name: str
    positive: frozenset[str]
    negative: frozenset[str]
    unlabelled: frozenset[str] = frozenset()

    def apply(self, labels: Labels) -> Labels:
        """Return the labels of a recording under this protocol; other words keep their class."""
        if self.name == AS_LABELLED:
            return labels
        own = frozenset(CLASSES)
        return replace(
            labels,
            positive=(labels.positive - own) | self.positive,
            negative=(labels.negative - own) | self.negative,
        )

    def facts(self) -> dict[str, Any]:
        """Return it as JSON holds it."""
        return {"name": self.name, **{k: sorted(v) for k, v in self._groups()}}

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any]) -> LabelProtocol:
        """Return what `facts` gave."""
        groups = {k: frozenset(facts[k]) for k in ("positive", "negative", "unlabelled")}
        return cls(name=str(facts["name"]), **groups)

    def __str__(self) -> str:
        said = [f"{k}: {_few(_ordered(v))}" for k, v in self._groups() if v]
        return f"protocol: {self.name} ({'; '.join(said)})"

    def _groups(self) -> tuple[tuple[str, frozenset[str]], ...]:
        return (
            ("positive", self.positive),
            ("negative", self.negative),
            ("unlabelled", self.unlabelled),
        )


def _protocol(name: str, positive: set[str], negative: set[str]) -> LabelProtocol:
    rest = frozenset(CLASSES) - positive - negative
    return LabelProtocol(
        name=name, positive=frozenset(positive), negative=frozenset(negative), unlabelled=rest
    )


_ALL = set(CLASSES)

#: Name to protocol.
PROTOCOLS: dict[str, LabelProtocol] = {
    p.name: p
    for p in (
        _protocol("sure", {MICROSLEEP}, {WAKE}),
        _protocol("one_vs_rest", {MICROSLEEP}, _ALL - {MICROSLEEP}),
        _protocol("wake_drowsy_vs_ms", {MICROSLEEP, ONE_SIDED, CANDIDATE}, {WAKE, DROWSY}),
        _protocol("wake_vs_all", _ALL - {WAKE}, {WAKE}),
    )
}


def protocol_for(asked: str, found: Iterable[Labels]) -> tuple[LabelProtocol, str]:
    """Return the protocol of a data set, and what must be said about the choice (may be empty).

    Args:
        asked: ``"auto"``, ``"as_labelled"`` or a name of `PROTOCOLS`. ``"auto"`` is `USUAL` where a label of
            `GRADED` occurs that the data set itself gives no class.
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
    )
    if asked == "as_labelled":
        return plain, ""
    if asked == "auto":
        open_ = (words & GRADED) - positive - negative
        return (PROTOCOLS[USUAL], "") if open_ else (plain, "")
    if words & GRADED:
        return PROTOCOLS[asked], ""
    return plain, (
        f"--protocol {asked} does nothing here: it tells {', '.join(sorted(GRADED))} apart, and the labels "
        f"are {', '.join(sorted(words)) or 'none'}"
    )


def _words(labels: Labels) -> frozenset[str]:
    background = {labels.background} if labels.background is not None else set()
    return frozenset({i.label for i in labels.intervals} | background)


def _few(words: Sequence[str]) -> str:
    """Return words for a line of a screen: notes that were typed freely may be thousands."""
    more = len(words) - MOST_SAID
    return ", ".join(words[:MOST_SAID]) + (f" and {more} more" if more > 0 else "")


def _ordered(words: frozenset[str]) -> list[str]:
    """Return the words from wake to sleep, others behind them by the alphabet."""
    return [c for c in CLASSES if c in words] + sorted(words - set(CLASSES))
