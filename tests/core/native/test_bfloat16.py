"""Generated code that multiplies bfloat16 numbers: right, repeatable, and only where it was asked for."""

from __future__ import annotations

import copy
import warnings

import pytest
import torch
from torch import nn

from memcell.backends import Layer, Stepper
from memcell.backends.backend import BackendWarning
from memcell.backends.eager import unroll_eager
from memcell.nn import Recurrent
from memcell.plugins import default_registry
from memcell_compiler.build import bfloat16, target
from memcell_compiler.build.kernels import kernels
from memcell_compiler.build.packed import PackedProduct
from memcell_compiler.runtime.pool import poisoned
from memcell_compiler.runtime.products import products_for
from memcell_compiler.runtime.unroll import unroll_native
from memcell_plugins.cells.ligru import LiGRU

fast = pytest.mark.skipif(
    bfloat16.without_bfloat16() is not None, reason=f"{bfloat16.without_bfloat16()}"
)
both = pytest.mark.parametrize("multiplied_by", ["vdpbf16ps", "amx"], indirect=True)
CELLS = default_registry().names("cell")
NORMS = default_registry().names("normalizer")
FAST = {("lstm", "none"), ("gru", "layer")}
PAIRS = [
    pytest.param(c, n, marks=() if (c, n) in FAST else pytest.mark.slow)
    for c in CELLS
    for n in (NORMS if c in ("lstm", "gru") else ("none",))
]


def autocast(enabled=True):
    return torch.autocast("cpu", torch.bfloat16, enabled=enabled)


def mixed(unroll):
    def run(call):
        with autocast():
            return unroll(call)

    return run


def error(wanted, got):
    """Return the largest relative error of outputs, states and gradients, each by its norm."""
    errors = []
    for name, a in wanted.items():
        b = got[name]
        if a is not None and b is not None and a.is_floating_point() and a.numel():
            errors.append(float((a.double() - b.double()).norm() / (a.double().norm() + 1e-9)))
    return max(errors)


def same(a, b):
    return all((x is None and b[name] is None) or torch.equal(x, b[name]) for name, x in a.items())


@both
@pytest.mark.parametrize("transposed_left", [False, True])
@pytest.mark.parametrize(
    "shape", [(1, 1, 1), (5, 33, 17), (33, 64, 260), (70, 301, 48), (3, 4501, 5)]
)
def test_products_are_those_of_rounded_factors(multiplied_by, shape, transposed_left):
    rows, inner, columns = shape
    g = torch.Generator().manual_seed(0)
    left, right = torch.randn(rows, inner, generator=g), torch.randn(inner, columns, generator=g)
    wanted = left.bfloat16().double() @ right.bfloat16().double()
    given = left.t().contiguous() if transposed_left else left
    tables = kernels(torch.float32, target.chosen(), torch.bfloat16)
    product = PackedProduct(given, right, tables, transposed_left)
    product()
    torch.testing.assert_close(product.out.double(), wanted, rtol=1e-5, atol=1e-4)


@both
@pytest.mark.parametrize(("cell", "norm"), PAIRS)
def test_errors_are_no_larger_than_those_of_torchs_autocast(agree, multiplied_by, cell, norm):
    """Against the loop in float64; torch's autocast rounds the products themselves to bfloat16 as well."""
    made = agree.cell(cell, features=5, hidden=24, dtype=torch.float32)
    norms = agree.norms(made, norm, dtype=torch.float32)
    oracle = copy.deepcopy(made).double(), copy.deepcopy(norms).double()
    mixes = "batch" in norm  # few lanes of an age make what divides by their spread rough
    for window in (
        agree.Window(steps=20, lanes=33, resets=not mixes, padding=not mixes),
        agree.Window(steps=1, lanes=33 if mixes else 1),
    ):
        wanted = agree.run(unroll_eager, *oracle, window)
        eager = agree.run(mixed(unroll_eager), made, norms, window)
        found = []
        for poison, threads in ((float("nan"), 1), (1e9, 1), (float("nan"), 2)):
            torch.set_num_threads(threads)
            with poisoned(poison):
                found.append(agree.run(mixed(unroll_native), made, norms, window))
        one, again, two = found
        assert same(one, again)
        if not mixes:
            assert torch.equal(one["output"], two["output"])
        limit = 1.5 * error(wanted, eager) + 2e-3
        assert error(wanted, one) < limit
        assert error(wanted, two) < limit


@fast
def test_an_lstm_is_no_further_off_than_torchs_in_bfloat16():
    torch.manual_seed(0)
    lstm, x = nn.LSTM(16, 64), torch.randn(60, 32, 16)
    ours = Recurrent.from_torch(lstm)

    def run(module, dtype):
        own = x.to(dtype).requires_grad_()
        y = module(own)[0]
        y.float().pow(2).mean().backward()
        return y.detach().double(), own.grad.double()

    exact = run(copy.deepcopy(lstm).double(), torch.float64)
    theirs = run(copy.deepcopy(lstm).bfloat16(), torch.bfloat16)
    with autocast():
        got = run(ours, torch.float32)
    for wanted, their, our in zip(exact, theirs, got, strict=True):
        assert (our - wanted).norm() < (their - wanted).norm()


