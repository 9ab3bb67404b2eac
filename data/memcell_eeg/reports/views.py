"""Recordings to scroll and zoom, in the report of a run or of a prediction, or each in a page of its own.

A technician opens one file for one night. Where several would make it larger than `MOST` they get a page
each, in ``views/`` beside the report, which links to them; so a report of thirty nights opens as fast as that
of one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from memcell.errors import MemcellError
from memcell.files.names import file_name
from memcell.reports.page import html, render
from memcell.reports.parts import Figure, Html, Link, Listing, Paragraph, Part, Viewer, text
from memcell.reports.viewer.stored import StoredView, read_view
from memcell.reports.viewer.view import MOST, View, ViewedBars, ViewedLevels
from memcell_data.labels.words import same
from memcell_eeg.export.views import FOLDER, views_of
from memcell_eeg.task import EegTask

#: Stages from the top of a hypnogram: key of `memcell_data.labels.words.same`, and its name.
STAGES = {"wake": "W", "rem": "REM", "n1": "N1", "n2": "N2", "n3": "N3"}
#: Takes the name of a page in ``views/``, without its ending, and the page; None where there is to be none.
WriteView = Callable[[str, str | None], None]


def stored_view(path: Path | None, name: str) -> StoredView | None:
    """Return what was kept of a recording; None where that is nothing."""
    if path is None or not path.is_file():
        return None
    try:
        return read_view(path)
    except MemcellError:
        return StoredView(name=name, why_not="its file in views/ cannot be read")


def view_files(folders: Iterable[Path]) -> dict[str, Path]:
    """Return the files that were kept of test recordings in the folders of a run, by name."""
    found: dict[str, Path] = {}
    for folder in folders:
        for path in sorted(views_of(folder).glob("*.npz")):
            found.setdefault(path.stem, path)
    return found


def marked(
    stored: StoredView | None, task: EegTask, own: str
) -> tuple[list[ViewedBars], ViewedLevels | None]:
    """Return what somebody marked in a recording: bars of events and of other marks, and a hypnogram.

    Args:
        stored: Of the recording.
        task: What is detected.
        own: The name of the bars of what is detected; empty to leave them out.
    """
    marks = () if stored is None else stored.marks
    # "wake" alone is a word of many scorings; a hypnogram has a stage of sleep
    stages = STAGES if {same(w) for *_, w in marks} & set(STAGES) - {"wake"} else {}
    staged = [
        (a, a + d, list(stages).index(same(w))) for a, d, w in marks if same(w) in stages and d > 0
    ]
    rest = [(a, a + d, w) for a, d, w in marks if same(w) not in stages]
    event = same(task.event)
    events = [(a, b) for a, b, w in rest if same(w) == event]
    others = [(a, b, w) for a, b, w in rest if same(w) != event]
    bars = []
    if own and events:
        bars.append(ViewedBars(name=own, spans=events, colour="truth"))
    if others:
        spans, words = [(a, b) for a, b, _ in others], [w for *_, w in others]
        bars.append(ViewedBars(name="other marks", spans=spans, colour="unlabelled", words=words))
    if not staged:
        return bars, None
    return bars, ViewedLevels(title="hypnogram", names=list(STAGES.values()), spans=sorted(staged))


def why_not(stored: StoredView | None) -> list[str]:
    """Return why a view has no signals, as a sentence."""
    if stored is None:
        return ["Its signals were not kept (--views)."]
    return [] if stored.signals is not None else [f"No signals: {stored.why_not}."]


def gaps_left(gaps: Sequence[tuple[float, float]], duration: float) -> list[tuple[float, float]]:
    """Return what lies between gaps.

    >>> gaps_left([(2.0, 3.0)], 10.0)
    [(0.0, 2.0), (3.0, 10.0)]
    """
    edges = [0.0, *(edge for gap in gaps for edge in gap), duration]
    return [(a, b) for a, b in zip(edges[::2], edges[1::2], strict=True) if b > a]


def largest(
    times: NDArray[np.float64], values: NDArray[np.float64], spans: Sequence[tuple[float, float]]
) -> list[float]:
    """Return the largest value of the steps that begin in each span; NaN where none does."""
    first = np.searchsorted(times, [a - 1e-6 for a, _ in spans])
    stop = np.searchsorted(times, [b - 1e-6 for _, b in spans])
    return [
        float(values[a:b].max()) if b > a else math.nan for a, b in zip(first, stop, strict=True)
    ]


def placed(
    views: Iterable[tuple[View, Figure | None]], write: WriteView, title: str
) -> dict[str, Part]:
    """Return for each recording its viewer, or a link to its page where all would be too much for one.

    Args:
        views: Each with its picture for paper.
        write: Writes pages.
        title: What the pages are of.
    """
    kept: dict[str, tuple[Viewer, Figure | None]] = {}
    parts: dict[str, Part] = {}
    for view, figure in views:
        kept[view.name] = (view.part(), figure)
        if parts or sum(v.size for v, _ in kept.values()) > MOST:
            for name, (viewer, picture) in kept.items():
                write(file_name(name), _page(viewer, picture, title))
                parts[name] = Link(f"{FOLDER}/{file_name(name)}.html")
            kept.clear()
    for name in kept:
        write(file_name(name), None)  # one of an earlier report says what is no more
    return parts or {name: viewer for name, (viewer, _) in kept.items()}


def _page(viewer: Viewer, picture: Figure | None, title: str) -> str:
    parts: list[Part] = [viewer]
    if picture is not None:
        parts.append(picture)
    link = html(Link("../report.html"))
    back = [Paragraph(text("All recordings, the model and its limits: ", link))]
    return render(
        "sections.html", title=f"{title}: {viewer.name}", warnings=[],
        sections=[("Recording", parts), ("Report", back)],
    )  # fmt: skip


def writer(folder: Path) -> WriteView:
    """Return what writes pages into the folder of the views."""
    from memcell.files.atomic import write_atomic

    def write(name: str, page: str | None) -> None:
        path = views_of(folder) / f"{name}.html"
        if page is None:
            path.unlink(missing_ok=True)
        else:
            views_of(folder).mkdir(exist_ok=True)
            write_atomic(path, page)

    return write


def introduction(parts: Mapping[str, Part], simulated: bool) -> Iterator[Part]:
    """Return what stands above the views: where they are, and whose signal they hold."""
    if any(isinstance(p, Link) for p in parts.values()):
        yield Paragraph(
            "Each recording has a page of its own to scroll and zoom through; all of them would be too much "
            "for one page:"
        )
        links = {name: part.href for name, part in parts.items() if isinstance(part, Link)}
        yield Listing(
            [Html(f'<a href="{text(href)}">{text(name)}</a>') for name, href in links.items()]
        )
    if parts and not simulated:
        yield Paragraph(
            "Views hold the signals of the people recorded: share them as you would share the recordings. "
            "Without the folder views/, 'memcell report' makes this page without signals."
        )
