"""Methods under their names of version 0.1: overridden ones are called, and a warning says the new name."""

from __future__ import annotations

import abc
import subprocess
import sys
import warnings
from dataclasses import replace

import pytest
import torch
from torch import nn

from memcell import Probe
from memcell.applications.app import Row
from memcell.backends import Layer, StepMasks
from memcell.recurrent import CarriedState, Normalizer, NormWindow, StatePolicy
from memcell.recurrent.norms import SiteNorms
from memcell.sequences.batch import Batch
from memcell.testing.trace_parts import TraceCell
from memcell.training.memory import RunMemory
from memcell_compiler.identity import identity
from memcell_plugins.normalizers.batch import BatchNorm
from memcell_plugins.normalizers.configs import BatchConfig
from memcell_plugins.policies.refresh import Refresh

T, B = 3, 2
OLD_AND_NEW = [
    ("afresh", "initial_carried"),
    ("fresh", "initial_state"),
    ("restarts", "resets"),
    ("wants", "return_steps"),
]


class Memory:
    """A model's start of ones."""

    def initial_state(self, batch_size):
        return torch.ones(batch_size, 1)


@pytest.fixture
def batch():
    flags = torch.zeros(T, B, dtype=torch.bool)
    return Batch(
        x=torch.zeros(T, B, 1),
        y=torch.zeros(T, B, dtype=torch.int64),
        valid=~flags,
        weight=torch.ones(T, B),
        starts=flags,
        continues=flags[0],
        sequence=torch.zeros(B, dtype=torch.int64),
        offset=torch.zeros(B, dtype=torch.int64),
        window=torch.zeros(B, dtype=torch.int64),
    )


