"""Around a window: other threads, a full disk, inference mode; and traces that no longer hold."""

from __future__ import annotations

import errno
import threading
import warnings

import pytest
import torch
from torch import nn

from memcell.backends import BackendWarning, Layer, Stepper
from memcell.recurrent.norms import SiteNorms
from memcell.recurrent.refusals import Unsupported
from memcell.recurrent.window_call import WindowCall
from memcell_compiler.build import cache, unit
from memcell_compiler.runtime import pool
from memcell_compiler.runtime.pool import Lease
from memcell_compiler.runtime.unroll import unroll_native

from .test_hostile import Base, Memory

NONE = SiteNorms({}, None)


class Scaled(Base):
    """Everything that a person may put another in the place of."""

    def __init__(self):
        super().__init__()
        self.act, self.function, self.scales = nn.Tanh(), torch.tanh, [1.0]
        self.low = nn.Parameter(torch.randn(4, 2, dtype=torch.float64))
        self.high = nn.Parameter(torch.randn(2, 4, dtype=torch.float64))
        self.inner = nn.Linear(4, 4).double()

    def step(self, p, state, norm):
        h = self.function(self.act(self.inner(self.sums(p, state))) * self.scales[0])
        h = h + 0.1 * torch.nn.functional.linear(torch.nn.functional.linear(h, self.high), self.low)
        return h, Memory(h)


def grown(cell):
    cell.low = nn.Parameter(torch.randn(4, 3, dtype=torch.float64))
    cell.high = nn.Parameter(torch.randn(3, 4, dtype=torch.float64))


@pytest.mark.parametrize(
    "change",
    [
        lambda cell: setattr(cell, "act", nn.Sigmoid()),
        lambda cell: setattr(cell, "function", torch.sigmoid),
        lambda cell: setattr(cell, "scales", [3.0]),
        lambda cell: cell.scales.__setitem__(0, 3.0),
        lambda cell: cell.inner.register_forward_hook(lambda module, args, out: 2 * out),
        grown,
    ],
    ids=["module", "function", "list", "entry", "hook", "sizes"],
)
def test_changed_step_is_traced_again(agree, change):
    cell = Scaled()
    assert not agree.difference(cell, NONE, agree.Window(lanes=3))
    change(cell)
    assert not agree.difference(cell, NONE, agree.Window(lanes=3))


def of_lanes(function):
    class ByLanes(Base):
        def step(self, p, state, norm):
            h = function(self, self.sums(p, state), 1.0 / p.shape[0])
            return h, Memory(h)

    return ByLanes()


@pytest.mark.parametrize(
    "function",
    [
        lambda cell, z, share: torch.tanh(z + cell.b) + torch.full_like(z, share),
        lambda cell, z, share: torch.tanh(z + cell.b).clamp(max=share),
        lambda cell, z, share: torch.tanh(z + cell.b).clamp(-share, share),
        lambda cell, z, share: torch.tanh(z + cell.b * share),
        lambda cell, z, share: torch.tanh(z + cell.b * (cell.b2 * share)),
        lambda cell, z, share: torch.tanh(torch.add(z, cell.b, alpha=share)),
    ],
    ids=["full", "limit", "limits", "bias", "product", "alpha"],
)
def test_a_number_that_follows_the_lanes_is_right_or_refused(agree, function):
    for lanes in (3, 7):
        try:
            assert not agree.difference(of_lanes(function), NONE, agree.Window(lanes=lanes))
        except Unsupported as reason:
            assert "number of lanes" in str(reason)  # noqa: PT017


