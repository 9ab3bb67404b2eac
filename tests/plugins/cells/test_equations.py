"""Each cell against its paper's equations, written again with numpy, lane by lane."""

import numpy as np
import pytest
import torch

from memcell_plugins import memcell_cells

SPECS = {spec.name: spec for spec in memcell_cells()}
T, B, INPUTS, H = 6, 3, 2, 4


def sigma(x):
    return 1 / (1 + np.exp(-x))


def g(x):
    return 4 * sigma(x) - 2


def half(x):
    return 2 * sigma(x) - 1


def rnn(w, xs):
    h = np.zeros(H)
    for x in xs:
        h = np.tanh(w["weight_input"] @ x + w["weight_recurrent"] @ h + w["bias"])
        yield h


def lstm(w, xs, peep=False):
    h, c = np.zeros(H), np.zeros(H)
    wi, wf, wg, wo = w["weight_input"].reshape(4, H, INPUTS)
    ui, uf, ug, uo = w["weight_recurrent"].reshape(4, H, H)
    bi, bf, bg, bo = w["bias"].reshape(4, H)
    pi = w["peep_input"] if peep else 0
    pf = w["peep_forget"] if peep else 0
    po = w["peep_output"] if peep else 0
    for x in xs:
        i = sigma(wi @ x + ui @ h + pi * c + bi)
        f = sigma(wf @ x + uf @ h + pf * c + bf)
        c = f * c + i * np.tanh(wg @ x + ug @ h + bg)
        o = sigma(wo @ x + uo @ h + po * c + bo)
        h = o * np.tanh(c)
        yield h


def peephole(w, xs):
    return lstm(w, xs, peep=True)


def cifg(w, xs):
    h, c = np.zeros(H), np.zeros(H)
    wf, wg, wo = w["weight_input"].reshape(3, H, INPUTS)
    uf, ug, uo = w["weight_recurrent"].reshape(3, H, H)
    bf, bg, bo = w["bias"].reshape(3, H)
    for x in xs:
        f = sigma(wf @ x + uf @ h + bf)
        i = 1 - f
        c = f * c + i * np.tanh(wg @ x + ug @ h + bg)
        h = sigma(wo @ x + uo @ h + bo) * np.tanh(c)
        yield h


def gru(w, xs):
    h = np.zeros(H)
    wr, wz, wn = w["weight_input"].reshape(3, H, INPUTS)
    ur, uz, un = w["weight_recurrent"].reshape(3, H, H)
    br, bz, bn = w["bias"].reshape(3, H)
    for x in xs:
        r = sigma(wr @ x + ur @ h + br)
        z = sigma(wz @ x + uz @ h + bz)
        n = np.tanh(wn @ x + bn + r * (un @ h + w["bias_reset"]))
        h = (1 - z) * n + z * h
        yield h


def cec(w, xs, out=lambda s: s):
    s, h = np.zeros(H), np.zeros(H)
    for x in xs:
        s = s + g(w["weight_input"] @ x + w["weight_recurrent"] @ h + w["bias"])
        h = out(s)
        yield h


def lstm97(w, xs, size=1, gate_recurrence=True, into=g, out=half, biases=True):
    """Unit by unit and gate by gate, as the paper indexes them."""
    blocks = H // size
    s, h, y_in, y_out = np.zeros(H), np.zeros(H), np.zeros(blocks), np.zeros(blocks)
    for x in xs:
        seen = np.concatenate([h, y_in, y_out])

        def net(row, bias, x=x, h=h, seen=seen):
            total = w["weight_input"][row] @ x + w["weight_recurrent"][row] @ h + bias
            if gate_recurrence:
                total += w["weight_gates"][row] @ seen[H:]
            return total

        b_c = w["bias_cell"] if biases else np.zeros(H)
        b_g = w["bias_gates"] if biases else np.zeros(2 * blocks)
        y_in = np.array([sigma(net(H + j, b_g[j])) for j in range(blocks)])
        y_out = np.array([sigma(net(H + blocks + j, b_g[blocks + j])) for j in range(blocks)])
        new_s, new_h = s.copy(), h.copy()
        for cell in range(H):
            block = cell % blocks
            new_s[cell] = s[cell] + y_in[block] * into(net(cell, b_c[cell]))
            new_h[cell] = y_out[block] * out(new_s[cell])
        s, h = new_s, new_h
        yield h


