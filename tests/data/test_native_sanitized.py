"""The passes over samples in C under the address and undefined-behaviour sanitizers."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from tests import sanitizer

PROGRAM = textwrap.dedent(
    """
    import sys
    import pytest
    from memcell_data.native import library
    library._FLAGS = (
        "-O1", "-g", "-ffp-contract=off", "-fsanitize=address,undefined", "-fno-sanitize-recover=all",
    )
    assert library.functions() is not None
    if len(sys.argv) > 2:
        import numpy as np
        x, out = np.ones((2, 8)), np.empty(2, dtype=bool)
        library.functions().wide(library.address(x), 2, 9, 1.0, library.address(out))
    raise SystemExit(pytest.main(["-q", "-n", "0", "-p", "no:cacheprovider", sys.argv[1]]))
    """
)
TESTS = Path(__file__).with_name("test_native.py")


def sanitized(tmp_path, *more):
    call = [sys.executable, "-c", PROGRAM, str(TESTS), *more]
    given = {"env": sanitizer.environment(tmp_path), "cwd": TESTS.parents[2]}
    return subprocess.run(call, capture_output=True, text=True, timeout=900, **given)


@pytest.mark.slow
def test_nothing_is_read_or_written_beyond_an_array(tmp_path):
    done = sanitized(tmp_path)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    assert " passed" in done.stdout


@pytest.mark.slow
def test_a_read_past_the_end_would_be_found(tmp_path):
    done = sanitized(tmp_path, "past the end")
    assert done.returncode != 0
    assert "heap-buffer-overflow" in done.stderr
