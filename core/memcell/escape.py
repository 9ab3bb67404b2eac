r"""Foreign text on its way out: names of channels, files, subjects and streams, annotations, plugin texts.

Whoever makes a recording chooses such names, and they reach terminals (where some characters are commands),
spreadsheets (where a cell that begins with ``=`` is a formula) and pages. There is one function for each,
called where text is written and nowhere else, so that no name has to be thought of on the way:

* `line`, `lines` for a terminal; `memcell.cli.terminal` lets nothing else through,
* `cell`, `table` for tab-separated files,
* `markup` for HTML and SVG.

What cannot be seen, or changes what is seen around it, is shown as Python writes it: as ``\x1b``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape as html_escape
from typing import Any

# C0 and C1 controls, DEL, the soft hyphen; marks, embeddings, overrides and isolates of direction; zero-width
# characters and invisible operators; line and paragraph separators; surrogates (bytes of a file name that are
# no text); non-characters; interlinear annotation, tags and variation selectors beyond the basic plane
_INVISIBLE = (
    r"\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u2028-\u202e"
    r"\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff\ud800-\udfff\U000e0000-\U000e0fff"
)
_CONTROL = re.compile(f"[{_INVISIBLE}]")
_CONTROL_OR_BREAK = re.compile(f"[{_INVISIBLE}\t\n]")
_SHORT = {"\t": "\\t", "\n": "\\n", "\r": "\\r"}
#: What a spreadsheet takes for the beginning of a formula, also as the wide characters of East Asian fonts.
_FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠")


class Lines(str):
    """A text of several lines whose breaks are meant, made of parts that were `line` each."""


def line(text: object) -> str:
    """Return a text as one line of a terminal, nothing in it being a command or out of sight."""
    return _CONTROL_OR_BREAK.sub(_shown, str(text))


def lines(text: object) -> str:
    """Return a text of a terminal whose line breaks and tabs are meant."""
    return _CONTROL.sub(_shown, str(text))


def cell(value: object) -> str:
    """Return a value as a cell of a tab-separated file: one line, and no formula.

    A text that a spreadsheet would take for a formula begins with ``'``, by which one says that it is text;
    numbers stay as they are.
    """
    text = _CONTROL_OR_BREAK.sub(_shown, str(value))
    if text.startswith(_FORMULA) and len(text) > 1 and not _is_number(text):
        return f"'{text}"
    return text


def table(rows: Iterable[Sequence[Any]]) -> str:
    """Return rows as a tab-separated file, each value a `cell`."""
    return "".join("\t".join(map(cell, row)) + "\n" for row in rows)


def markup(text: object, quote: bool = True) -> str:
    """Return a text as part of HTML or SVG, also within an attribute."""
    return html_escape(_CONTROL.sub(_shown, str(text)), quote=quote)


def _shown(found: re.Match[str]) -> str:
    character = found[0]
    code = ord(character)
    if character in _SHORT:
        return _SHORT[character]
    if 0xDC80 <= code <= 0xDCFF:  # a byte of a file name
        return f"\\x{code - 0xDC00:02x}"
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return "_" not in text
