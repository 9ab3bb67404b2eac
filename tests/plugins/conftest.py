"""What the tests of the built-in plugins share: parts by spec, and a loop written by hand."""

from importlib import import_module
from typing import Any, NamedTuple

import pytest
import torch

from memcell.plugins.registry import NoOptions


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


def _imported(reference: str) -> Any:
    module, _, attribute = reference.partition(":")
    return getattr(import_module(module), attribute)


def _config(spec, **options):
    return (_imported(spec.config) if spec.config else NoOptions)(**options)


def _build(spec, *args, **options):
    return _imported(spec.factory)(*args, _config(spec, **options))


@pytest.fixture(scope="session")
def config():
    """``config(spec, **options)``."""
    return _config


@pytest.fixture(scope="session")
def build():
    """``build(spec, *args, **options)``: what the engine does with a spec."""
    return _build


def _fill(module, seed=0, scale=0.5):
    """Give every parameter random values, so that no zero hides a mistake."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            values = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
            parameter.copy_(values * scale)
    return module


@pytest.fixture
def fill():
    """``fill(module, seed=0, scale=.5)``."""
    return _fill


class NetworkOutput(NamedTuple):
    outputs: torch.Tensor
    state: Any
    statistics: dict
    windows: dict


def _run(cell, x, norms=None, ages=None, valid=None, update_statistics=True, state=None):
    """The plainest loop there is: ``norms`` is a site's normalizer by name."""
    steps, lanes = x.shape[:2]
    norms = norms or {}
    ages = torch.arange(steps).unsqueeze(1).expand(steps, lanes) if ages is None else ages
    valid = torch.ones(steps, lanes, dtype=torch.bool) if valid is None else valid
    windows = {site: norm.window(ages, valid, update_statistics) for site, norm in norms.items()}
    statistics = {site: [] for site in norms}
    state = cell.initial_state(lanes, dtype=x.dtype) if state is None else state
    outputs = []
    for t, p in enumerate(cell.project(x).unbind(0)):

        def norm(site, z, t=t):
            assert z.shape == (lanes, cell.norm_sites[site])
            if site not in norms:
                return z
            window = windows[site]
            inputs = tuple(i[t] for i in window.inputs)
            z, aux = norms[site].normalize(z, window.mode, inputs)
            statistics[site].append(aux)
            return z

        output, state = cell.step(p, state, norm)
        outputs.append(output)
    stacked = {
        site: tuple(torch.stack([s.detach() for s in column]) for column in zip(*aux, strict=True))
        for site, aux in statistics.items()
    }
    return NetworkOutput(torch.stack(outputs), state, stacked, windows)


@pytest.fixture
def run():
    """``run(cell, x, norms, ages, valid, update_statistics, state)``."""
    return _run
