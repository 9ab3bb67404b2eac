"""Generated code of every built-in cell with every normalizer, under the address and undefined-behaviour
sanitizers.

The interpreter runs in a process of its own with the sanitizer's library before all others, so that
torch's memory, which generated code reads and writes, has guards around it. Nothing is optimized: then no
access to memory is left out, and a cell with all normalizers compiles in half a minute.
"""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from tests import sanitizer

from memcell.plugins import default_registry

NORMS = default_registry().names("normalizer")
SANITIZED = textwrap.dedent(
    """
    import contextlib
    import copy
    import sys
    import torch
    from memcell_compiler.build import compiler, unit
    from memcell_compiler.runtime.unroll import unroll_native
    from memcell.recurrent.window_call import WindowCall
    compiler._SECONDS = compiler._LEAST_SECONDS = 800  # sanitized code compiles slowly
    compiler.FLAGS = unit.FLAGS = (
        *(f for f in compiler.FLAGS if not f.startswith("-O")), "-O0", "-g",
        "-fsanitize=address,undefined", "-fno-sanitize-recover=all",
        *(["-shared-libasan"] if "clang" in compiler.find_compiler().version else []),
    )
    sys.path.insert(0, sys.argv[1])
    import conftest
    from memcell_compiler.build import bfloat16, tables, target
    @contextlib.contextmanager
    def amx():
        processor, target.processor = target.processor, lambda: conftest.INTEL
        tables.BFLOAT16_FLAGS["amx"] = conftest.EMULATED
        try:
            with torch.autocast("cpu", torch.bfloat16):
                assert bfloat16.bfloat16_here() == ("amx", None)
                yield
        finally:
            target.processor = processor
    agree = conftest.Agreement()
    cell = agree.cell(sys.argv[2], features=5, hidden=18, dtype=torch.float32)
    for norm in sys.argv[3:]:
        norms = agree.norms(cell, norm, dtype=torch.float32)
        for window, threads in (
            (agree.Window(lanes=37, steps=5), 1),
            (agree.Window(lanes=37, steps=5), 2),
            (agree.Window(resets=True, padding=True), 1),
            (agree.Window(resets=True, padding=True), 2),
            (agree.Window(resets=True, padding=True, update_statistics=False), 1),
            (agree.Window(steps=1, lanes=1), 1),
            (agree.Window(steps=3, lanes=1), 2),
        ):
            print(norm, window, threads, "threads", file=sys.stderr)
            assert not agree.difference(cell, norms, window, limit=1e-2, threads=threads)
            # the same program, with other kernels where this CPU has them
            torch.set_num_threads(threads)
            with torch.autocast("cpu", torch.bfloat16):
                agree.run(unroll_native, cell, norms, window)
            if norm == sys.argv[3] and conftest.ROUNDS:  # every cell through AMX, as C; the same programs
                with amx():
                    agree.run(unroll_native, copy.deepcopy(cell), norms, window)
        with torch.no_grad():
            state = cell.initial_state(3)
            masks = agree.Window(lanes=3).masks()
            x = torch.randn(9, 3, 5)
            unroll_native(WindowCall(cell, norms, x, state, state, masks, (9,), False))
        print("clean with", norm)
    """
)


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """The sanitizer before all other libraries, and one cache of sanitized objects for all cells."""
    return sanitizer.environment(tmp_path_factory.mktemp("sanitized"))


def sanitized(program, environment, *arguments):
    call = [sys.executable, "-c", program, str(Path(__file__).parent), *arguments]
    return subprocess.run(call, env=environment, capture_output=True, text=True, timeout=900)


@pytest.mark.slow
@pytest.mark.parametrize("cell", default_registry().names("cell"))
def test_generated_code_is_clean(cell, environment):
    done = sanitized(SANITIZED, environment, cell, *NORMS)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.splitlines() == [f"clean with {norm}" for norm in NORMS]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("tensors[0] = tensors[0][1:]", "heap-buffer-overflow"),
        ("tensors[-1] = tensors[-1][:, 1:].contiguous()", "heap-buffer-overflow"),
    ],
    ids=["a step too few", "a unit too few"],
)
def test_code_that_reads_past_an_end_is_found(change, said, environment):
    """The sanitizer does see torch's memory: an array that is too short is found."""
    program = SANITIZED.replace(
        "import conftest\n",
        "import conftest\n"
        "from memcell_compiler.runtime import function, unroll\n"
        "right = function.run_forward\n"
        "def wrong(call, tensors, lease):\n"
        "    tensors = [t.detach().clone() for t in tensors]\n"
        f"    {change}\n"
        "    return right(call, [t.clone() for t in tensors], lease)\n"
        "function.run_forward = unroll.run_forward = wrong\n",
    )
    done = sanitized(program, environment, "rnn", "none")
    assert done.returncode != 0
    assert said in done.stderr, done.stderr[-3000:]


UPDATE = textwrap.dedent(
    """
    import sys
    import pytest
    from memcell_compiler.build import compiler, unit
    compiler._SECONDS = compiler._LEAST_SECONDS = 800
    compiler.FLAGS = unit.FLAGS = (
        *(f for f in compiler.FLAGS if not f.startswith("-O")), "-O1", "-g",
        "-fsanitize=address,undefined", "-fno-sanitize-recover=all",
        *(["-shared-libasan"] if "clang" in compiler.find_compiler().version else []),
    )
    if len(sys.argv) > 2:
        import torch
        from memcell_compiler.runtime import readout
        weights = readout.ReadoutWeights(torch.ones(2, 32), torch.ones(2), None)
        hidden, one = torch.ones(64, 32), torch.ones(64, 1)
        loss = readout.NativeReadout(torch.float32).run(hidden, hidden, weights, one.long(), one, None)
        loss._readout.rows = 128
        loss.backward(1.0)
    here = sys.argv[1]
    which = "logits or target or frozen or norm_is or steps_are"
    tests = [f"{here}/test_readout.py", f"{here}/../test_direct.py"]
    raise SystemExit(pytest.main(["-q", "-n", "0", "-p", "no:cacheprovider", "-k", which, *tests]))
    """
)


@pytest.mark.slow
def test_the_ends_of_an_update_are_clean(environment):
    done = sanitized(UPDATE, environment)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    assert " passed" in done.stdout


@pytest.mark.slow
def test_an_update_that_reads_past_an_end_is_found(environment):
    done = sanitized(UPDATE, environment, "past the end")
    assert done.returncode != 0
    assert "heap-buffer-overflow" in done.stderr
