"""Parts of a page. Plain strings are escaped; what is `Html` is taken as it is."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence

from memcell.escape import markup as escape


class Html(str):
    """Text that is markup already."""

    __slots__ = ()


def text(*parts: str) -> Html:
    """Join parts, escaping those that are not `Html`.

    >>> text("a < b, ", strong("c"))
    'a &lt; b, <strong>c</strong>'
    """
    return Html("".join(p if isinstance(p, Html) else escape(p) for p in parts))


def strong(what: str) -> Html:
    """Return it emphasized."""
    return Html(f"<strong>{text(what)}</strong>")


def paragraph(*parts: str, kind: str = "") -> Html:
    """Return a paragraph; ``kind`` is its class: ``"lead"``, ``"warning"``, ``"verdict better"`` ..."""
    of = f' class="{escape(kind)}"' if kind else ""
    return Html(f"<p{of}>{text(*parts)}</p>\n")


def listing(items: Sequence[str]) -> Html:
    """Return a bulleted list."""
    return Html("<ul>\n" + "".join(f"<li>{text(item)}</li>\n" for item in items) + "</ul>\n")


def code(what: str) -> Html:
    """Return a block to copy, such as a command."""
    return Html(f'<pre tabindex="0"><code>{escape(what)}</code></pre>\n')


def section(heading: str, *parts: str, level: int = 2) -> Html:
    """Return a section under a heading that can be linked to."""
    name = re.sub(r"[^a-z0-9]+", "-", heading.lower()).strip("-")
    head = f'<h{level} id="{name}">{escape(heading)}</h{level}>\n'
    return Html(f'<section aria-labelledby="{name}">\n{head}{text(*parts)}</section>\n')


def table(
    caption: str, heads: Sequence[str], rows: Sequence[Sequence[str]], words: int = 1
) -> Html:
    """Return a table with its caption; on a narrow screen it scrolls by itself.

    Args:
        caption: What it shows.
        heads: Of the columns.
        rows: Cells, one for each head.
        words: So many columns at the left are words; the others are numbers. The first cell of a row is
            its heading.
    """

    def cells(row: Sequence[str]) -> str:
        kinds = ["" if i < words else ' class="number"' for i in range(len(row))]
        first, *rest = (text(cell) for cell in row)
        tail = "".join(f"<td{kind}>{c}</td>" for kind, c in zip(kinds[1:], rest, strict=True))
        return f'<tr><th scope="row">{first}</th>{tail}</tr>\n'

    top = "".join(
        f'<th scope="col"{"" if i < words else " class=number"}>{text(head)}</th>'
        for i, head in enumerate(heads)
    )
    body = "".join(map(cells, rows))
    return Html(
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(caption)}">\n'
        f"<table>\n<caption><span>{text(caption)}</span></caption>\n<thead><tr>{top}</tr></thead>\n"
        f"<tbody>\n{body}</tbody>\n</table>\n</div>\n"
    )


def figure(png: bytes, alt: str, caption: str) -> Html:
    """Return a picture that lies inside the page.

    Args:
        png: The file's bytes.
        alt: What it shows, for whom cannot see it.
        caption: Below it.
    """
    data = base64.b64encode(png).decode("ascii")
    return Html(
        f'<figure>\n<img alt="{escape(alt)}" src="data:image/png;base64,{data}">\n'
        f"<figcaption>{text(caption)}</figcaption>\n</figure>\n"
    )
