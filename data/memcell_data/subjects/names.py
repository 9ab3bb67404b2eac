"""Who was recorded, by the names of files and folders.

Names of laboratories mix persons with nights: ``Patient 1/night1.edf`` is of Patient 1, ``P01_n2.edf`` of
P01. What says only when something was recorded (``night1``, ``rec``, a date) is nobody's name. Where names
leave it open whether two subjects are one person (``P01-n1`` and ``P01-n2``), a split by subject asks rather
than guesses.
"""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from memcell_data.labels.words import folded

_BIDS_NAME = re.compile(r"(?:^|_)(sub-[A-Za-z0-9]+)")
_BIDS_FOLDER = re.compile(r"^sub-[A-Za-z0-9]+$")
#: PhysioNet's Sleep-EDF: two letters and a digit of the study, two digits of the person, one of the night.
_SLEEP_EDF = re.compile(r"^((?:SC4|ST7)\d{2})\d[A-Z]\w?(?:$|[-_])", re.IGNORECASE)
#: PhysioNet's Motor Movement set: person and run.
_MOTOR = re.compile(r"^(S\d{3})R\d{2}$", re.IGNORECASE)
_WHEN = (
    "night|nacht|nap|session|sess|ses|sitzung|visit|visite|day|tag|run|baseline|base|pre|post|morning|"
    "evening"
)
_FILE = (
    "recordings?|records?|rec|eeg|psg|mwt|mslt|edf|raw|data|files?|export|exported|signals?|sleep"
)
_DATE = r"\d{4}[-.]?\d{2}[-.]?\d{2}(?:[tT-]?\d{4,6})?|\d{2}[-.]\d{2}[-.]\d{4}"
_WHEN_TOKEN = re.compile(rf"^(?:(?:{_WHEN})[- .]?\d*|{_DATE})$", re.IGNORECASE)
_FILE_TOKEN = re.compile(rf"^(?:{_FILE})[- .]?\d*$", re.IGNORECASE)
_PERSON_WORDS = (
    "subjects?|subj|sub|patients?|pat|pt|participant|part|proband|probandin|prob|person|pers|driver|volunteer|"
    "vp|vpn|case|id|control|controls|ctrl|healthy|hc|group|grp|mouse|rat|animal|code|nr|no"
)
_PERSON_WORD = re.compile(rf"^(?:{_PERSON_WORDS})$", re.IGNORECASE)
_PERSON = re.compile(rf"^(?:(?:{_PERSON_WORDS})[-_ .]?\d+|[psv]p?\d{{2,}})$", re.IGNORECASE)
#: What stands behind a person's name where it is recorded more than once: ``-n1``, ``b``, ``_pre``.
_AGAIN = re.compile(
    rf"^(?:[-_ .].*|[a-z]|(?:n|s|r|v|t|d|{_WHEN})[-_ .]?\d{{1,2}}|(?:{_WHEN}))$", re.IGNORECASE
)
_TAIL = re.compile(
    rf"[-_ .]+(?:(?:n|s|r|v|t|d|{_WHEN}|{_FILE})[-_ .]?\d{{0,2}}|{_DATE})$|\d{{8}}$", re.IGNORECASE
)
_SESSION = re.compile(
    rf"^(?:[nsvtd]\d{{1,3}}|natt?\d+|(?:{_WHEN})[- .]?\d*|{_DATE})$", re.IGNORECASE
)
_NUMBERED = re.compile(r"^(.*?[^\W\d_]{2,})[-_ .]?(\d{1,2})$")


@dataclass(frozen=True, kw_only=True)
class SubjectNames:
    """The subject of each file by its name, and what is uncertain about them.

    Args:
        subjects: One a file, in the order of the files.
        questions: What names leave open, one line each; empty where nothing is.
        pattern: A ``--data.subject-pattern`` that may be meant; empty for none.
    """

    subjects: tuple[str, ...]
    questions: tuple[str, ...] = ()
    pattern: str = ""


