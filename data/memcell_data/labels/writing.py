"""Labels as files of other programs: EDF+, BIDS, MNE, EDFbrowser, and hypnogram text as YASA reads it.

EDF+, MNE's csv and EDFbrowser's XML hold the start of the recording, since MNE and EDFbrowser place
annotations by it; no other format does, and none holds anything else of the recording's header.
"""

from __future__ import annotations

import csv
import io
import math
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from xml.sax.saxutils import escape as xml_escape

import numpy as np

from memcell.errors import DataError
from memcell.escape import table
from memcell.files.atomic import growing, write_atomic
from memcell_data.formats.edf.writer import EdfWriter, Identity
from memcell_data.labels.files import COUNTED_BY_MNE
from memcell_data.labels.hypnogram import USUAL
from memcell_data.labels.words import is_unscored, same
from memcell_data.recording import Interval
from memcell_data.tables.label_times import Clock

#: What stands in a file whose labels nobody has looked at yet.
PREDICTED = "predicted by memcell"
#: What EDF+ has for an unknown start; programs that find another one in the recording move labels.
_UNKNOWN = datetime(1985, 1, 1, tzinfo=UTC)
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_GAPS = "EDF+ counts through the recording's gaps, which MNE leaves out: for MNE type --to mne-txt"
_NO_START = (
    "the recording's start is not known, and MNE places a csv by it: for MNE type --to mne-txt"
)
_CONTROL = re.compile(r"[\x00-\x1f]+")
_YASA = {"wake": "WAKE", "n1": "N1", "n2": "N2", "n3": "N3", "rem": "REM"}


@dataclass(frozen=True, kw_only=True)
class Placed:
    """Labels with what is known of their recording.

    Args:
        labels: Seconds from the first sample.
        clock: When the recording began, and how long it is; 0 s where that is not known.
        gaps: Onset and length of its interruptions, s; of an EDF+D.
        epoch: Seconds of a line of a hypnogram.
        predicted: A detector made them, and nobody has looked at them.
    """

    labels: tuple[Interval, ...]
    clock: Clock = field(default_factory=Clock)
    gaps: tuple[tuple[float, float], ...] = ()
    epoch: float = USUAL
    predicted: bool = False

    @property
    def start(self) -> datetime:
        """When the first sample was taken."""
        return self.clock.began or _UNKNOWN


@dataclass(frozen=True, kw_only=True)
class Format:
    """A format that labels are written in.

    Args:
        summary: What it is.
        ending: Of a file's name, behind the recording's.
        write: Writes a file and returns what to say of it.
    """

    summary: str
    ending: str
    write: Callable[[Path, Placed], Sequence[str]]


def write_events(path: Path, placed: Placed) -> list[str]:
    """Write a BIDS ``events.tsv``."""
    rows = [(_number(i.onset), _number(i.duration), i.label) for i in placed.labels]
    write_atomic(path, table([("onset", "duration", "trial_type"), *rows]))
    return []


def write_edf_plus(path: Path, placed: Placed) -> list[str]:
    """Write an EDF+ file of annotations alone; its start is the recording's, its person nobody."""
    start = placed.start.replace(microsecond=0)
    after = (placed.start - start).total_seconds()
    notes = [
        replace(i, onset=i.onset + after, label=_CONTROL.sub(" ", i.label)) for i in placed.labels
    ]
    date = (
        "X" if placed.clock.began is None else f"{start:%d-}{_MONTHS[start.month - 1]}{start:-%Y}"
    )
    who = f"Startdate {date} X X {PREDICTED.replace(' ', '_') if placed.predicted else 'X'}"
    identity = Identity(recording=who, start=start.replace(tzinfo=None))
    with growing(path) as file:
        writer = EdfWriter(file, [], notes, identity)
        writer.begin(np.array([after]), 0.0)
        writer.record([])
    return [_GAPS] if placed.gaps else []


