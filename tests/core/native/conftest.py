"""A cache folder of the session's own, and one comparison that all tests of correctness use."""

from __future__ import annotations

import copy
import ctypes
import os
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from memcell.backends import StepMasks
from memcell.backends.eager import unroll_eager
from memcell.plugins import default_registry
from memcell.recurrent.norms import SiteNorms
from memcell.recurrent.state import leaves
from memcell.recurrent.window_call import WindowCall
from memcell_compiler.build import bfloat16, target
from memcell_compiler.build.tables import BFLOAT16_FLAGS, bfloat16_library
from memcell_compiler.runtime.pool import poisoned
from memcell_compiler.runtime.unroll import unroll_native


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory):
    """Nothing compiled before is used, and nothing is left behind."""
    before = os.environ.get("XDG_CACHE_HOME")
    os.environ["XDG_CACHE_HOME"] = str(tmp_path_factory.mktemp("cache"))
    yield
    if before is None:
        del os.environ["XDG_CACHE_HOME"]
    else:
        os.environ["XDG_CACHE_HOME"] = before


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


#: Stands for the tile instructions of AMX.
TILES = Path(__file__).with_name("tiles.h")
EMULATED = ("-mavx512bf16", f'-DMEMCELL_TILES="{TILES}"')
INTEL = ("GenuineIntel", frozenset({"avx512f", "avx512_bf16", "amx_tile", "amx_bf16"}))
ROUNDS = "avx512_bf16" in target.processor()[1] and "avx512" in target.available()


@pytest.fixture
def emulate_amx(monkeypatch):
    """Let this CPU be one with AMX, its tile instructions done by `TILES`; returns what changes how."""

    def emulate(*flags, processor=INTEL, refused=0, broken=-1):
        monkeypatch.setattr(target, "processor", lambda: processor)
        flags = (*EMULATED, *flags)
        monkeypatch.setitem(BFLOAT16_FLAGS, "amx", flags)
        bfloat16._found.cache_clear()  # each test hears what is said once
        if refused or broken >= 0:
            library = bfloat16_library(target.chosen(), "amx", flags)
            ctypes.c_long.in_dll(library, "refused_here").value = refused
            ctypes.c_long.in_dll(library, "broken_tile").value = broken
            changed.append(library)

    changed = []

    if not ROUNDS:
        pytest.skip("this CPU does not round to bfloat16 (avx512_bf16)")
    emulate()
    yield emulate
    bfloat16._found.cache_clear()
    for library in changed:
        ctypes.c_long.in_dll(library, "refused_here").value = 0
        ctypes.c_long.in_dll(library, "broken_tile").value = -1


@pytest.fixture
def multiplied_by(request, monkeypatch):
    """Multiply bfloat16 numbers by ``vdpbf16ps``, or by ``amx``: `TILES`, where the CPU has none."""
    if request.param == "amx" and "amx_bf16" not in target.processor()[1]:
        request.getfixturevalue("emulate_amx")
    elif request.param == "vdpbf16ps":
        maker = ("AuthenticAMD", target.processor()[1] - {"amx_bf16"})
        monkeypatch.setattr(target, "processor", lambda: maker)
    if why := bfloat16.without_bfloat16():
        pytest.skip(why)
    return request.param


