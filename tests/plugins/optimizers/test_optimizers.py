import pytest
import torch

from memcell.errors import ConfigError
from memcell.plugins.options import from_mapping
from memcell_plugins import memcell_optimizers
from memcell_plugins.optimizers.configs import GatedLagsConfig, GatedMemoryConfig, SGDConfig

SPECS = {spec.name: spec for spec in memcell_optimizers()}


@pytest.mark.parametrize("name", SPECS)
def test_optimizer_lowers_the_loss_at_its_learning_rate(build, name):
    weight = torch.nn.Parameter(torch.tensor([3.0, -2.0]))
    rate = 1.0 if name == "adadelta" else 0.05
    optimizer = build(SPECS[name], [weight], rate)
    assert optimizer.param_groups[0]["lr"] == rate
    before = weight.detach().square().sum()
    for _ in range(20):
        optimizer.zero_grad()
        weight.square().sum().backward()
        optimizer.step()
    assert weight.detach().square().sum() < before


OPTIONS = [
    ("adam", {"beta1": 0.8, "beta2": 0.9, "eps": 1e-3, "weight_decay": 0.1}),
    ("adamw", {"beta1": 0.8, "beta2": 0.9, "eps": 1e-3, "weight_decay": 0.1}),
    ("sgd", {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
    ("rmsprop", {"alpha": 0.5, "momentum": 0.9, "eps": 1e-3, "weight_decay": 0.1}),
    ("adadelta", {"rho": 0.5, "eps": 1e-3, "weight_decay": 0.1}),
]


@pytest.mark.parametrize(("name", "options"), OPTIONS)
def test_every_option_arrives(build, config, name, options):
    assert set(options) == set(vars(config(SPECS[name])))
    group = build(SPECS[name], [torch.nn.Parameter(torch.ones(1))], 0.1, **options).param_groups[0]
    if "beta1" in options:
        options = {k: v for k, v in options.items() if not k.startswith("beta")}
        assert group["betas"] == (0.8, 0.9)
    assert {name: group[name] for name in options} == options


def test_sgd_is_heavy_ball(build):
    weight = torch.nn.Parameter(torch.tensor([1.0]).double())
    optimizer = build(SPECS["sgd"], [weight], 0.1, momentum=0.5)
    w, v = 1.0, 0.0
    for _ in range(5):
        optimizer.zero_grad()
        weight.square().sum().backward()
        optimizer.step()
        v = 0.5 * v + 2 * w
        w -= 0.1 * v
    assert weight.item() == pytest.approx(w, abs=1e-15)


def test_nesterov_without_momentum_says_what_to_type():
    with pytest.raises(ConfigError, match=r"momentum 0\.9"):
        from_mapping(SGDConfig, {"nesterov": True})


def _trained(optimizer, weight, steps=6):
    way = [weight.detach().clone()]
    for _ in range(steps):
        optimizer.zero_grad()
        (weight.square() * torch.tensor([1.0, 3.0]).double()).sum().backward()
        optimizer.step()
        way.append(weight.detach().clone())
    return way


def _start():
    return torch.nn.Parameter(torch.tensor([1.0, -2.0]).double())


SLOPE = torch.tensor([2.0, 6.0]).double()


def test_gated_memory_is_its_equation(build):
    weight = _start()
    way = _trained(build(SPECS["gated_memory"], [weight], 0.05, gate=0.7), weight)
    before, now = way[0], way[0]
    for got in way[1:]:
        before, now = now, 0.7 * (now - 0.05 * SLOPE * now) + 0.3 * before
        torch.testing.assert_close(got, now, rtol=1e-12, atol=0)


def test_an_open_gate_is_gradient_descent_and_a_fixed_one_negative_momentum(build):
    first, second = _start(), _start()
    open_gate = _trained(build(SPECS["gated_memory"], [first], 0.05, gate=1.0), first)
    sgd = _trained(build(SPECS["sgd"], [second], 0.05), second)
    torch.testing.assert_close(open_gate[-1], sgd[-1], rtol=1e-12, atol=0)


@pytest.mark.parametrize("mode", ["learned", "per_parameter"])
def test_a_learned_gate_opens_where_that_lowers_the_loss(build, mode):
    """Downhill all the way: the new step is always better than the place before."""
    weight = _start()
    optimizer = build(SPECS["gated_memory"], [weight], 0.01, gate=0.5, mode=mode)
    _trained(optimizer, weight, 30)
    if mode == "learned":
        assert optimizer.param_groups[0]["logit"] > 0
    else:
        assert (optimizer.state[weight]["logit"] > 0).all()


def test_gated_lags_are_their_equation(build):
    weight = _start()
    options = {"mode": "fixed", "last": 0.6, "second": -0.2}
    way = _trained(build(SPECS["gated_lags"], [weight], 0.05, **options), weight)
    now, last, second = way[0], torch.zeros(2).double(), torch.zeros(2).double()
    for got in way[1:]:
        last, second = -0.05 * SLOPE * now + 0.6 * last - 0.2 * second, last
        now = now + last
        torch.testing.assert_close(got, now, rtol=1e-12, atol=0)


def test_gated_lags_are_a_heavy_ball_where_only_the_last_change_counts(build):
    first, second = _start(), _start()
    ours = _trained(build(SPECS["gated_lags"], [first], 0.05, mode="fixed", last=0.7), first)
    ball = _trained(build(SPECS["sgd"], [second], 0.05, momentum=0.7), second)
    torch.testing.assert_close(ours[-1], ball[-1], rtol=1e-12, atol=0)


@pytest.mark.parametrize("mode", ["learned", "per_parameter"])
def test_learned_lag_gates_follow_the_hypergradient(build, mode):
    """A gate's first move has the sign that a difference of losses says, and makes the loss lower."""

    def loss_after(last, rate):
        weight = _start()
        gates = {"mode": "fixed", "last": last}
        way = _trained(build(SPECS["gated_lags"], [weight], rate, **gates), weight, 2)
        return float((way[-1].square() * torch.tensor([1.0, 3.0]).double()).sum())

    for rate in (0.01, 0.3):  # downhill all the way, and to and fro over the valley
        weight = _start()
        optimizer = build(SPECS["gated_lags"], [weight], rate, mode=mode, last=0.2)
        _trained(optimizer, weight, 3)
        ((_, last, _),) = optimizer.gates()
        wanted = loss_after(0.2, rate) - loss_after(0.201, rate)
        assert (last - 0.2) * wanted > 0


def test_gated_lags_go_on_from_their_state(build):
    for mode in ("learned", "per_parameter"):
        one, other = _start(), _start()
        first = build(SPECS["gated_lags"], [one], 0.05, mode=mode)
        _trained(first, one, 4)
        with torch.no_grad():
            other.copy_(one)
        again = build(SPECS["gated_lags"], [other], 0.05, mode=mode)
        again.load_state_dict(first.state_dict())
        assert torch.equal(_trained(first, one)[-1], _trained(again, other)[-1])


def test_gates_that_would_not_fade_are_refused():
    with pytest.raises(ConfigError, match=r"more than \.99 together"):
        from_mapping(GatedLagsConfig, {"last": 0.8, "second": 0.3})
    with pytest.raises(ConfigError, match="take lags 2"):
        from_mapping(GatedLagsConfig, {"second": 0.3, "lags": 1})


def test_one_lag_learns_no_gate_on_the_second(build):
    for mode in ("learned", "per_parameter"):
        optimizer = build(SPECS["gated_lags"], [weight := _start()], 0.05, mode=mode, lags=1)
        _trained(optimizer, weight)
        ((step, last, second),) = optimizer.gates()
        assert second == 0
        assert (step, last) != (1.0, pytest.approx(0.5))


def test_lookahead_is_its_equation(build):
    weight, fast, slow = _start(), _start().detach(), _start().detach()
    way = _trained(build(SPECS["lookahead"], [weight], 0.05, momentum=0.0, k=2, alpha=0.3), weight)
    for step, got in enumerate(way[1:], 1):
        fast = fast - 0.05 * SLOPE * fast
        if step % 2 == 0:
            slow = slow + 0.3 * (fast - slow)
            fast = slow
        torch.testing.assert_close(got, fast, rtol=1e-12, atol=0)


def test_a_uniform_mean_is_the_mean_of_the_way(build):
    weight = _start()
    options = {"inner": "sgd", "kind": "uniform", "start": 2}
    optimizer = build(SPECS["averaged"], [weight], 0.05, **options)
    way = _trained(optimizer, weight)
    optimizer.swap()
    torch.testing.assert_close(weight.detach(), torch.stack(way[3:]).mean(0), rtol=1e-12, atol=0)
    optimizer.swap()
    assert torch.equal(weight.detach(), way[-1])


def test_a_learned_gate_that_cannot_move_is_refused():
    with pytest.raises(ConfigError, match=r"gate 0\.9"):
        from_mapping(GatedMemoryConfig, {"mode": "learned", "gate": 1})
