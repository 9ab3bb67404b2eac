"""Every check of a cell rejects at least one wrong cell, and accepts the right ones."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils._python_dispatch import _get_current_dispatch_mode

from memcell.recurrent.cell import Cell, TorchForm
from memcell.testing import CELL_CHECKS, CheckFailed
from memcell.testing import cells as checks
from memcell.testing.trace_parts import TraceCell


class State(NamedTuple):
    h: torch.Tensor


class Right(Cell):
    """A tanh network; the mutants below change one thing each."""

    state_type = State

    def __init__(self, input_size, hidden_size):
        super().__init__(input_size, hidden_size)
        self.w = nn.Parameter(torch.zeros(hidden_size, input_size))
        self.u = nn.Parameter(torch.zeros(hidden_size, hidden_size))
        self.b = nn.Parameter(torch.zeros(hidden_size))

    @property
    def state_spec(self):
        return {"h": (self.hidden_size,)}

    @property
    def norm_sites(self):
        return {"input": self.hidden_size, "recurrent": self.hidden_size}

    def project(self, x):
        return F.linear(x, self.w)

    def step(self, p, state, norm):
        h = torch.tanh(norm("input", p) + norm("recurrent", F.linear(state.h, self.u)) + self.b)
        return h, State(h)

    def reset_parameters(self, initialize):
        initialize["input"](self.w)
        initialize["recurrent"](self.u)
        nn.init.zeros_(self.b)

    def torch_form(self):
        return TorchForm("rnn_tanh", (self.w, self.u, self.b, torch.zeros_like(self.b)))


class WithoutForm(Right):
    def torch_form(self):
        return None


class Zoneout(WithoutForm):
    """Random masks where they belong: in project, beside the product, from its generator."""

    def project(self, x, generator=None):
        product = F.linear(x, self.w)
        if generator is None:
            return product, torch.full_like(product, 0.9)
        keep = torch.rand(product.shape, generator=generator) > 0.1
        return product, keep.to(product)

    def step(self, p, state, norm):
        product, keep = p
        h, _ = super().step(product, state, norm)
        h = keep * h + (1 - keep) * state.h
        return h, State(h)


class NarrowOutput(WithoutForm):
    """The output is narrower than H, and there are no sites."""

    @property
    def output_size(self):
        return 2

    @property
    def norm_sites(self):
        return {}

    def step(self, p, state, norm):
        h = torch.tanh(p + F.linear(state.h, self.u) + self.b)
        return h[:, :2], State(h)


RIGHT = [Right, Zoneout, NarrowOutput, TraceCell]


class MisnamedState(WithoutForm):
    @property
    def state_spec(self):
        return {"c": (self.hidden_size,)}


class MisshapenState(WithoutForm):
    def step(self, p, state, norm):
        h, _ = super().step(p, state, norm)
        return h, State(h[:, :-1])


class BareState(WithoutForm):
    def step(self, p, state, norm):
        h, _ = super().step(p, state, norm)
        return h, (h,)


class StartsAtOnes(WithoutForm):
    def initial_state(self, batch_size, *, device=None, dtype=None):
        return State(torch.ones(batch_size, self.hidden_size, device=device, dtype=dtype))


class ForgetsType(WithoutForm):
    def initial_state(self, batch_size, *, device=None, dtype=None):
        return State(torch.zeros(batch_size, self.hidden_size))


class WideOutput(WithoutForm):
    def step(self, p, state, norm):
        h, after = super().step(p, state, norm)
        return torch.cat([h, h[:, :1]], 1), after


class Promotes(WithoutForm):
    def step(self, p, state, norm):
        return super().step(p + torch.zeros(1, dtype=torch.float64), state, norm)


class Squeezes(WithoutForm):
    def project(self, x):
        return F.linear(x.squeeze(), self.w)


class WrongForm(Right):
    def torch_form(self):
        return TorchForm("rnn_tanh", (self.w, self.u, self.b, self.b))


class DrawsGlobally(Zoneout):
    """Masks from torch's global generator, while training only."""

    def project(self, x):
        product = F.linear(x, self.w)
        keep = torch.rand_like(product) > 0.1 if self.training else torch.ones_like(product)
        return product, keep.to(product)