def named(paths: Sequence[Path]) -> SubjectNames:
    """Return the subjects of files, told from their names and the folders below the one they share.

    Args:
        paths: Of all recordings together; at least one.
    """
    stems = [_stem(p) for p in paths]
    folders = _folders(paths)
    candidates = [_of_name(stem) for stem in stems]
    places = {(s.casefold(), p.absolute().parent) for p, s in zip(paths, stems, strict=True)}
    again = Counter(stem for stem, _ in places)
    repeated = {stem for stem in stems if again[stem.casefold()] > 1}
    found: list[str] = []
    questions: list[str] = []
    for path, stem, below, name in zip(paths, stems, folders, candidates, strict=True):
        fixed = _fixed(path, stem, below)
        if fixed:
            found.append(fixed)
            continue
        persons = [f for f in below if _PERSON.match(f)]
        if persons and not (name and _PERSON.match(name)):
            found.append(persons[-1])
        elif below and (not name or (repeated and not _PERSON.match(name))):
            found.append("/".join(below))
        else:
            found.append(name or stem.split("_")[0] or stem)
    twice = sorted(
        stem
        for stem, subject in zip(stems, found, strict=True)
        if stem in repeated and _PERSON.match(subject) and subject in stem
    )
    if twice and not any(_BIDS_FOLDER.match(s) for s in found):
        questions.append(
            f"'{twice[0]}' is a file in several folders: one person, or one in each folder?"
        )
    deep = next((s for s in found if s.count("/")), "")
    if deep and len({s.split("/")[0] for s in found}) < len(set(found)):
        questions.append(f"'{deep}': which of the folders is the person?")
    return SubjectNames(
        subjects=tuple(found), questions=tuple(questions), pattern=_FOLDER if deep else ""
    )


def session_of(stem: str, subject: str) -> tuple[str, str]:
    """Return which time a person was recorded, by a file's name, and what else the name says.

    >>> session_of("P03_n1_psg", "P03"), session_of("night 2", "Patient 1"), session_of("P03_rest", "P03")
    (('n1', 'psg'), ('night 2', ''), ('', 'rest'))

    Args:
        stem: Of the file.
        subject: Who was recorded, as `named` tells it.
    """
    own = stem.casefold().startswith(subject.casefold())
    rest = stem[len(subject) :].strip("_-. ") if own else stem
    if _SESSION.match(rest):
        return rest, ""
    parts = [part for part in re.split(r"[_\s]+", rest) if part]
    sessions = [part for part in parts if _SESSION.match(part)]
    if len(sessions) != 1:
        return "", rest
    return sessions[0], "_".join(part for part in parts if part != sessions[0])


_FIRST_ID = r"(?:^|/)([^/\d]*\d+)[^/]*$"
_FOLDER = r"([^/]+)/[^/]+$"


def alike(subjects: Sequence[str]) -> tuple[list[tuple[str, str, str]], str]:
    """Return pairs of subjects that may be one person, each with the reason, and a pattern that may be meant.

    Args:
        subjects: Names, each once.
    """
    pairs: list[tuple[str, str, str]] = []
    pattern = ""
    for group in _groups(subjects, spelled).values():
        pairs += [(a, b, "differ only in spelling") for a, b in pairwise(group)]
    seen = {frozenset(p[:2]) for p in pairs}
    for key, why, meant in (
        (_first_id, "begin with the same person", _FIRST_ID),
        (_without_tail, "differ in what says when", r"(?:^|/)([^/_ .-]+)[^/]*$"),
    ):
        for group in _groups(subjects, key).values():
            more = [(a, b, why) for a, b in pairwise(group) if frozenset((a, b)) not in seen]
            seen |= {frozenset(p[:2]) for p in more}
            pattern = pattern or (meant if more else "")
            pairs += more
    pairs += _crossed(subjects)
    when = [s for s in subjects if _WHEN_TOKEN.match(s)]
    if len(when) > 1:
        pairs.append((when[0], when[1], "say when and not who"))
    return pairs, pattern


def spelled(subject: str) -> str:
    """Return the key that all spellings of a subject share: ``S01``, ``s1`` and ``S 1`` are one.

    >>> spelled("Patient 01") == spelled("patient_1")
    True
    """
    parts = [folded(part) for part in subject.split("/")]
    return "/".join(re.sub(r"(?<!\d)0+(?=\d)", "", part) for part in parts)


def _groups(subjects: Sequence[str], key: Callable[[str], str]) -> dict[str, list[str]]:
    out: dict[str, list[str]] = defaultdict(list)
    for subject in subjects:
        if k := key(subject):
            out[k].append(subject)
    return {k: group for k, group in out.items() if len(group) > 1}