CASES = [
    ("rnn", {}, rnn),
    ("lstm", {}, lstm),
    ("peephole", {}, peephole),
    ("cifg", {}, cifg),
    ("gru", {}, gru),
    ("cec", {}, cec),
    ("cec", {"squash_output": "scaled_sigmoid"}, lambda w, xs: cec(w, xs, half)),
    ("lstm97", {}, lstm97),
    ("lstm97", {"block_size": 2}, lambda w, xs: lstm97(w, xs, size=2)),
    ("lstm97", {"gate_recurrence": False}, lambda w, xs: lstm97(w, xs, gate_recurrence=False)),
    (
        "lstm97",
        {"squash_input": "sigmoid", "squash_output": "identity"},
        lambda w, xs: lstm97(w, xs, into=sigma, out=lambda s: s),
    ),
    ("lstm97", {"bias": False, "gate_bias": False}, lambda w, xs: lstm97(w, xs, biases=False)),
]


@pytest.mark.parametrize(("name", "options", "oracle"), CASES)
def test_cell_computes_its_equations(build, fill, run, name, options, oracle):
    cell = fill(build(SPECS[name], INPUTS, H, **options).double(), seed=4, scale=0.8)
    x = torch.randn(T, B, INPUTS, generator=torch.Generator().manual_seed(5)).double()
    outputs = run(cell, x).outputs.detach().numpy()
    weights = {n: p.detach().numpy() for n, p in cell.named_parameters()}
    for lane in range(B):
        expected = np.array(list(oracle(weights, x[:, lane].numpy())))
        np.testing.assert_allclose(outputs[:, lane], expected, rtol=0, atol=1e-13)


TORCH = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU, "rnn": torch.nn.RNN}


@pytest.mark.parametrize("name", TORCH)
def test_torch_form_is_torchs_own(build, fill, run, name):
    cell = fill(build(SPECS[name], INPUTS, H).double(), seed=6)
    own = TORCH[name](INPUTS, H).double()
    form = cell.torch_form()
    assert form.name == {"lstm": "lstm", "gru": "gru", "rnn": "rnn_tanh"}[name]
    theirs = (own.weight_ih_l0, own.weight_hh_l0, own.bias_ih_l0, own.bias_hh_l0)
    with torch.no_grad():
        for mine, its in zip(form.weights, theirs, strict=True):
            its.copy_(mine)
    x = torch.randn(T, B, INPUTS, generator=torch.Generator().manual_seed(7)).double()
    start = cell.state_type(*(torch.randn(B, H).double() for _ in cell.state_spec))
    first = tuple(part.unsqueeze(0) for part in start)
    expected, last = own(x, first if name == "lstm" else first[0])
    ran = run(cell, x, state=start)
    torch.testing.assert_close(ran.outputs, expected, rtol=0, atol=1e-12)
    for mine, its in zip(ran.state, last if name == "lstm" else (last,), strict=True):
        torch.testing.assert_close(mine, its[0], rtol=0, atol=1e-12)
    # and its gradients
    ran.outputs.square().sum().backward()
    expected.square().sum().backward()
    torch.testing.assert_close(
        cell.weight_recurrent.grad, own.weight_hh_l0.grad, rtol=0, atol=1e-11
    )
    torch.testing.assert_close(cell.weight_input.grad, own.weight_ih_l0.grad, rtol=0, atol=1e-11)


@pytest.mark.parametrize("name", sorted(set(SPECS) - set(TORCH)))
def test_other_cells_claim_no_torch_form(build, name):
    assert build(SPECS[name], INPUTS, H).torch_form() is None


@pytest.mark.parametrize(("name", "block"), [("lstm", 1), ("peephole", 1), ("cifg", 0)])
def test_forget_bias_starts_in_the_forget_gate_alone(build, name, block):
    cell = build(SPECS[name], INPUTS, H, forget_bias=2.5)
    cell.reset_parameters({"input": lambda w: None, "recurrent": lambda w: None})
    blocks = cell.bias.detach().view(-1, H)
    assert (blocks[block] == 2.5).all()
    assert blocks.sum() == 2.5 * H
