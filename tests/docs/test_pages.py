"""The pages say what the code says."""

from __future__ import annotations

import importlib
import re
import warnings
from pathlib import Path

import numpy as np
import pytest

import memcell
from memcell.cli.main import COMMANDS
from memcell.cli.reference import reference
from memcell.plugins import Registry, hooks
from memcell.plugins.loader import installed, load
from memcell_data.formats.edf.writer import Track, write_edf

ROOT = Path(__file__).parent.parent.parent
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]

#: Dotted names that are none of Python's: a key in the metadata of an ONNX file.
NO_CODE = {"memcell.start"}


def own_registry():
    """What this project brings, whatever else is installed beside it."""
    return Registry(*load(p for p in installed() if p.dist and p.dist.name == "memcell-rnn"))


def test_the_reference_page_is_the_one_that_the_command_prints():
    page = (ROOT / "docs/reference.md").read_text(encoding="utf-8")
    assert page == reference(own_registry()), "run: memcell plugins --markdown > docs/reference.md"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_between_pages_lead_somewhere(page):
    prose = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", prose):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


def found(name):
    """Say whether a dotted name is a module, or an attribute of one."""
    parts = name.split(".")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # names of the version before
        for n in range(len(parts), 0, -1):
            try:
                value = importlib.import_module(".".join(parts[:n]))
            except ImportError:
                continue
            try:
                for part in parts[n:]:
                    value = getattr(value, part)
            except AttributeError:
                return False
            return True
    return False


def test_a_name_is_looked_up():
    assert found("memcell.nn.Recurrent.forward")
    assert not found("memcell.nn.Recurrent.backwards")
    assert not found("memcell.no_such_room")


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_dotted_names_are_those_of_the_code(page):
    prose = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    named = set(re.findall(r"`(memcell(?:_\w+)?(?:\.\w+)+)`", prose)) - NO_CODE
    assert [name for name in sorted(named) if not found(name)] == []


def test_files_that_the_design_page_names_are_there():
    page = (ROOT / "docs/design.md").read_text(encoding="utf-8")
    roots = ("core", "plugins", "data", "apps", "tests")
    files = [f"/{p.relative_to(ROOT).as_posix()}" for r in roots for p in (ROOT / r).rglob("*")]
    named = set(re.findall(r"`([a-z_]+(?:/[a-z_]+)*\.(?:py|h)|[a-z_]+/(?:[a-z_]+/?)+)`", page))
    package = ""
    for line in page.partition("## Rooms and arrows")[2].partition("\n## ")[0].splitlines():
        package = heading[0] if (heading := re.match(r"[a-z]+/memcell\w*", line)) else package
        if rooms := re.match(r"  ((?:\w+/ +)+)", line):
            named |= {f"{package}/{room}" for room in re.findall(r"\w+", rooms[1])}
    assert len(named) > 40
    ends = [name for name in named if not any(f.endswith(f"/{name.rstrip('/')}") for f in files)]
    assert sorted(ends) == []


def test_every_command_that_the_readme_types_exists():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    typed = set(re.findall(r"^(?:.*bin/)?memcell (\w+)", text, flags=re.MULTILINE))
    assert {"train", "evaluate", "predict", "plugins", "data"} <= typed
    assert typed <= set(COMMANDS)


def python_of_the_readme():
    return re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)


def test_the_layer_in_the_readme_runs():
    shown, _, _ = python_of_the_readme()
    names = {}
    exec(shown, names)
    assert names["y"].shape == (100, 16, 32)
    assert names["state"].age.tolist() == [200] * 16


def test_the_detector_in_the_readme_runs(tmp_path):
    _, shown, _ = python_of_the_readme()
    values = 20 * np.random.default_rng(0).normal(size=100 * 120)
    write_edf(
        tmp_path / "night.edf",
        [Track(name="EEG Pz-Oz", values=values, rate=100, physical=(-500.0, 500.0))],
    )
    names = {"memcell": memcell}
    exec(shown.replace("night.edf", str(tmp_path / "night.edf")), names)
    assert len(names["found"].probability) > 10


def test_the_cell_in_the_readme_is_the_templates():
    _, _, shown = python_of_the_readme()
    template = ROOT / "tests/template/memcell_template/mgu.py"
    # the formatter lays out the same code differently where it is not indented
    assert "".join(shown.split()) in "".join(template.read_text("utf-8").split())


@pytest.mark.parametrize("hook", sorted(hooks.HOOK_OF_KIND.values()))
def test_every_hook_has_a_runnable_example(hook):
    import doctest

    finder = doctest.DocTestFinder()
    tests = finder.find(getattr(hooks, hook), hook, globs={})
    assert tests
    assert tests[0].examples
    result = doctest.DocTestRunner().run(tests[0])
    assert result.failed == 0