@fast
def test_only_what_is_run_under_autocast_is_in_bfloat16():
    rnn = Recurrent("lstm", 5, 16)
    x = torch.randn(7, 3, 5)
    plain, _ = rnn(x)
    with autocast():
        rounded, _ = rnn(x)
        assert rnn.backend == "as generated C, its products in bfloat16"
    assert torch.equal(rnn(x)[0], plain)
    assert 0 < (rounded - plain).abs().max() < 0.02
    with autocast():  # which leaves float64 alone
        assert products_for(torch.float64) is torch.float64


@fast
def test_what_another_layer_gives_in_bfloat16_is_taken():
    rnn, before = Recurrent("gru", 8, 16), nn.Linear(5, 8)
    with autocast():
        hidden = before(torch.randn(7, 3, 5))
        y, state = rnn(hidden)
    assert hidden.dtype == torch.bfloat16
    assert y.dtype == state.layers[0].h.dtype == torch.float32
    y.sum().backward()
    assert before.weight.grad.abs().sum() > 0


@both
@pytest.mark.parametrize("threads", [1, 2])
def test_single_steps_give_the_bits_of_a_window(agree, multiplied_by, threads):
    torch.set_num_threads(threads)
    # so many weights that threads would share the columns of a product
    layer = Layer(agree.cell("lstm", features=21, hidden=112, dtype=torch.float32), None)
    x = torch.randn(6, 1, 21)
    rnn = Recurrent(layer.cell, 21, 112)
    with torch.no_grad(), autocast():
        whole, _ = rnn(x)
        stepper = Stepper(layer)
    assert not stepper.reason
    steps = [stepper.step(x[t]).clone() for t in range(6)]
    assert torch.equal(torch.stack(steps), whole)


@both
def test_a_number_beyond_bfloat16s_range_touches_its_own_lane_alone(multiplied_by):
    rnn = Recurrent("lstm", 3, 8)
    x = torch.zeros(4, 2, 3)
    x[1, 0, 0] = torch.finfo(torch.float32).max  # which rounds to infinity
    with autocast():
        y, state = rnn(x)
    assert torch.isfinite(y[:, 1]).all()  # the other lane
    assert state.age.tolist() == [4, 4]


@fast
@pytest.mark.slow
def test_compiled_by_torch_it_is_the_same():
    rnn = Recurrent("lstm", 5, 16)
    compiled = torch.compile(rnn, backend="aot_eager")
    x = torch.randn(7, 3, 5)
    found = []
    for each in (rnn, compiled):
        rnn.zero_grad()
        with autocast():
            y, _ = each(x)
        y.square().sum().backward()
        found.append((y.detach(), [p.grad.clone() for p in rnn.parameters()]))
    (a, grads), (b, again) = found
    assert torch.equal(a, b)
    assert all(torch.equal(p, q) for p, q in zip(grads, again, strict=True))


class Undecided(LiGRU):
    """Its step asks a number, which generated code does not."""

    def step(self, p_t, state, norm):
        y, state = super().step(p_t, state, norm)
        return (y if float(y.detach().sum()) > -1e9 else -y), state


@fast
def test_a_cell_that_cannot_says_where_it_runs_instead():
    rnn = Recurrent(Undecided(3, 8), 3, 8)
    with autocast(), warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("default", BackendWarning)
        for _ in range(2):
            rnn(torch.randn(7, 3, 3))
        assert "on the eager loop under torch's autocast to bfloat16" in rnn.backend
    (line,) = [str(w.message) for w in said]
    assert line.startswith("Undecided does not run as generated C (")
    assert line.endswith("); it runs on the eager loop under torch's autocast to bfloat16")


@pytest.mark.parametrize(
    ("maker", "instructions", "words"),
    [
        ("AuthenticAMD", "avx512f", "AMD's have them from Zen 4 on"),
        ("GenuineIntel", "avx512_bf16 amx_bf16", "only on AMD's CPUs"),
    ],
)
def test_a_cpu_without_goes_on_in_float32_and_says_so_once(monkeypatch, maker, instructions, words):
    monkeypatch.setattr(target, "processor", lambda: (maker, frozenset(instructions.split())))
    monkeypatch.setattr(target, "available", lambda: ("avx512", "avx2", "baseline"))
    rnn = Recurrent("lstm", 5, 16)
    x = torch.randn(7, 3, 5)
    plain, _ = rnn(x)
    with autocast(), warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("default", BackendWarning)
        for _ in range(2):
            y, _ = rnn(x)
        assert words in rnn.backend
    assert torch.equal(y, plain)
    (line,) = [str(w.message) for w in said]
    assert line.startswith("LSTM runs as generated C in float32 (")
    assert words in line
