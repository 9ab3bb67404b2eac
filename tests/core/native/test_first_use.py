"""First use: how a step is recorded, what is done ahead, and what a second process makes of the cache."""

from __future__ import annotations

import operator
import os
import subprocess
import sys
import textwrap
import threading

import pytest
import torch

from memcell_compiler.build.prefetch import begin, finished
from memcell_compiler.runtime import plan as plan_module
from memcell_compiler.runtime.unroll import named_parameters, planned
from memcell_compiler.trace.recorder import record

aten = torch.ops.aten


def targets(graph):
    return [n.target for n in graph.nodes if n.op == "call_function"]


def test_operations_are_recorded_with_their_sizes():
    graph = record(lambda x, y: (x @ y, [x.sum()]), [torch.ones(2, 3), torch.ones(3, 4)], {})
    assert targets(graph) == [aten.mm.default, aten.sum.default]
    product = next(n for n in graph.nodes if n.target is aten.mm.default)
    assert product.meta["val"].shape == (2, 4)
    assert [n.name for n in product.args] == ["given_0", "given_1"]
    (result,) = (n.args[0] for n in graph.nodes if n.op == "output")
    assert result[0] is product
    assert isinstance(result[1], list)


def test_an_operation_is_taken_apart_by_the_table():
    graph = record(lambda x: x.tanh(), [torch.ones(2)], {aten.tanh.default: lambda x: x * 2})
    assert targets(graph) == [aten.mul.Tensor]
    unknown = record(
        lambda x: x.tanh(), [torch.ones(2)], {aten.tanh.default: lambda x: NotImplemented}
    )
    assert targets(unknown) == [aten.tanh.default]


def test_gradients_are_recorded():
    def function(x):
        (found,) = torch.autograd.grad(x.exp().sum(), [x])
        return found

    graph = record(function, [torch.ones(3).requires_grad_()], {})
    assert targets(graph).count(aten.exp.default) == 1
    assert aten.mul.Tensor in targets(graph)


def test_the_parts_of_a_result_are_picked():
    graph = record(lambda x: x.split_with_sizes([1, 2])[1], [torch.ones(3)], {})
    assert targets(graph)[-1] is operator.getitem
    last = next(n for n in graph.nodes if n.op == "output").args[0]
    assert last.args[1] == 1
    assert last.meta["val"].shape == (2,)


def test_a_tensor_from_outside_is_seen():
    outside = torch.ones(2)
    graph = record(lambda x: x + outside, [torch.ones(2)], {})
    assert [n.op for n in graph.nodes] == ["placeholder", "get_attr", "call_function", "output"]


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (lambda x: x if x.sum() > 0 else -x, "number is read"),
        (lambda x: x * x[0].item(), "number is read"),
        (lambda x: x.mul_(2), "changed in place"),
        (lambda x: torch.empty_like(x).copy_(x), "changed in place"),
    ],
)
def test_what_a_graph_does_not_show_is_refused(function, reason):
    with pytest.raises(RuntimeError, match=reason):
        record(function, [torch.ones(2)], {})


def test_work_is_begun_once_and_waited_for():
    gate, done = threading.Event(), []

    def work():
        gate.wait(60)
        done.append(1)

    begin("some work", work)
    begin("some work", work)
    assert done == []
    gate.set()
    finished("some work")
    assert done == [1]
    finished("some work")
    finished("never begun")


def test_work_that_fails_ahead_is_no_error_yet():
    def work():
        raise OSError("no compiler")

    begin("failing work", work)
    finished("failing work")


def python(code, *args, **env):
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *args],
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_tracing_built_in_cells_imports_neither_compiler_nor_algebra():
    python(
        """
        import sys
        import torch
        from memcell.plugins import default_registry
        from memcell_compiler.runtime.unroll import native_reason
        from memcell.recurrent.norms import SiteNorms
        registry = default_registry()
        pairs = [(name, "none") for name in registry.names("cell")]
        pairs += [("lstm", norm) for norm in registry.names("normalizer")]
        for name, norm in pairs:
            entry, normalizer = registry.get("cell", name), registry.get("normalizer", norm)
            config = normalizer.config({})
            cell = entry.build(3, 4, entry.config({}))
            norms = SiteNorms(cell.norm_sites, lambda w: normalizer.build(w, config))
            assert native_reason(cell, norms) is None
        heavy = {"torch._dynamo", "torch._inductor", "sympy"} & set(sys.modules)
        assert not heavy, heavy
        """
    )