def write_mne_csv(path: Path, placed: Placed) -> list[str]:
    """Write what ``mne.read_annotations`` reads as csv: dates and times, by which MNE places labels.

    Where no start is known they count from 1970, as MNE writes them then; MNE itself takes the first label of
    such a file for its beginning.

    Raises:
        DataError: The recording has gaps, which MNE leaves out and a csv cannot say.
    """
    if placed.gaps:
        raise DataError(
            f"{path}: the recording has gaps, which MNE leaves out when it reads an EDF+D, and a csv cannot "
            "say that its onsets do: type --to mne-txt"
        )
    zero = placed.clock.began or datetime(1970, 1, 1)
    zero -= timedelta(seconds=placed.clock.after)
    rows = [
        (
            f"{zero + timedelta(seconds=i.onset):%Y-%m-%d %H:%M:%S.%f}",
            _number(i.duration),
            i.label,
        )
        for i in placed.labels
    ]
    _write_csv(path, ("onset", "duration", "description"), rows)
    return [_NO_START] if placed.clock.began is None else []


def write_mne_txt(path: Path, placed: Placed) -> list[str]:
    """Write what ``mne.read_annotations`` reads as text, in the time of MNE, which leaves out gaps."""
    lines = ["# MNE-Annotations"]
    if placed.gaps:
        lines.append(f"{COUNTED_BY_MNE}: it joins what lies before and after a gap")
    lines.append("# onset, duration, description")
    notes = []
    for i in placed.labels:
        lost = sum(length for onset, length in placed.gaps if onset <= i.onset + 1e-6)
        lines.append(
            f"{_number(i.onset - lost)},{_number(i.duration)},{_ascii(_without(i.label, ','))}"
        )
    if any("," in i.label for i in placed.labels):
        notes.append("commas in labels are written as full stops, for this format has no quotes")
    if any(not i.label.isascii() for i in placed.labels):
        notes.append("labels are written without accents, for MNE reads no others from text")
    write_atomic(path, "\n".join(lines) + "\n")
    return notes


def write_edfbrowser_csv(path: Path, placed: Placed) -> list[str]:
    """Write what EDFbrowser imports as ASCII/CSV: seconds from the start, duration in the second column."""
    lines = ["Onset,Duration,Annotation"]
    lines += [
        f"{i.onset:+.7f},{_number(i.duration) if i.duration else ''},{_without(i.label, ',')}"
        for i in placed.labels
    ]
    write_atomic(path, "\n".join(lines) + "\n")
    notes = [
        "import it with separator ',', data from line 2, duration in column 2, description in column 3"
    ]
    if any("," in i.label for i in placed.labels):
        notes.append("commas in labels are written as full stops, as EDFbrowser does")
    return notes


def write_edfbrowser_xml(path: Path, placed: Placed) -> list[str]:
    """Write what EDFbrowser imports as XML.

    Raises:
        DataError: The recording's start is not known, by which EDFbrowser places annotations.
    """
    if placed.clock.began is None:
        raise DataError(
            f"{path}: EDFbrowser places annotations in XML by the start of the recording, which is not "
            "known: say where the recording is with --recordings, or type --to edfbrowser-csv"
        )
    lines = ['<?xml version="1.0" encoding="UTF-8"?>']
    if placed.predicted:
        lines.append(f"<!-- {PREDICTED} -->")
    lines += [
        "<annotationlist>",
        f" <recording_start_time>{_iso(placed, 0.0)}</recording_start_time>",
    ]
    for i in placed.labels:
        duration = _number(i.duration) if i.duration else ""
        lines += [
            " <annotation>",
            f"  <onset>{_iso(placed, i.onset)}</onset>",
            f"  <duration>{duration}</duration>",
            f"  <description>{xml_escape(i.label)}</description>",
            " </annotation>",
        ]
    write_atomic(path, "\n".join([*lines, "</annotationlist>"]) + "\n")
    return []


