"""Cells of other distributions: their first window is checked, and their masks come from the seed."""

from __future__ import annotations

import dataclasses
import json
import random
import re
import sys
import textwrap
import warnings
from contextlib import contextmanager

import numpy as np
import pytest
import torch

from memcell.backends import BackendWarning, Layer, StepMasks, Stepper
from memcell.interrupt import Interrupted
from memcell.plugins import Registry, default_registry
from memcell.plugins.loader import Loaded
from memcell.plugins.specs import CellSpec
from memcell.runs.model import ModelFacts, load_model, save_model
from memcell.runs.setup import make_trainer
from memcell.settings.run_config import Choice
from memcell.testing import concerns
from memcell.testing.cells import CELL_CHECKS, SLOW_CHECKS
from memcell.testing.cells.drawing import project_draws_from_its_generator
from memcell.testing.cells.time import project_treats_each_step_alike
from memcell.testing.failure import CheckFailed
from memcell_compiler.runtime import plan, programs
from stopping import StopAfter

CELLS = '''
from typing import NamedTuple
import random
import numpy
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from memcell.recurrent import Cell

class State(NamedTuple):
    h: Tensor

class Plain(Cell):
    """h = tanh(W x + U h)."""
    state_type = State
    rate = 0.5
    def __init__(self, input_size, hidden_size, config=None):
        super().__init__(input_size, hidden_size)
        self.w = nn.Parameter(torch.zeros(hidden_size, input_size))
        self.u = nn.Parameter(torch.zeros(hidden_size, hidden_size))
    @property
    def state_spec(self):
        return {"h": (self.hidden_size,)}
    def project(self, x):
        return F.linear(x, self.w)
    def step(self, p, state, norm):
        h = torch.tanh(p + F.linear(state.h, self.u))
        return h, State(h)
    def reset_parameters(self, initialize):
        initialize["input"](self.w)
        initialize["recurrent"](self.u)

class Zoneout(Plain):
    """Keeps each unit at what it was with probability `rate` (Krueger et al. 2017)."""
    def project(self, x, generator=None):
        shape = (*x.shape[:2], self.hidden_size)
        if generator is None:
            held = torch.full(shape, self.rate, dtype=x.dtype, device=x.device)
        else:
            held = (torch.rand(shape, generator=generator) < self.rate).to(x)
        return F.linear(x, self.w), held
    def step(self, p, state, norm):
        p, held = p
        h = held * state.h + (1 - held) * torch.tanh(p + F.linear(state.h, self.u))
        return h, State(h)

class Long(Plain):
    """Takes the mean over time away, where a window is long."""
    def project(self, x):
        return F.linear(x - x.mean(0) if len(x) > LIMIT else x, self.w)

class Global(Plain):
    """Draws its mask from a global generator."""
    def project(self, x):
        return F.linear(x, self.w) * draw(x)

LIMIT = 8
def draw(x):
    return (torch.rand(*x.shape[:2], 1) > 0.2).to(x)
'''
NAMES = ("plain", "zoneout", "long", "global")


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    """The module of a package that is not memcell's."""
    folder = tmp_path_factory.mktemp("odd")
    (folder / "memcell_odd.py").write_text(textwrap.dedent(CELLS))
    sys.path.insert(0, str(folder))
    import memcell_odd

    yield memcell_odd
    sys.path.remove(str(folder))
    del sys.modules["memcell_odd"]


@pytest.fixture
def registry(cells, monkeypatch):
    """What is installed, with the package's cells."""
    installed = default_registry()
    loaded = [
        Loaded(spec=e.spec, distribution=e.distribution, version=e.version)
        for e in installed.entries()
    ]
    for name in NAMES:
        spec = CellSpec(name=name, factory=f"memcell_odd:{name.capitalize()}", summary=name)
        loaded.append(Loaded(spec=spec, distribution="memcell-odd", version="0.3"))
    return Registry(loaded)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Nothing:
    """An app without options."""


class Plain(torch.nn.Identity):
    output_size = 3


