"""The page: alone, accessible, honest in its words, and the same each time."""

from __future__ import annotations

import re
import subprocess
import sys
from html.parser import HTMLParser

import pytest

from memcell.compare.report import build_report

VOID = {"meta", "img", "br", "link", "input"}


class Page(HTMLParser):
    """Collects what is asked about, and checks that every element is closed."""

    def __init__(self, html):
        super().__init__()
        self.open, self.headings, self.drawings, self.links, self.words = [], [], [], [], []
        self.captions, self.tables, self.ids = 0, 0, []
        self.feed(html)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag not in VOID:
            self.open.append(tag)
        if re.fullmatch(r"h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if attrs.get("role") == "img":
            self.drawings.append(attrs)
        self.captions += tag == "caption"
        self.tables += tag == "table"
        if "id" in attrs:
            self.ids.append(attrs["id"])
        self.links += [v for k, v in attrs.items() if k in ("src", "href", "srcset", "action")]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


@pytest.fixture(scope="module")
def folder(write_comparison, tmp_path_factory):
    """Two axes, a run missing and one diverged, and a name that is markup."""
    path = tmp_path_factory.mktemp("compared")
    write_comparison(
        path, {"policy": ["reset", "carry", "oracle", "<b>own</b>"], "learning_rate": ["0.01", "0.1"]},
        seeds=range(7), diverged=[(("carry", "0.1"), 1)], missing=[(("reset", "0.1"), 6)],
        command="memcell compare simulated --policy 'reset,carry,<b>own</b>'",
    )  # fmt: skip
    build_report(path, lambda line: None)
    return path


@pytest.fixture(scope="module")
def html(folder):
    """The page."""
    return (folder / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(html):
    """The page, read."""
    return Page(html)


def test_page_loads_no_other_file(folder, html, page):
    inside = {link for link in page.links if link.startswith("#")}
    assert inside == {f"#{name}" for name in page.ids if f"#{name}" in inside} != set()
    files = {link for link in page.links if not link.startswith("#")}
    assert {f"./{name}" for name in ("runs.tsv", "comparisons.tsv", "results.json")} <= files
    assert all((folder / link).is_file() for link in files)
    assert not re.search(r"<script|<img|@import|url\(|https?://", html)


def test_every_section_is_in_the_contents(page):
    listed = [link for link in page.links if link.startswith("#")]
    assert listed[:3] == ["#results", "#caveats", "#tables"]
    assert len(listed) == page.headings.count(2)


def test_pictures_have_words_tables_captions_headings_an_order(page):
    assert len(page.drawings) >= 6
    assert all(len(drawing["aria-label"]) > 20 for drawing in page.drawings)
    assert page.tables == page.captions >= 4
    assert page.headings[0] == 1
    assert page.headings.count(1) == 1
    assert all(b - a <= 1 for a, b in zip(page.headings, page.headings[1:], strict=False))
    assert len(set(page.ids)) == len(page.ids)


def test_missing_runs_stand_at_the_top(page):
    title = "memcell compare simulated: policy, learning rate"
    assert page.text.startswith(f"{title} {title} 1 of 56 runs are missing: 1 not started")


def test_undefined_values_are_not_printed_as_nan(page):
    assert not re.search(r"\b(nan|inf|None)\b", page.text)


def test_names_are_text_and_never_markup(html, page):
    assert "<b>" not in html
    assert "<b>own</b>" in page.text


def test_it_says_what_a_reader_needs(page):
    for words in (
        "memcell compare simulated --policy 'reset,carry,<b>own</b>'",
        "simulated records",
        "1 run(s) diverged",
        "majority class",
        "not deployable",
        "“Undecided” does not mean",
        "cost of staleness",
        "torch 2.13",
    ):
        assert words.casefold() in page.text.casefold(), words


def test_no_place_of_this_machine_is_in_any_output(folder, html):
    place = str(folder)
    for path in folder.glob("*.tsv"):
        assert place not in path.read_text(encoding="utf-8")
    assert place not in html
    assert place not in (folder / "results.json").read_text(encoding="utf-8")


def test_the_same_records_give_the_same_bytes(folder):
    names = [*folder.glob("*.tsv"), *folder.glob("figures/*.svg"), folder / "report.html",
             folder / "results.json"]  # fmt: skip
    before = {path: path.read_bytes() for path in names}
    build_report(folder, lambda line: None)
    assert len(before) > 10
    assert all(path.read_bytes() == content for path, content in before.items())


def test_a_picture_of_which_nothing_is_left_goes(write_comparison, tmp_path):
    write_comparison(tmp_path, seeds=range(3))
    build_report(tmp_path, lambda line: None)
    assert (tmp_path / "figures/staleness_1.svg").exists()
    (tmp_path / "figures/scores.png").write_bytes(b"of version 0.1")
    for path in tmp_path.glob("runs/*/probes.jsonl"):
        path.unlink()
    build_report(tmp_path, lambda line: None)
    assert not list((tmp_path / "figures").glob("staleness*"))
    assert not (tmp_path / "figures/scores.png").exists()
    assert (tmp_path / "figures/scores_1.svg").exists()


def test_importing_the_report_costs_nothing():
    code = (
        "import sys, memcell.compare.report; "
        "print([m for m in ('matplotlib', 'scipy', 'torch', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout.strip() == "[]", done.stderr