class DrawsAtInference(Zoneout):
    def project(self, x, generator=None):
        return super().project(x, generator or torch.Generator().manual_seed(torch.seed()))


class LooksAtLongWindows(WithoutForm):
    def project(self, x):
        return F.linear(x - x.mean(0) if len(x) > 300 else x, self.w)


class LooksAtManyLanes(WithoutForm):
    def project(self, x):
        return F.linear(x * (1.0 if x.shape[1] < 64 else 1.5), self.w)


class SeesWholeWindow(WithoutForm):
    def project(self, x):
        return F.linear(x - x.mean(0), self.w)


class SumsOverTime(WithoutForm):
    def project(self, x):
        return F.linear(x, self.w).cumsum(0)


class KeepsOnSelf(WithoutForm):
    """Its memory stands beside the state, with its graph."""

    def step(self, p, state, norm):
        before = getattr(self, "last", None)
        if before is not None and before.shape == state.h.shape:
            p = p + 0.5 * before
        h, after = super().step(p, state, norm)
        self.last = h
        return h, after


class CentersOverLanes(WithoutForm):
    def step(self, p, state, norm):
        return super().step(p - p.mean(0), state, norm)


class CentersStates(WithoutForm):
    def step(self, p, state, norm):
        return super().step(p, State(state.h - state.h.mean(0)), norm)


class Counts(WithoutForm):
    def __init__(self, input_size, hidden_size):
        super().__init__(input_size, hidden_size)
        self.register_buffer("steps", torch.zeros(()))

    def step(self, p, state, norm):
        self.steps = self.steps + 1
        return super().step(p * self.steps, state, norm)


class WritesToInput(WithoutForm):
    def step(self, p, state, norm):
        return super().step(p.add_(0.1), state, norm)


class WritesToState(WithoutForm):
    def step(self, p, state, norm):
        answer = super().step(p, state, norm)
        state.h.mul_(0.9)
        return answer


class DropsInStep(WithoutForm):
    def step(self, p, state, norm):
        return super().step(F.dropout(p, 0.1, self.training), state, norm)


class Looks(WithoutForm):
    def step(self, p, state, norm):
        if bool((p.abs() > 5).any()):
            p = p.clamp(-5, 5)
        return super().step(p, state, norm)


class StaysOnTheHost(WithoutForm):
    def step(self, p, state, norm):
        return super().step(p + torch.full((p.shape[-1],), 0.1, dtype=p.dtype), state, norm)


class UndeclaredSite(WithoutForm):
    @property
    def norm_sites(self):
        return {"input": self.hidden_size}


class SiteNeverAsked(WithoutForm):
    @property
    def norm_sites(self):
        return {**super().norm_sites, "cell": self.hidden_size}


class SiteOfOtherWidth(WithoutForm):
    @property
    def norm_sites(self):
        return {**super().norm_sites, "input": 2 * self.hidden_size}


class AsksTwice(WithoutForm):
    def step(self, p, state, norm):
        return super().step(norm("input", p), state, norm)


class DropsNorm(WithoutForm):
    def step(self, p, state, norm):
        norm("input", p)
        return super().step(p, state, lambda site, z: z if site == "input" else norm(site, z))


class CutsGradient(WithoutForm):
    def step(self, p, state, norm):
        return super().step(p, State(state.h.detach()), norm)


class IdleParameter(WithoutForm):
    def __init__(self, input_size, hidden_size):
        super().__init__(input_size, hidden_size)
        self.idle = nn.Parameter(torch.zeros(hidden_size))


class Explodes(WithoutForm):
    def step(self, p, state, norm):
        h, _ = super().step(p, state, norm)
        h = h * torch.exp(p)
        return h, State(h)


class OtherRandomness(WithoutForm):
    def reset_parameters(self, initialize):
        super().reset_parameters(initialize)
        with torch.no_grad():
            self.w.copy_(torch.from_numpy(np.random.default_rng().normal(size=self.w.shape)))


