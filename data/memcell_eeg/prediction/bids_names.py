"""Names of BIDS entities for recordings: their own, or made of who was recorded and of the file's name.

A recording of a BIDS data set keeps its entities. Of another one the subject is told from names of files and
folders as for a split (`memcell_data.subjects.names`), ``ses`` is what its name says of when (``n1``,
``night2``, a date), ``task`` is ``unknown``, and ``acq`` is the rest of the name, or all of it where the rest
says nothing by itself. Labels are letters and digits: umlauts lose their dots, other
writing becomes a number. No two recordings get one name, nor two subjects one label, also where a disk does
not tell capitals.
"""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from memcell_data.formats.reader import stem
from memcell_data.subjects.names import named, session_of
from memcell_data.tables.bids import entities_of

#: The order of the standard; ``desc`` is of results, and ``split`` of parts of a file.
_ORDER = (
    "sub",
    "ses",
    "task",
    "acq",
    "ce",
    "trc",
    "stain",
    "rec",
    "dir",
    "run",
    "mod",
    "echo",
    "proc",
    "space",
)
#: Letters of a label; a file system takes 255 of a name, which has several and an ending.
LONGEST = 45
_LETTERS = str.maketrans(
    {"ß": "ss", "æ": "ae", "Æ": "Ae", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "đ": "d"}
)
_PLACE = re.compile(r"^(?:sub-.*|ses-.*|eeg|ieeg|meg)$")


@dataclass(frozen=True, kw_only=True)
class _Named:
    """A recording with its entities."""

    path: Path
    entities: Mapping[str, str]

    @property
    def name(self) -> str:
        return "_".join(f"{key}-{self.entities[key]}" for key in _ORDER if self.entities.get(key))

    def with_(self, key: str, text: str) -> _Named:
        """Return it with a label that begins with some text more."""
        return replace(self, entities={**self.entities, key: text + self.entities.get(key, "")})


def bids_names(
    paths: Sequence[Path], known: Mapping[Path, str] = MappingProxyType({})
) -> list[str]:
    """Return a name of BIDS entities for each recording, no two alike.

    Args:
        paths: The recordings; what they are called together decides who is who.
        known: Names that recordings have already, which they keep.
    """
    wanted, paths = paths, list(dict.fromkeys([*known, *paths]))
    own = [entities_of(path) for path in paths]
    others = [path for path, found in zip(paths, own, strict=True) if found is None]
    who = list(named(others).subjects) if others else []
    labels = _labels({subject: subject.removeprefix("sub-") for subject in who})
    subjects = iter(who)
    recordings = []
    for path, found in zip(paths, own, strict=True):
        if found is None:
            entities = _told(stem(path), subject := next(subjects), labels[subject])
        else:
            entities = {"task": "unknown", **{key: label(text) for key, text in found.items()}}
            if desc := entities.pop("desc", ""):  # another preparation of the same recording
                entities["acq"] = entities.get("acq", "") + desc
        recordings.append(_Named(path=path, entities=entities))
    recordings = [r for r in _by_data_set(recordings) if r.path not in known]
    names = {**{r.path: r.name for r in _told_apart(recordings, [*known.values()])}, **known}
    return [names[path] for path in wanted]


def _told_apart(recordings: Sequence[_Named], known: Sequence[str]) -> list[_Named]:
    """Put before ``acq`` what tells recordings of one name apart: folder, ending, or a number of the path."""
    count = Counter(name.casefold() for name in (*known, *(r.name for r in recordings)))
    alike: dict[str, list[_Named]] = {}
    for r in recordings:
        alike.setdefault(r.name.casefold(), []).append(r)
    taken, told = {name.casefold() for name in known} | {n for n, k in count.items() if k == 1}, {}
    for name, group in alike.items():
        if count[name] == 1:
            told[group[0].path] = group[0]
            continue
        for way in (_of_folder, _of_ending, _of_path):
            made = [r.with_("acq", way(r)) for r in group]
            names = {r.name.casefold() for r in made}
            if way is _of_path or (len(names) == len(group) and not names & taken):
                break
        taken |= names
        told |= {r.path: r for r in made}
    return [told[r.path] for r in recordings]


def _told(file: str, subject: str, labelled: str) -> dict[str, str]:
    """Return the entities that a file's name tells, beside the subject with its label."""
    session, rest = session_of(file, subject)
    entities = {"sub": labelled, "task": "unknown"}
    if session:
        entities["ses"] = label(session)
        if rest:
            entities["acq"] = label(rest)
    elif label(file).casefold() != labelled.casefold():
        entities["acq"] = label(file)
    return entities


def root_of(path: Path) -> Path:
    """Return the folder of a recording's data set: that above ``sub-`` and ``ses-``, else its own."""
    folder = path.absolute().parent
    while _PLACE.match(folder.name) and folder.parent != folder:
        folder = folder.parent
    return folder


def sources_of(paths: Sequence[Path]) -> list[Path]:
    """Return the folders of the data sets that recordings are of; of others the one that holds them all."""
    roots = {root_of(path) for path in paths if entities_of(path) is not None}
    others = [str(path.absolute().parent) for path in paths if entities_of(path) is None]
    return sorted(roots | ({Path(os.path.commonpath(others))} if others else set()))


def label(text: str) -> str:
    """Return a text as a BIDS label: letters and digits, the end of a long one as a number.

    >>> label("Jürg Weiß-2"), label("被験者")
    ('JurgWeiss2', 'x9790c8')
    """
    plain = unicodedata.normalize("NFKD", text.translate(_LETTERS))
    made = re.sub(r"[^0-9A-Za-z]", "", plain) or f"x{_number(text)}"
    return made if len(made) <= LONGEST else f"{made[:LONGEST]}x{_number(text)}"


def _of_folder(recording: _Named) -> str:
    return label(recording.path.parent.name)


def _of_ending(recording: _Named) -> str:
    return label(recording.path.suffix)


def _of_path(recording: _Named) -> str:
    return _number(str(recording.path))


def _by_data_set(recordings: Sequence[_Named]) -> list[_Named]:
    """Put the data set's name before subjects whose label two data sets have: they are two people."""
    roots: dict[str, set[Path]] = {}
    for r in recordings:
        if entities_of(r.path) is not None:
            roots.setdefault(r.entities["sub"].casefold(), set()).add(root_of(r.path))
    shared = {root for found in roots.values() if len(found) > 1 for root in found}
    before = _labels({str(root): root.name for root in shared})
    return [
        r.with_("sub", before[str(root_of(r.path))])
        if root_of(r.path) in shared and entities_of(r.path) is not None
        else r
        for r in recordings
    ]


def _labels(texts: Mapping[str, str]) -> dict[str, str]:
    """Return a label for each key, no two alike but for capitals."""
    labels: dict[str, str] = {}
    for key in sorted(texts):
        made = label(texts[key])
        if made.casefold() in {m.casefold() for m in labels.values()}:
            made += f"x{_number(key)}"
        labels[key] = made
    return labels


def _number(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:6]