def _first_id(subject: str) -> str:
    """Return a name up to its first number, where what follows says which time it is; else all of it."""
    match = re.match(r"^([^\d]*\d+)(.*)$", subject)
    if match is None:
        return ""
    rest = match[2]
    return spelled(match[1]) if not rest or _AGAIN.match(rest) else ""


def _without_tail(subject: str) -> str:
    before = subject
    while (cut := _TAIL.sub("", before)) != before and cut:
        before = cut
    return spelled(before) if re.search(r"[^\W_]{2}|\d", before) else ""


def _crossed(subjects: Sequence[str]) -> list[tuple[str, str, str]]:
    """Return pairs like anna1, anna2 where bert1, bert2 are there as well."""
    of: dict[str, list[str]] = defaultdict(list)
    for subject in subjects:
        match = _NUMBERED.match(subject)
        if match and not _PERSON_WORD.match(match[1].strip("-_ .")):
            of[match[1].casefold()].append(subject)
    several = [group for group in of.values() if len(group) > 1]
    if len(several) < 2:
        return []
    return [(g[0], g[1], "are numbered like others") for g in several]


def _of_name(stem: str) -> str:
    """Return who a file's name says was recorded; empty where it says only when, or nothing."""
    tokens = stem.split("_")
    dropped = False
    while tokens and (
        _WHEN_TOKEN.match(tokens[0])
        or _FILE_TOKEN.match(tokens[0])
        or (dropped and tokens[0].isdigit())
    ):
        dropped = not tokens.pop(0)[-1:].isdigit()
    if not tokens:
        return ""
    if len(tokens) > 1 and _PERSON_WORD.match(tokens[0]) and tokens[1][:1].isdigit():
        return "_".join(tokens[:2])
    return tokens[0]


def _fixed(path: Path, stem: str, below: Sequence[str]) -> str:
    """Return the subject where a standard says who it is."""
    bids = _BIDS_NAME.search(path.name)
    if bids:
        return bids[1]
    for folder in (*reversed(below), *reversed(path.absolute().parts[-4:-1])):
        if _BIDS_FOLDER.match(folder):
            return folder
    for standard in (_SLEEP_EDF, _MOTOR):
        match = standard.match(stem)
        if match:
            return match[1].upper()
    return ""


def _folders(paths: Sequence[Path]) -> list[tuple[str, ...]]:
    """Return the folders of each file below the common one, without those that say when or what."""
    parents = [p.absolute().parent for p in paths]
    common = Path(os.path.commonpath(parents))
    return [
        tuple(
            part
            for part in parent.relative_to(common).parts
            if not (_WHEN_TOKEN.match(part) or _FILE_TOKEN.match(part))
        )
        for parent in parents
    ]


def _stem(path: Path) -> str:
    name = path.name.removesuffix(".gz")
    return name[: name.rindex(".")] if "." in name[1:] else name


def question(
    pairs: Sequence[tuple[str, str, str]],
    more: Sequence[str],
    pattern: str,
    found: Mapping[str, str],
    by_pattern: bool,
) -> str:
    """Return what a person is asked, with what to type; empty where nothing is open.

    Args:
        pairs: Subjects that may be one person, each with the reason.
        more: Further questions, one line each.
        pattern: A pattern that may be meant; tried on the paths first.
        found: Path to subject.
        by_pattern: The data set has an option ``subject-pattern``.
    """
    if not pairs and not more:
        return ""
    examples = list(more[:3])
    if pairs:
        a, b, why = pairs[0]
        others = f" (and {len(pairs) - 1} more pairs like it)" if len(pairs) > 1 else ""
        examples.insert(0, f"'{a}' and '{b}' {why}{others}")
    answers = []
    if by_pattern:
        people = {m[1] for p in found if pattern and (m := re.search(pattern, p)) and m[1]}
        fits = people and all(re.search(pattern, p) for p in found)
        if fits and len(people) < len(set(found.values())):
            shown = ", ".join(sorted(people)[:4]) + (", ..." if len(people) > 4 else "")
            answers.append(f"--data.subject-pattern '{pattern}' (then the subjects are {shown})")
        else:
            answers.append("--data.subject-pattern 'REGEX' (its first group is the person)")
    answers.append("--data.subjects FILE (a table with the columns file and subject)")
    if pairs and not more:
        answers.append("--data.different-people (they are different people)")
    return (
        f"who is who? {'; '.join(examples)}. The same person must not be on both sides of a split: type "
        f"{', or '.join(answers)}"
    )
