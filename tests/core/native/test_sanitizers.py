"""Generated code of every built-in cell under the address and undefined-behaviour sanitizers.

The interpreter runs in a process of its own with the sanitizer's library before all others, so that
torch's memory, which generated code reads and writes, has guards around it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from memcell.registry import default_registry
from memcell.unroll.native.compiler import find_compiler

SANITIZED = textwrap.dedent(
    """
    import sys
    import torch
    from memcell.unroll.native import compiler, unit
    compiler._SECONDS = 800  # sanitized code compiles slowly
    compiler.FLAGS = unit.FLAGS = (
        *(f for f in compiler.FLAGS if f != "-O3"), "-O1", "-g",
        "-fsanitize=address,undefined", "-fno-sanitize-recover=all",
    )
    sys.path.insert(0, sys.argv[1])
    import conftest
    agree = conftest.Agreement()
    cell = agree.cell(sys.argv[2], features=5, hidden=18, dtype=torch.float32)
    for norm in sys.argv[3:]:
        norms = agree.norms(cell, norm, dtype=torch.float32)
        for window in (
            agree.Window(lanes=37, steps=5),
            agree.Window(restarts=True, padding=True),
            agree.Window(restarts=True, padding=True, gather=False),
            agree.Window(steps=1, lanes=1),
        ):
            agree(cell, norms, window, limit=1e-2)
        with torch.no_grad():
            state = cell.initial_state(3)
            marks = agree.Window(lanes=3).marks()
            from memcell.unroll.native import unroll_native
            unroll_native(cell, norms, torch.randn(9, 3, 5), state, state, marks, (9,), False)
    print("clean")
    """
)


@pytest.mark.slow
@pytest.mark.parametrize("cell", default_registry().names("cell"))
def test_generated_code_is_clean(cell, tmp_path):
    compiler = find_compiler()
    asked = [*compiler.command, "-print-file-name=libasan.so"]
    library = subprocess.run(asked, capture_output=True, text=True).stdout.strip()
    if not Path(library).is_absolute():
        pytest.skip("this compiler has no address sanitizer")
    env = {
        **os.environ,
        "LD_PRELOAD": library,
        "ASAN_OPTIONS": "detect_leaks=0:verify_asan_link_order=0",
        "XDG_CACHE_HOME": str(tmp_path),
    }
    folder = str(Path(__file__).parent)
    call = [sys.executable, "-c", SANITIZED, folder, cell, "none", "layer", "batch"]
    done = subprocess.run(call, env=env, capture_output=True, text=True, timeout=900)
    assert done.stdout.strip().endswith("clean"), done.stderr[-3000:]
