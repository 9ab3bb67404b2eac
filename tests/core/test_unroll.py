"""The unroll: torch's own kernels, layers, restarts, padding and gradients against a plain oracle."""

from __future__ import annotations

import warnings

import pytest
import torch

from memcell.backends import BackendWarning, Layer, RecurrentStack, StepMasks, Stepper
from memcell.backends.choose import BACKENDS, CHOICES, candidates
from memcell.plugins import default_registry
from memcell.recurrent.cell import identity_norm, torch_form_of
from memcell.recurrent.refusals import Unsupported
from memcell.recurrent.state import leaves, where
from memcell.recurrent.window_call import WindowCall

CELLS = default_registry().names("cell")
NORMS = default_registry().names("normalizer")
T, B, F, H = 9, 5, 3, 4


def build(cell, norm="none", backend="auto", width=F):
    registry = default_registry()
    entry = registry.get("cell", cell)
    torch.manual_seed(0)
    made = entry.build(width, H, entry.config({})).double()
    for p in made.parameters():
        torch.nn.init.normal_(p, std=0.5)
    if norm == "none":
        return Layer(made, None, backend).double()
    n = registry.get("normalizer", norm)
    return Layer(
        made, lambda w: n.build(w, n.config({"min_lanes": 2} if "batch" in norm else {})), backend
    ).double()


def window(seed=0, padding=True, resets=True):
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(T, B, F, generator=g, dtype=torch.float64)
    r = torch.rand(T, B, generator=g) < 0.15 if resets else torch.zeros(T, B, dtype=torch.bool)
    valid = torch.ones(T, B, dtype=torch.bool)
    if padding:
        valid[6:, 1] = False
        valid[3:, 4] = False
    return x, r, valid, torch.tensor([0, 3, 7, 0, 1])


def random_state(layer, seed):
    g = torch.Generator().manual_seed(seed)
    zero = layer.cell.initial_state(B, dtype=torch.float64)
    return type(zero)(*[torch.randn(t.shape, generator=g, dtype=torch.float64) * 0.3 for t in zero])


def oracle(layer, x, state, initial_state, masks):
    """One step and one lane-wise choice at a time, projecting each step by itself."""
    outputs = []
    for t in range(T):
        state = where(masks.resets[t], initial_state, state)
        p = layer.cell.project(x[t : t + 1])
        p = p[0] if isinstance(p, torch.Tensor) else tuple(q[0] for q in p)
        out, after = layer.cell.step(p, state, identity_norm)
        state = where(masks.valid[t], after, state)
        outputs.append(out)
    return torch.stack(outputs), state


