"""A compiler that is not one, hangs, or speaks no text: the eager loop within seconds, said once."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
import time
import warnings

import pytest
import torch

from memcell.backends import BackendWarning, Layer, StepMasks
from memcell_compiler.build import compiler, tables

VERSION = 'case "$*" in *--version*) echo fake 1; exit 0;; esac\n'
#: What a script in the compiler's place does, and what is said of it.
SCRIPTS = {
    "hangs at once": ("sleep 600", "did not answer within"),
    "hangs when it compiles": (VERSION + "sleep 600", "did not answer within"),
    "leaves a child behind": (VERSION + "sleep 600 & sleep 600", "did not answer within"),
    "says bytes": (
        VERSION + "printf 'error: \\377\\376 \\200' >&2; exit 1",
        "failed: error: \ufffd",
    ),
    "has no space": (
        VERSION
        + "echo 'ld: final link failed: No space left on device' >&2\n"
        + "echo 'collect2: error: ld returned 1 exit status' >&2; exit 1",
        "No space left on device",
    ),
    "has a version of bytes": ("printf '\\377\\376'; exit 1", "failed: "),
    "does nothing": ("exit 0", "left no object"),
    "makes an empty library": (
        VERSION
        + 'for a; do [ "$p" = -o ] && o=$a; p=$a; done\n'
        + "echo 'int other;' > $o.c; exec {gcc} -shared -fPIC -o $o $o.c",
        "lacks the function",
    ),
    "makes no library": (
        VERSION + 'for a; do [ "$p" = -o ] && o=$a; p=$a; done; echo no > $o',
        "could not be kept or loaded",
    ),
    "is killed": (VERSION + "kill -9 $$", "failed: no message"),
}


@pytest.fixture
def run(agree, monkeypatch, tmp_path):
    """Run a window under a ``CC``; return what was said."""
    monkeypatch.setattr(compiler, "_PROOF_SECONDS", 3)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def run(cc):
        monkeypatch.setenv("CC", cc)
        layer = Layer(agree.cell("cec"), None)
        no = torch.zeros(4, 2, dtype=torch.bool)
        masks = StepMasks.of(no, ~no, torch.zeros(2, dtype=torch.int64))
        state = layer.cell.initial_state(2, dtype=torch.float64)
        x = torch.ones(4, 2, 3, dtype=torch.float64)
        began = time.monotonic()
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            outputs = [layer(x, state, state, masks, (4,), True).outputs for _ in range(2)]
        assert time.monotonic() - began < 30
        eager = Layer(layer.cell, None, "eager")(x, state, state, masks, (4,), True).outputs
        assert torch.allclose(outputs[0], eager, rtol=1e-12)
        return [str(w.message) for w in said if issubclass(w.category, BackendWarning)]

    yield run
    # a library without its symbols must not be kept for the tests after this one
    tables.kernel_library.cache_clear()
    tables.float_tables.cache_clear()


@pytest.mark.parametrize("what", list(SCRIPTS))
def test_a_strange_compiler(run, tmp_path, what):
    code, word = SCRIPTS[what]
    if "{gcc}" in code and shutil.which("gcc") is None:
        pytest.skip("SKIPPED LOUDLY: there is no gcc to make a library with")
    script = tmp_path / "cc"
    script.write_text("#!/bin/sh\n" + code.replace("{gcc}", shutil.which("gcc") or ""))
    script.chmod(0o755)
    (said,) = run(str(script))
    assert word in said
    assert "on the eager loop" in said


@pytest.mark.skipif(shutil.which("gcc") is None, reason="SKIPPED LOUDLY: there is no gcc")
def test_a_compiler_that_hangs_on_what_is_not_small(run, monkeypatch, tmp_path):
    """It is waited for as long as its pace explains, once, and not the two minutes of a large unit."""
    monkeypatch.setattr(compiler, "_LEAST_SECONDS", 1)
    monkeypatch.setattr(compiler, "_PATIENCE", 1)
    script = tmp_path / "cc"
    small = f'case "$*" in *small.c*) exec {shutil.which("gcc")} "$@";; esac\n'
    script.write_text("#!/bin/sh\n" + VERSION + small + "sleep 600")
    script.chmod(0o755)
    (said,) = run(str(script))
    assert "did not answer within" in said
    assert "on the eager loop" in said


@pytest.mark.parametrize("cc", ["'gcc -O2", 'gcc "', "no-such-compiler -O2", "/"])
def test_what_is_no_command(run, cc):
    (said,) = run(cc)
    assert cc.split()[0] in said


@pytest.mark.parametrize("cc", ["", "  ", "\t"])
def test_a_blank_word_names_nothing(run, cc):
    assert run(cc) == []


PROGRAM = textwrap.dedent(
    """
    import warnings
    import torch
    from memcell.plugins import default_registry
    from memcell.backends import Layer, StepMasks
    warnings.simplefilter("error")
    entry = default_registry().get("cell", "rnn")
    layer = Layer(entry.build(2, 3, entry.config({})), None, "native")
    no = torch.zeros(4, 2, dtype=torch.bool)
    marks = StepMasks.of(no, ~no, torch.zeros(2, dtype=torch.int64))
    state = layer.cell.initial_state(2)
    layer(torch.ones(4, 2, 2), state, state, marks, (), True)
    """
)


@pytest.mark.skipif(sys.platform != "linux", reason="limits of a process")
def test_where_no_object_can_be_written(tmp_path):
    """As on a disk that is full: said once, and the window runs."""

    def limit():
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.replace('simplefilter("error")', 'simplefilter("always")')],
        env={**os.environ, "XDG_CACHE_HOME": str(tmp_path)},
        preexec_fn=limit,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("BackendWarning: ") == 1, done.stderr
    assert "File size limit" in done.stderr or "File too large" in done.stderr


def test_in_a_locale_of_ascii(tmp_path):
    ascii_only = {
        "LC_ALL": "C",
        "PYTHONUTF8": "0",
        "PYTHONCOERCECLOCALE": "0",
        "PYTHONIOENCODING": "ascii",
        "XDG_CACHE_HOME": str(tmp_path),
    }
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, **ascii_only},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