def test_two_threads_that_trace_one_cell_leave_it_its_weights():
    """Tracing puts other numbers into the cell; a second thread must not take those for the cell's own."""
    entered, second = threading.Event(), threading.Event()

    class Slow(Base):
        def step(self, p, state, norm):
            if threading.current_thread().name == "other":
                second.set()
            elif not entered.is_set():
                entered.set()
                second.wait(0.5)  # the other one comes in here, where it can
            return super().step(p, state, norm)

    cell = Slow()
    mine = dict(cell.named_parameters())
    layer = Layer(cell, None, "native")
    results = {}

    def run():
        no = torch.zeros(2, 3, dtype=torch.bool)
        from memcell.backends import StepMasks

        masks = StepMasks.of(no, ~no, torch.zeros(3, dtype=torch.int64))
        x = torch.ones(2, 3, 3, dtype=torch.float64)
        state = cell.initial_state(3, dtype=x.dtype)
        name = threading.current_thread().name
        with torch.no_grad():
            results[name] = unroll_native(
                WindowCall(cell, layer.norms, x, state, state, masks, (), False)
            )[0]

    def other():
        entered.wait(10)
        run()

    threads = [
        threading.Thread(target=run, name="one"),
        threading.Thread(target=other, name="other"),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(p is mine[n] for n, p in cell.named_parameters())
    assert torch.equal(results["one"], results["other"])


def test_a_lease_may_end_while_another_is_taken():
    """The collector ends leases at any moment, also while this thread holds the lock."""

    def within():
        with pool._lock:
            lease = Lease()
            lease.take((3,), torch.float32)
            del lease

    thread = threading.Thread(target=within, daemon=True)
    thread.start()
    thread.join(20)
    assert not thread.is_alive()


def test_a_full_disk_is_a_reason_for_the_eager_loop(agree, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(cache, "store", full)
    with pytest.raises(Unsupported, match="No space left"):
        agree.run(unroll_native, of_lanes(lambda cell, z, _: z.tanh() * 0.77), NONE, agree.Window())


def test_a_backward_loop_that_cannot_be_compiled_is_said_before_forward(agree, monkeypatch):
    compiled = unit.program_unit

    def failing(sources, *rest):
        if "void backward(" in sources[0]:
            raise Unsupported("the C compiler failed")
        return compiled(sources, *rest)

    from memcell_compiler.runtime import plan

    monkeypatch.setattr(plan, "program_unit", failing)
    cell = of_lanes(lambda cell, z, _: z.tanh() * 0.78)
    layer = Layer(cell, None, "native")
    masks = agree.Window(steps=2, lanes=3).masks()
    x = torch.ones(2, 3, 3, dtype=torch.float64)
    state = cell.initial_state(3, dtype=x.dtype)
    with pytest.warns(BackendWarning, match="the C compiler failed"):
        out = layer(x, state, state, masks, (), True).outputs
    out.sum().backward()
    assert cell.u.grad is not None


def test_a_person_without_a_home_has_a_folder_of_the_process(monkeypatch):
    def homeless():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(cache.Path, "home", homeless)
    assert cache.writable_folder().is_dir()


@pytest.mark.parametrize("made_within", [False, True])
def test_a_stepper_goes_in_and_out_of_inference_mode(made_within):
    with torch.inference_mode(made_within):
        cell = Base().float()
    with torch.inference_mode():
        stepper = Stepper(Layer(cell, None, "native"))
        within = stepper.step(torch.ones(1, 3)).clone()
        stepper.load(cell.initial_state(1), torch.zeros(1, dtype=torch.int64))
    assert torch.equal(stepper.step(torch.ones(1, 3)), within)
    assert ("inference mode" in stepper.reason) == made_within


def test_refused_trace_restores_attributes(agree):
    """The eager loop runs it next, with as many lanes as there are."""

    class Keeps(Base):
        last = None

        def step(self, p, state, norm):
            z = self.sums(p, state)
            self.last = z if self.last is None else self.last + z
            h = torch.linalg.qr(torch.tanh(self.last)).Q  # nothing that a trace can stand for
            if float(h.sum()) > 1e9:
                raise AssertionError
            return z.tanh(), Memory(z.tanh())

    cell = Keeps()
    layer = Layer(cell, None, "native")
    masks = agree.Window(steps=2, lanes=3).masks()
    state = cell.initial_state(3, dtype=torch.float64)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        layer(torch.ones(2, 3, 3, dtype=torch.float64), state, state, masks, (), False)
    assert cell.last.shape == (3, 4)


def test_a_buffer_folded_after_a_window_that_did_not_is_no_part_of_its_gradient(agree):
    class Buffered(Base):
        def __init__(self):
            super().__init__()
            self.register_buffer("mean", torch.full((4,), 0.3, dtype=torch.float64))

        def step(self, p, state, norm):
            h = torch.tanh(self.sums(p, state) * self.mean)
            return h, Memory(h)

    cell = Buffered()
    masks = agree.Window(steps=2, lanes=3).masks()
    x = torch.ones(2, 3, 3, dtype=torch.float64)
    state = cell.initial_state(3, dtype=x.dtype)
    found = []
    for change in (1, 5):
        out, _ = unroll_native(WindowCall(cell, NONE, x, state, state, masks, (), False))
        cell.mean.mul_(change)
        found.append(torch.autograd.grad(out.sum(), cell.u)[0])
    assert torch.equal(*found)
