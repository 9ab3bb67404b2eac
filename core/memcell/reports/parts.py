"""What a page is made of, as plain data; `memcell.reports.templates` makes HTML of it.

Words are plain strings, which the templates escape; `text` and `strong` make `Html` of words in which some
are emphasized.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar
from urllib.parse import quote

from markupsafe import Markup

from memcell.escape import markup as escape

#: Text that is markup already.
Html = Markup


def text(*parts: str) -> Html:
    """Join parts, escaping those that are not `Html`.

    >>> text("a < b, ", strong("c"))
    Markup('a &lt; b, <strong>c</strong>')
    """
    return Html("".join(p if isinstance(p, Html) else escape(p) for p in parts))


def strong(what: str) -> Html:
    """Return it emphasized."""
    return Html(f"<strong>{text(what)}</strong>")


def with_interval(value: str, low: str, high: str) -> Html:
    """Return a cell with a value and, below it, the ends of its interval."""
    return Html(f"{text(value)}<br><small>{text(low)} to {text(high)}</small>")


@dataclass(frozen=True)
class Paragraph:
    """A paragraph; its style is ``""``, ``"lead"``, ``"warning"``, ``"verdict better"`` ..."""

    words: str
    style: str = ""
    kind: ClassVar = "paragraph"


@dataclass(frozen=True)
class Listing:
    """A bulleted list."""

    items: Sequence[str]
    kind: ClassVar = "listing"


@dataclass(frozen=True)
class Code:
    """A block to copy, such as a command."""

    words: str
    kind: ClassVar = "code"


@dataclass(frozen=True)
class Link:
    """A file beside the page.

    Args:
        name: Its name in the page's folder.
        about: What it holds.
    """

    name: str
    about: str = ""
    kind: ClassVar = "link"

    @property
    def href(self) -> str:
        """The address, which no name can turn into that of another place."""
        return "./" + quote(self.name)


@dataclass(frozen=True)
class Table:
    """A table with its caption; on a narrow screen it scrolls by itself.

    Args:
        caption: What it shows.
        heads: Of the columns.
        rows: Cells, one for each head. The first cell of a row is its heading.
        words: So many columns at the left are words; the others are numbers.
        notes: So many columns at the right are words too.
        source: The file beside the page that has all of it; empty where there is none.
    """

    caption: str
    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    words: int = 1
    source: str = ""
    notes: int = 0
    kind: ClassVar = "table"

    def is_number(self, column: int) -> bool:
        """Whether a column, counted from 0, holds numbers."""
        return self.words <= column < len(self.heads) - self.notes

    @property
    def link(self) -> Link:
        """The link to its file."""
        return Link(self.source)


@dataclass(frozen=True)
class Legend:
    """What lines and boxes mean: (words, class of the colour, look) each.

    The look is ``"box"``, ``"gap"``, or a line's dashes.
    """

    entries: Sequence[tuple[str, str, str]]
    kind: ClassVar = "legend"


@dataclass(frozen=True)
class Figure:
    """A drawing with its caption.

    Args:
        svg: Of `memcell.reports.svg.Canvas.markup`.
        caption: What is shown.
        wide: On a narrow screen it scrolls sideways.
    """

    svg: str
    caption: str
    wide: bool = False
    kind: ClassVar = "figure"


@dataclass(frozen=True, kw_only=True)
class Viewer:
    """A recording to scroll and zoom, made by `memcell.reports.viewer.view.View.part`; not on paper.

    Args:
        name: Of the recording.
        header: JSON of all that is short, safe within a script element.
        blobs: Name to base64 of what is long.
        notes: What is shown and what is not.
        event: What its events are called.
        events: How many are listed.
        has_kinds: Whether the list says more of an event than its place.
        channels: Of the signals.
        legend: As of `Legend`.
    """

    name: str
    header: str
    blobs: Mapping[str, str]
    notes: Sequence[str]
    event: str
    events: int
    has_kinds: bool
    channels: Sequence[str]
    legend: Sequence[tuple[str, str, str]]
    kind: ClassVar = "viewer"

    @property
    def size(self) -> int:
        """Characters of its data."""
        return len(self.header) + sum(map(len, self.blobs.values()))


@dataclass(frozen=True)
class Panels:
    """Figures or tables side by side, one below the other where there is no room."""

    parts: Sequence[Part]
    kind: ClassVar = "panels"


@dataclass(frozen=True)
class Folded:
    """What a click opens; on paper it is open where the browser can."""

    summary: str
    parts: Sequence[Part]
    kind: ClassVar = "folded"


@dataclass(frozen=True)
class Section:
    """A part with a heading of the third level."""

    heading: str
    parts: Sequence[Part]
    kind: ClassVar = "section"


Part = (
    Paragraph | Listing | Code | Link | Table | Legend | Figure | Viewer | Panels | Folded | Section
)


@dataclass
class Contents:
    """The headings of a page, in order, each with an id of its own."""

    entries: list[tuple[str, str]] = field(default_factory=list)
    used: set[str] = field(default_factory=set)
    viewers: int = 0

    def viewer(self) -> str:
        """Return the id of another viewer; a page with one has a script."""
        self.viewers += 1
        return f"viewer-{self.viewers}"

    def add(self, heading: str, level: int = 2) -> str:
        """Return the id of a heading; those of the second level are listed."""
        words = "".join(c if c.isascii() and c.isalnum() else " " for c in heading.lower())
        plain = "-".join(words.split()) or "section"
        name, n = plain, 1
        while name in self.used:
            n += 1
            name = f"{plain}-{n}"
        self.used.add(name)
        if level == 2:
            self.entries.append((name, heading))
        return name


def paragraph(*words: str, style: str = "") -> Paragraph:
    """Return a paragraph of words and `Html`."""
    return Paragraph(text(*words), style)


def links(folder: Path, files: Iterable[tuple[str, str]]) -> list[Link]:
    """Return links to those of the files (name, what it holds) that are in the page's folder."""
    return [Link(name, about) for name, about in files if (folder / name).is_file()]
