"""The check of the backend that ``auto`` takes sees every kind of wrong number, and nothing else."""

from __future__ import annotations

import pytest
import torch

from memcell.backends.choose import EAGER
from memcell.recurrent.refusals import Unsupported
from memcell.testing import CheckFailed
from memcell.testing.cells import chosen_backend_equals_eager
from memcell.testing.trace_parts import TraceCell


class Double:
    """The eager loop under the names of all backends, wrong by ``change`` where it is not eager."""

    def __init__(self, change=None, refuses=()):
        self.change, self.refuses, self.asked = change, refuses, set()

    def __call__(self, backend, call):
        self.asked.add(backend.name)
        if backend.name in self.refuses:
            raise Unsupported("it has a loop")
        if backend is not EAGER and self.change:
            return self.change(call)
        return EAGER.run(call)


def wrong_output(call):
    out, states = EAGER.run(call)
    return out * (1 + 1e-9), states


def wrong_gradient(call):
    out, states = EAGER.run(call)
    return out + 1e-6 * (out - out.detach()), states


def wrong_state(call):
    out, states = EAGER.run(call)
    last = max(states)
    return out, {**states, last: type(states[last])(*(t + 1e-6 for t in states[last]))}


def not_a_number(call):
    out, states = EAGER.run(call)
    return out * float("nan"), states


def ignores_initial_state(call):
    zeros = type(call.initial_state)(*(t * 0 for t in call.initial_state))
    return EAGER.run(call._replace(initial_state=zeros))


def no_gradient_of_initial_state(call):
    detached = type(call.initial_state)(*(t.detach() for t in call.initial_state))
    return EAGER.run(call._replace(initial_state=detached))


def statistics_not_accumulated(call):
    buffers = {n: b.clone() for n, b in call.norms.named_buffers()}
    found = EAGER.run(call)
    for name, buffer in call.norms.named_buffers():
        buffer.copy_(buffers[name])
    return found


def only_many_lanes(call):
    out, states = EAGER.run(call)
    return (out + 1e-6 if call.x.shape[1] > 32 else out), states


def only_one_step(call):
    out, states = EAGER.run(call)
    return (out + 1e-6 if len(call.x) == 1 else out), states


def only_at_inference(call):
    out, states = EAGER.run(call)
    return (out if torch.is_grad_enabled() else out + 1e-6), states


def raises(call):
    raise IndexError("list index out of range")


WRONG = [
    wrong_output,
    wrong_gradient,
    wrong_state,
    not_a_number,
    ignores_initial_state,
    no_gradient_of_initial_state,
    statistics_not_accumulated,
    only_many_lanes,
    only_one_step,
    only_at_inference,
    raises,
]


@pytest.mark.parametrize("change", WRONG, ids=lambda change: change.__name__)
def test_wrong_backend_is_found_and_eager_loop_named(change):
    with pytest.raises(CheckFailed, match="--backend eager") as caught:
        chosen_backend_equals_eager(TraceCell, Double(change))
    assert "as generated C" in str(caught.value)


def test_the_figure_is_said():
    said = r"the state after step 8, part \d differs by \d.*e-\d\d.*\(training, T=8 B=5, resets"
    with pytest.raises(CheckFailed, match=said):
        chosen_backend_equals_eager(TraceCell, Double(wrong_state))


def test_right_backend_is_accepted():
    double = Double()
    chosen_backend_equals_eager(TraceCell, double)
    assert double.asked == {"native", "eager"}


def test_next_backend_is_compared_where_first_refuses():
    with pytest.raises(CheckFailed, match="torch's own kernel"):
        chosen_backend_equals_eager(TraceCell, Double(wrong_gradient, refuses=("native",)))


def test_where_all_refuse_there_is_nothing_to_compare():
    double = Double(wrong_gradient, refuses=("native", "torch"))
    chosen_backend_equals_eager(TraceCell, double)
    assert double.asked == {"native", "torch", "eager"}


class Masked(TraceCell):
    """Buffers that have no difference: bools, and one without numbers."""

    def __init__(self, *sizes):
        super().__init__(*sizes)
        self.register_buffer("mask", torch.ones(3, dtype=torch.bool))
        self.register_buffer("none", torch.zeros(0))


def test_masks_are_compared():
    chosen_backend_equals_eager(Masked, Double())
