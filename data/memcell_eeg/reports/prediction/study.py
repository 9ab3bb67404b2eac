"""The index of a study: the recordings of a prediction's folder with subject, quality and events, to sort.

``study.html`` and ``study.tsv`` have a row for each recording, failed ones too, and one for each subject.
Everything comes from the files of the folder; ten thousand recordings take seconds.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from urllib.parse import quote

from memcell.errors import MemcellError
from memcell.escape import table
from memcell.files.atomic import write_atomic
from memcell.reports.numbers import count, length, number, percent
from memcell.reports.page import render
from memcell.reports.parts import links
from memcell_data.subjects.names import named
from memcell_eeg.export.outputs import events_path, place_of, probability_path
from memcell_eeg.reports.phrasing import cut
from memcell_eeg.reports.prediction.files import ABOUT, DONE
from memcell_eeg.reports.prediction.phrasing import messages, rate, recordings
from memcell_eeg.reports.reading import (
    TableRow,
    as_float,
    as_object,
    read_facts,
    read_json,
    read_tsv,
    value,
)

PAGE, TABLE = "study.html", "study.tsv"
TEMPLATES = Path(__file__).parent.parent / "templates"
FILES = (
    ("report.html", "the model, and the recordings along time"),
    (TABLE, "this table"),
    ("summary.tsv", "what was said of each recording"),
)
COLUMNS = (
    "recording", "subject", "status", "recorded_hours", "signal_share", "gaps", "events", "events_per_hour",
    "positive_share", "probability_max", "remarks", "file",
)  # fmt: skip
#: Where a report has a recording to scroll, and its name.
_VIEWED = re.compile(r'<h3 id="(viewer-\d+)-name">([^<]*): scroll and zoom</h3>')
#: Bytes at the end of a file of probabilities that surely hold its last row.
_TAIL = 256
#: Letters of a remark that a row has room for; the others unfold.
_SHORT = 70


@dataclass(frozen=True, kw_only=True)
class StudyRow:
    """A recording of a study; numbers that nobody knows are NaN.

    Args:
        row: Of the summary.
        subject: Whose it is, by the names of files and folders.
        recorded: Seconds from its first step to its last, gaps included.
        page: A page of this recording in the folder; empty where there is none.
    """

    row: TableRow
    subject: str
    recorded: float
    page: str = ""

    @property
    def name(self) -> str:
        """The recording's."""
        return self.row.get("recording", "")

    @property
    def done(self) -> bool:
        """Whether it has results."""
        return self.row.get("status") in DONE

    @property
    def seconds(self) -> float:
        """Seconds of its steps."""
        return 3600 * value(self.row, "hours") if self.done else math.nan

    @property
    def signal(self) -> float:
        """The share of its time that has steps."""
        return min(1.0, self.seconds / self.recorded) if self.recorded > 0 else math.nan

    @property
    def positive(self) -> float:
        """The share of its steps' time that events take."""
        return value(self.row, "event_seconds") / self.seconds if self.seconds > 0 else math.nan

    def cells(self) -> list[str]:
        """Return its row of ``study.tsv``."""
        numbers = (
            self.recorded / 3600, self.signal, value(self.row, "gaps"), value(self.row, "events"),
            rate(self.row), self.positive, value(self.row, "probability_max"),
        )  # fmt: skip
        words = (messages(self.row), self.row.get("file", ""))
        cells = [self.name, self.subject, self.row.get("status", ""), *map(_plain, numbers), *words]
        return [cell or "n/a" for cell in cells]


@dataclass(frozen=True, kw_only=True)
class StudyCell:
    """A cell of the page.

    Args:
        words: What it says.
        by: What it is sorted by.
        href: Where it leads; empty for nowhere.
        whole: What it says in full, where that is more; it unfolds.
    """

    words: str
    by: str
    href: str = ""
    whole: str = ""


@dataclass(frozen=True, kw_only=True)
class Group:
    """What several recordings have together."""

    rows: Sequence[StudyRow]

    @property
    def done(self) -> list[StudyRow]:
        """Those that have results."""
        return [r for r in self.rows if r.done]

    def total(self, name: str) -> float:
        """Return the sum of a column of the summary over those that have results."""
        known = [value(r.row, name) for r in self.done]
        return sum(v for v in known if not math.isnan(v))

    @property
    def per_hour(self) -> float:
        """Events an hour."""
        hours = self.total("hours")
        return self.total("events") / hours if hours > 0 else math.nan

    @property
    def positive(self) -> float:
        """The share of the time that events take."""
        hours = self.total("hours")
        return self.total("event_seconds") / (3600 * hours) if hours > 0 else math.nan


def write_study(folder: Path, report: str = "") -> Path | None:
    """Write the index of a prediction's folder, where it holds several recordings of events.

    Args:
        folder: The folder.
        report: Its ``report.html``, to lead to the places where a recording can be scrolled.

    Returns:
        The page; None where there is nothing to list.

    Raises:
        MemcellError: It cannot be written.
    """
    summary = read_tsv(folder / "summary.tsv")
    if len(summary) < 2 or not {"recording", "events", "hours"} <= summary[0].keys():
        return None
    rows = _rows(folder, summary, report)
    write_atomic(folder / TABLE, table([COLUMNS, *(r.cells() for r in rows)]))
    write_atomic(folder / PAGE, study_page(folder, rows))
    return folder / PAGE


