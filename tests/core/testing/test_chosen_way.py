"""The check of the way that ``auto`` takes sees every kind of wrong number, and nothing else."""

from __future__ import annotations

import pytest
import torch

from memcell.backends import choose as ways
from memcell.testing import CheckFailed
from memcell.testing.cells import chosen_way_equals_eager
from memcell.testing.trace_cell import TraceCell
from memcell_compiler import Unsupported


class Double:
    """The eager loop under the names of all ways, but the first wrong by ``change`` where it is not eager."""

    def __init__(self, change=None, refuses=()):
        self.change, self.refuses, self.asked = change, refuses, set()

    def __call__(self, way, layer, x, state, fresh, marks, keep, gather):
        self.asked.add(way)
        if way in self.refuses:
            raise Unsupported("it has a loop")
        if way != "eager" and self.change:
            return self.change(layer, x, state, fresh, marks, keep, gather)
        return ways.run("eager", layer, x, state, fresh, marks, keep, gather)


def eager(*arguments):
    return ways.run("eager", *arguments)


def wrong_output(*arguments):
    out, states = eager(*arguments)
    return out * (1 + 1e-9), states


def wrong_gradient(*arguments):
    out, states = eager(*arguments)
    return out + 1e-6 * (out - out.detach()), states


def wrong_state(*arguments):
    out, states = eager(*arguments)
    last = max(states)
    return out, {**states, last: type(states[last])(*(t + 1e-6 for t in states[last]))}


def not_a_number(*arguments):
    out, states = eager(*arguments)
    return out * float("nan"), states


def ignores_restarts(layer, x, state, fresh, *rest):
    return eager(layer, x, state, type(fresh)(*(t * 0 for t in fresh)), *rest)


def gradient_past_restarts(layer, x, state, fresh, *rest):
    return eager(layer, x, state, type(fresh)(*(t.detach() for t in fresh)), *rest)


def statistics_not_folded(layer, x, state, fresh, marks, keep, gather):
    buffers = {n: b.clone() for n, b in layer.named_buffers()}
    found = eager(layer, x, state, fresh, marks, keep, gather)
    for name, buffer in layer.named_buffers():
        buffer.copy_(buffers[name])
    return found


def only_many_lanes(layer, x, *rest):
    out, states = eager(layer, x, *rest)
    return (out + 1e-6 if x.shape[1] > 32 else out), states


def only_one_step(layer, x, *rest):
    out, states = eager(layer, x, *rest)
    return (out + 1e-6 if len(x) == 1 else out), states


def only_at_inference(*arguments):
    out, states = eager(*arguments)
    return (out if torch.is_grad_enabled() else out + 1e-6), states


def raises(*arguments):
    raise IndexError("list index out of range")


WRONG = [
    wrong_output,
    wrong_gradient,
    wrong_state,
    not_a_number,
    ignores_restarts,
    gradient_past_restarts,
    statistics_not_folded,
    only_many_lanes,
    only_one_step,
    only_at_inference,
    raises,
]


@pytest.mark.parametrize("change", WRONG, ids=lambda change: change.__name__)
def test_a_wrong_way_is_found_and_the_eager_loop_named(change):
    with pytest.raises(CheckFailed, match="--unroll eager") as caught:
        chosen_way_equals_eager(TraceCell, Double(change))
    assert "as generated C" in str(caught.value)


def test_the_figure_is_said():
    said = r"the state after step 8, part \d differs by \d.*e-\d\d.*\(training, T=8 B=5, restarts"
    with pytest.raises(CheckFailed, match=said):
        chosen_way_equals_eager(TraceCell, Double(wrong_state))


def test_a_right_way_is_accepted():
    double = Double()
    chosen_way_equals_eager(TraceCell, double)
    assert double.asked == {"native", "eager"}


def test_where_the_first_way_refuses_the_next_is_compared():
    with pytest.raises(CheckFailed, match="torch's own kernel"):
        chosen_way_equals_eager(TraceCell, Double(wrong_gradient, refuses=("native",)))


def test_where_all_refuse_there_is_nothing_to_compare():
    double = Double(wrong_gradient, refuses=("native", "torch"))
    chosen_way_equals_eager(TraceCell, double)
    assert double.asked == {"native", "torch", "eager"}


class Masked(TraceCell):
    """Buffers that have no difference: bools, and one without numbers."""

    def __init__(self, *sizes):
        super().__init__(*sizes)
        self.register_buffer("mask", torch.ones(3, dtype=torch.bool))
        self.register_buffer("none", torch.zeros(0))


def test_masks_are_compared():
    chosen_way_equals_eager(Masked, Double())
