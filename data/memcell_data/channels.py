"""What a channel's name says: electrode, reference, and what kind of signal it stands for."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

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


def bare(name: str) -> str:
    """Return a name without case, type and a reference that all channels share."""
    return str(Derivation.of(name))


def measured(name: str) -> tuple[str, str]:
    """Return what must be equal where a name is decorated and no more."""
    d = Derivation.of(name)
    return str(d), "" if d.shared == "common" else d.shared


def with_ears(name: str) -> str:
    """Return a name with the mastoid for the ear lobe beside it."""
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
    if measured(first) == measured(name):
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
    words = (word, bare(name))
    found = next((kind for kind, p in _KINDS if any(p.search(w) for w in words)), "eeg")
    return "misc" if found == "eeg" and is_reference(name) else found


def is_reference(name: str) -> bool:
    """Whether a name is that of a mastoid, an ear lobe or the reference itself, and no scalp EEG."""
    word = bare(name)
    return bool(_MASTOIDS.match(word)) or word in ("ref", "gnd", "ground", "reference")
