"""Channel names: matching the name a person types, and what kind of signal a name stands for."""

from __future__ import annotations

import re
from collections.abc import Sequence

from memcell.errors import DataError, did_you_mean

_PREFIX = re.compile(r"^(eeg|eog|emg|ecg)[\s:_-]+(?=\S)")
_REFERENCE = re.compile(r"[\s_-]+(ref|le|avg|av)$")
# The 10-20 names of 1958 and those of the 10-10 system, for the same four places.
_RENAMED = {"t3": "t7", "t4": "t8", "t5": "p7", "t6": "p8"}

_KINDS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("eog", re.compile(r"eog|^e[12]\b|^(loc|roc)\b|^eye")),
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
    raise DataError(
        f"{where} has no channel '{wanted}'.{did_you_mean(wanted, names)} It has: {listed or 'none'}."
    )
