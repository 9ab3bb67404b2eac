"""``memcell doctor``: what is there, what is missing and what is broken, each with what to type."""

from __future__ import annotations

import json
from importlib import metadata

import pytest

from memcell.cli import diagnoses
from memcell.cli.main import run
from memcell.plugins.loader import Failure
from memcell.plugins.registry import Registry
from memcell.recurrent.refusals import Unsupported


@pytest.fixture(autouse=True)
def own_folders(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))


@pytest.fixture
def looked(capsys):
    """Run the command; its exit code and what it printed."""

    def look(*args):
        code = run(["doctor", *args])
        return code, capsys.readouterr().out

    return look


def by_name(findings):
    return {finding.name: finding for finding in findings}


def test_everything_is_looked_at_within_the_width_of_a_screen(looked):
    code, text = looked()
    assert code == 0
    for name in (
        "memcell",
        "machine",
        "torch",
        "mne",
        "generated code",
        "GPU",
        "cache",
        "live",
        "plugins",
    ):
        assert f"\n{name} " in f"\n{text}"
    assert "nothing is broken" in text
    # a path of one word may be longer than a line; none of these is
    assert (
        max(len(line) for line in text.splitlines() if "'" not in line and "(/" not in line) <= 80
    )


def test_json_is_for_programs(looked, monkeypatch):
    monkeypatch.setattr(diagnoses, "_generated", lambda: iter(()))
    found = json.loads(looked("--json")[1])
    assert {"name", "status", "text", "fix"} == set(found["findings"][0])


def test_no_compiler_is_missing_and_says_how_to_get_one(monkeypatch):
    def none():
        raise Unsupported("no C compiler (cc, gcc, clang)")

    monkeypatch.setattr("memcell_compiler.build.compiler.find_compiler", none)
    (found,) = diagnoses._compiler()
    assert found.status == "missing"
    assert found.fix


def test_a_package_that_is_not_there_is_named_with_the_command_and_the_line(monkeypatch):
    known = metadata.version

    def version(name):
        if name == "onnxruntime":
            raise metadata.PackageNotFoundError(name)
        return {"distributed": "2020.1"}.get(name) or known(name)

    monkeypatch.setattr(metadata, "version", version)
    found = by_name(diagnoses._extras())
    assert found["onnx"].status == "missing"
    assert "onnxruntime, for ONNX files (memcell export" in found["onnx"].text
    assert found["onnx"].fix == "pip install 'memcell-rnn[onnx]'"
    assert "2020.1 is installed" in found["cluster"].text


def test_every_extra_that_a_command_needs_is_looked_at():
    known = set(metadata.metadata("memcell-rnn").get_all("Provides-Extra"))
    assert known - {"test", "docs", "dev"} == set(diagnoses.EXTRAS)


def test_a_folder_that_cannot_be_written_is_broken(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    found = by_name(diagnoses._folders())
    assert (found["cache"].status, found["data"].status) == ("broken", "ok")
    assert "XDG_CACHE_HOME" in found["cache"].fix


def test_a_broken_plugin_and_a_look_that_fails_end_with_1(looked, monkeypatch):
    def _gpu():
        raise ZeroDivisionError("of a driver")

    failure = Failure(plugin="mine", distribution="theirs", version="2", reason="no module named x")
    monkeypatch.setattr(diagnoses, "default_registry", lambda: Registry((), [failure]))
    monkeypatch.setattr(diagnoses, "_gpu", _gpu)
    monkeypatch.setattr(diagnoses, "_generated", lambda: iter(()))
    code, text = looked()
    assert code == 1
    assert "plugin 'mine' of theirs 2: no module named x" in " ".join(text.split())
    assert "BROKEN: ZeroDivisionError" in text
    assert "2 broken: gpu, plugins" in text


def test_the_cache_is_cleared_on_request_and_nothing_else(looked, tmp_path, monkeypatch):
    for part in ("cache/memcell/native", "cache/other", "data/memcell"):
        (tmp_path / part).mkdir(parents=True)
        (tmp_path / part / "a").write_bytes(b"x" * 2**20)
    monkeypatch.setattr(diagnoses, "_generated", lambda: iter(()))
    assert "removed 1 MiB in 1 file from" in " ".join(looked("--clear-cache")[1].split())
    assert not (tmp_path / "cache/memcell/native").exists()
    assert (tmp_path / "cache/other/a").exists()
    assert (tmp_path / "data/memcell/a").exists()


def test_missing_folders_are_made_on_request(looked, tmp_path, monkeypatch):
    monkeypatch.setattr(diagnoses, "_generated", lambda: iter(()))
    looked("--fix")
    assert (tmp_path / "cache/memcell").is_dir()
    assert (tmp_path / "data/memcell").is_dir()
