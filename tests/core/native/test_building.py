"""The compiler, the cache and the instruction sets: missing, damaged, shared, and each by itself."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import textwrap
import time
import warnings
from pathlib import Path

import pytest
import torch

from campaigns import other_user
from memcell.backends.eager import unroll_eager
from memcell.plugins import default_registry
from memcell.recurrent.refusals import Unsupported
from memcell_compiler.build import cache
from memcell_compiler.build.compiler import find_compiler
from memcell_compiler.build.target import TARGETS, available, chosen
from memcell_compiler.runtime.unroll import native_reason, unroll_native


def built(path):
    path.write_bytes(b"an object")


def broken(path):
    raise AssertionError("built again")


def test_a_sound_entry_is_not_built_again(tmp_path):
    path = cache.fetch("k", built, tmp_path)
    assert cache.fetch("k", broken, tmp_path) == path
    assert path.read_bytes() == b"an object"


@pytest.mark.parametrize(
    "damage",
    ["object", "shorter", "entry", "not json", "gone", "writable", "link", "pipe", "foreign"],
)
def test_a_damaged_entry_is_built_again(tmp_path, damage):
    if damage == "foreign" and not other_user.can_act():
        pytest.skip("only root may give a file to another user")
    path = cache.fetch("k", built, tmp_path)
    entry = tmp_path / "k.json"
    if damage == "object":
        path.write_bytes(b"an objecT")
    elif damage == "shorter":
        path.write_bytes(b"an")
    elif damage == "entry":
        entry.write_text(json.dumps({"sha256": "0" * 64}))
    elif damage == "not json":
        entry.write_text("{")
    elif damage == "gone":
        path.unlink()
    elif damage == "writable":
        path.chmod(0o666)
    elif damage == "link":
        path.rename(tmp_path / "elsewhere")
        path.symlink_to(tmp_path / "elsewhere")
    elif damage == "pipe":
        path.unlink()
        os.mkfifo(path)
    else:
        path.chmod(0o600)
        os.chown(path, other_user.nobody(), -1)
    assert cache.lookup("k", tmp_path) is None
    assert cache.fetch("k", built, tmp_path).read_bytes() == b"an object"
    assert cache.lookup("k", tmp_path) is not None


def test_a_failed_build_leaves_nothing(tmp_path):
    with pytest.raises(AssertionError):
        cache.fetch("k", broken, tmp_path)
    assert list(tmp_path.iterdir()) == []


def age(path, days):
    then = time.time() - days * 24 * 60 * 60
    os.utime(path, (then, then))


def test_unused_cache_entries_are_deleted(tmp_path):
    for key in ("forgotten", "asked for", "young"):
        cache.fetch(key, built, tmp_path)
    (tmp_path / "notes.txt").write_text("not ours")
    for name in ("build-killed", "build-running"):
        (tmp_path / name).mkdir()
    for path in tmp_path.iterdir():
        age(path, 1 if path.name.startswith("young") else cache.KEPT_DAYS + 1)
    (tmp_path / "build-running").touch()
    assert cache.lookup("asked for", tmp_path) is not None
    cache.fetch("new", built, tmp_path)
    left = {path.name.split("-")[0].removesuffix(".json") for path in tmp_path.glob("*.[js]*")}
    assert left == {"asked for", "young", "new"}
    assert (tmp_path / "notes.txt").exists()
    assert [p.name for p in tmp_path.glob("build-*")] == ["build-running"]


def test_a_folder_that_cannot_be_used_is_replaced(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.warns(UserWarning, match="compiled code is not kept"):
        path = cache.fetch("k", built, blocked / "native")
    assert path.read_bytes() == b"an object"
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # said once
        assert cache.fetch("k", broken, blocked / "native") == path
    shutil.rmtree(path.parent)
    cache._own_folder = None


PROGRAM = textwrap.dedent(
    """
    import torch
    from memcell.plugins import default_registry
    from memcell.backends import StepMasks
    from memcell_compiler.runtime.unroll import unroll_native
    from memcell.recurrent.window_call import WindowCall
    from memcell.recurrent.norms import SiteNorms
    entry = default_registry().get("cell", "rnn")
    cell = entry.build(2, 3, entry.config({}))
    torch.nn.init.ones_(cell.weight_input)
    no = torch.zeros(4, 2, dtype=torch.bool)
    marks = StepMasks.of(no, ~no, torch.zeros(2, dtype=torch.int64))
    state = cell.initial_state(2)
    norms = SiteNorms(cell.norm_sites, None)
    call = WindowCall(cell, norms, torch.ones(4, 2, 2), state, state, marks, (), True)
    out, _ = unroll_native(call)
    print(float(out.sum()))
    """
)


@pytest.mark.slow
def test_several_processes_want_the_same(tmp_path):
    env = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for _ in range(3)
    ]
    results = [run.communicate(timeout=240) for run in runs]
    assert [run.returncode for run in runs] == [0, 0, 0], results
    assert len({out for out, _ in results}) == 1
    left = list((tmp_path / "memcell" / "native").iterdir())
    assert all(p.suffix in (".so", ".plan", ".json") for p in left)


def test_without_a_compiler_the_reason_is_said(agree, monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CC", raising=False)
    cell = agree.cell("rnn")
    norms = agree.norms(cell, "none")
    assert "no C compiler" in str(native_reason(cell, norms))
    with pytest.raises(Unsupported, match="no C compiler"):
        agree.run(unroll_native, cell, norms, agree.Window())
    agree.run(unroll_eager, cell, norms, agree.Window())


def test_a_compiler_that_fails_is_said(agree, monkeypatch, tmp_path):
    false = tmp_path / "cc"
    false.write_text(
        "#!/bin/sh\ncase $1 in --version) echo 1;; *) echo 'error: no' >&2; exit 1;; esac\n"
    )
    false.chmod(0o755)
    monkeypatch.setenv("CC", str(false))
    cell = agree.cell("cec")
    with pytest.raises(Unsupported, match="error: no"):
        agree.run(unroll_native, cell, agree.norms(cell, "none"), agree.Window())


@pytest.mark.parametrize("name", list(TARGETS))
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_every_instruction_set(agree, monkeypatch, name, dtype):
    if name not in available():
        pytest.skip(f"this machine does not run {name}")
    monkeypatch.setenv("MEMCELL_NATIVE_ISA", name)
    assert chosen() is TARGETS[name]
    cell = agree.cell("lstm", features=5, hidden=21, dtype=dtype)
    norms = agree.norms(cell, "none", dtype=dtype)
    window = agree.Window(steps=6, lanes=37, resets=True, padding=True)
    assert not agree.difference(
        cell, norms, window, limit=1e-10 if dtype == torch.float64 else 1e-4
    )


@pytest.mark.slow
@pytest.mark.parametrize("norm", ["none", "layer", "batch"])
@pytest.mark.parametrize("cell", default_registry().names("cell"))
@pytest.mark.parametrize("name", list(TARGETS))
def test_every_cell_on_every_instruction_set(agree, monkeypatch, name, cell, norm):
    """Each normalizer that works in a way of its own: none, over units, over lanes."""
    if name not in available():
        pytest.skip(f"this machine does not run {name}")
    monkeypatch.setenv("MEMCELL_NATIVE_ISA", name)
    made = agree.cell(cell, features=5, hidden=21)
    norms = agree.norms(made, norm)
    assert not agree.difference(
        made, norms, agree.Window(steps=6, lanes=37, resets=True, padding=True)
    )
    assert not agree.difference(made, norms, agree.Window(steps=6, lanes=37), threads=2)
    assert not agree.difference(made, norms, agree.Window(steps=3, lanes=1), threads=2)


def test_an_instruction_set_that_is_not_there_is_refused(monkeypatch):
    monkeypatch.setenv("MEMCELL_NATIVE_ISA", "avx4096")
    with pytest.raises(Unsupported, match="avx4096"):
        chosen()


AGREES = textwrap.dedent(
    """
    import sys
    sys.path.insert(0, sys.argv[1])
    import conftest
    agree = conftest.Agreement()
    cell = agree.cell("lstm", features=5, hidden=21)
    for norm in ("none", "layer", "batch"):
        window = agree.Window(steps=6, lanes=37, resets=True, padding=True)
        assert not agree.difference(cell, agree.norms(cell, norm), window)
    """
)


@pytest.mark.parametrize("name", ["gcc", "clang"])
def test_each_compiler(tmp_path, name):
    """In a process of its own: one process loads the kernels once, whatever ``CC`` says later."""
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not on this machine")
    done = subprocess.run(
        [sys.executable, "-c", AGREES, str(Path(__file__).parent)],
        env={**os.environ, "XDG_CACHE_HOME": str(tmp_path), "CC": name},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    assert list((tmp_path / "memcell" / "native").glob("*.so"))


def test_the_compiler_is_found():
    assert find_compiler().version


def test_the_kernels_rate_is_a_rate():
    """Twice the work takes longer: what is timed is the product."""
    from memcell_compiler.build.rate import packed_gflops

    assert 0.05 < packed_gflops(32, 64, 256, torch.float32) < 1000
