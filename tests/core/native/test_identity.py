"""What a step is made of: every edit that may change a trace changes the digest, or there is none."""

from __future__ import annotations

import functools
import importlib.util
import itertools
import os
import socket
import subprocess
import sys
import textwrap

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from memcell.plugins import default_registry
from memcell_compiler.identity import Unknown, identity
from memcell_compiler.trace.step import Step

HELPERS = """
import torch
OFFSET = 0.125
def shifted(z):
    return z + OFFSET
"""
CELL = """
import enum
import functools
import math
from dataclasses import dataclass
from typing import NamedTuple
import torch
from torch import Tensor, nn
from torch.nn import functional as F
import HELPERS as helpers
from memcell.recurrent.cell import Cell

SCALE = 0.5
TABLE = {"squash": lambda z: torch.tanh(z), "plain": lambda z: z}
unused = 1

class Kind(enum.Enum):
    SQUASH = "squash"
    PLAIN = "plain"

@dataclass(frozen=True)
class Settings:
    factor: float = 2.0
    kind: Kind = Kind.SQUASH
    @property
    def twice(self):
        return self.factor * 2
    def idle(self):
        return 1

class State(NamedTuple):
    h: Tensor
    def half(self):
        return self.h * 0.5

def closed(factor):
    return lambda z: z * factor
inner = closed(0.75)
part = functools.partial(torch.clamp, max=3.0)

def mixed(z, weight=0.9, *, other=0.1):
    return z * weight + z * other

class Inner(nn.Module):
    def __init__(self):
        super().__init__()
        self.gain = 1.5
        self.linear = nn.Linear(4, 4)
    def forward(self, z):
        return self.linear(z) * self.gain

class Base(Cell):
    level = 0.25
    def base(self, z):
        return z + self.level

class Edited(Base):
    state_type = State
    def __init__(self):
        super().__init__(3, 4)
        self.u = nn.Parameter(torch.full((4, 4), 0.2))
        self.w = nn.Parameter(torch.full((4, 3), 0.3))
        self.inner = Inner()
        self.settings = Settings()
        self.factors = [1.0, 2.0]
        self.label = "nobody reads this"
    @property
    def state_spec(self):
        return {"h": (4,)}
    def project(self, x):
        return F.linear(x, self.w)
    def step(self, p, state, norm):
        h = self.base(p + F.linear(state.half(), self.u))
        for factor in self.factors:
            h = h * factor
        h = TABLE[self.settings.kind.value](h) * self.settings.twice
        h = mixed(part(inner(h))) * SCALE * math.sqrt(2.0)
        h = helpers.shifted(self.inner(h)).sigmoid()
        return h, State(sum(z * 0.5 for z in (h, h)))
    def reset_parameters(self, initialize):
        print("never in a step")
"""


def load(path, name, source):
    file = path / f"{name}.py"
    file.write_text(textwrap.dedent(source))
    spec = importlib.util.spec_from_file_location(name, file)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def made(tmp_path):
    """Make the cell of an edited source; what was imported is forgotten after the test."""
    names = []

    def make(edit=("", ""), helper_edit=("", ""), also=("", "")):
        assert edit[0] in CELL
        assert helper_edit[0] in HELPERS
        number = len(names)
        names.extend((f"helpers_{number}_", f"cell_{number}_"))
        load(tmp_path, names[-2], HELPERS.replace(*helper_edit))
        source = CELL.replace(*edit).replace(*also).replace("HELPERS", names[-2])
        return load(tmp_path, names[-1], source).Edited()

    yield make
    for name in names:
        sys.modules.pop(name, None)


def of(cell):
    return identity(Step.forward, cell, type(cell.initial_state(2)))


