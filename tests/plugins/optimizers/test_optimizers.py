import pytest
import torch

from memcell.config import from_mapping
from memcell.errors import ConfigError
from memcell_plugins import memcell_optimizers
from memcell_plugins.optimizers.configs import SGDConfig

SPECS = {spec.name: spec for spec in memcell_optimizers()}


@pytest.mark.parametrize("name", SPECS)
def test_it_goes_downhill_at_the_rate_it_was_given(build, name):
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
