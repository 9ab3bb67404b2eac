"""Each cell of the last decade against its paper's equations, written again with numpy, lane by lane."""

import numpy as np
import pytest
import torch

from memcell.errors import ConfigError
from memcell.plugins import default_registry
from memcell_plugins.cells.specs import RECENT

SPECS = {spec.name: spec for spec in RECENT}
T, B, INPUTS, H = 9, 3, 2, 4


def sigma(x):
    return 1 / (1 + np.exp(-x))


def relu(x):
    return np.maximum(x, 0)


def slstm(w, xs, heads=1, forget=sigma):
    """As the paper first writes it: exponentials as they are, without a stabilizer."""
    d = H // heads
    h, c, n = np.zeros(H), np.zeros(H), np.zeros(H)
    wi, wf, wg, wo = w["weight_input"].reshape(4, H, INPUTS)
    r = np.zeros((4, H, H))
    for head in range(heads):
        at = slice(head * d, (head + 1) * d)
        for gate in range(4):
            r[gate, at, at] = w["weight_recurrent"][head, gate * d : (gate + 1) * d]
    bi, bf, bg, bo = w["bias"].reshape(4, H)
    for x in xs:
        i = np.exp(wi @ x + r[0] @ h + bi)
        f = forget(wf @ x + r[1] @ h + bf)
        c = f * c + i * np.tanh(wg @ x + r[2] @ h + bg)
        n = f * n + i
        h = sigma(wo @ x + r[3] @ h + bo) * c / n
        yield h


def mlstm(w, xs, heads=1, forget=sigma):
    d = H // heads
    c, n = np.zeros((heads, d, d)), np.zeros((heads, d))
    for x in xs:
        z = np.concatenate([w["weight_input"] @ x, w["weight_gates"] @ x]) + w["bias"]
        q, k, v, o = z[: 4 * H].reshape(4, H)
        gates = z[4 * H :].reshape(2, heads)
        h = np.zeros(H)
        for a in range(heads):
            at = slice(a * d, (a + 1) * d)
            i, f = np.exp(gates[0, a]), forget(gates[1, a])
            key = k[at] / np.sqrt(d)
            c[a] = f * c[a] + i * np.outer(v[at], key)
            n[a] = f * n[a] + i * key
            h[at] = sigma(o[at]) * (c[a] @ q[at]) / max(abs(n[a] @ q[at]), 1)
        yield h


def positive(x):
    return np.where(x >= 0, x + 0.5, sigma(x))


def mingru(w, xs, g=lambda x: x):
    h = np.zeros(H)
    for x in xs:
        z, n = (w["weight_input"] @ x + w["bias"]).reshape(2, H)
        h = (1 - sigma(z)) * h + sigma(z) * g(n)
        yield h


def minlstm(w, xs, g=lambda x: x):
    h = np.zeros(H)
    for x in xs:
        f, i, n = (w["weight_input"] @ x + w["bias"]).reshape(3, H)
        f, i = sigma(f), sigma(i)
        h = f / (f + i) * h + i / (f + i) * g(n)
        yield h


def lem(w, xs, dt=1.0):
    y, z = np.zeros(H), np.zeros(H)
    w1, w2, wz = w["weight_recurrent"].reshape(3, H, H)
    for x in xs:
        x1, x2, xz, xy = (w["weight_input"] @ x + w["bias"]).reshape(4, H)
        d, e = dt * sigma(w1 @ y + x1), dt * sigma(w2 @ y + x2)
        z = (1 - d) * z + d * np.tanh(wz @ y + xz)
        y = (1 - e) * y + e * np.tanh(w["weight_hidden"] @ z + xy)
        yield y


def cornn(w, xs, dt=0.042, gamma=2.7, epsilon=4.7):
    y, z = np.zeros(H), np.zeros(H)
    for x in xs:
        drive = w["weight_position"] @ y + w["weight_velocity"] @ z + w["weight_input"] @ x
        z = z + dt * (np.tanh(drive + w["bias"]) - gamma * y - epsilon * z)
        y = y + dt * z
        yield y


def indrnn(w, xs, f=relu, bound=1.0):
    u = w["weight_recurrent"]
    u = np.where(u > bound, 2 * bound - u, np.where(u < -bound, -2 * bound - u, u))
    h = np.zeros(H)
    for x in xs:
        h = f(w["weight_input"] @ x + u * h + w["bias"])
        yield h


def ligru(w, xs):
    h = np.zeros(H)
    for x in xs:
        z, n = (w["weight_input"] @ x + w["weight_recurrent"] @ h + w["bias"]).reshape(2, H)
        h = sigma(z) * h + (1 - sigma(z)) * relu(n)
        yield h


def lru(w, xs, units=H, f=lambda x: x):
    turn = np.exp(-np.exp(w["nu"]) + 1j * np.exp(w["theta"]))
    b = w["weight_input"][:units] + 1j * w["weight_input"][units:]
    c = w["weight_output"][:, :units] - 1j * w["weight_output"][:, units:]
    s = np.zeros(units, complex)
    for x in xs:
        s = turn * s + np.exp(w["log_gamma"]) * (b @ x)
        yield f((c @ s).real + w["weight_skip"] @ x)