@dataclass
class Window:
    steps: int = 9
    lanes: int = 7
    resets: bool = False
    padding: bool = False
    update_statistics: bool = True
    seed: int = 0

    def masks(self):
        g = torch.Generator().manual_seed(self.seed)
        resets = torch.rand(self.steps, self.lanes, generator=g) < 0.15
        valid = torch.ones(self.steps, self.lanes, dtype=torch.bool)
        age = torch.zeros(self.lanes, dtype=torch.int64)
        if self.padding:
            valid[self.steps // 2 :, self.lanes // 2] = False
            valid[self.steps // 3 :, self.lanes - 1] = False
        if self.resets:
            age = torch.arange(self.lanes) % 5
        else:
            resets[:] = False
        return StepMasks.of(resets, valid, age)

    def return_steps(self):
        return (min(4, self.steps), self.steps)


def build_cell(cell, features=3, hidden=4, dtype=torch.float64, **options):
    entry = default_registry().get("cell", cell)
    torch.manual_seed(0)
    made = entry.build(features, hidden, entry.config(options)).to(dtype)
    for p in made.parameters():
        torch.nn.init.normal_(p, std=0.5 if hidden < 20 else hidden**-0.5)
    return made


def build_norms(cell, norm, dtype=torch.float64, **options):
    if norm == "none":
        return SiteNorms(cell.norm_sites, None)
    entry = default_registry().get("normalizer", norm)
    if "batch" in norm:
        options = {"min_lanes": 2, **options}
    config = entry.config(options)
    norms = SiteNorms(cell.norm_sites, lambda width: entry.build(width, config)).to(dtype)
    for p in norms.parameters():
        torch.nn.init.normal_(p, mean=0.5, std=0.2)
    return norms


def run(unroll, cell, norms, window, x_grad=True):
    """Return every number that a window gives: outputs, states, gradients, statistics."""
    saved = copy.deepcopy(norms.state_dict())
    cell.zero_grad()
    norms.zero_grad()
    dtype = next(cell.parameters()).dtype
    g = torch.Generator().manual_seed(5)

    def draw(*shape, scale=1.0):
        values = torch.randn(*shape, generator=g, dtype=torch.float64) * scale
        return values.to(dtype)

    x = draw(window.steps, window.lanes, cell.input_size).requires_grad_(x_grad)
    zero = cell.initial_state(window.lanes, dtype=dtype)
    state, initial_state = (
        type(zero)(*(draw(*t.shape, scale=0.3).requires_grad_() for t in zero)) for _ in range(2)
    )
    out, states = unroll(
        WindowCall(
            cell,
            norms,
            x,
            state,
            initial_state,
            window.masks(),
            window.return_steps(),
            window.update_statistics,
        )
    )
    loss = out.pow(2).sum()
    for k, kept in states.items():
        loss = loss + sum(((e * k).sin()).sum() for e in leaves(kept))
    loss.backward()
    found = {"output": out.detach(), "dx": x.grad}
    for k, kept in states.items():
        found.update({f"state {k}.{i}": e.detach() for i, e in enumerate(leaves(kept))})
    found.update({f"d state {i}": t.grad for i, t in enumerate(state)})
    found.update({f"d initial state {i}": t.grad for i, t in enumerate(initial_state)})
    for owner in (cell, norms):
        found.update({f"d {n}": p.grad for n, p in owner.named_parameters()})
        found.update({n: b.clone() for n, b in owner.named_buffers()})
    norms.load_state_dict(saved)  # folding has changed it; the next run begins from the same
    return found


def worst(wanted, got):
    """Return (name, relative error) of what differs most; a missing gradient is one of zeros."""
    found = ("", 0.0)
    for name, a in wanted.items():
        b = got[name]
        if a is None and b is None:
            continue
        a, b = (torch.zeros_like(u) if t is None else t for t, u in ((a, b), (b, a)))
        a, b = a.double(), b.double()
        error = float((a - b).abs().max() / a.abs().max().clamp(min=1e-6)) if a.numel() else 0.0
        if not error <= found[1]:
            found = (name, error)
    return found


def same_bits(a, b):
    if a is None or b is None:
        return a is b
    return a.numpy().tobytes() == b.numpy().tobytes()


class Agreement:
    """Says how a window differs between the two unrolls, whatever buffers held before."""

    Window = Window
    cell = staticmethod(build_cell)
    norms = staticmethod(build_norms)
    run = staticmethod(run)

    def difference(self, cell, norms, window, limit=1e-10, threads=1, x_grad=True):
        """Return what differs and by how much; empty where generated code equals the eager loop."""
        wanted = run(unroll_eager, cell, norms, window, x_grad)
        torch.set_num_threads(threads)
        found = []
        for poison in (float("nan"), 1e9):  # in whatever nobody has written yet
            with poisoned(poison):
                found.append(run(unroll_native, cell, norms, window, x_grad))
        torch.set_num_threads(1)
        got, again = found
        for name, a in got.items():
            if not same_bits(a, again[name]):
                return f"{name} depends on what was in memory before"
        name, error = worst(wanted, got)
        return "" if error < limit else f"{name} differs by {error:.1e}"


@pytest.fixture
def agree():
    """``assert not agree.difference(cell, norms, window)``: generated code equals the eager loop."""
    return Agreement()
