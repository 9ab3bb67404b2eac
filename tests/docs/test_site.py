"""The site: built strictly, every link leads somewhere, no page asks another host for anything."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

import memcell

pytest.importorskip("mkdocs")
pytest.importorskip("material")
pytest.importorskip("mkdocstrings_handlers.python")

ROOT = Path(__file__).parents[2]


def build(folder: Path, config: Path = ROOT / "mkdocs.yml") -> subprocess.CompletedProcess[str]:
    """Build the site in a process that can reach no network."""
    command = ["-m", "mkdocs", "build", "--strict", "-f", str(config), "-d", str(folder)]
    nowhere = {f"{kind}_proxy": "http://127.0.0.1:9" for kind in ("http", "https")}
    environment = {**os.environ, **nowhere, "NO_MKDOCS_2_WARNING": "1"}
    return subprocess.run(
        [sys.executable, *command], env=environment, capture_output=True, text=True, check=False
    )


class Tags(HTMLParser):
    """Collects what a page names (ids), links to, and loads."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.loaded: list[str] = []

    def handle_starttag(self, tag, attrs):
        found = {name: value or "" for name, value in attrs}
        self.ids |= {found[k] for k in ("id", "name") if k in found}
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        elif tag == "link" and found.get("rel") != "canonical":
            self.loaded.append(found.get("href", ""))
        elif tag in ("script", "img", "iframe", "source", "video", "audio"):
            self.loaded.append(found.get("src", ""))


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    done = build(folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def parsed(site: Path) -> dict[Path, Tags]:
    found = {}
    for path in sorted(site.rglob("*.html")):
        found[path] = Tags()
        found[path].feed(path.read_text(encoding="utf-8"))
    return found


@pytest.fixture(scope="module")
def pages(site):
    return parsed(site)


def broken(site: Path, pages: dict[Path, Tags]) -> Iterator[str]:
    """Yield the links within a site that lead nowhere."""
    for path, page in pages.items():
        if path.name == "404.html":  # is served from any place, so its links are absolute
            continue
        for target in page.links + page.loaded:
            parts = urlsplit(target)
            if not target or parts.scheme or parts.netloc:
                continue
            goal = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            goal = goal / "index.html" if goal.is_dir() else goal
            known = pages[goal].ids if goal in pages else set()
            if not goal.exists() or (parts.fragment and unquote(parts.fragment) not in known):
                yield f"{path.relative_to(site)}: {target}"


def outside(target: str) -> bool:
    parts = urlsplit(target)
    return bool(parts.netloc) or parts.scheme in ("http", "https")


def test_every_link_and_anchor_leads_somewhere(site, pages):
    assert sum(len(page.links) for page in pages.values()) > 1000
    assert list(broken(site, pages)) == []


def test_links_that_lead_nowhere_are_found(tmp_path):
    tmp_path = tmp_path.resolve()
    (tmp_path / "one").mkdir()
    (tmp_path / "index.html").write_text(
        '<h1 id="top"></h1><a href="one/#here">a</a><a href="one/#there">b</a><a href="two/">c</a>'
        '<a href="#top">d</a><a href="#bottom">e</a><img src="gone.png"><a href="https://x.org/#y">f</a>'
    )
    (tmp_path / "one/index.html").write_text('<h1 id="here"></h1>')
    said = [line.partition(": ")[2] for line in broken(tmp_path, parsed(tmp_path))]
    assert said == ["one/#there", "two/", "#bottom", "gone.png"]


def test_no_page_loads_anything_from_another_host(site, pages):
    wrong = [(path.name, t) for path, page in pages.items() for t in page.loaded if outside(t)]
    for path in site.rglob("*.css"):
        loads = re.findall(r"(?:url\(|@import\s)\s*[\"']?([^\"')]+)", path.read_text("utf-8"))
        wrong += [(path.name, t) for t in loads if outside(t)]
    assert wrong == []


def test_every_page_says_the_version(pages):
    assert all(f"memcell {memcell.__version__}" in p.read_text("utf-8") for p in pages)


def test_api_lists_every_package_with_its_parts(site, pages):
    for folder in ("core", "plugins", "data"):
        for init in (ROOT / folder).rglob("__init__.py"):
            package, *inner = init.parent.relative_to(ROOT / folder).parts
            assert (site / "api" / package / ".".join(inner) / "index.html") in pages
    ids = pages[site / "api/memcell/index.html"].ids
    assert {f"memcell.{name}" for name in memcell.__all__ if name != "__version__"} <= ids


def test_docstrings_are_shown_as_they_are_meant(site):
    page = (site / "api/memcell/nn/index.html").read_text(encoding="utf-8")
    # a doctest that stands without a fence
    assert '<span class="gp">&gt;&gt;&gt; </span>' in page
    assert ">layers<" in page  # a field of a NamedTuple
    assert "::</p>" not in page


def test_decisions_are_numbered_and_listed():
    folder = ROOT / "docs/decisions"
    pages = sorted(folder.glob("0*.md"))
    listed = (folder / "README.md").read_text(encoding="utf-8")
    for number, page in enumerate(pages, start=1):
        text = page.read_text(encoding="utf-8")
        assert page.name.startswith(f"{number:04d}-")
        assert text.startswith(f"# {number}. ")
        assert f"| [{number}]({page.name}) |" in listed
        assert re.findall(r"^## (.+)$", text, re.MULTILINE) == [
            "Context",
            "Decision",
            "Consequences",
        ]


@pytest.mark.parametrize(
    "target", ["nowhere.md", "design.md#no-such-heading", "#no-such-heading", "/design.md"]
)
def test_a_broken_link_ends_the_build(tmp_path, target):
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "index.md").write_text(f"# Page\n\n[here]({target})\n")
    (docs / "design.md").write_text("# Design\n")
    whole = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    validation = re.search(r"^validation:\n(?:[ ].*\n)+", whole, re.MULTILINE)
    assert validation
    config = tmp_path / "mkdocs.yml"
    config.write_text(f"site_name: broken\n{validation[0]}")
    done = build(tmp_path / "site", config)
    assert done.returncode == 1
    assert f"'{target}'" in done.stderr