CASES = [
    ("slstm", {}, slstm),
    ("slstm", {"heads": 2}, lambda w, xs: slstm(w, xs, 2)),
    ("slstm", {"forget_gate": "exp"}, lambda w, xs: slstm(w, xs, forget=np.exp)),
    ("mlstm", {}, mlstm),
    ("mlstm", {"heads": 2}, lambda w, xs: mlstm(w, xs, 2)),
    ("mlstm", {"heads": 4, "forget_gate": "exp"}, lambda w, xs: mlstm(w, xs, 4, np.exp)),
    ("mingru", {}, mingru),
    ("mingru", {"positive": True}, lambda w, xs: mingru(w, xs, positive)),
    ("minlstm", {}, minlstm),
    ("minlstm", {"positive": True}, lambda w, xs: minlstm(w, xs, positive)),
    ("lem", {}, lem),
    ("lem", {"dt": 0.3}, lambda w, xs: lem(w, xs, 0.3)),
    ("cornn", {}, cornn),
    (
        "cornn",
        {"dt": 0.5, "gamma": 1.5, "epsilon": 0.2},
        lambda w, xs: cornn(w, xs, 0.5, 1.5, 0.2),
    ),
    ("indrnn", {}, indrnn),
    (
        "indrnn",
        {"activation": "tanh", "bound": 0.5},
        lambda w, xs: indrnn(w, xs, np.tanh, 0.5),
    ),
    ("ligru", {}, ligru),
    ("lru", {}, lru),
    ("lru", {"units": 7}, lambda w, xs: lru(w, xs, 7)),
]


@pytest.mark.parametrize(("name", "options", "oracle"), CASES)
def test_cell_computes_its_equations(build, fill, run, name, options, oracle):
    cell = fill(build(SPECS[name], INPUTS, H, **options).double(), seed=4, scale=0.8)
    x = torch.randn(T, B, INPUTS, generator=torch.Generator().manual_seed(5)).double()
    outputs = run(cell, x).outputs.detach().numpy()
    weights = {n: p.detach().numpy() for n, p in cell.named_parameters()}
    for lane in range(B):
        expected = np.array(list(oracle(weights, x[:, lane].numpy())))
        np.testing.assert_allclose(outputs[:, lane], expected, rtol=1e-12, atol=1e-13)


def test_every_cell_has_its_equations():
    assert {name for name, *_ in CASES} == set(SPECS)


def started(build, name, hidden=64, **options):
    cell = build(SPECS[name], INPUTS, hidden, **options)
    cell.reset_parameters(dict.fromkeys(("input", "recurrent"), lambda w: None))
    return cell


def test_lambda_starts_uniform_on_its_ring(build):
    cell = started(build, "lru", 4000, r_min=0.9, r_max=0.99, max_phase=0.5).requires_grad_(False)
    modulus, phase = torch.exp(-torch.exp(cell.nu)), torch.exp(cell.theta)
    assert modulus.min() >= 0.9 - 1e-6
    assert modulus.max() <= 0.99 + 1e-6
    # uniform over the ring's area: half of it lies beyond the root of the mean square
    middle = (modulus.square() > (0.9**2 + 0.99**2) / 2).double().mean()
    assert abs(float(middle) - 0.5) < 0.04
    assert phase.max() <= 0.5
    assert abs(float(phase.mean()) - 0.25) < 0.02
    torch.testing.assert_close(cell.log_gamma.exp(), torch.sqrt(1 - modulus.square()))


def test_weights_of_units_that_see_themselves_start_within_the_bound(build):
    weight = started(build, "indrnn", start_low=0.5).weight_recurrent
    assert 0.5 <= weight.min() < 0.6
    assert 0.9 < weight.max() <= 1


def test_a_weight_beyond_its_bound_is_led_back(build):
    cell = started(build, "indrnn")
    with torch.no_grad():
        cell.weight_recurrent.fill_(1.25)
    state = cell.state_type(torch.ones(1, 64))
    output, _ = cell.step(torch.zeros(1, 64), state, lambda site, z: z)
    assert (output == 0.75).all()
    (-output.sum()).backward()  # what wants larger outputs makes the weight smaller
    assert (cell.weight_recurrent.grad > 0).all()


@pytest.mark.parametrize("name", ["slstm", "mlstm"])
def test_forget_gates_start_spread_and_alone(build, name):
    cell = started(build, name, heads=4, forget_bias=(3.0, 6.0))
    rows = {"slstm": slice(64, 128), "mlstm": slice(-4, None)}[name]
    found = cell.bias[rows]
    assert found[0] == 3
    assert found[-1] == 6
    assert (found.diff() > 0).all()
    assert cell.bias.count_nonzero() == len(found)


@pytest.mark.parametrize("name", ["slstm", "mlstm"])
def test_large_gates_overflow_nowhere(build, fill, run, name):
    cell = fill(build(SPECS[name], INPUTS, H), scale=0.5)
    ran = run(cell, 300 * torch.randn(50, B, INPUTS))
    assert ran.outputs.isfinite().all()
    ran.outputs.sum().backward()
    assert all(p.grad.isfinite().all() for p in cell.parameters())


REFUSED = [
    ("slstm", {"heads": 4}, "4 heads do not divide a hidden_size of 6; take heads = 1, 2, 3 or 6"),
    ("mlstm", {"heads": 4}, "or a hidden_size of 8"),
    ("slstm", {"forget_bias": (1.0, 2.0, 3.0)}, "forget_bias has 3 numbers; give one"),
    ("lru", {"r_min": 0.9, "r_max": 0.5}, "r_min 0.9 is above r_max 0.5"),
    ("indrnn", {"start_low": 1.5}, "start_low is 1.5; expected -1 to 1"),
    ("cornn", {"dt": 1.0}, "dt 1 is too long for gamma 2.7 and epsilon 4.7"),
    ("lem", {"dt": 2.0}, "dt"),
]


@pytest.mark.parametrize(("name", "options", "words"), REFUSED)
def test_what_does_not_go_together_is_refused(name, options, words):
    entry = default_registry().get("cell", name)
    with pytest.raises(ConfigError, match=words):
        entry.build(INPUTS, 6, entry.config(options))