def write_yasa(path: Path, placed: Placed) -> list[str]:
    """Write a hypnogram as text, a line an epoch, in YASA's words.

    An epoch has the stage that covers most of it, and none where less than half is scored.

    Raises:
        DataError: No label is a sleep stage.
    """
    staged = [i for i in placed.labels if same(i.label) in _YASA]
    if not staged:
        named = ", ".join(sorted({i.label for i in placed.labels})[:5]) or "none"
        raise DataError(
            f"{path}: a hypnogram has sleep stages, and there are no labels of one (there are: {named})"
        )
    others = [i for i in placed.labels if same(i.label) not in _YASA and not is_unscored(i.label)]
    epoch = placed.epoch
    seconds = placed.clock.seconds or max(i.onset + i.duration for i in staged)
    n = math.ceil(seconds / epoch - 1e-6)
    covered: list[dict[str, float]] = [{} for _ in range(n)]
    for i in staged:
        stop = min(i.onset + i.duration, seconds)
        for k in range(max(0, int(i.onset // epoch)), min(n, math.ceil(stop / epoch - 1e-9))):
            part = min(stop, (k + 1) * epoch) - max(i.onset, k * epoch)
            covered[k][same(i.label)] = covered[k].get(same(i.label), 0.0) + part
    # the last one may be cut by the recording's end
    lasts = [min(epoch, seconds - k * epoch) for k in range(n)]
    lines = [
        _YASA[max(parts, key=lambda key: parts[key])]
        if parts and sum(parts.values()) >= length / 2 - 1e-6
        else "UNS"
        for parts, length in zip(covered, lasts, strict=True)
    ]
    write_atomic(path, "\n".join(lines) + "\n")
    notes = [f"{n} epochs of {epoch:g} s"]
    if others:
        notes.append(
            f"{len(others)} labels are no sleep stages and left out (the first '{others[0].label}')"
        )
    if placed.gaps:
        notes.append("lines go on through the recording's gaps, which MNE leaves out")
    return notes


FORMATS: Mapping[str, Format] = {
    "events": Format(
        summary="BIDS events.tsv: onset, duration, trial_type", ending="_events.tsv", write=write_events
    ),
    "edf": Format(
        summary="EDF+ with annotations alone (MNE, EDFbrowser, others)",
        ending="_annotations.edf",
        write=write_edf_plus,
    ),
    "mne-csv": Format(summary="csv of MNE's annotations", ending="_annot.csv", write=write_mne_csv),
    "mne-txt": Format(summary="text of MNE's annotations", ending="_annot.txt", write=write_mne_txt),
    "edfbrowser-csv": Format(
        summary="csv that EDFbrowser imports",
        ending="_annotations.csv",
        write=write_edfbrowser_csv,
    ),
    "edfbrowser-xml": Format(
        summary="XML that EDFbrowser imports",
        ending="_annotations.xml",
        write=write_edfbrowser_xml,
    ),
    "yasa": Format(
        summary="hypnogram text, a stage a line, in YASA's words",
        ending="_hypnogram.txt",
        write=write_yasa,
    ),
}  # fmt: skip


def _iso(placed: Placed, seconds: float) -> str:
    at = placed.start + timedelta(seconds=seconds)
    return f"{at:%Y-%m-%dT%H:%M:%S.%f}0"


def _number(value: float) -> str:
    return f"{value:.6f}".rstrip("0").rstrip(".") or "0"


def _without(label: str, sign: str) -> str:
    return " ".join(label.replace(sign, ".").split())


def _ascii(label: str) -> str:
    plain = unicodedata.normalize("NFKD", label)
    return (
        "".join(c for c in plain if not unicodedata.combining(c))
        .encode("ascii", "replace")
        .decode()
    )


def _write_csv(path: Path, names: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([names, *rows])
    write_atomic(path, text.getvalue())
