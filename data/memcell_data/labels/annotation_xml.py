"""Annotations as XML: EDFbrowser's, Profusion's (``CMPStudyConfig``) and NSRR's (``PSGAnnotation``).

Profusion, of Compumedics, keeps a hypnogram beside scored events (apnoeas, arousals). Their names come back
as `TableRead.events`: they lie over sleep stages, and say nothing of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from xml.etree import ElementTree

from memcell.errors import DataError
from memcell_data.labels.hypnogram import USUAL, Epochs, stage_of_number
from memcell_data.recording import Interval
from memcell_data.tables.label_tables import TableRead, text_of
from memcell_data.tables.label_times import Clock, Time, Unreadable, from_start, time_of

_DECLARED = re.compile(r"^\s*<\?xml[^>]*\?>")
_NAMESPACE = re.compile(r"""\sxmlns=(?:"[^"]*"|'[^']*')""")
_EXPECTED = (
    "expected 'annotationlist' (EDFbrowser), 'CMPStudyConfig' (Compumedics Profusion) or 'PSGAnnotation' "
    "(NSRR): export the labels as csv with a first line onset,duration,description"
)


def read_xml(path: Path, clock: Clock, said: Epochs | None = None) -> TableRead:
    """Read annotations of one of the known kinds of XML.

    Args:
        path: The file.
        clock: When the recording began, and how long it is.
        said: How long an epoch is, where the file does not say.

    Raises:
        DataError: It is no XML, damaged, or of another kind.
    """
    root = _root(path)
    kind = _name(root)
    if kind == "annotationlist":
        return _edfbrowser(path, root, clock)
    if kind == "CMPStudyConfig":
        return _profusion(path, root, said or Epochs())
    if kind == "PSGAnnotation":
        return _nsrr(path, root)
    raise DataError(f"{path}: is XML of the kind '{kind}', {_EXPECTED}")


def is_known_xml(path: Path) -> bool:
    """Whether a file is XML of a kind that can be read."""
    try:
        return _name(_root(path)) in ("annotationlist", "CMPStudyConfig", "PSGAnnotation")
    except DataError:
        return False


def _root(path: Path) -> ElementTree.Element:
    text = text_of(path)
    if "<!ENTITY" in text or "<!DOCTYPE" in text:
        raise DataError(f"{path}: is XML with definitions of its own (DOCTYPE), {_EXPECTED}")
    try:
        # the declared encoding is often not the real one; the text is decoded already
        bare = _DECLARED.sub("", text.lstrip("\ufeff"), count=1)
        return ElementTree.fromstring(_NAMESPACE.sub("", bare))
    except ElementTree.ParseError as error:
        raise DataError(
            f"{path}: is damaged XML ({error}): export it anew, or write a csv with a first line "
            "onset,duration,description"
        ) from None


def _edfbrowser(path: Path, root: ElementTree.Element, clock: Clock) -> TableRead:
    found: list[tuple[str, Time, float, str]] = []
    bad = []
    for place, each in _numbered(root, "annotation"):
        try:
            onset = _time(each, "onset")
            found.append((place, onset, _duration(each, "duration"), _text(each, "description")))
        except Unreadable as error:
            bad.append(f"{place}: {error}")
    kinds = {onset.kind for _, onset, _, _ in found}
    if len(kinds) > 1:
        raise DataError(f"{path}: onsets are written in several ways ({', '.join(sorted(kinds))})")
    times, remark = _from_start(path, [onset for _, onset, _, _ in found], root, clock)
    rows = [
        (place, Interval(onset=at, duration=seconds, label=label))
        for at, (place, _, seconds, label) in zip(times, found, strict=True)
    ]
    return TableRead(rows=tuple(rows), bad=tuple(bad), remarks=(remark,) if remark else ())


def _from_start(
    path: Path, onsets: list[Time], root: ElementTree.Element, clock: Clock
) -> tuple[list[float], str]:
    """Return onsets in seconds from the first sample; from the file's own start where it names one."""
    try:
        if onsets and onsets[0].kind == "date" and root.find("recording_start_time") is not None:
            start = _time(root, "recording_start_time")
            return [onset.value - start.value for onset in onsets], ""
        return from_start(onsets, clock)
    except Unreadable as error:
        raise DataError(f"{path}: {error}") from None


