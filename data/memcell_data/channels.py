"""Channel names: matching the name a person types, and what kind of signal a name stands for."""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase

from memcell.errors import DataError

_PREFIX = re.compile(r"^(eeg|eog|emg|ecg)[\s:_-]+(?=\S)")
_REFERENCE = re.compile(r"[\s_-]+(ref|le|avg|av)$")
# The 10-20 names of 1958 and those of the 10-10 system, for the same four places.
_RENAMED = {"t3": "t7", "t4": "t8", "t5": "p7", "t6": "p8"}

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


def _bare(name: str) -> str:
    bare = _REFERENCE.sub("", _PREFIX.sub("", plain(name)))
    return _RENAMED.get(bare, bare)


def kind_of(name: str) -> str:
    """Return ``"eog"``, ``"emg"``, ``"ecg"``, ``"misc"`` or, where nothing speaks against it, ``"eeg"``."""
    word = plain(name)
    return next((kind for kind, pattern in _KINDS if pattern.search(word)), "eeg")


def find(wanted: str, names: Sequence[str], where: str) -> int:
    """Return the index of the channel that a person means.

    Compared exactly first, then without case, trailing dots and spaces, then without a type before it
    and a common reference behind it (``EEG O1-REF`` is ``O1``) and with the older 10-20 names
    (``T5`` is ``P7``). The first way that finds any must find just one.

    Args:
        wanted: The name as typed.
        names: The names in the file.
        where: The file, for the message.

    Raises:
        DataError: No channel has this name, or several have.
    """
    ways = (lambda n: n.strip(" \0"), plain, _bare)
    for way in ways:
        hits = [i for i, name in enumerate(names) if way(name) == way(wanted)]
        if len(hits) == 1:
            return hits[0]
        if hits:
            places = ", ".join(f"number {i + 1} '{names[i].strip()}'" for i in hits)
            raise DataError(
                f"{where}: channel '{wanted}' is ambiguous: {places}. Rename one of them in the file, "
                "or choose another channel."
            )
    listed = ", ".join(name.strip() for name in names[:40]) + (", ..." if len(names) > 40 else "")
    near = nearest(wanted, names)
    meant = ""
    if near:
        *most, last = [f"'{name.strip()}'" for name in near]
        meant = f" Did you mean {', '.join(most) + ' or ' if most else ''}{last}?"
    raise DataError(f"{where} has no channel '{wanted}'.{meant} It has: {listed or 'none'}.")


def nearest(wanted: str, names: Sequence[str]) -> list[str]:
    """Return up to three names that are written much as ``wanted``, the nearest first.

    >>> nearest("O3", ["EEG O1-REF", "EEG Cz-REF", "EEG O2-REF"])
    ['EEG O2-REF', 'EEG O1-REF']
    """
    by_bare = {_bare(name): name for name in reversed(names)}
    return [by_bare[bare] for bare in get_close_matches(_bare(wanted), by_bare, n=3, cutoff=0.5)]


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
