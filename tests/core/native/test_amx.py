"""Kernels of AMX: right for every size, and used only where they are permitted and give the right products.

Where the CPU has no such instructions tiles.h stands for them: it does what Intel's manual says of each, and
ends the process where one would fault. test_bfloat16.py runs whole cells in the same way.
"""

from __future__ import annotations

import ctypes
import subprocess
import warnings
from pathlib import Path

import pytest
import torch

from memcell.nn import Recurrent
from memcell_compiler.build import bfloat16, target
from memcell_compiler.build.bfloat16 import bfloat16_here
from memcell_compiler.build.compiler import find_compiler
from memcell_compiler.build.tables import BFLOAT16_FLAGS, bfloat16_library, bfloat16_source
from memcell_compiler.c import source_file

HERE = Path(__file__).parent
AMD = ("AuthenticAMD", frozenset({"avx512f", "avx512_bf16", "amx_tile", "amx_bf16"}))
SANITIZED = (
    "-O1",
    "-g",
    "-std=gnu11",
    "-w",
    "-fsanitize=address,undefined",
    "-fno-sanitize-recover=all",
)


@pytest.mark.slow
def test_every_size_is_right(tmp_path, request):
    """Whole tiles and what is left of them, packing, sums of parts; nothing beside a result is written."""
    if "amx_bf16" not in target.processor()[1]:
        request.getfixturevalue("emulate_amx")
    flags = (*target.TARGETS["avx512"].flags, *BFLOAT16_FLAGS["amx"], "-DMEMCELL_TILES_ARE_USED")
    (tmp_path / "base.h").write_text(source_file("base.h"))
    unit, program = tmp_path / "products.c", tmp_path / "products"
    unit.write_text(bfloat16_source("amx") + (HERE / "products.c").read_text())
    command = [*find_compiler().command, *SANITIZED, *flags, unit, "-o", program, "-lm"]
    subprocess.run(command, check=True, timeout=300)
    done = subprocess.run([program], capture_output=True, text=True, timeout=300)
    assert "500 products, 0 wrong" in done.stdout, done.stdout + done.stderr
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_they_are_compiled_and_say_whether_there_are_tiles():
    """As they are, with the real instructions; a CPU without them is told so before one is run."""
    if "avx512" not in target.available():
        pytest.skip("this CPU has no AVX-512")
    library = bfloat16_library(target.TARGETS["avx512"], "amx", BFLOAT16_FLAGS["amx"])
    library.tiles_refused.restype = ctypes.c_long
    refused = library.tiles_refused()
    assert refused in range(4)
    if "amx_bf16" not in target.processor()[1]:
        assert refused == 1


@torch.no_grad()
def run(rnn, enabled=True):
    """Return what a layer gives under autocast, where it runs, and what is said."""
    autocast = torch.autocast("cpu", torch.bfloat16, enabled)
    with autocast, warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("default")
        ys = [rnn(torch.ones(6, 40, 5))[0] for _ in range(2)]
        where = rnn.backend
    assert torch.equal(*ys)
    return ys[0], where, [str(w.message) for w in said]


def test_a_cell_runs_through_them_where_they_are(emulate_amx):
    assert bfloat16_here() == ("amx", None)
    rnn = Recurrent("lstm", 5, 36)
    plain = run(rnn, enabled=False)[0]
    y, where, said = run(rnn)
    assert where == "as generated C, its products in bfloat16"
    assert not said
    emulate_amx(processor=(AMD[0], AMD[1] - {"amx_bf16"}))
    assert bfloat16_here() == ("vdpbf16ps", None)
    other, _, _ = run(Recurrent.from_torch(rnn.to_torch()))
    assert not torch.equal(y, plain)
    assert (y - other).abs().max() < 1e-3  # they round the same factors
    assert (y - plain).abs().max() < 1e-2


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"refused": 3}, "the system refuses this process the tiles of AMX"),
        ({"refused": 2}, "the system keeps no tiles of AMX for a process"),
        ({"broken": 3}, "AMX gives wrong products on this CPU"),
        ({"flag": "-mno-such-flag"}, "the kernels of AMX could not be had (the C compiler"),
    ],
    ids=["refused", "not kept", "wrong", "not compiled"],
)
def test_what_is_not_permitted_or_wrong_is_not_used_and_said_once(emulate_amx, fault, words):
    flags = [fault.pop("flag")] if "flag" in fault else []
    emulate_amx(*flags, **fault)
    rnn = Recurrent("lstm", 5, 36)
    plain = run(rnn, enabled=False)[0]
    y, where, said = run(rnn)
    assert torch.equal(y, plain)  # on Intel's cores the other instruction is slower than float32
    (line,) = said
    assert line.startswith("LSTM runs as generated C in float32 (")
    assert words in line
    assert words in where

    emulate_amx(*flags, **fault, processor=AMD)
    y, where, said = run(rnn)
    assert not torch.equal(y, plain)
    assert where == "as generated C, its products in bfloat16"
    (line,) = said
    assert line.startswith("bfloat16 numbers are multiplied by vdpbf16ps: ")
    assert words in line


def test_a_product_that_is_no_number_is_wrong(emulate_amx, monkeypatch):
    monkeypatch.setattr(bfloat16, "largest_error", lambda tables: float("nan"))
    assert "AMX gives wrong products" in str(bfloat16.without_bfloat16())
