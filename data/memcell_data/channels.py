"""Channel names: matching the name a person types, and what kind of signal a name stands for."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase

from memcell.errors import DataError

_PREFIX = re.compile(r"^(eeg|eog|emg|ecg|pol)[\s:_-]+(?=\S)")
_TYPE = re.compile(r"[(\[](eeg|eog|emg|ecg)[)\]]")
# What stands for a reference that all channels share, by what it says of it.
_SHARED = re.compile(
    r"[\s_-]+(?:(?P<common>ref|reference|org|g[12])|(?P<ears>le|lm|cle|ler|linked|(?:a1\+?a2|m1\+?m2)"
    r"|\((?:a1\+a2|m1\+m2)\)(?:/2)?)|(?P<average>avg|av|ave|aver|avgref|average|car))$"
)
_IN_WORDS = {
    "": "no reference is given",
    "common": "against the recording's common reference",
    "ears": "against linked ears",
    "average": "against an average",
}
# Electrodes at the eyes and on the chin of a sleep montage.
_EYE, _CHIN = r"(?:e[12]|loc|roc)", r"(?:chin[123lrz])"
# Electrodes of the 10-10 system, the old names, mastoids and ear lobes, eyes and chin.
_SITE = (
    r"(?:(?:fp|af|f|ft|fc|t|c|tp|cp|p|po|o|i)(?:z|(?:10|[1-9])h?)|nz|[am][12]"
    rf"|{_EYE}|{_CHIN})"
)
_PAIR = re.compile(rf"^({_SITE})[\s:/_-]*({_SITE})$")
# The 10-20 names of 1958 and those of the 10-10 system, for the same four places; the outer canthi of
# Rechtschaffen and Kales and of the AASM.
_RENAMED = {"t3": "t7", "t4": "t8", "t5": "p7", "t6": "p8", "loc": "e1", "roc": "e2"}
_MASTOIDS = re.compile(r"^[am][12](-[am][12])?$")
#: One montage calls the mastoid what another calls the ear lobe beside it.
_EARS = {"a1": "m1", "a2": "m2"}
# Caps that number all electrodes in this way: A1 to A32 of BioSemi, E1 to E256 of EGI.
_NUMBERED = re.compile(r"^[ae]([3-9]|[1-9]\d+)$")

_KINDS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("eog", re.compile(r"eog|^e[12](?![0-9a-z])|^(loc|roc)\b|^eye")),
    ("emg", re.compile(r"emg|chin|^leg|tibialis")),
    ("ecg", re.compile(r"ecg|ekg")),
    (
        "misc",
        re.compile(
            r"annotations|status|trigger|^stim|^sti\b|event|marker|resp|flow|thor|abd|snore|sao2|spo2"
            r"|temp|pleth|pulse|light|acc|gyro|position|battery|counter|photic|^dc\d"
        ),
    ),
)


def plain(name: str) -> str:
    """Return a name for comparison: lower case, no spaces around it, no dots after it.

    >>> plain("Fc5. ") == plain("FC5")
    True
    """
    return " ".join(name.strip(" \0").rstrip(". \0").casefold().split())


@dataclass(frozen=True)
class Derivation:
    """What a channel measures, by its name: a site and its reference.

    Args:
        site: The electrode, in lower case, old 10-20 names turned into new ones; or the whole name.
        against: The other electrode of a bipolar derivation (``"a2"``); empty for none.
        shared: ``"common"``, ``"ears"`` or ``"average"``: a reference that all channels share; empty where
            the name tells none.
    """

    site: str
    against: str = ""
    shared: str = ""

    @classmethod
    def of(cls, name: str) -> Derivation:
        """Return what a name says; ``EEG O1-REF``, ``POL O1``, ``O1 (EEG)`` and ``o1.`` are all ``O1``."""
        bare = " ".join(_TYPE.sub(" ", plain(name)).split()) or plain(name)
        while (shorter := _PREFIX.sub("", bare)) != bare:
            bare = shorter
        if pair := _PAIR.match(bare):
            return cls(_new(pair[1]), against=_new(pair[2]))
        shared = ""
        if found := _SHARED.search(bare):
            shared = str(found.lastgroup)
            bare = bare[: found.start()]
        return cls(_new(bare), shared=shared)

    def __str__(self) -> str:
        return f"{self.site}-{self.against}" if self.against else self.site

    @property
    def kept(self) -> str:
        """The reference as runs keep it: ``"m2"``, ``"ears"``, ``"average"``; empty where none is stated.

        A common reference of the recording, ``O1-Ref``, says no more than none; ear lobe and mastoid are one.
        """
        if self.against:
            return _EARS.get(self.against, self.against)
        return "" if self.shared == "common" else self.shared

    @property
    def reference(self) -> str:
        """The reference in words."""
        if self.against:
            return f"against {self.against.capitalize()}"
        return _IN_WORDS[self.shared]


def electrode_of(site: str) -> str:
    """Return a site as one electrode of the 10-10 system, a mastoid for the ear lobe beside it; else empty.

    >>> electrode_of("a2"), electrode_of("o1"), electrode_of("resp")
    ('m2', 'o1', '')
    """
    site = _new(site.strip().casefold())
    return _EARS.get(site, site) if re.fullmatch(_SITE, site) else ""


def site_kind(site: str) -> str:
    """Return what an electrode measures: ``"eog"`` at an eye, ``"emg"`` on the chin, else ``"eeg"``.

    >>> site_kind("e1"), site_kind("chin2"), site_kind("o1")
    ('eog', 'emg', 'eeg')
    """
    if re.fullmatch(_EYE, site):
        return "eog"
    return "emg" if re.fullmatch(_CHIN, site) else "eeg"


def reference_in_words(kept: str) -> str:
    """Return a reference that `Derivation.kept` gave in words.

    >>> reference_in_words("m2"), reference_in_words("ears"), reference_in_words("")
    ('against M2', 'against linked ears', 'no reference is given')
    """
    return _IN_WORDS[kept] if kept in _IN_WORDS else f"against {kept.capitalize()}"


def _new(site: str) -> str:
    return _RENAMED.get(site, site)


def _bare(name: str) -> str:
    return str(Derivation.of(name))


def _measured(name: str) -> tuple[str, str]:
    """Return what must be equal where a name is decorated and no more."""
    d = Derivation.of(name)
    return str(d), "" if d.shared == "common" else d.shared


def _with_ears(name: str) -> str:
    d = Derivation.of(name)
    return f"{d.site}-{_EARS.get(d.against, d.against)}" if d.against else d.site


def alternatives(requested: str) -> list[str]:
    """Return the alternatives of a request such as ``"Pz or Oz or Cz-*"``, the preferred one first.

    >>> alternatives("Pz-Oz or Pz or Pz-*")
    ['Pz-Oz', 'Pz', 'Pz-*']
    """
    return [word.strip() for word in requested.split(" or ")]


def in_short(requested: str) -> str:
    """Return a request as a short text for messages, each electrode of its alternatives once.

    >>> in_short("Pz-Oz or Pz or Pz-*")
    'Pz-Oz or Pz'
    """
    return " or ".join(dict.fromkeys(w.removesuffix("-*") for w in alternatives(requested)))


def taken(requested: str, name: str) -> str:
    """Return a note if channel ``name``, used for ``requested``, has another reference; else empty.

    >>> taken("O1", "EEG O1-REF")
    ''
    >>> taken("O1", "EEG O1-LE")
    "'O1' (no reference is given) is taken from 'EEG O1-LE' (against linked ears)"
    """
    first, *others = alternatives(requested)
    if _measured(first) == _measured(name):
        return ""
    if others:
        return f"'{name.strip()}' stands for '{first}'"
    ours, theirs = (Derivation.of(n) for n in (requested, name))
    if ours.against and ours.kept == theirs.kept:
        return ""
    return f"'{requested.strip()}' ({ours.reference}) is taken from '{name.strip()}' ({theirs.reference})"


def kind_of(name: str, among: Sequence[str] = ()) -> str:
    """Return ``"eog"``, ``"emg"``, ``"ecg"``, ``"misc"`` or, where nothing speaks against it, ``"eeg"``.

    Mastoids and ear lobes (``A1``, ``M2``) are references, of kind ``"misc"``, and E1 and E2 are eyes; unless
    the cap numbers all its electrodes in this way.

    Args:
        name: A channel's.
        among: The names of all channels of its recording.
    """
    word = plain(name)
    if re.fullmatch(r"[ae][12]", word) and any(
        n[0] == word[0] and _NUMBERED.match(n) for n in map(plain, among) if n
    ):
        return "eeg"
    words = (word, _bare(name))
    found = next((kind for kind, p in _KINDS if any(p.search(w) for w in words)), "eeg")
    return "misc" if found == "eeg" and is_reference(name) else found


def is_reference(name: str) -> bool:
    """Whether a name is that of a mastoid, an ear lobe or the reference itself, and no scalp EEG."""
    bare = _bare(name)
    return bool(_MASTOIDS.match(bare)) or bare in ("ref", "gnd", "ground", "reference")


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
        _measured,
        _bare,
        _with_ears,
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
            else [i for i, name in enumerate(names) if _bare(name) == _bare(word)]
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
    by_bare = {_bare(name): name for name in reversed(names) if kind_of(name, names) == kind}
    return [by_bare[bare] for bare in get_close_matches(_bare(requested), by_bare, n=3, cutoff=0.5)]


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
        if fnmatchcase(plain(name), word) or fnmatchcase(_bare(name), word)
    ]