class App:
    def encoder(self, n_features):
        return Plain()


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    """Nothing compiled before is used, and nothing is left behind."""
    monkeypatch.setenv(
        "XDG_CACHE_HOME", str(CACHE.setdefault("at", tmp_path_factory.mktemp("cache")))
    )


CACHE: dict[str, object] = {}


@pytest.fixture
def make(make_config, toy_task, tmp_path, registry):
    def make(cell, where="run", resume=False, checked=True, training=None, **how):
        config = make_config(training=training, **how)
        choice = Choice(name=cell, config=registry.get("cell", cell).config({}))
        config = dataclasses.replace(
            config, choices={**config.choices, "cell": choice}, app_config=Nothing()
        )
        path = tmp_path / where
        trainer = make_trainer(config, registry, App(), toy_task, path, torch.device("cpu"), resume)
        if not checked:
            trainer.run_eagerly("")
        trainer.said = []
        trainer.say = trainer.said.append
        trainer.run_config = config
        return trainer

    return make


def ways_of(trainer):
    return {layer.eager_because != "" for layer in trainer.network.recurrent.each}


def files(trainer):
    return trainer.folder.metrics.read_bytes()


def weights(trainer):
    return {k: v.clone() for k, v in trainer.network.state_dict().items()}


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def trained(trainer):
    trainer.train()
    return files(trainer), weights(trainer)


def equal(a, b):
    return a[0] == b[0] and same(a[1], b[1])


def alike(a, b):
    """Whether two runs are one to rounding: readout, loss and Adam in C beside torch's."""
    for key, value in a[1].items():
        torch.testing.assert_close(value, b[1][key], rtol=1e-4, atol=1e-6)
    lines = [[json.loads(line) for line in found[0].splitlines()] for found in (a, b)]
    assert len(lines[0]) == len(lines[1])
    for one, other in zip(*lines, strict=True):
        assert one == pytest.approx(other, rel=1e-4)
    return True


@contextmanager
def quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def trained_quietly(trainer):
    with quiet():
        return trained(trainer)


AUTO = {"backend": "auto"}


def test_a_project_that_depends_on_the_window_ends_on_the_eager_loop(make):
    trainer = make("long", training=AUTO)
    with pytest.warns(BackendWarning, match=r"cell 'long' of memcell-odd 0\.3 .*differs by"):
        found = trained(trainer)
    assert ways_of(trainer) == {True}
    assert "did not agree with the eager loop" in trainer.network.recurrent.runs
    eager = make("long", "eager", training={"backend": "eager"})
    assert alike(found, trained(eager))


def test_windows_within_its_limit_are_fine(make, cells, monkeypatch):
    monkeypatch.setattr(cells, "LIMIT", 10_000)
    trainer = make("long", training={**AUTO, "epochs": 1})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        trainer.train()
    assert ways_of(trainer) == {False}
    (line,) = trainer.said
    assert "cell 'long' of memcell-odd 0.3" in line
    assert " s)" in line


@pytest.mark.parametrize(
    ("program", "right", "wrong"),
    [
        ("forward", r"tanh", "sin"),
        ("backward", r"\(e0 \+ e1\)", "(e0 - e1)"),
        ("backward", r"w->resets && ", "0 && "),
        ("inference", r"tanh", "sin"),
    ],
)
def test_a_miscompiled_program_is_caught(make, monkeypatch, program, right, wrong):
    """A wrong expression in the C of one of the programs: its verification or the first window sees it."""
    written = programs.write

    def miscompiled(made, timed=False):
        found = written(made, timed)
        if made.name != program:
            return found
        source = re.sub(right, wrong, found.source)
        assert source != found.source
        return dataclasses.replace(found, source=source)

    monkeypatch.setattr(programs, "write", miscompiled)
    monkeypatch.setattr(plan, "stored_key", lambda *_: None)
    trainer = make("plain", training=AUTO)
    with pytest.warns(BackendWarning, match="memcell-odd|did not pass verification"):
        found = trained(trainer)
    assert alike(found, trained(make("plain", "eager", training={"backend": "eager"})))