def quiet(make):
    """Make classes without their warnings; what is called later still warns."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return make()


@pytest.mark.parametrize(("old", "new"), OLD_AND_NEW)
def test_a_policy_with_an_old_name_is_called_by_the_new_one(old, new):
    def answer(self, *args):
        return args

    with pytest.warns(FutureWarning, match=f"Theirs defines '{old}', which is now '{new}'"):
        theirs = type("Theirs", (StatePolicy,), {old: answer})()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert getattr(theirs, new)(1, 2) == (1, 2)


@pytest.mark.parametrize(("old", "new"), OLD_AND_NEW)
def test_old_names_of_a_built_in_policy_go_on_working(old, new, batch):
    policy = Refresh.__new__(Refresh)
    args = (batch,) if old == "wants" else (batch, Memory())
    with pytest.warns(FutureWarning, match=f"Refresh.{old} is now Refresh.{new}|StatePolicy"):
        found = getattr(policy, old)(*args)
    expected = getattr(policy, new)(*args)
    for a, b in zip(found, expected, strict=True):
        assert torch.equal(torch.as_tensor(a), torch.as_tensor(b))


def test_a_static_method_is_still_called_on_the_class(batch):
    with pytest.warns(FutureWarning, match="StatePolicy.initial_carried"):
        found = StatePolicy.afresh(batch, Memory())
    assert isinstance(found, CarriedState)
    assert found.age.tolist() == [0, 0]


def test_an_old_method_reaches_the_base_class_by_super(batch):
    def make():
        class Theirs(StatePolicy):
            def restarts(self, batch, memory):
                return super().restarts(batch, memory) | (batch.x[..., 0] == 0)

        return Theirs

    theirs = quiet(make)()
    with pytest.warns(FutureWarning, match=r"restarts is now .*\.resets"):
        assert theirs.resets(batch, Memory()).all()


def chain(*styles):
    """Return a class over classes, each of which adds its number, by ``super()``, under one of the names."""

    def old(n):
        class Old(Base):
            def wants(self, batch):
                return (*super().wants(batch), n)

        return Old

    def new(n):
        class New(Base):
            def return_steps(self, batch):
                return (*super().return_steps(batch), n)

        return New

    Base = StatePolicy
    for n, style in enumerate(styles):
        Base = {"old": old, "new": new}[style](n)
    return Base


@pytest.mark.parametrize(
    "styles",
    [
        ("old", "new"),
        ("new", "old"),
        ("old", "old"),
        ("new", "new"),
        ("new", "old", "new"),
        ("old", "new", "old"),
    ],
)
@pytest.mark.parametrize("called", ["wants", "return_steps"])
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_the_most_derived_class_wins_whatever_it_is_called(styles, called, batch):
    assert getattr(chain(*styles)(), called)(batch) == (T, *range(len(styles)))


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_a_diamond_runs_every_class_once(batch):
    class Old(StatePolicy):
        def wants(self, batch):
            return (*super().wants(batch), 1)

    class New(StatePolicy):
        def return_steps(self, batch):
            return (*super().return_steps(batch), 2)

    class OldFirst(Old, New):
        pass

    class NewFirst(New, Old):
        pass

    assert OldFirst().return_steps(batch) == OldFirst().wants(batch) == (T, 2, 1)
    assert NewFirst().return_steps(batch) == NewFirst().wants(batch) == (T, 1, 2)


@pytest.mark.parametrize("name", ["wants", "return_steps"])
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_a_mixin_outside_the_contract_counts(name, batch):
    class OldMixin:
        def wants(self, batch):
            return (*super().wants(batch), 1)

    class NewMixin:
        def return_steps(self, batch):
            return (*super().return_steps(batch), 2)

    class Mixed(OldMixin, StatePolicy):
        pass

    class Again(NewMixin, Mixed):
        pass

    class Last(OldMixin, Refresh):
        pass

    assert getattr(Mixed(), name)(batch) == (T, 1)
    assert getattr(Again(), name)(batch) == (T, 1, 2)
    assert getattr(Last.__new__(Last), name)(batch) == (0, 1)


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_a_policy_with_a_metaclass_of_its_own():
    class Theirs(StatePolicy, metaclass=abc.ABCMeta):
        @abc.abstractmethod
        def wants(self, batch): ...

    class Whole(Theirs):
        def wants(self, batch):
            return (1,)

    assert Whole().return_steps(None) == (1,)


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_a_policy_that_wraps_another_calls_it_by_either_name(batch):
    class Wrapper(StatePolicy):
        def __init__(self, inner):
            self.inner = inner

        def restarts(self, batch, memory):
            return self.inner.restarts(batch, memory)

        def return_steps(self, batch):
            return self.inner.return_steps(batch)

        def wants(self, batch):
            return self.inner.wants(batch)

    class Old(StatePolicy):
        def wants(self, batch):
            return (0,)

    for inner in (Refresh.__new__(Refresh), Old(), Wrapper(Old())):
        wrapper = Wrapper(inner)
        assert wrapper.return_steps(batch) == wrapper.wants(batch) == (0,)
        assert torch.equal(wrapper.resets(batch, Memory()), batch.starts)


def test_the_warning_stands_at_the_method_and_comes_once(tmp_path):
    lines = ["import memcell", "class P(memcell.StatePolicy):", "    def wants(self, batch):"]
    (tmp_path / "theirs.py").write_text("\n".join([*lines, "        return (0,)", ""]))
    code = "import theirs, sys; del sys.modules['theirs']; import theirs"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert f"{tmp_path / 'theirs.py'}:3: FutureWarning: theirs.P defines 'wants'" in done.stderr
    assert "now 'return_steps'; the old name works until memcell 0.3" in done.stderr


class MeanOfLanes(Normalizer):
    """Written for version 0.1."""

    def __init__(self, width):
        super().__init__(width)
        self.register_buffer("running", torch.zeros(width))

    def window(self, ages, valid, gather):
        return NormWindow("train" if gather else "infer", (valid,))

    def normalize(self, z, mode, inputs):
        if mode == "infer":
            return z - self.running, ()
        mean = z.mean(0)
        return z - mean, (mean,)


def _with_fold():
    class Folding(MeanOfLanes):
        def fold(self, gathered, mode, inputs):
            super().fold(gathered=gathered, mode=mode, inputs=inputs)
            self.running += gathered[0].mean(0)

    return Folding


@pytest.mark.parametrize("backend", ["eager", "auto"])
def test_an_old_normalizer_trains_in_a_layer(backend):
    with pytest.warns(FutureWarning, match="Folding defines 'fold', which is now 'accumulate'"):
        kind = _with_fold()
    cell = TraceCell(2, 3)
    layer = Layer(cell, kind, backend)
    resets = torch.zeros(T, B, dtype=torch.bool)
    masks = StepMasks.of(resets, ~resets, torch.zeros(B, dtype=torch.int64))
    x, state = torch.randn(T, B, 2), cell.initial_state(B)
    running = [norm.running for norm in layer.norms.sites.values()]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        layer(x, state, state, masks, (), False)
        assert not any(mean.any() for mean in running)
        layer(x, state, state, masks, (), True)
    assert all(mean.any() for mean in running)


def test_old_names_of_a_built_in_normalizer_go_on_working():
    norm = BatchNorm(2, BatchConfig())
    ages, valid = torch.zeros(T, 32, dtype=torch.int64), torch.ones(T, 32, dtype=torch.bool)
    with pytest.warns(FutureWarning, match="argument 'gather' of .* is now 'update_statistics'"):
        window = norm.window(ages, valid, gather=True)
    assert window.mode == "uniform"
    statistics = torch.full((T, 2), 2.0), torch.ones(T, 2)
    with pytest.warns(FutureWarning, match="BatchNorm.fold is now BatchNorm.accumulate"):
        norm.fold(statistics, window.mode, window.inputs)
    assert norm.statistics.count.sum() == 32 * T


def test_memory_and_network_give_the_start_by_the_old_name():
    class Network(nn.Module):
        def initial_state(self, batch_size):
            return torch.ones(batch_size, 1)

    memory = RunMemory(Network(), [], torch.Generator())
    with pytest.warns(FutureWarning, match="RunMemory.fresh is now RunMemory.initial_state"):
        assert torch.equal(memory.fresh(2), torch.ones(2, 1))


def test_new_names_alone_say_nothing(batch):
    with warnings.catch_warnings():
        warnings.simplefilter("error")

        class Theirs(StatePolicy):
            def return_steps(self, batch):
                return (*super().return_steps(batch), 0)

        assert Theirs().return_steps(batch) == (T, 0)
        SiteNorms({"input": 2}, MeanOfLanes)


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("make", [_with_fold, lambda: lambda w: BatchNorm(w, BatchConfig())])
def test_both_names_leave_a_step_its_key_in_the_cache(make):
    cell = TraceCell(2, 3)
    assert identity(type(cell).step, cell, SiteNorms(cell.norm_sites, make()))


def test_a_row_takes_and_gives_predictions_by_the_old_name():
    with pytest.warns(FutureWarning, match="argument 'judged' of Row.* is now 'predictions'"):
        row = Row(name="a", scores={}, judged=("part",))
    with pytest.warns(FutureWarning, match="Row.judged is now Row.predictions"):
        assert row.judged == row.predictions == ("part",)
    assert replace(row, name="b").predictions == ("part",)


def test_a_probe_says_how_many_measurements_by_the_old_name():
    with pytest.warns(FutureWarning, match="Theirs defines 'wanted', which is now 'measurements'"):

        class Theirs(Probe):
            wanted = 4

    assert Theirs.measurements == Theirs.measurements_with(None) == 4

    class Ours(Probe):
        measurements = 5

    with pytest.warns(FutureWarning, match="Ours.wanted is now Ours.measurements"):
        assert Ours.wanted == 5
