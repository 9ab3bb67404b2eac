"""Foreign text on a terminal, in a table and on a page."""

from __future__ import annotations

import io
import sys
import unicodedata

import pytest

from memcell.cli.terminal import echo, guarded
from memcell.escape import Lines, cell, line, lines, markup, table
from memcell.reports.page import html
from memcell.reports.parts import paragraph

HOSTILE = [
    "\x1b]0;title\x07", "\x1b[2J", "\x9b31m", "a\nb", "a\rb", "a\tb", "\u202egpj.exe", "\u2066x\u2069",
    "a\u200bb", "\u2028", "\x00", "\x7f", "\x85", "\ufeff", "a\udcffb", "\U000e0041", "\u061c", "\xad",
]  # fmt: skip


def unseen(text, allowed=""):
    """Characters that are commands, or out of sight, by the database of Unicode."""
    return [c for c in text if c not in allowed and unicodedata.category(c) in BAD]


BAD = ("Cc", "Cf", "Cs", "Zl", "Zp", "Co", "Cn")


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_unseen_is_left(text):
    for shown in (line(text), cell(text)):
        assert not unseen(shown)
        assert "\\" in shown
    assert not unseen(lines(text), "\n\t")
    assert not unseen(markup(text), "\n\t")
    assert not unseen(html(paragraph(text)), "\n\t")


def test_every_control_and_format_character_is_shown():
    for code in range(sys.maxunicode + 1):
        if unicodedata.category(chr(code)) in ("Cc", "Cf", "Cs", "Zl", "Zp"):
            if 0x110BD <= code <= 0x1D17A or 0x600 <= code <= 0x8E2:
                continue  # marks of scripts and of music, which belong to a text
            assert not unseen(line(chr(code))), hex(code)


@pytest.mark.parametrize("text", ["Müller", "O1-µV", "日本語", "a b", "émile 🧠", "C:\\x"])
def test_names_of_people_stay(text):
    assert line(text) == lines(text) == cell(text) == text


@pytest.mark.parametrize("text", ["=1+1", "+cmd", "-x", "@SUM(A1)", "＝1", "-1+1"])
def test_no_cell_is_a_formula(text):
    assert cell(text) == f"'{text}"
    assert table([["n", text]]) == f"n\t'{text}\n"


@pytest.mark.parametrize("text", ["-0.5", "+1e-3", "-inf", "-", "n/a", "0.5"])
def test_numbers_stay(text):
    assert cell(text) == text


def test_a_row_is_one_line_with_its_cells():
    made = table([["a\tb", "c\nd", "e\rf\u2028g"]])
    assert len(made.splitlines()) == 1
    assert made.count("\t") == 2


def test_a_page_takes_no_markup():
    assert "<script" not in html(paragraph("<script>alert(1)</script>"))
    assert '"' not in markup('"')


def test_what_is_printed_is_one_line_unless_its_breaks_are_meant(capsys):
    echo("a\nmemcell: all is well")
    echo(Lines("a\nb\x1b"))
    assert capsys.readouterr().out == "a\\nmemcell: all is well\na\nb\\x1b\n"


def test_whatever_a_library_prints_is_no_command(monkeypatch):
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", out)
    with guarded():
        print("\x1b[2J µ \udcff\r\nb")
        sys.stdout.writelines(["\x9b", "c"])
    out.seek(0)
    assert out.buffer.getvalue() == b"\\x1b[2J \\xb5 \\xff\r\nb\n\\x9bc"
    assert sys.stdout is out