@pytest.mark.parametrize(
    "how",
    [
        {"cell": "plain"},
        {"cell": "zoneout", "network": {"layers": 2, "dropout": 0.3}},
        {"cell": "zoneout", "policy": ("carry_p", {"p": 0.4})},
        {"cell": "plain", "sampler": "curriculum", "policy": "reset"},
    ],
    ids=str,
)
def test_the_check_touches_nothing(make, how):
    """Metrics and weights have the same bytes with and without it."""
    with_check = make(training=AUTO, where="with", **how)
    without = make(training=AUTO, where="without", checked=False, **how)
    assert equal(trained(with_check), trained(without))
    assert len(with_check.said) == 1
    assert not without.said


def test_statistics_of_normalizers_are_not_touched(make, registry, monkeypatch):
    """A built-in cell with foreign statistics: what was folded in is the run's alone."""
    how = {"cell": "gru", "normalizer": ("batch", {"min_lanes": 2}), "policy": "carry"}
    monkeypatch.setattr("memcell.plugins.Entry.built_in", False)
    found = make(training=AUTO, where="with", **how)
    assert equal(trained(found), trained(make(training=AUTO, where="out", checked=False, **how)))
    assert "gru" in found.said[0]
    assert "with normalizer 'batch'" in found.said[0]


@pytest.mark.parametrize("cell", ["long", "zoneout", "plain"])
def test_a_resumed_run_takes_the_same_way(make, monkeypatch, cell):
    whole = trained_quietly(make(cell, "whole", training=AUTO))
    for stop in (1, 5):
        first = make(cell, f"stopped-{stop}", training=AUTO)
        with pytest.raises(Interrupted), quiet():
            first.train(StopAfter(stop))
        with monkeypatch.context() as never:
            never.setattr("memcell.backends.first_window.FirstWindow.agrees", None)
            again = make(cell, f"stopped-{stop}", resume=True, training=AUTO)
            assert ways_of(again) == {cell == "long"}
            assert equal(trained(again), whole)


def test_other_tools_are_checked_again(make, monkeypatch):
    first = make("plain", training=AUTO)
    with pytest.raises(Interrupted):
        first.train(StopAfter(1))
    monkeypatch.setattr("memcell.training.resuming.generated_by", lambda: "another compiler")
    again = make("plain", resume=True, training=AUTO)
    again.train()
    assert len(again.said) == 1


def test_a_trained_network_predicts_in_the_way_it_was_trained(make, registry):
    trainer = make("long", training=AUTO)
    trained_quietly(trainer)
    facts = ModelFacts(
        n_features=3,
        n_classes=2,
        eval_policy="carry",
        decisions={"carry": {}, "reset": {}},
        task={},
        notes=(),
    )
    save_model(trainer.folder, trainer.network, facts)
    network, _ = load_model(trainer.folder, trainer.run_config, registry, App())
    assert ["on the eager loop" in layer.runs for layer in network.recurrent.each] == [True]
    stepper = Stepper(network.recurrent.each[0])
    assert "did not agree" in stepper.reason


def test_cells_of_memcell_are_not_checked(make):
    assert make("gru", training=AUTO).first_window is None


def global_states():
    return torch.get_rng_state(), repr(np.random.get_state()), random.getstate()  # noqa: NPY002


def test_masks_come_from_the_seed_and_leave_the_global_generators_alone(make):
    before = global_states()
    first = trained(make("zoneout", "first", training=AUTO))
    after = global_states()
    assert torch.equal(before[0], after[0])
    assert before[1:] == after[1:]
    torch.manual_seed(99)
    assert equal(trained(make("zoneout", "second", training=AUTO)), first)
    other = trained(make("zoneout", "other", training={**AUTO, "seed": 5}))
    assert not same(other[1], first[1])