#: Not a name that the digest could see by itself: each is reached through the step only.
EDITS = {
    "a number in the step": ("(h, h))", "(h,))"),
    "an operation": (
        "def step(self, p, state, norm):",
        "def step(self, p, state, norm):\n        p = -p",
    ),
    "a global": ("SCALE = 0.5", "SCALE = 0.6"),
    "a function in a table": ("torch.tanh(z)", "torch.relu(z)"),
    "the key of a table": ('SQUASH = "squash"', 'SQUASH = "plain"'),
    "a setting": ("factor: float = 2.0", "factor: float = 3.0"),
    "a property of the settings": ("self.factor * 2", "self.factor * 3"),
    "a method of the state": ("self.h * 0.5", "self.h * 0.4"),
    "a closure": ("closed(0.75)", "closed(0.85)"),
    "an argument of a partial": ("max=3.0", "max=2.0"),
    "a default": ("weight=0.9", "weight=0.8"),
    "a keyword's default": ("other=0.1", "other=0.2"),
    "a setting of a part": ("self.gain = 1.5", "self.gain = 1.6"),
    "what a part computes": ("self.linear(z) * self.gain", "self.linear(z) + self.gain"),
    "the bias of a part": ("nn.Linear(4, 4)", "nn.Linear(4, 4, bias=False)"),
    "an attribute of a base": ("level = 0.25", "level = 0.35"),
    "a method of a base": ("z + self.level", "z - self.level"),
    "a list on the cell": ("[1.0, 2.0]", "[1.0, 2.5]"),
    "a function of math": ("math.sqrt(2.0)", "math.exp(2.0)"),
    "the inside of a generator": ("z * 0.5 for z", "z * 0.25 for z"),
    "a method of tensors": (".sigmoid()", ".tanh()"),
    "project": ("return F.linear(x, self.w)", "return F.linear(x, self.w) * 2"),
}


@pytest.mark.parametrize("what", EDITS)
def test_an_edit_makes_another(made, what):
    assert of(made(EDITS[what])) != of(made())


def test_another_module_counts_too(made):
    assert of(made(helper_edit=("0.125", "0.25"))) != of(made())


@pytest.mark.parametrize(
    "edit",
    [
        ("unused = 1", "unused = 2"),
        ("nobody reads this", "nobody at all"),
        ("never in a step", "still not in a step"),
        ("return 1", "return 2"),
        ("import enum", "\n\n# further down\nimport enum"),
        ("import enum", "import enum, random, os"),
    ],
)
def test_what_no_step_reaches_does_not_count(made, edit):
    assert of(made(edit)) == of(made())


def change_shape(cell):
    cell.u = nn.Parameter(torch.zeros(4, 5))


def freeze(cell):
    cell.u.requires_grad_(False)


def share(cell):
    cell.inner.linear.weight = cell.u


def replace_setting(cell):
    cell.factors.append(1.0)


def replace_method(cell):
    cell.base = lambda z: z * 3


def evaluate_in_double(cell):
    cell.double()


@pytest.mark.parametrize(
    "change",
    [change_shape, freeze, share, replace_setting, replace_method, evaluate_in_double],
)
def test_a_change_of_the_object_makes_another(made, change):
    cell = made()
    before = of(cell)
    change(cell)
    assert of(cell) != before


def test_the_numbers_of_weights_do_not_count(made):
    cell = made()
    before = of(cell)
    with torch.no_grad():
        cell.u.add_(1)
    assert of(cell) == before


@pytest.mark.parametrize(
    ("owner", "name", "by"),
    [
        (torch, "tanh", torch.sigmoid),
        (torch, "tanh", lambda z: z),
        (F, "linear", lambda x, w, b=None: x),
        (torch.Tensor, "sigmoid", torch.Tensor.tanh),
        (torch.Tensor, "sigmoid", lambda z: z),
        (torch.Tensor, "__mul__", torch.Tensor.__add__),
        (torch.Tensor, "__rmul__", lambda a, b: a),
    ],
)
def test_a_patched_torch_is_seen(made, monkeypatch, owner, name, by):
    cell = made()
    before = of(cell)
    monkeypatch.setattr(owner, name, by)
    assert of(cell) != before