@pytest.mark.parametrize("backend", ["auto", "torch", "eager"])
@pytest.mark.parametrize("cell", CELLS)
def test_a_layer_equals_the_oracle_with_every_gradient(cell, backend, monkeypatch):
    layer = build(cell, backend="auto" if backend == "torch" else backend)
    x, resets, valid, age = window()
    masks = StepMasks.of(resets, valid, age)
    results = []
    if backend == "torch" and layer.cell.torch_form() is None:
        pytest.skip("not one of torch's own cells")
    for run in ("layer", "oracle"):
        xi = x.clone().requires_grad_()
        state = random_state(layer, 1)
        initial_state = random_state(layer, 2)
        for t in [*leaves(state), *leaves(initial_state)]:
            t.requires_grad_()
        if run == "layer":
            if backend == "torch":
                monkeypatch.setattr("memcell.backends.torch_kernels.MIN_MEAN_CUT", 0)
                call = WindowCall(
                    layer.cell, layer.norms, xi, state, initial_state, masks, (4, T), True
                )
                out, states = BACKENDS["torch"].run(call)
            else:
                out, states = layer(xi, state, initial_state, masks, (4, T), True)
            end = states[T]
        else:
            out, end = oracle(layer, xi, state, initial_state, masks)
        # padded outputs mean nothing; the loss must not see them
        loss = (out * masks.valid.unsqueeze(-1)).pow(2).sum() + sum(
            e.sin().sum() for e in leaves(end)
        )
        layer.zero_grad()
        loss.backward()
        grads = [p.grad.clone() for p in layer.parameters() if p.grad is not None]
        grads += [t.grad for t in [xi, *leaves(state), *leaves(initial_state)]]
        results.append(([out * masks.valid.unsqueeze(-1), *leaves(end)], grads))
    for got, wanted in zip(*[r[0] + r[1] for r in results], strict=True):
        if got is None or wanted is None:
            assert got is wanted
        else:
            torch.testing.assert_close(got, wanted, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("cell", CELLS)
def test_backends_are_asked_in_turn_and_refusals_said(cell, monkeypatch):
    """Without a compiler a cell runs on torch's own kernel or the eager loop, which is said once."""

    def refuse(*_):
        raise Unsupported("no C compiler was found")

    monkeypatch.setattr("memcell_compiler.backend.NativeBackend.run", refuse)
    layer = build(cell)
    x, resets, valid, age = window(padding=False, resets=False)
    masks = StepMasks.of(resets, valid, age)
    state = random_state(layer, 1)
    own = torch_form_of(layer.cell) is not None
    with pytest.warns(BackendWarning, match="no C compiler") as said:
        out, states = layer(x, state, state, masks, (T,), False)
    assert len(said) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        layer(x, state, state, masks, (T,), False)
    assert ("torch's own" if own else "eager loop") in str(said[0].message)
    wanted, end = build(cell, backend="eager")(x, state, state, masks, (T,), False)
    torch.testing.assert_close(out, wanted, rtol=1e-10, atol=1e-12)
    for a, b in zip(leaves(states[T]), leaves(end[T]), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("what", ["step", "project", "of the instance"])
def test_a_cell_with_a_step_of_its_own_is_none_of_torchs(what):
    """A subclass of the LSTM has its `torch_form` too, which says what the LSTM is."""
    lstm = type(build("lstm").cell)

    def step(self, p, state, norm):
        h, new = lstm.step(self, p, state, norm)
        return 2 * h, new._replace(h=2 * h)

    def project(self, x):
        return 2 * lstm.project(self, x)

    layer = build("lstm", backend="torch")
    assert torch_form_of(layer.cell) is not None
    if what == "of the instance":
        layer.cell.step = step.__get__(layer.cell)
    else:
        own = {"step": step} if what == "step" else {"project": project}
        layer.cell.__class__ = type("Doubled", (lstm,), own)
    assert torch_form_of(layer.cell) is None
    x, resets, valid, age = window(padding=False, resets=False)
    masks = StepMasks.of(resets, valid, age)
    state = random_state(layer, 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BackendWarning)
        out, _ = layer(x, state, state, masks, (T,), False)
    torch.testing.assert_close(out, oracle(layer, x, state, state, masks)[0])


def test_backend_is_described_without_running():
    assert "generated C" in build("lstm").runs
    assert build("lstm", backend="eager").runs == "on the eager loop"
    names = {d: tuple(b.name for b in candidates("auto", d)) for d in ("cpu", "cuda")}
    assert names == {"cpu": ("native", "torch", "eager"), "cuda": ("torch", "inductor", "eager")}
    for choice in CHOICES:
        for device in ("cpu", "cuda"):
            assert candidates(choice, device)[-1] is BACKENDS["eager"]


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("cell", CELLS)
def test_every_cell_runs_with_every_normalizer(cell, norm):
    layer = build(cell, norm)
    x, resets, valid, age = window()
    masks = StepMasks.of(resets, valid, age)
    state = random_state(layer, 1)
    out, _ = layer(x.requires_grad_(), state, state, masks, (T,), True)
    assert out.shape == (T, B, layer.cell.output_size)
    out.sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in layer.parameters() if p.grad is not None)
    layer.eval()
    again, _ = layer(x, state, state, masks, (T,), False)
    assert torch.isfinite(again).all()


def test_a_stack_is_its_layers_one_after_the_other():
    first, second = build("lstm"), build("gru", width=H)
    stack = RecurrentStack([first, second])
    x, resets, valid, age = window()
    masks = StepMasks.of(resets, valid, age)
    state = (random_state(first, 1), random_state(second, 2))
    initial_state = (random_state(first, 3), random_state(second, 4))
    out, states = stack(x, state, initial_state, masks, (0, 4, T))
    h, below = first(x, state[0], initial_state[0], masks, (0, 4, T), False)
    y, above = second(h, state[1], initial_state[1], masks, (0, 4, T), False)
    torch.testing.assert_close(out, y, rtol=0, atol=0)
    for step in (0, 4, T):
        for got, wanted in zip(
            leaves(states[step]), leaves((below[step], above[step])), strict=True
        ):
            torch.testing.assert_close(got, wanted, rtol=0, atol=0)


def test_dropout_comes_from_the_generator_and_only_in_training():
    stack = RecurrentStack([build("rnn"), build("rnn", width=H)], dropout=0.5)
    x, resets, valid, age = window()
    masks = StepMasks.of(resets, valid, age)
    zero = stack.initial_state(B, dtype=torch.float64)

    def run(seed):
        return stack(x, zero, zero, masks, generator=torch.Generator().manual_seed(seed)).outputs

    assert torch.equal(run(1), run(1))
    assert not torch.equal(run(1), run(2))
    stack.eval()
    assert torch.equal(run(1), run(2))


@pytest.mark.parametrize("backend", ["auto", "eager"])
@pytest.mark.parametrize(
    ("cell", "norm"), [("lstm", "none"), ("gru", "layer"), ("lstm97", "batch")]
)
def test_step_by_step_equals_a_window(cell, norm, backend):
    layer = build(cell, norm, backend).eval()
    x, resets, valid, age = window(padding=False, resets=False)
    masks = StepMasks.of(resets, valid, age)
    state = random_state(layer, 1)
    with torch.no_grad():
        wanted, ends = layer(x, state, state, masks, (T,), False)
    # generated C promises the same bits; the eager loop projects a window as one product
    exact = {"rtol": 0, "atol": 0} if backend == "auto" else {"rtol": 1e-12, "atol": 1e-14}
    stepper = Stepper(layer, lanes=B)
    assert bool(stepper.reason) == (backend == "eager")
    stepper.load(state, age)
    for t in range(T):
        torch.testing.assert_close(stepper.step(x[t]), wanted[t], **exact)
    for a, b in zip(leaves(stepper.state), leaves(ends[T]), strict=True):
        torch.testing.assert_close(a, b, **exact)