def test_masks_are_new_at_each_update_and_the_same_for_every_policy(make, cells, monkeypatch):
    """Also beside a policy that draws, and on the eager loop."""
    seen = {}
    project = cells.Zoneout.project

    def recorded(self, x, generator=None):
        found = project(self, x, generator)
        if generator is not None:
            seen[name].append(found[1].detach().clone())
        return found

    monkeypatch.setattr(cells.Zoneout, "project", recorded)
    kinds = {
        "carry": {},
        "carry_p": {"policy": ("carry_p", {"p": 0.4})},
        "eager": {"training": {"backend": "eager", "epochs": 1}},
        "artbp": {"training": {"backend": "eager", "gradient": "artbp", "epochs": 1}},
    }
    for name, how in kinds.items():
        seen[name] = []
        make("zoneout", name, checked=False, **{"training": {**AUTO, "epochs": 1}, **how}).train()
    assert len(seen["carry"]) > 3
    assert not torch.equal(seen["carry"][0], seen["carry"][1])
    for name in ("carry_p", "eager"):
        assert all(torch.equal(a, b) for a, b in zip(seen["carry"], seen[name], strict=True)), name
    assert seen["artbp"]


def test_masks_run_natively_and_inference_draws_nothing(cells):
    torch.manual_seed(0)
    cell = cells.Zoneout(3, 4).double()
    for p in cell.parameters():
        torch.nn.init.normal_(p, std=0.5)
    x = torch.randn(9, 5, 3, dtype=torch.float64)
    no = torch.zeros(9, 5, dtype=torch.bool)
    masks = StepMasks.of(no, ~no, torch.zeros(5, dtype=torch.int64))
    state = cell.initial_state(5, dtype=torch.float64)

    def run(way, seed=None):
        generator = None if seed is None else torch.Generator().manual_seed(seed)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            layer = Layer(cell, None, way)
            return layer(x, state, state, masks, (9,), False, generator).outputs

    for seed in (None, 1, 2):
        assert torch.allclose(run("native", seed), run("eager", seed), rtol=1e-10, atol=1e-12)
    assert not torch.allclose(run("native", 1), run("native", 2))
    assert torch.equal(run("native"), run("native"))
    stepper = Stepper(Layer(cell, None, "native"), lanes=5)
    assert stepper.reason == ""
    stepped = torch.stack([stepper.step(row).clone() for row in x])
    assert torch.allclose(stepped, run("native"), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("source", ["torch", "numpy", "random", "unseeded"])
def test_drawing_from_elsewhere_is_refused_by_the_checks(cells, monkeypatch, source):
    draws = {
        "torch": lambda x: torch.rand(*x.shape[:2], 1).to(x),
        "numpy": lambda x: float(np.random.rand()),  # noqa: NPY002
        "random": lambda x: random.random(),
        "unseeded": lambda x: float(np.random.default_rng().random()),
    }
    monkeypatch.setattr(cells, "draw", draws[source])
    before = global_states()
    with pytest.raises(CheckFailed, match="generator=None"):
        project_draws_from_its_generator(cells.Global)
    assert torch.equal(before[0], torch.get_rng_state())
    assert before[1:] == global_states()[1:]


@pytest.mark.parametrize("limit", [1, 20, 50, 64, 127, 500, 2000])
def test_a_project_that_knows_the_length_is_refused_by_the_checks(cells, monkeypatch, limit):
    monkeypatch.setattr(cells, "LIMIT", limit)
    with pytest.raises(CheckFailed, match=r"in a window of \d+ steps it differs"):
        project_treats_each_step_alike(cells.Long)


def test_a_cell_with_masks_passes_every_check(cells):
    for check in CELL_CHECKS:
        if check not in SLOW_CHECKS:
            check(cells.Zoneout)


def test_what_a_cell_does_not_keep_is_said_before_it_trains(make, registry):
    def said(cell):
        return concerns(make(cell, f"said-{cell}", training=AUTO).run_config, registry)

    assert said("gru") == said("zoneout") == said("plain") == []
    (line,) = said("global")
    assert "cell 'global' of memcell-odd 0.3" in line
    assert "project to leave the global random numbers alone" in line
    (line,) = said("long")
    assert "memcell plugins long --check" in line