CELL = textwrap.dedent(
    """
    from typing import NamedTuple
    import torch
    from torch import Tensor, nn
    from torch.nn import functional as F
    from memcell.recurrent.cell import Cell
    SCALE = 0.5
    class State(NamedTuple):
        h: Tensor
    def closed(factor):
        return lambda z: z * factor
    inner = closed(0.75)
    def squash(z):
        return torch.tanh(z) * 0.25
    class Base(Cell):
        def base(self, z):
            return z + 0.125
    class Edited(Base):
        state_type = State
        def __init__(self):
            super().__init__(3, 4)
            self.u = nn.Parameter(torch.full((4, 4), 0.2))
            self.w = nn.Parameter(torch.full((4, 3), 0.3))
        @property
        def state_spec(self):
            return {"h": (4,)}
        def project(self, x):
            return F.linear(x, self.w)
        def step(self, p, state, norm):
            h = inner(squash(self.base(p + F.linear(state.h, self.u)))) * SCALE * 2.5
            return h, State(h)
    """
)
EDITS = {
    "step": ("2.5", "1.5"),
    "helper": ("0.25", "0.35"),
    "global": ("SCALE = 0.5", "SCALE = 0.6"),
    "closure": ("closed(0.75)", "closed(0.85)"),
    "base": ("0.125", "0.225"),
}
RUN = """
    import sys
    import torch
    from memcell.backends import StepMasks
    from memcell.backends.eager import unroll_eager
    from memcell_compiler.runtime.unroll import unroll_native
    from memcell.recurrent.norms import SiteNorms
    from memcell.recurrent.window_call import WindowCall
    no = torch.zeros(4, 2, dtype=torch.bool)
    marks = StepMasks.of(no, ~no, torch.zeros(2, dtype=torch.int64))
    x = torch.linspace(-1, 1, 24).view(4, 2, 3)
    for source in sys.argv[1:]:
        module = {}
        exec(compile(source, "edited.py", "exec"), module)
        if source.startswith("# patched"):
            torch.tanh = torch.sigmoid
        cell = module["Edited"]()
        state = cell.initial_state(2)
        call = WindowCall(cell, SiteNorms({}, None), x, state, state, marks, (), False)
        with torch.no_grad():
            (native, _), (eager, _) = unroll_native(call), unroll_eager(call)
        torch.testing.assert_close(native, eager)
        print(float(native.sum()))
"""


@pytest.mark.slow
def test_a_changed_source_never_runs_what_was_generated_before(tmp_path):
    edited = [CELL.replace(*edit) for edit in EDITS.values()]
    sources = [*edited, "# patched" + CELL]
    cache = {"XDG_CACHE_HOME": str(tmp_path)}
    (before,) = python(RUN, CELL, **cache).split()
    again, *numbers = python(RUN, CELL, *sources, **cache).split()
    assert again == before
    assert len({before, *numbers}) == 1 + len(sources)


@pytest.mark.parametrize("norm", ["none", "layer", "rms", "batch"])
@pytest.mark.parametrize("name", ["lstm", "lstm97"])
def test_the_same_cell_is_written_in_the_same_words(agree, monkeypatch, name, norm):
    """Or another process would not find in the cache what this one has compiled."""
    monkeypatch.setattr(plan_module, "load_plan", lambda key: None)  # traced anew each time

    def written():
        cell = agree.cell(name, features=3, hidden=8)
        norms = agree.norms(cell, norm)
        windows = norms.windows(agree.Window().masks(), True)
        x, state = (
            torch.zeros(9, 7, 3, dtype=torch.float64),
            cell.initial_state(7, dtype=torch.float64),
        )
        plan, _ = planned(cell, norms, named_parameters(cell, norms), windows, x, state)
        return dict(plan.written)

    first = written()
    assert all(written() == first for _ in range(4))
