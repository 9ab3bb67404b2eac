"""Looking up a channel by the name that a person types, and what to say where there is none, or several."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase

from memcell.errors import DataError
from memcell_data.channels import (
    Derivation,
    alternatives,
    bare,
    electrode_of,
    in_short,
    kind_of,
    measured,
    plain,
    with_ears,
)


class AmbiguousChannel(DataError):
    """Several channels of a recording are what a person means.

    Args:
        message: What is said.
        rules: Rules of ``--rename``, each of which takes one of them; empty where none does.
    """

    def __init__(self, message: str, rules: Sequence[str]) -> None:
        super().__init__(message, tuple(rules))
        self.rules = tuple(rules)

    def __str__(self) -> str:
        return str(self.args[0])


class MissingChannel(DataError):
    """A recording has no channel that a person means.

    Args:
        message: What is said where any channel may be chosen.
        has: What is said of the recording alone.
    """

    def __init__(self, message: str, has: str) -> None:
        super().__init__(message, has)
        self.has = has

    def __str__(self) -> str:
        return str(self.args[0])


def find(
    requested: str, names: Sequence[str], where: str, in_file: Sequence[str] | None = None
) -> int:
    """Return the index of the channel that a person means.

    Compared exactly first, then without case, trailing dots and spaces, then without a type before or behind
    it and a common reference (``EEG O1-REF``, ``POL O1``, ``O1 (EEG)`` are ``O1``) and with the older 10-20
    names (``T5`` is ``P7``); then whichever reference all channels share (``O1-LE``, ``O1-AVG``), and with
    ear lobe and mastoid for each other (``O1-A2``, ``O1-M2``): `taken` says what must be said of these.
    Against another electrode (``O1-Cz``) it is another signal. The first way that finds any must find just
    one. Of alternatives (``Pz or Oz or Cz-*``, the last against any other electrode) the first that is there
    is meant, of the channels that a pattern stands for the first.

    Args:
        requested: The name as typed.
        names: The names in the file.
        where: The file, for the message.
        in_file: The names to list and to suggest where some of ``names`` were computed; None for all.

    Raises:
        DataError: No channel has this name, or several have.
    """
    several = alternatives(requested)
    own = names if in_file is None else in_file
    doubled = _doubled(names)
    if len(several) > 1:
        return _first_of(several, names, where, own)
    keys: tuple[Callable[[str], object], ...] = (
        lambda n: n.strip(" \0"),
        plain,
        measured,
        bare,
        with_ears,
    )
    for key in keys:
        target = key(requested)
        hits = [i for i, n in enumerate(names) if target in (key(n), key(doubled.get(n, n)))]
        if len(hits) == 1:
            return hits[0]
        if hits:
            raise _ambiguous(requested, {i: names[i].strip() for i in hits}, where)
    other, how = _otherwise(requested, own)
    none, listed = f"{where} has no channel '{requested}'.", f" It has: {_listed(own)}."
    near = other or _near(nearest(requested, own))
    same = other or _near(may_be(requested, own))
    raise MissingChannel(f"{none}{near}{how}{listed}", f"{none}{same}{'.' * bool(how)}{listed}")


def _ambiguous(requested: str, hits: Mapping[int, str], where: str) -> AmbiguousChannel:
    """Return the refusal of a request that several names fit, by their places."""
    new, spelled = requested.strip(), [plain(n) for n in hits.values()]
    rules = [f"{n}={new}" for n in hits.values() if plain(n) != plain(new)]
    if len(set(spelled)) < len(hits) or any(
        "," in r or "*" in r or r.count("=") > 1 for r in rules
    ):
        rules = []  # what is typed would fit none or several
    places = ", ".join(f"number {i + 1} '{n}'" for i, n in hits.items())
    typed = " or ".join(f"--rename '{rule}'" for rule in rules)
    how = f"To take one of them: {typed}." if rules else "Rename one of them in the file."
    return AmbiguousChannel(f"{where}: channel '{requested}' is ambiguous: {places}. {how}", rules)


def numbered(names: Sequence[str]) -> list[str]:
    """Return names, those that several channels have numbered from 0, as MNE does.

    >>> numbered(["O1", "C3", "O1"])
    ['O1-0', 'C3', 'O1-1']
    """
    times, before = Counter(names), Counter[str]()
    new = []
    for name in names:
        new.append(f"{name}-{before[name]}" if name and times[name] > 1 else name)
        before[name] += 1
    return new


def _doubled(names: Sequence[str]) -> dict[str, str]:
    """Return what `numbered` made of a name that several channels have, with that name."""
    found: dict[str, str] = {}
    there = set(names)
    for name in names:
        stem = name.removesuffix("-0")
        if stem != name and stem not in there and f"{stem}-1" in there:
            n = next(n for n in range(len(names) + 1) if f"{stem}-{n}" not in there)
            found |= {f"{stem}-{i}": stem for i in range(n)}
    return found


def _first_of(several: Sequence[str], names: Sequence[str], where: str, own: Sequence[str]) -> int:
    for word in several:
        patterned = "*" in word
        hits = (
            matching(word, names)
            if patterned
            else [i for i, name in enumerate(names) if bare(name) == bare(word)]
        )
        if hits:
            return hits[0]
    text = f"{where} has no channel {in_short(' or '.join(several))}. It has: {_listed(own)}."
    raise MissingChannel(text, text)


def _listed(names: Sequence[str]) -> str:
    listed = ", ".join(name.strip() for name in names[:40]) + (", ..." if len(names) > 40 else "")
    return listed or "none"


def _otherwise(requested: str, names: Sequence[str]) -> tuple[str, str]:
    """Say which channels have the wanted electrode and another reference, and how to train on one."""
    d = Derivation.of(requested)
    others = [n.strip() for n in names if Derivation.of(n).site == d.site]
    if not others:
        return "", ""
    listed = ", ".join(f"'{n}' ({Derivation.of(n).reference})" for n in others[:3])
    return (
        f" {listed} {'is' if len(others) == 1 else 'are'} of the same electrode, and another signal",
        f": to train on it, name it as it stands (--channels {_quoted(others[0])}).",
    )


def _quoted(name: str) -> str:
    return f"'{name}'" if " " in name else name


def _near(near: Sequence[str]) -> str:
    if not near:
        return ""
    *most, last = [f"'{name.strip()}'" for name in near]
    return f" Did you mean {', '.join(most) + ' or ' if most else ''}{last}?"


def nearest(requested: str, names: Sequence[str]) -> list[str]:
    """Return up to three names of its kind that are written much as ``requested``, the nearest first.

    >>> nearest("O3", ["EEG O1-REF", "EEG Cz-REF", "EEG O2-REF"])
    ['EEG O2-REF', 'EEG O1-REF']
    """
    kind = kind_of(requested, names)
    by_bare = {bare(name): name for name in reversed(names) if kind_of(name, names) == kind}
    return [by_bare[word] for word in get_close_matches(bare(requested), by_bare, n=3, cutoff=0.5)]


def may_be(requested: str, names: Sequence[str]) -> list[str]:
    """Return names that may stand for a channel: of its electrode, or written alike where it has none.

    A channel of another electrode, or of another number, never does.

    >>> may_be("E1-M2", ["F3-M2", "M2", "EOG E1-A1"]), may_be("O1", ["O2", "T5-O1"])
    (['EOG E1-A1'], ['T5-O1'])
    >>> may_be("EOG left", ["EOG right", "EOGleft"]), may_be("C4-M1", ["Ch4"]), may_be("Ch1", ["Ch2"])
    (['EOGleft'], [], [])
    """
    site = electrode_of(Derivation.of(requested).site)
    ends = [(name, Derivation.of(name)) for name in names]
    if site:
        same = [name for name, d in ends if electrode_of(d.site) == site]
        return same or [name for name, d in ends if electrode_of(d.against) == site]
    number = re.findall(r"\d+", requested)
    return nearest(
        requested,
        [n for n, d in ends if not electrode_of(d.site) and re.findall(r"\d+", n) == number],
    )


def matching(pattern: str, names: Sequence[str]) -> list[int]:
    """Return which names a pattern such as ``EEG*`` or ``O?`` stands for.

    ``*`` is any text, ``?`` one character, ``[12]`` one of these. Compared without case, with the name as it
    stands and with what `find` makes of it (``O*`` finds ``EEG O1-REF``).
    """
    word = pattern.strip().casefold()
    return [
        i
        for i, name in enumerate(names)
        if fnmatchcase(plain(name), word) or fnmatchcase(bare(name), word)
    ]