REFUSED = {
    "the clock": ("import time; h = h * time.time()", "import of time"),
    "the clock, renamed": ("from time import time as now; h = h * now()", "time, which may"),
    "random numbers of Python": ("import random; h = h * random.random()", "import of random"),
    "a file": ("h = h * float(open('/proc/uptime').read().split()[0])", "uses open"),
    "numpy": ("import numpy as np; h = h * float(np.sin(1.0))", "import of numpy"),
    "torch's settings": ("h = h * torch.get_num_threads()", "get_num_threads"),
    "torch's seed": ("h = h * torch.initial_seed()", "."),
    "a CUDA query": ("h = h * torch.cuda.device_count()", "."),
    "a library of torch's compiler": ("h = torch.compile(torch.tanh)(h)", "."),
    "eval": ("h = eval('h * 2')", "uses eval"),
    "globals": ("h = h * globals()['SCALE']", "uses globals"),
    "vars": ("h = h * vars(self)['inner'].gain", "uses vars"),
    "an import inside": ("from . import something", "globals or defines"),
    "a module handed around": ("h = (lambda m: m.sqrt(2.0))(math) * h", "module math"),
    "a class defined inside": ("class X:\n            pass", "globals or defines"),
    "a match of attributes": (
        "match self.settings:\n            case Settings(factor=f):\n                h = h * f",
        "globals or defines",
    ),
    "a global written": ("global SCALE; SCALE = SCALE + 1", "globals or defines"),
    "an iterator kept outside": ("h = h * next(COUNT)", "itertools.count"),
    "a cached function": ("h = h * CACHED(1.0)", "lru_cache"),
    "a tensor kept outside": ("h = h * FIXED", "neither parameter"),
    "a generator of torch's": ("h = h + torch.rand(1, generator=GENERATOR)", "Generator"),
    "a method of a C object": ("h = h * SOCKET.fileno()", "."),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_not_understood_has_none(made, what):
    (code, why), line = REFUSED[what], "        h = self.base("
    cell = made((line, f"        h = p\n        {code}\n{line}"))
    outside = vars(sys.modules[type(cell).__module__])
    outside["COUNT"], outside["FIXED"] = itertools.count(), torch.ones(4)
    outside["CACHED"] = functools.lru_cache(lambda z: z)
    outside["GENERATOR"] = torch.Generator()
    with socket.socket() as outside["SOCKET"], pytest.raises(Unknown, match=why):
        of(cell)


def test_a_hook_has_none(made):
    cell = made()
    cell.inner.register_forward_hook(lambda *_: None)
    with pytest.raises(Unknown, match="hook"):
        of(cell)


@pytest.mark.parametrize("way", ["getattr(self, self.label)", "self.__dict__[self.label]"])
def test_an_attribute_found_by_a_computed_word_counts(made, way):
    line = "        h = self.base("
    # everything on the cell counts now, so nothing on it may be unknown
    cell = made((line, f"        h = p * {way}\n{line}"), also=('print("never in a step")', "pass"))
    cell.label, cell.hidden = "hid" + "den", 2.0
    before = of(cell)
    cell.hidden = 3.0
    assert of(cell) != before


def pairs():
    registry = default_registry()
    return [(c, n) for c in registry.names("cell") for n in registry.names("normalizer")]


ALL = """
    from memcell.plugins import default_registry
    from memcell_compiler.identity import identity
    from memcell_compiler.trace.step import Step
    from memcell.recurrent.norms import SiteNorms
    registry = default_registry()
    for c in registry.names("cell"):
        for n in registry.names("normalizer"):
            entry, norm = registry.get("cell", c), registry.get("normalizer", n)
            cell = entry.build(3, 4, entry.config({}))
            norms = SiteNorms(cell.norm_sites, lambda w: norm.build(w, norm.config({})))
            print(identity(Step.forward, cell, norms, type(cell.initial_state(2))))
"""


@pytest.mark.slow
def test_every_built_in_pair_has_one_and_it_is_the_same_in_every_process():
    found = []
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(ALL)],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        found.append(done.stdout.split())
    assert found[0] == found[1]
    assert len(set(found[0])) == len(pairs())
