"""Single steps of normalizers that go by age: bit for bit a window's, however the table is read."""

from __future__ import annotations

import pytest
import torch

from memcell.backends import Layer, StepMasks, Stepper
from memcell.errors import PluginError
from memcell.recurrent.normalizer import Normalizer, NormWindow
from memcell.recurrent.norms import SiteNorms
from memcell.recurrent.window_call import WindowCall
from memcell_compiler.runtime.stepper import NativeStepper
from memcell_compiler.runtime.unroll import unroll_native

FEATURES, HIDDEN = 5, 8


class ByAge(Normalizer):
    """Divides by a scale of the lane's age, and counts how often it is asked."""

    def __init__(self, width, ages=4, says=True, modes=False):
        super().__init__(width)
        self.ages, self.says, self.modes, self.asked = ages, says, modes, []
        self.register_buffer("scale", torch.linspace(1.0, 3.0, ages))

    def window(self, ages, valid, update_statistics):
        self.asked.append(len(ages))
        mode = "old" if self.modes and int(ages.max()) > 1 else "plain"
        return NormWindow(mode, (self.scale[ages.clamp(max=self.ages - 1)],))

    def normalize(self, z, mode, inputs):
        return z / inputs[0].unsqueeze(-1), ()

    @property
    def inference_ages(self):
        return self.ages if self.says else None


@pytest.fixture
def cell(agree):
    return agree.cell("lstm", features=FEATURES, hidden=HIDDEN, dtype=torch.float32).eval()


def trained(agree, cell, norm, **options):
    """Return normalizers whose statistics differ from age to age."""
    norms = agree.norms(cell, norm, dtype=torch.float32, **options)
    accumulate(cell, norms)
    return norms


def accumulate(cell, norms, seed=3):
    x = torch.randn(9, 16, FEATURES, generator=torch.Generator().manual_seed(seed))
    state = cell.initial_state(16)
    with torch.no_grad():
        unroll_native(WindowCall(cell, norms, x, state, state, masks(9, 16), (), True))


def masks(steps, lanes, age=None):
    no = torch.zeros(steps, lanes, dtype=torch.bool)
    return StepMasks.of(no, ~no, torch.zeros(lanes, dtype=torch.int64) if age is None else age)


def window(cell, norms, x, state, age=None):
    with torch.no_grad():
        out, _ = unroll_native(
            WindowCall(cell, norms, x, state, state, masks(*x.shape[:2], age), (), False)
        )
    return out


def steps(stepper, x):
    return torch.stack([stepper.step(part).clone() for part in x])


@pytest.mark.parametrize("ages", [None, [0, 0, 0], [2, 2, 2], [0, 3, 1], [50, 60, 4], [9, 9, 11]])
@pytest.mark.parametrize(("norm", "options"), [("batch", {"t_max": 6}), ("batch_shared", {})])
def test_steps_are_the_window_whatever_the_ages(agree, cell, norm, options, ages):
    norms = trained(agree, cell, norm, **options)
    x, state = torch.randn(12, 3, FEATURES), cell.initial_state(3)
    stepper = NativeStepper(cell, norms, 3)
    age = None if ages is None else torch.tensor(ages)
    for _ in range(2):
        stepper.load(state, age)
        assert torch.equal(steps(stepper, x), window(cell, norms, x, state, age))


def test_statistics_changed_between_steps_are_seen(agree, cell):
    norms = trained(agree, cell, "batch", t_max=6)
    x, state = torch.randn(8, 1, FEATURES), cell.initial_state(1)
    stepper = NativeStepper(cell, norms, 1)
    before = steps(stepper, x)
    with torch.no_grad():  # the ages that are trusted change as well as their statistics
        for name, buffer in norms.named_buffers():
            buffer[3:].zero_() if name.endswith("count") else buffer.mul_(1.5)
    stepper.load(state)
    after = steps(stepper, x)
    assert not torch.equal(before, after)
    assert torch.equal(after, window(cell, norms, x, state))
    accumulate(cell, norms, seed=4)
    stepper.load(state)
    assert torch.equal(steps(stepper, x), window(cell, norms, x, state))