def study_page(folder: Path, rows: Sequence[StudyRow]) -> str:
    """Return the page of a study."""
    whole = Group(rows=rows)
    of_subject: dict[str, list[StudyRow]] = {}
    for row in rows:
        of_subject.setdefault(row.subject, []).append(row)
    failed = len(rows) - len(whole.done)
    seen = {row.subject for row in whole.done}
    about = read_json(folder / ABOUT)
    facts = read_facts(about.get("facts"))
    sentence = (
        f"{recordings(len(whole.done))} of {count(len(seen))} subject{'' if len(seen) == 1 else 's'}, "
        f"{length(3600 * whole.total('hours'))} of signal: "
        f"{count(whole.total('events'))} events, {number(whole.per_hour, 1)} an hour, "
        f"{percent(whole.positive, 1)} of the time."
    )
    return render(
        "study.html",
        title=f"memcell predict {about.get('app', '')}: a study of {recordings(len(rows))}",
        folder=TEMPLATES,
        links=links(folder, FILES),
        simulated=bool(facts.get("simulated")),
        failed=f"{recordings(failed)} could not be predicted; the remarks say why." if failed else "",
        sentence=sentence,
        heads=[
            "recording", "subject", "status", "recorded", "with signal", "gaps", "events", "events an hour",
            "time in events", "largest probability", "remarks",
        ],
        rows=[_page_row(row) for row in rows],
        subject_heads=["subject", "recordings", "with signal", "events", "events an hour", "time in events"],
        subjects=[_page_group(name, Group(rows=own)) for name, own in sorted(of_subject.items())],
    )  # fmt: skip


def _page_row(row: StudyRow) -> list[StudyCell]:
    gaps, events = (value(row.row, name) for name in ("gaps", "events"))
    remarks = messages(row.row)
    return [
        StudyCell(words=row.name, by=row.name.casefold(), href=row.page),
        StudyCell(words=row.subject, by=row.subject.casefold()),
        StudyCell(words="done" if row.done else row.row.get("status", ""), by=str(row.done)),
        StudyCell(words=length(row.recorded), by=_plain(row.recorded)),
        StudyCell(words=percent(row.signal, 0), by=_plain(row.signal)),
        StudyCell(words=number(gaps, 0), by=_plain(gaps)),
        StudyCell(words=number(events, 0), by=_plain(events)),
        StudyCell(words=number(rate(row.row), 1), by=_plain(rate(row.row))),
        StudyCell(words=percent(row.positive, 1), by=_plain(row.positive)),
        StudyCell(
            words=number(value(row.row, "probability_max"), 2),
            by=_plain(value(row.row, "probability_max")),
        ),
        StudyCell(
            words=cut(remarks, _SHORT),
            by=remarks.casefold(),
            whole=remarks if len(remarks) > _SHORT else "",
        ),
    ]


def _page_group(name: str, group: Group) -> list[StudyCell]:
    seconds = 3600 * group.total("hours")
    n, events = float(len(group.done)), group.total("events")
    return [
        StudyCell(words=name, by=name.casefold()),
        StudyCell(words=count(n), by=_plain(n)),
        StudyCell(words=length(seconds), by=_plain(seconds)),
        StudyCell(words=count(events), by=_plain(events)),
        StudyCell(words=number(group.per_hour, 1), by=_plain(group.per_hour)),
        StudyCell(words=percent(group.positive, 1), by=_plain(group.positive)),
    ]


def _rows(folder: Path, summary: Sequence[TableRow], report: str) -> list[StudyRow]:
    about = read_json(folder / ABOUT)
    step = as_float(as_object(as_object(about.get("facts")).get("pipeline")).get("step"))
    files = [Path(row.get("file") or row.get("recording", "")) for row in summary]
    subjects = named(files).subjects
    pages = _pages(folder)
    viewed = {unescape(name): f"report.html#{place}" for place, name in _VIEWED.findall(report)}
    return [
        StudyRow(
            row=row,
            subject=subject,
            recorded=_recorded(folder, place_of(row), step),
            page=viewed.get(row.get("recording", ""), "") or _page_of(folder, row, pages),
        )
        for row, subject in zip(summary, subjects, strict=True)
    ]


def _recorded(folder: Path, name: str, step: float) -> float:
    """Return the seconds from a recording's start to the end of its last step; NaN where nobody knows."""
    if not name:
        return math.nan
    try:
        with probability_path(folder, name).open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _TAIL))
            last = file.read().splitlines()[-1].decode()
        return float(last.split("\t")[0]) + (0.0 if math.isnan(step) else step)
    except (OSError, ValueError, IndexError, UnicodeDecodeError, MemcellError):
        return math.nan


def _pages(folder: Path) -> set[str]:
    """Return the pages that lie in the folder and in those of views below it."""
    found = (*folder.glob("*.html"), *folder.glob("*/*.html"))
    return {path.relative_to(folder).as_posix() for path in found}


def _page_of(folder: Path, row: TableRow, pages: set[str]) -> str:
    """Return where a recording's name leads: its own page, else its events."""
    name = row.get("recording", "")
    if not name or Path(name).name != name or row.get("status") not in DONE:
        return ""
    own = (f"views/{name}.html", f"{name}.html", f"{name}_report.html", f"{name}/report.html")
    page = next((p for p in own if p in pages), "")
    place = place_of(row)
    if not page and place and events_path(folder, place).is_file():
        page = events_path(folder, place).relative_to(folder).as_posix()
    return quote(page)


def _plain(number: float) -> str:
    return "" if math.isnan(number) else f"{number:.6g}"