def _profusion(path: Path, root: ElementTree.Element, said: Epochs) -> TableRead:
    remarks = []
    epoch = said.seconds
    if not epoch:
        try:
            epoch = _number(root, "EpochLength")
        except Unreadable:
            epoch = USUAL
            remarks.append(f"it has no EpochLength; epochs are read as {USUAL:g} s")
    stages = [(place, (each.text or "").strip()) for place, each in _numbered(root, "SleepStage")]
    rows = [
        (place, Interval(onset=k * epoch, duration=epoch, label=stage_of_number(text)))
        for k, (place, text) in enumerate(stages)
    ]
    events, bad = _scored(root, lambda each: _text(each, "Name"))
    if not stages and not events:
        raise DataError(f"{path}: holds neither sleep stages nor scored events")
    return _together(rows, events, bad, remarks)


def _nsrr(path: Path, root: ElementTree.Element) -> TableRead:
    def label(each: ElementTree.Element) -> str:
        concept = _text(each, "EventConcept")
        name, _, number = concept.partition("|")
        if (each.findtext("EventType") or "").startswith("Stages"):
            return stage_of_number(number) if number else name.strip()
        return "" if name.strip() == "Recording Start Time" else name.strip()

    found, bad = _scored(root, label)
    staged = {
        id(each) for each in root.iter("ScoredEvent")
        if (each.findtext("EventType") or "").startswith("Stages")
    }  # fmt: skip
    if not found:
        raise DataError(f"{path}: holds no scored events")
    rows = [(place, i) for place, i, source in found if source in staged]
    events = [each for each in found if each[2] not in staged]
    return _together(rows, events, bad, [])


def _together(
    stages: list[tuple[str, Interval]],
    events: list[tuple[str, Interval, int]],
    bad: list[str],
    remarks: list[str],
) -> TableRead:
    names = {i.label for _, i, _ in events} if stages else set()
    if stages and events:
        remarks.append(
            f"{len(events)} scored events lie over {len(stages)} sleep stages; they count where "
            "--data.positive or --data.negative names them"
        )
    rows = sorted([*stages, *((place, i) for place, i, _ in events)], key=lambda row: row[1].onset)
    return TableRead(
        rows=tuple(rows), bad=tuple(bad), remarks=tuple(remarks), events=frozenset(names)
    )


def _scored(
    root: ElementTree.Element, label: Callable[[ElementTree.Element], str]
) -> tuple[list[tuple[str, Interval, int]], list[str]]:
    """Return scored events with where each stands, and those that cannot be read."""
    found, bad = [], []
    for place, each in _numbered(root, "ScoredEvent"):
        if not (each.findtext("Start") or "").strip() and not (each.findtext("Name") or "").strip():
            continue  # Profusion begins its list with an empty one, NSRR with the recording's start
        try:
            word = label(each)
            if word:
                onset, seconds = _number(each, "Start"), _duration(each, "Duration")
                found.append((place, Interval(onset=onset, duration=seconds, label=word), id(each)))
        except Unreadable as error:
            bad.append(f"{place}: {error}")
    return found, bad


def _numbered(root: ElementTree.Element, tag: str) -> Iterator[tuple[str, ElementTree.Element]]:
    for n, each in enumerate(root.iter(tag), start=1):
        yield f"{tag} {n}", each


def _text(of: ElementTree.Element, tag: str) -> str:
    word = " ".join((of.findtext(tag) or "").split())
    if not word:
        raise Unreadable(f"has no {tag}")
    return word


def _time(of: ElementTree.Element, tag: str) -> Time:
    try:
        return time_of(_text(of, tag), comma=True)
    except Unreadable as error:
        raise Unreadable(f"{tag} is {error}") from None


def _number(of: ElementTree.Element, tag: str) -> float:
    found = _time(of, tag)
    if found.kind != "seconds":
        raise Unreadable(f"{tag} is '{_text(of, tag)}', expected seconds")
    return found.value


def _duration(of: ElementTree.Element, tag: str) -> float:
    text = (of.findtext(tag) or "").strip()
    if text.casefold() in ("", "n/a", "-", "nan"):
        return 0.0
    seconds = _number(of, tag)
    if seconds < 0:
        raise Unreadable(f"has a negative duration ({seconds:g} s)")
    return seconds


def _name(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]
