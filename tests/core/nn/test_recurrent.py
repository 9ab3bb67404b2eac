"""The layer `memcell.nn.Recurrent`: beside torch's own, with carried memory, and what it refuses."""

from __future__ import annotations

import copy
import io
import pickle
import warnings
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_sequence, pad_packed_sequence

from memcell.nn import Recurrent, RecurrentState
from memcell.plugins import default_registry
from memcell.recurrent.cell import Cell
from memcell.recurrent.state import leaves

CELLS = [entry.spec.name for entry in default_registry().entries("cell") if entry.built_in]
NORMALIZERS = [e.spec.name for e in default_registry().entries("normalizer") if e.built_in]
T, B, F, H = 7, 3, 4, 5


@pytest.fixture(autouse=True)
def seed():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def same(a, b, **tolerance):
    torch.testing.assert_close(list(leaves(a)), list(leaves(b)), **tolerance)


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("theirs", [nn.LSTM, nn.GRU, nn.RNN])
def test_torch_layers_give_the_same(theirs, batch_first):
    layer = theirs(F, H, num_layers=2, batch_first=batch_first).double()
    ours = Recurrent.from_torch(layer)
    x = torch.randn(*((B, T, F) if batch_first else (T, B, F)), dtype=torch.float64)
    wanted, last = layer(x)
    got, state = ours(x)
    torch.testing.assert_close(got, wanted, rtol=1e-12, atol=1e-12)
    h = torch.stack([layer.h for layer in state.layers])
    torch.testing.assert_close(h, last[0] if theirs is nn.LSTM else last, rtol=1e-12, atol=1e-12)
    back, _ = ours.to_torch()(x)
    torch.testing.assert_close(back, wanted, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("theirs", [nn.LSTM, nn.GRU, nn.RNN])
def test_torch_layers_give_the_same_gradients(theirs):
    layer = theirs(F, H).double()
    ours = Recurrent.from_torch(layer)
    x = torch.randn(T, B, F, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(T, B, H, dtype=torch.float64)
    wanted = torch.autograd.grad((layer(x)[0] * weight).sum(), [x, layer.weight_hh_l0])
    cell = ours.stack.each[0].cell
    got = torch.autograd.grad((ours(x)[0] * weight).sum(), [x, cell.weight_recurrent])
    torch.testing.assert_close(got, wanted, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("normalizer", [None, *NORMALIZERS])
@pytest.mark.parametrize("cell", CELLS)
def test_two_windows_are_one(cell, normalizer):
    options = {"min_lanes": 2} if normalizer and "batch" in normalizer else {}
    rnn = (
        Recurrent(cell, F, H, 2, normalizer=normalizer, normalizer_options=options).double().eval()
    )
    x = torch.randn(T, B, F, dtype=torch.float64)
    whole, after = rnn(x)
    first, state = rnn(x[:3])
    second, state = rnn(x[3:], state)
    torch.testing.assert_close(torch.cat([first, second]), whole)
    same(state, after)
    assert state.age.tolist() == [T] * B


def test_gradient_flows_through_the_state_until_it_is_detached():
    rnn = Recurrent("lstm", F, H).double()
    x = torch.randn(T, B, F, dtype=torch.float64, requires_grad=True)
    _, state = rnn(x)
    y, _ = rnn(x.detach(), state)
    (through,) = torch.autograd.grad(y.sum(), x)
    assert through.abs().sum() > 0
    y, _ = rnn(x.detach(), state.detach())
    assert torch.autograd.grad(y.sum(), x, allow_unused=True) == (None,)


def test_reset_lane_forgets_what_came_before():
    rnn = Recurrent("gru", F, H, 2)
    x = torch.randn(T, B, F)
    resets = torch.zeros(T, B, dtype=torch.bool)
    resets[4, 1] = True
    y, state = rnn(x, resets=resets)
    alone, _ = rnn(x[4:, 1:2])
    torch.testing.assert_close(y[4:, 1:2], alone)
    assert state.age.tolist() == [T, T - 4, T]
    torch.testing.assert_close(y[:, 0], rnn(x)[0][:, 0])


def test_padding_changes_no_memory():
    rnn = Recurrent("lstm", F, H)
    x = torch.randn(T, B, F)
    mask = torch.ones(T, B, dtype=torch.bool)
    mask[5:, 2] = False
    _, state = rnn(x, mask=mask)
    _, short = rnn(x[:5])
    same(state.lanes(2).layers, short.lanes(2).layers)
    assert state.age.tolist() == [T, T, 5]


@pytest.mark.parametrize("batch_first", [False, True])
def test_packed_sequences_are_as_in_torch(batch_first):
    layer = nn.LSTM(F, H, batch_first=batch_first).double()
    rnn = Recurrent.from_torch(layer)
    sequences = [torch.randn(n, F, dtype=torch.float64) for n in (2, 6, 4)]
    packed = pack_sequence(sequences, enforce_sorted=False)
    wanted, (h, c) = layer(packed)
    got, state = rnn(packed)
    torch.testing.assert_close(pad_packed_sequence(got)[0], pad_packed_sequence(wanted)[0])
    torch.testing.assert_close(state.layers[0].h, h[0])
    torch.testing.assert_close(state.layers[0].c, c[0])


def test_one_sequence_needs_no_batch():
    rnn = Recurrent("lstm", F, H)
    x = torch.randn(T, F)
    y, state = rnn(x, resets=torch.zeros(T, dtype=torch.bool))
    torch.testing.assert_close(y, rnn(x[:, None])[0][:, 0])
    assert state.batch_size == 1


def test_first_means_batch_first_in_the_masks_too():
    rnn = Recurrent("lstm", F, H)
    other = Recurrent("lstm", F, H, batch_first=True)
    other.load_state_dict(rnn.state_dict())
    x, resets = torch.randn(T, B, F), torch.rand(T, B) > 0.7
    wanted, _ = rnn(x, resets=resets)
    got, _ = other(x.transpose(0, 1), resets=resets.T)
    torch.testing.assert_close(got, wanted.transpose(0, 1))


def test_state_is_saved_copied_and_put_together(tmp_path):
    rnn = Recurrent("peephole", F, H, 2)
    _, state = rnn(torch.randn(T, B, F))
    state = state.detach()
    torch.save(state, tmp_path / "state.pt")
    same(torch.load(tmp_path / "state.pt", weights_only=False), state)
    same(pickle.loads(pickle.dumps(state)), state)
    same(RecurrentState.cat([state.lanes(slice(0, 1)), state.lanes([1, 2])]), state)
    same(state.lanes(-1), state.lanes([2]))
    assert state.to(torch.float64).layers[0].h.dtype == torch.float64
    assert state.to(torch.float64).age.dtype == torch.int64
    doubled = torch.utils._pytree.tree_map(lambda t: t * 2, state)
    assert isinstance(doubled, RecurrentState)
    torch.testing.assert_close(doubled.layers[1].c, state.layers[1].c * 2)


def test_state_is_saved_as_plain_tensors(tmp_path):
    from safetensors.torch import load_file, save_file

    rnn = Recurrent("lstm", F, H, 2)
    _, state = rnn(torch.randn(T, B, F))
    tensors = state.detach().to_dict()
    assert sorted(tensors) == ["0.c", "0.h", "1.c", "1.h", "age"]
    save_file(tensors, tmp_path / "state.safetensors")
    again = rnn.state_from_dict(load_file(tmp_path / "state.safetensors"))
    assert isinstance(again.layers[0], type(state.layers[0]))
    same(again, state, rtol=0, atol=0)
    with pytest.raises(ValueError, match=r"has tensors 0\.c, .*; expected 0\.h, age"):
        Recurrent("gru", F, H).state_from_dict(tensors)
    with pytest.raises(ValueError, match=r"another layer: parts of shapes"):
        Recurrent("lstm", F, H + 1, 2).state_from_dict(tensors)


def test_states_after_the_steps_that_were_asked_for():
    rnn = Recurrent("lstm", F, H, 2)
    x = torch.randn(T, B, F)
    _, state = rnn(x)
    _, states = rnn(x[:5], state.detach(), return_steps=(0, 2, 5))
    same(states[0], state)
    same(states[2], rnn(x[:2], state.detach())[1])
    same(states[5], rnn(x[:5], state.detach())[1])
    mask = torch.ones(5, B, dtype=torch.bool)
    mask[1:, 0] = False
    _, states = rnn(x[:5], state, mask=mask, return_steps=(2, 5))
    assert states[2].age.tolist() == [T + 1, T + 2, T + 2]
    assert states[5].age.tolist() == [T + 1, T + 5, T + 5]


def test_lanes_without_memory_begin_as_they_are_told():
    rnn = Recurrent("lstm", F, H, 2)
    x = torch.randn(T, B, F)
    learned = rnn.initial_state(B)
    learned = learned._replace(layers=tuple(type(s)(*(t + 0.5 for t in s)) for s in learned.layers))
    learned.layers[0].h.requires_grad_()
    resets = torch.zeros(T, B, dtype=torch.bool)
    resets[3, 1] = True
    y, state = rnn(x, resets=resets, initial=learned)
    alone, _ = rnn(x[3:], learned)
    torch.testing.assert_close(y[:, 0], rnn(x, learned)[0][:, 0])
    torch.testing.assert_close(y[3:, 1], alone[:, 1])
    assert state.age.tolist() == [T, T - 3, T]
    (gradient,) = torch.autograd.grad(y[3:, 1].sum(), learned.layers[0].h)
    assert gradient[1].abs().sum() > 0 == gradient[0].abs().sum()


@pytest.mark.parametrize("batch_first", [False, True])
def test_padding_is_not_read(batch_first):
    rnn = Recurrent("lstm", F, H, batch_first=batch_first)
    mask = torch.ones(T, B, dtype=torch.bool)
    mask[5:, 2] = False
    x = torch.randn(T, B, F).masked_fill(~mask[..., None], float("nan"))
    if batch_first:
        x, mask = x.transpose(0, 1), mask.T
    y, state = rnn(x, mask=mask)
    y[mask].sum().backward()
    tensors = [*leaves(state.layers), *(p.grad for p in rnn.parameters())]
    assert all(t.isfinite().all() for t in tensors)


def test_one_window_leaves_nothing_behind_for_the_next():
    """What is kept between windows of one size is read only, in whichever mode it was made."""
    rnn = Recurrent("gru", F, H, 2)
    x = torch.randn(T, B, F)
    with torch.inference_mode():
        rnn(x)
    y, state = rnn(x)
    y.sum().backward()
    for part in leaves(state.detach()):
        part.fill_(7)
    rnn(x[:0])[1].layers[0].h.fill_(7)
    torch.testing.assert_close(rnn(x)[0], y, rtol=0, atol=0)
    rnn.initial_state(B).layers[0].h.fill_(7)
    torch.testing.assert_close(rnn(x)[0], y, rtol=0, atol=0)
    torch.testing.assert_close(rnn.double()(x.double())[0].float(), y)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
@pytest.mark.parametrize("normalizer", [None, "layer"])
def test_layer_is_copied_and_pickled(copied, normalizer):
    rnn = Recurrent("cifg", F, H, normalizer=normalizer)
    x = torch.randn(T, B, F)
    torch.testing.assert_close(copied(rnn)(x)[0], rnn(x)[0])


def test_layer_is_saved_by_its_state_dict():
    rnn, other = Recurrent("lstm", F, H), Recurrent("lstm", F, H)
    buffer = io.BytesIO()
    torch.save(rnn.state_dict(), buffer)
    buffer.seek(0)
    other.load_state_dict(torch.load(buffer))
    x = torch.randn(T, B, F)
    torch.testing.assert_close(other(x)[0], rnn(x)[0], rtol=0, atol=0)


def test_functional_call_takes_other_weights():
    rnn = Recurrent("lstm", F, H)
    x = torch.randn(T, B, F)
    zeros = {name: torch.zeros_like(p) for name, p in rnn.named_parameters()}
    y, _ = torch.func.functional_call(rnn, zeros, (x,))
    assert not y.any()
    assert rnn(x)[0].any()


def test_checkpointing_gives_the_same_gradients():
    from torch.utils.checkpoint import checkpoint

    rnn = Recurrent("lstm", F, H).double()
    x = torch.randn(T, B, F, dtype=torch.float64, requires_grad=True)
    (wanted,) = torch.autograd.grad(rnn(x)[0].sum(), x)
    (got,) = torch.autograd.grad(checkpoint(lambda v: rnn(v)[0], x, use_reentrant=False).sum(), x)
    torch.testing.assert_close(got, wanted)


def test_autocast_runs():
    rnn = Recurrent("lstm", F, H)
    x = torch.randn(T, B, F)
    with torch.autocast("cpu", torch.bfloat16):
        y, _ = rnn(x)
    torch.testing.assert_close(y.float(), rnn(x)[0], rtol=0.05, atol=0.05)


def test_second_derivatives_fall_to_the_eager_loop():
    rnn = Recurrent("lstm", F, H).double()
    x = torch.randn(2, 1, F, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(lambda v: rnn(v)[0], (x,))


def test_dropout_comes_from_the_global_generator():
    rnn = Recurrent("lstm", F, H, 2, dropout=0.5)
    x = torch.randn(T, B, F)
    torch.manual_seed(1)
    first, _ = rnn(x)
    torch.manual_seed(1)
    again, _ = rnn(x)
    other, _ = rnn(x)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(rnn.eval()(x)[0], rnn(x)[0])


def test_plain_training_loop_learns():
    """The previous input's sign: what one step alone cannot say."""
    rnn, readout = Recurrent("lstm", 1, 16, normalizer="layer"), nn.Linear(16, 1)
    optimizer = torch.optim.Adam([*rnn.parameters(), *readout.parameters()], lr=0.02)
    state, losses = None, []
    for _ in range(60):
        x = torch.randn(20, 8, 1)
        y, state = rnn(x, state)
        state = state.detach()
        target = (x[:-1] > 0).float()
        loss = nn.functional.binary_cross_entropy_with_logits(readout(y)[1:], target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.3 < losses[0]


class LeakyState(NamedTuple):
    h: torch.Tensor


class Leaky(Cell):
    state_type = LeakyState

    def __init__(self, input_size, hidden_size, rate=0.9):
        super().__init__(input_size, hidden_size)
        self.weight = nn.Parameter(torch.zeros(hidden_size, input_size))
        self.rate = rate

    @property
    def state_spec(self):
        return {"h": (self.hidden_size,)}

    def project(self, x):
        return nn.functional.linear(x, self.weight)

    def step(self, p, state, norm):
        h = self.rate * state.h + (1 - self.rate) * torch.tanh(p)
        return h, LeakyState(h)

    def reset_parameters(self, initialize):
        initialize["input"](self.weight)


def test_own_class_of_cells():
    rnn = Recurrent(Leaky, F, H, 2, cell_options={"rate": 0.5})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        y, state = rnn(torch.randn(T, B, F))
    y.sum().backward()
    assert state.layers[1].h.shape == (B, H)
    checked = rnn.stack.each[0].first_window
    assert checked is None, "its first window was compared with the eager loop"


@pytest.mark.filterwarnings("ignore")  # torch calls its own recording deprecated
def test_recorded_layer_computes_with_what_it_is_given():
    rnn = Recurrent("gru", F, H, 2).eval()
    recorded = torch.jit.trace(rnn, torch.randn(T, B, F))
    x = torch.randn(T, B, F)
    torch.testing.assert_close(recorded(x)[0], rnn(x)[0])


def test_sizes_may_be_numpys():
    assert Recurrent("gru", np.int64(F), np.int32(H)).hidden_size == H


def test_own_cell():
    cell = Leaky(F, H)
    rnn = Recurrent(cell, F, H)
    assert rnn.stack.each[0].cell is cell


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Recurrent("lstmm", F, H), r"lstmm.*lstm"),
        (lambda: Recurrent("lstm", F, H, normalizer="lyer"), r"lyer.*layer"),
        (lambda: Recurrent("lstm", 0, H), r"input_size=0; expected a whole number from 1"),
        (lambda: Recurrent("lstm", F, 2.5), r"hidden_size=2.5"),
        (lambda: Recurrent("lstm", F, H, dropout=1.0), r"dropout=1.0; expected a share"),
        (lambda: Recurrent("lstm", F, H, dropout="half"), r"dropout=.half.; expected a share"),
        (lambda: Recurrent("lstm", F, H, backend="cuda"), r"backend='cuda'; expected one of auto"),
        (lambda: Recurrent("lstm", F, H, bidirectional=True), r"x\.flip\(0\)"),
        (lambda: Recurrent("lstm", F, H, proj_size=3), r"proj_size=3; .*write an nn\.Linear"),
        (lambda: Recurrent("lstm", F, H, bias=False), r"bias=False"),
        (lambda: Recurrent("lstm", F, H, cell_options={"forget": 1}), r"forget.*forget_bias"),
        (lambda: Recurrent(Leaky(F, H), F, H + 1), r"the cell takes 4 features and has 5 units"),
        (lambda: Recurrent(Leaky(F, H), F, H, 2), r"is one layer"),
        (
            lambda: Recurrent(Leaky, F, H, cell_options={"rte": 0.5}),
            r"'rte'; .*cell_options={'config'",
        ),
        (lambda: Recurrent(7, F, H), r"cell is 7; expected a name"),
        (lambda: Recurrent.from_torch(nn.RNN(F, H, nonlinearity="relu")), r"RNN_RELU.*with tanh"),
        (lambda: Recurrent.from_torch(nn.LSTM(F, H, bidirectional=True)), r"bidirectional=True"),
        (lambda: Recurrent("peephole", F, H).to_torch(), r"none of torch's own layers"),
        (lambda: Recurrent("lstm", F, H, normalizer="layer").to_torch(), r"LSTM with a normalizer"),
    ],
)
def test_what_cannot_be_made_is_said(make, words):
    with pytest.raises(Exception, match=words) as raised:
        make()
    assert "\n" not in str(raised.value)


STATE = Recurrent("lstm", F, H).initial_state(B)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda rnn, x: rnn(x[..., :3]), r"x has 3 features a step; expected 4 \(\[T, B, I\]\)"),
        (lambda rnn, x: rnn(x[None]), r"x has shape \[1, 7, 3, 4\]; expected \[T, B, I\]"),
        (lambda rnn, x: rnn(x.double()), r"x is torch\.float64, the layer torch\.float32"),
        (lambda rnn, x: rnn(x.to("meta")), r"x is on meta, the layer on cpu"),
        (lambda rnn, x: rnn(x, STATE.lanes([0, 1])), r"state has 2 lanes, x has 3"),
        (lambda rnn, x: rnn(x, STATE.layers), r"state is a tuple; expected the state"),
        (
            lambda rnn, x: rnn(x, Recurrent("gru", F, H).initial_state(B)),
            r"state is of another layer",
        ),
        (
            lambda rnn, x: rnn(x, Recurrent("lstm", F, H, 2).initial_state(B)),
            r"another layer: 2 layers, expected 1",
        ),
        (
            lambda rnn, x: rnn(x, resets=torch.zeros(T, dtype=torch.bool)),
            r"resets is .* expected .*\[7, 3\]",
        ),
        (lambda rnn, x: rnn(x, mask=torch.ones(T, B)), r"mask is torch\.float32"),
        (
            lambda rnn, x: rnn(x, mask=torch.ones(B, T, dtype=torch.bool)),
            r"shape \[3, 7\]; expected",
        ),
        (lambda rnn, x: rnn(x.numpy()), r"x is a ndarray; expected a tensor"),
        (lambda rnn, x: rnn(x.long()), r"x is torch\.int64, the layer torch\.float32"),
        (lambda rnn, x: rnn(x, resets=[True]), r"resets is a list; expected torch\.bool"),
        (
            lambda rnn, x: rnn(x[:, 0], resets=torch.zeros(3, dtype=torch.bool)),
            r"resets is torch\.bool of shape \[3\]; expected torch\.bool of shape \[7\]",
        ),
        (
            lambda rnn, x: rnn(x, mask=torch.ones(T, B, dtype=torch.bool, device="meta")),
            r"mask is on meta, x on cpu: mask\.to\(x\.device\)",
        ),
        (
            lambda rnn, x: rnn(x, STATE.to(torch.float64)),
            r"state is torch\.float64, x torch\.float32: state\.to\(torch\.float32\)",
        ),
        (
            lambda rnn, x: rnn(x, STATE.to("meta")),
            r"state is on meta, x on cpu: state\.to\('cpu'\)",
        ),
        (
            lambda rnn, x: rnn(x, STATE._replace(age=STATE.age.float())),
            r"state\.age is torch\.float32 of shape \[3\]; expected torch\.int64 of shape \[3\]",
        ),
        (lambda rnn, x: rnn(x, initial=STATE.lanes(0)), r"initial has 1 lanes, x has 3"),
        (lambda rnn, x: rnn(x, return_steps=(8,)), r"return_steps holds 8; expected .* to 7"),
        (
            lambda rnn, x: rnn(x.index_fill(1, torch.tensor(2), float("nan"))),
            r"x is nan at step 0, lane 2, feature 0; expected finite numbers: .*mask=",
        ),
        (lambda rnn, x: rnn(x / 0), r"x is -?inf at step 0"),
    ],
)
def test_what_does_not_fit_is_said(call, words):
    rnn = Recurrent("lstm", F, H)
    with pytest.raises(ValueError, match=words) as raised:
        call(rnn, torch.randn(T, B, F))
    assert "\n" not in str(raised.value)


def test_layer_is_found_from_memcell_alone():
    import memcell

    assert memcell.nn.Recurrent is Recurrent
    assert "nn" in dir(memcell)