def test_statistics_changed_in_the_middle_hold_from_the_next_step_on(agree, cell):
    norms = trained(agree, cell, "batch", t_max=6)
    x = torch.randn(8, 1, FEATURES)
    stepper = NativeStepper(cell, norms, 1)
    steps(stepper, x[:3])
    state = stepper.state
    accumulate(cell, norms, seed=5)
    assert torch.equal(steps(stepper, x[3:]), window(cell, norms, x[3:], state, torch.tensor([3])))


@pytest.mark.parametrize(("says", "asked"), [(True, 0), (False, 7)])
def test_normalizer_with_known_ages_is_asked_once(cell, says, asked):
    norms = SiteNorms(cell.norm_sites, lambda width: ByAge(width, says=says))
    x, state = torch.randn(7, 2, FEATURES), cell.initial_state(2)
    stepper = NativeStepper(cell, norms, 2)
    known = [norms.site(name) for name in norms.sites]
    for norm in known:
        norm.asked.clear()
    found = steps(stepper, x)
    assert [len(norm.asked) for norm in known] == [asked] * len(known)
    assert torch.equal(found, window(cell, norms, x, state))


def test_what_a_normalizer_hands_out_is_not_written_to(cell):
    class Given(ByAge):
        def window(self, ages, valid, update_statistics):
            return NormWindow("plain", (self.scale.expand(len(ages), -1),))

        def normalize(self, z, mode, inputs):
            return z / inputs[0].mean(), ()

    norms = SiteNorms(cell.norm_sites, lambda width: Given(width, says=False))
    before = [b.clone() for b in norms.buffers()]
    layer = Layer(cell, None)
    layer.norms = norms
    stepper = Stepper(layer, lanes=1)
    steps(stepper, torch.randn(4, 1, FEATURES))
    assert all(torch.equal(a, b) for a, b in zip(before, norms.buffers(), strict=True))


@pytest.mark.parametrize("says", [True, False])
def test_a_mode_that_goes_by_age_is_an_error(cell, says):
    norms = SiteNorms(cell.norm_sites, lambda width: ByAge(width, says=says, modes=True))
    with pytest.raises(PluginError, match=r"mode 'old' at inference, and 'plain' at age 0"):
        steps(NativeStepper(cell, norms, 1), torch.randn(4, 1, FEATURES))


def test_weights_that_change_at_every_step_need_no_more_memory(agree, cell):
    stepper = NativeStepper(cell, agree.norms(cell, "none"), 1)
    x = torch.randn(1, FEATURES)
    for _ in range(5):
        stepper.step(x)
        with torch.no_grad():
            next(cell.parameters()).mul_(0.5)
    assert len(stepper._packing._held) == 1


def test_inputs_of_any_kind_are_read_as_they_are(agree, cell):
    norms = agree.norms(cell, "none")
    x = torch.randn(3, FEATURES)
    wide = torch.zeros(3, 2 * FEATURES)
    wide[:, ::2] = x
    steppers = [NativeStepper(cell, norms, 3) for _ in range(2)]
    for given in (
        *(x, x.double(), wide[:, ::2], torch.nn.Parameter(x), x.requires_grad_(), x.detach()),
        torch._neg_view(-x.detach()),
    ):
        expected = steppers[0].step(x.detach().clone()).clone()
        assert torch.equal(steppers[1].step(given), expected)


@pytest.mark.parametrize("lanes", [1, 3, 40])
def test_the_last_output_may_be_the_next_input(agree, lanes):
    cell = agree.cell("lstm", features=HIDDEN, hidden=2 * HIDDEN, dtype=torch.float32).eval()
    steppers = [NativeStepper(cell, agree.norms(cell, "none"), lanes) for _ in range(2)]
    x = torch.randn(lanes, HIDDEN)
    fed = [stepper.step(x) for stepper in steppers]
    for _ in range(3):
        for part in (slice(None, HIDDEN), slice(HIDDEN, None)):
            fed[0] = steppers[0].step(fed[0][:, part].clone())
            fed[1] = steppers[1].step(fed[1][:, part])
            assert torch.equal(*fed)
