"""Who was recorded, by a table of subjects and by the patient codes in headers.

A code says something about a person: it is compared in memory, as a digest, and never shown or written.
"""

from __future__ import annotations

import csv
import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from memcell.errors import DataError
from memcell_data.content import begins_as_edf, first_bytes
from memcell_data.formats.edf.fields import text_of
from memcell_data.labels.words import folded
from memcell_data.recording import Recording
from memcell_data.subjects.names import SubjectNames, alike, question, spelled
from memcell_data.tables.label_tables import text_of as text_of_file

_FILES = ("file", "filename", "file name", "path", "recording", "name")
_SUBJECTS = ("subject", "subject id", "participant", "participant id", "person", "patient", "who")
_NOBODY = frozenset(
    (
        "x", "na", "none", "unknown", "anonymous", "anonymized", "anonymised", "anonym", "patient", "subject",
        "test", "default", "name", "id", "code", "xx", "xxx", "xxxx", "0",
    )
)  # fmt: skip


def read_subjects(table: Path, paths: Sequence[Path]) -> list[str]:
    """Return the subject of each file as a table says.

    Args:
        table: Columns ``file`` (a name, with or without ending, or a path) and ``subject``, separated by
            tabs, commas or semicolons.
        paths: The recordings.

    Raises:
        DataError: It cannot be read, or a recording is in no line or in two that differ; names it.
    """
    lines = [line for line in text_of_file(table).splitlines() if line.strip()]
    header = lines[0] if lines else ""
    separator = max("\t;,", key=header.count)
    rows = list(csv.reader(lines, delimiter=separator, skipinitialspace=True))
    names = (
        [" ".join(c.strip().casefold().replace("_", " ").split()) for c in rows[0]] if rows else []
    )
    at = [next((names.index(w) for w in known if w in names), -1) for known in (_FILES, _SUBJECTS)]
    if min(at) < 0:
        raise DataError(
            f"{table}: line 1: expected the columns file and subject; got {', '.join(names) or 'nothing'}"
        )
    subject_of: dict[str, str] = {}
    for number, cells in enumerate(rows[1:], start=2):
        if len(cells) <= max(at) or not cells[at[1]].strip():
            raise DataError(f"{table}: line {number}: has no subject")
        file, subject = cells[at[0]].strip().replace("\\", "/"), cells[at[1]].strip()
        if subject_of.setdefault(file, subject) != subject:
            raise DataError(f"{table}: line {number}: '{file}' is of '{subject_of[file]}' already")
    return [_listed(table, path, subject_of) for path in paths]


def _listed(table: Path, path: Path, subject_of: Mapping[str, str]) -> str:
    whole = path.absolute().as_posix()
    fitting = {
        subject
        for file, subject in subject_of.items()
        if whole == file or whole.endswith(f"/{file}") or _bare(whole).endswith(f"/{file}")
    }
    if len(fitting) == 1:
        return fitting.pop()
    if fitting:
        raise DataError(f"{table}: {path} is in several lines; write its folder before its name")
    raise DataError(
        f"{table}: has no line for {path}; write one, with the columns file and subject"
    )


def _bare(path: str) -> str:
    folder, _, name = path.rpartition("/")
    name = name.removesuffix(".gz")
    return f"{folder}/{name[: name.rindex('.')] if '.' in name[1:] else name}"


def patient_of(path: Path) -> str:
    """Return a digest of the patient code in an EDF or BDF header; empty where none is meant."""
    try:
        head = first_bytes(path) if path.is_file() else b""
    except DataError:
        return ""
    if not begins_as_edf(head) or len(head) < 256:
        return ""
    patient = head[8:88].decode("latin-1").strip()
    plus = text_of(head, "reserved").upper()[:4] in ("EDF+", "BDF+")
    code = patient.split(" ")[0] if plus or patient.upper().startswith("X X") else patient
    key = folded(code)
    if key in _NOBODY or not key.strip("x0 -_?") or key.startswith("anonym"):
        return ""
    return hashlib.sha256(key.encode()).hexdigest()


def contradictions(
    paths: Sequence[Path], subjects: Sequence[str]
) -> tuple[list[tuple[str, str, str]], list[str]]:
    """Return what headers say against the names: subjects that may be one, and subjects that may be several.

    Args:
        paths: The recordings.
        subjects: As their names have it, one a recording.
    """
    codes = [patient_of(p) for p in paths]
    of_code: dict[str, list[str]] = defaultdict(list)
    of_subject: dict[str, dict[str, Path]] = defaultdict(dict)
    for path, subject, code in zip(paths, subjects, codes, strict=True):
        if code:
            if subject not in of_code[code]:
                of_code[code].append(subject)
            of_subject[subject].setdefault(code, path)
    notes = [
        f"subject '{subject}': the headers of {' and '.join(p.name for p in list(found.values())[:2])} give "
        "different patient codes"
        for subject, found in of_subject.items()
        if len(found) > 1
    ]
    shared = [group for group in of_code.values() if len(group) > 1]
    if len(of_code) == 1 and shared and all(codes):
        # one code in all files is mostly the recorder's, not a person's
        n = len(shared[0])
        notes.append(
            f"the headers of all recordings give one patient code, and the names {n} subjects"
        )
        shared = []
    pairs = [(g[0], g[1], "have the same patient code in their headers") for g in shared]
    return pairs, notes


def subject_question(
    recordings: Sequence[Recording],
    names: SubjectNames | None,
    *,
    subjects_given: bool,
    different: bool,
    by_pattern: bool,
) -> tuple[str, list[str]]:
    """Return a question about subjects that may be the same person, and notes on contradicting headers.

    Args:
        recordings: All of a data set.
        names: The subjects as derived from file names; None where they were not.
        subjects_given: The user gave the subjects, by a table or a pattern: only spelling is asked about.
        different: The user stated that subjects with similar names are different people.
        by_pattern: The data set has an option ``subject-pattern``.
    """
    found = {r.path: r.subject for r in recordings if r.path is not None}
    pairs, notes = contradictions(list(found), list(found.values()))
    more, pattern = alike(list(dict.fromkeys(found.values())))
    if subjects_given:
        more = [p for p in more if spelled(p[0]) == spelled(p[1])]
    if subjects_given or different:
        notes += [f"subjects '{a}' and '{b}' {why}" for a, b, why in pairs[:5]]
        pairs = []
    if different:
        more = []
    return (
        question(
            [*more, *pairs],
            names.questions if names else (),
            (names.pattern if names else "") or pattern,
            {p.as_posix(): s for p, s in found.items()},
            by_pattern,
        ),
        notes,
    )
