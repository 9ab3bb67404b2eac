"""Words used as labels: which spellings are one word, and which words are no score.

A label's spelling must never decide its class. `same` gives one key to all spellings of a word
(``microsleep``, ``Micro-Sleep``, ``micro sleep``) and to all names of a sleep stage (``Sleep stage W``,
``W``, ``wake``). What says that nobody scored (``n/a`` in BIDS, ``?``, movement, an artefact, a technician's
mark) is no class.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from difflib import get_close_matches

_ACCENTS = re.compile("[\u0300-\u036f]")
_DROPPED = re.compile(r"[^\w?]|_")
_STAGE = re.compile(
    r"^(?:sleep|schlaf)?(?:stages?|stade|stadium|stadio)(?:de|du|di)?(?:sommeil|sonno)?(.+?)(?:sleep)?$"
)
_STAGES = {
    "wake": (
        *("wake", "w", "awake", "wakefulness", "waking", "s0", "sleeps0"),
        *("wach", "wachzustand", "eveil", "veille", "veglia", "vigilia", "despierto"),
    ),
    "n1": ("n1", "s1", "nrem1", "sleeps1"),
    "n2": ("n2", "s2", "nrem2", "sleeps2"),
    # stages 3 and 4 of 1968 are N3 of 2007
    "n3": ("n3", "s3", "s4", "n4", "nrem3", "nrem4", "sleeps3", "sleeps4"),
    "rem": ("rem", "sleeprem"),
}
#: What a stage may be called behind the word "stage" alone.
_AFTER_STAGE = {"0": "wake", "1": "n1", "2": "n2", "3": "n3", "4": "n3", "r": "rem", "5": "rem"}
_OF_STAGE = {name: key for key, names in _STAGES.items() for name in names}
_UNSCORED = frozenset(
    (
        "?",
        "na",
        "nan",
        "none",
        "null",
        "nil",
        "unscored",
        "notscored",
        "unknown",
        "undefined",
        "undetermined",
        "missing",
        "invalid",
        "noscore",
        "unclassified",
        "notclassified",
        "movement",
        "movementtime",
        "mt",
        "bodymovement",
        "artifact",
        "artifacts",
        "artefact",
        "artefakt",
        "artefacts",
        "art",
        "uns",
        "lightsoff",
        "lightson",
        "lightsout",
        "recordingstarts",
        "recordingends",
        "recordingstart",
        "recordingend",
        "startrecording",
        "stoprecording",
        "endrecording",
        "startofrecording",
        "endofrecording",
        "recordingstarted",
        "recordingstopped",
        "recordingended",
        "newsegment",
        "boundary",
        "edgeboundary",
    )
)
_UNSCORED_BEGINNINGS = ("bad", "nosignal")
#: Words of a scoring other than sleep stages, of which the data of this package is made.
_SCORED = ("drowsy", "candidate", "one-sided", "microsleep", "blink", "eyes open", "eyes closed")
#: Abbreviations that are asked about, never decided.
_MEANT = {
    **dict.fromkeys(("ms", "mse", "microsleepepisode", "microsleeps"), "microsleep"),
    **dict.fromkeys(("mikroschlaf", "sekundenschlaf", "microsommeil", "microsueno"), "microsleep"),
}


def folded(word: str) -> str:
    """Return a word without case, accents, blanks, dashes and other signs but the question mark.

    >>> folded(" Micro\N{NON-BREAKING HYPHEN}Sleep\N{NO-BREAK SPACE}")
    'microsleep'
    """
    parts = unicodedata.normalize("NFKD", word.casefold())
    plain = _ACCENTS.sub("", parts).casefold()
    return _DROPPED.sub("", plain) or plain.strip()


def same(word: str) -> str:
    """Return the key that all spellings of a word have in common.

    >>> same("Sleep stage W") == same("wake") == same("W")
    True
    """
    key = folded(word)
    staged = _STAGE.match(key)
    if staged:
        rest = staged[1]
        return _AFTER_STAGE.get(rest) or _OF_STAGE.get(rest) or f"stage{rest}"
    return _OF_STAGE.get(key, key)


def is_unscored(word: str) -> bool:
    """Whether a label says that its time was not scored, or is no score: ``n/a``, ``?``, ``Lights off``."""
    key = same(word)
    if not key.strip("-. ") or key in _UNSCORED or word.strip().casefold().startswith("bad"):
        return True
    # a stage that is none: "Sleep stage ?", "Sleep stage M"
    return key.startswith(("stage", *_UNSCORED_BEGINNINGS))


def is_stage(word: str) -> bool:
    """Whether a label is a sleep stage, wake among them."""
    return same(word) in _STAGES


def is_scored(word: str) -> bool:
    """Whether a label is known to be a score: a sleep stage, or a word of a graded scoring."""
    return same(word) in _KNOWN


def meant(word: str, known: Iterable[str]) -> str:
    """Return the known word that a label may be a slip of, or an empty string."""
    keys = {same(k): k for k in known}
    key = same(word)
    if _MEANT.get(key) in keys:
        return keys[_MEANT[key]]
    near = get_close_matches(key, list(keys), n=1, cutoff=0.75)
    return keys[near[0]] if near and near[0] != key else ""


_KNOWN = frozenset({*_STAGES, *(folded(w) for w in _SCORED), "blinks", "alert"})
#: The word that this package's own protocols use for a key.
CANONICAL = {
    "wake": "wake",
    **{folded(w): w for w in ("drowsy", "candidate", "one-sided", "microsleep")},
}