class LeavesBias(WithoutForm):
    def reset_parameters(self, initialize):
        initialize["input"](self.w)
        initialize["recurrent"](self.u)


class PlainTensorWeight(WithoutForm):
    def __init__(self, input_size, hidden_size):
        super().__init__(input_size, hidden_size)
        self.gain = torch.rand(hidden_size)

    def step(self, p, state, norm):
        return super().step(p * self.gain.to(p.dtype), state, norm)


class ActsWhenRecorded(WithoutForm):
    """Not what it is while a faster way is made of it: what makes generated code differ from the loop."""

    def step(self, p, state, norm):
        if _get_current_dispatch_mode() is not None:
            p = p * 1.001
        return super().step(p, state, norm)


MUTANTS = {
    checks.state_matches_spec: [MisnamedState, MisshapenState, BareState],
    checks.initial_state_is_zeros: [StartsAtOnes, ForgetsType],
    checks.step_keeps_shapes: [WideOutput],
    checks.dtype_is_kept: [Promotes],
    checks.smallest_window_works: [Squeezes],
    checks.engine_equals_step_loop: [WrongForm],
    checks.chunks_equal_whole: [SeesWholeWindow, SumsOverTime],
    checks.reset_touches_its_lane: [KeepsOnSelf, CentersStates],
    checks.padding_holds_memory: [SumsOverTime, SeesWholeWindow],
    checks.lanes_do_not_meet: [CentersOverLanes, CentersStates],
    checks.step_repeats_itself: [Counts, KeepsOnSelf, DropsInStep],
    checks.step_changes_nothing: [Counts, KeepsOnSelf],
    checks.step_spares_its_inputs: [WritesToInput, WritesToState],
    checks.step_draws_no_random_numbers: [DropsInStep],
    checks.project_draws_from_its_generator: [DrawsGlobally, DrawsAtInference],
    checks.project_treats_each_step_alike: [
        SeesWholeWindow,
        SumsOverTime,
        LooksAtLongWindows,
        LooksAtManyLanes,
    ],
    checks.step_reads_no_values: [Looks, StaysOnTheHost],
    checks.norm_sites_are_as_declared: [
        UndeclaredSite,
        SiteNeverAsked,
        SiteOfOtherWidth,
        AsksTwice,
    ],
    checks.norm_sites_are_used: [DropsNorm],
    checks.gradients_are_right: [CutsGradient],
    checks.carried_state_has_no_gradient: [KeepsOnSelf],
    checks.every_parameter_learns: [IdleParameter],
    checks.extremes_stay_finite: [Explodes],
    checks.initialization_repeats: [OtherRandomness, LeavesBias],
    checks.state_dict_round_trips: [PlainTensorWeight],
    checks.torch_form_is_exact: [WrongForm],
    checks.chosen_backend_equals_eager: [ActsWhenRecorded],
}
PAIRS = [(check, mutant) for check, mutants in MUTANTS.items() for mutant in mutants]


def name_of(value):
    return value.__name__


def test_every_check_has_a_mutant():
    assert set(MUTANTS) == set(CELL_CHECKS)


@pytest.mark.parametrize(("check", "mutant"), PAIRS, ids=name_of)
def test_mutant_is_rejected(check, mutant):
    with pytest.raises(CheckFailed, match=r"^expected .*; .*\. .*\.$"):
        check(mutant)


@pytest.mark.parametrize("check", CELL_CHECKS, ids=name_of)
@pytest.mark.parametrize("cell", RIGHT, ids=name_of)
def test_right_cell_is_accepted(check, cell):
    check(cell)


def test_something_else_than_a_cell():
    with pytest.raises(CheckFailed, match="returned a LSTM"):
        checks.state_matches_spec(nn.LSTM)


def test_the_global_generator_is_left_alone():
    before = torch.get_rng_state()
    for check in CELL_CHECKS:
        check(Right)
    assert torch.equal(before, torch.get_rng_state())
