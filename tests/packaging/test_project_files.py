"""Files at the top of the repository say what is true: version, citation, tasks, hooks, CI."""

from __future__ import annotations

import os
import re
import shlex
import tomllib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest

import memcell
from memcell.cli.main import run

yaml = pytest.importorskip("yaml")

ROOT = Path(__file__).parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = PYPROJECT["project"]
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
#: Command to the distribution that brings it.
BRINGS = {
    "mkdocs": "mkdocs",
    "mypy": "mypy",
    "poe": "poethepoet",
    "pre-commit": "pre_commit",
    "pytest": "pytest",
    "ruff": "ruff",
}


def read(name):
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


def commands(task):
    """Return the command lines of a task of `poe`."""
    return [step["cmd"] for step in task.get("sequence", [task])]


TASKS = {name: commands(task) for name, task in PYPROJECT["tool"]["poe"]["tasks"].items()}
HOOKS = {
    h["id"]: h["entry"] for repo in read(".pre-commit-config.yaml")["repos"] for h in repo["hooks"]
}


def test_version_stands_in_one_place(capfd):
    assert "version" not in PROJECT
    assert PROJECT["dynamic"] == ["version"]
    path = ROOT / PYPROJECT["tool"]["hatch"]["version"]["path"]
    assert (
        path.parent == Path(memcell.__file__).resolve().parent
        or "site-packages" in memcell.__file__
    )
    (written,) = re.findall(r'^__version__ = "(.+)"$', path.read_text("utf-8"), re.MULTILINE)
    assert written == memcell.__version__
    assert run(["--version"]) == 0
    assert capfd.readouterr().out.split()[-1] == written


def test_changelog_begins_with_the_version():
    (first, *_) = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert first == memcell.__version__


def test_citation_has_what_the_format_requires():
    citation = read("CITATION.cff")
    assert citation["cff-version"] == "1.2.0"
    assert {"message", "title", "authors"} <= citation.keys()
    assert all(a.get("name") or a.get("family-names") for a in citation["authors"])
    assert str(citation["version"]) == memcell.__version__
    assert citation["license"] == PROJECT["license"]


@pytest.mark.parametrize("line", [*(c for steps in TASKS.values() for c in steps), *HOOKS.values()])
def test_command_exists(line):
    word, *rest = shlex.split(line)
    if word == "memcell":
        assert run([*rest, "--help"]) == 0
        return
    if "/" in word:
        assert os.access(ROOT / word, os.X_OK)
        return
    name = rest[1] if (word, rest[0:1]) == ("python", ["-m"]) else BRINGS[word]
    wanted = " ".join(
        PROJECT["optional-dependencies"]["dev"] + PROJECT["optional-dependencies"]["docs"]
    )
    assert re.search(rf"\b{re.escape(name).replace('_', '.')}\b", wanted + " pytest"), name
    try:
        files = distribution(name).files or []
    except PackageNotFoundError:
        pytest.skip(f"{name} is of the extra 'dev', which is not installed here")
    assert word == "python" or any(f.name == word for f in files)


def test_hooks_fetch_nothing():
    assert {repo["repo"] for repo in read(".pre-commit-config.yaml")["repos"]} == {"local"}
    assert {"ruff", "ruff-format", "mypy"} == HOOKS.keys()


def test_contributing_lists_every_task_with_its_command():
    listed = re.findall(r"^\| `poe (\S+)` \| (.+?) \|", CONTRIBUTING, re.MULTILINE)
    assert {name: re.findall(r"`(.+?)`", text) for name, text in listed} == TASKS


def test_contributing_names_files_that_exist():
    roots = r"core|plugins|data|apps|tests|docs|\.ci"
    named = {
        *re.findall(rf"`((?:{roots})/[\w./-]*)`", CONTRIBUTING),
        *re.findall(rf"(?:pytest|python) (?:-\S+ )*(?:0 )?((?:{roots})/\S+)", CONTRIBUTING),
    }
    assert len(named) > 8
    missing = [n for n in named if "NAME" not in n and not (ROOT / n).exists()]
    assert missing == []


def test_hosted_ci_runs_what_a_person_runs():
    workflow = read(".github/workflows/ci.yml")
    (job,) = workflow["jobs"].values()
    assert [step["run"] for step in job["steps"] if "run" in step] == [".ci/run"]
    versions = [c.rpartition(" ")[2] for c in PROJECT["classifiers"] if ":: Python :: 3." in c]
    assert job["strategy"]["matrix"]["python"] == versions
    assert PROJECT["requires-python"] == f">={versions[0]}"
