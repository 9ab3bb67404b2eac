"""Pages of parts: escaped, with a list of contents, and links that lead nowhere else."""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import unquote

import pytest

from memcell.reports.page import html, render
from memcell.reports.parts import (
    Code,
    Contents,
    Folded,
    Link,
    Listing,
    Panels,
    Section,
    Table,
    links,
    paragraph,
    strong,
    text,
)

BAD = "<script>alert('x')</script>&\u202e\x1b[2J"


@pytest.mark.parametrize(
    "part",
    [
        paragraph(BAD), Listing([BAD]), Code(BAD), Link(BAD, BAD), Table(BAD, [BAD], [[BAD]], source=BAD),
        Folded(BAD, [paragraph(BAD)]), Panels([Code(BAD)]), Section(BAD, [Code(BAD)]),
        paragraph(strong(BAD)), paragraph(text(BAD)),
    ],
)  # fmt: skip
def test_foreign_text_is_no_markup_and_nothing_of_it_is_unseen(part):
    made = html(part)
    assert "<script" not in made
    assert "&lt;script&gt;" in made
    assert not [c for c in made if unicodedata.category(c) in ("Cc", "Cf") and c != "\n"]


def test_what_is_markup_stays():
    assert "<strong>a &lt; b</strong> c" in html(paragraph(strong("a < b"), " c"))
    assert text("<", strong("x")) == "&lt;<strong>x</strong>"


def test_headings_are_listed_once_and_have_ids_of_their_own():
    contents = Contents()
    ids = [
        contents.add("Scores <b>"),
        contents.add("Scores b"),
        contents.add("µ"),
        contents.add("x", 3),
    ]
    assert ids == ["scores-b", "scores-b-2", "section", "x"]
    assert [heading for _, heading in contents.entries] == ["Scores <b>", "Scores b", "µ"]


def test_a_page_links_to_its_files(tmp_path):
    (tmp_path / "a.tsv").write_text("x")
    page = render("page.html", BAD, links=links(tmp_path, [("a.tsv", "all"), ("b.tsv", "none")]))
    assert re.findall(r'href="([^"]*)"', page) == ["#files", "./a.tsv"]
    assert "<script" not in page
    assert "b.tsv" not in page


@pytest.mark.parametrize(
    "name", ["javascript:alert(1)", "//host/x", 'a" onclick="b', "#top", "?q", "ä b"]
)
def test_no_name_of_a_file_leads_elsewhere(name):
    href = Link(name).href
    assert href.startswith("./")
    assert unquote(href) == f"./{name}"
    assert not set(href[2:]) & set('":#?<> ')


def test_a_table_names_its_file_and_its_first_column():
    made = html(Table("Scores", ["model", "kappa"], [["lstm", "0.5"]], source="scores.tsv"))
    assert '<a href="./scores.tsv">scores.tsv</a>' in made
    assert '<th scope="row">lstm</th><td class="number">0.5</td>' in made


def test_a_table_has_words_at_the_right_too():
    made = html(Table("Scores", ["model", "kappa", "note"], [["lstm", "0.5", "odd"]], notes=1))
    assert '<td class="number">0.5</td><td>odd</td>' in made
    assert '<th scope="col">note</th>' in made
