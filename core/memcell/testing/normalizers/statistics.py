"""The statistics that a normalizer returns, accumulates and stores."""

from __future__ import annotations

import torch

from memcell.plugins.specs import NormalizerSpec
from memcell.testing.failure import must_work, require
from memcell.testing.normalizers.made import (
    BuildNormalizer,
    all_valid,
    lanes_for,
    made,
    mixed_ages,
    run,
    same_ages,
    trained,
    values,
)
from memcell.testing.numbers import distance
from memcell.testing.purity import attributes_of, changed_attributes


def inference_changes_nothing(build: BuildNormalizer, spec: NormalizerSpec) -> None:
    """A window at inference, and so every replay, leaves all buffers as they were."""
    lanes = lanes_for(spec)
    norm = trained(build, lanes)
    before = attributes_of(norm)
    with torch.no_grad():
        run(norm, values(lanes), mixed_ages(lanes), all_valid(lanes), False)
    changed = changed_attributes(before, attributes_of(norm))
    require(
        not changed,
        expected="a window with update_statistics=False to change nothing",
        did=f"it changed {', '.join(changed)}",
        change="Write running statistics in accumulate only; window and normalize read them.",
    )


def returns_the_same_statistics(build: BuildNormalizer, spec: NormalizerSpec) -> None:
    """Every step of a window returns the same statistics, and their shapes can be stacked."""
    lanes = lanes_for(spec)
    valid = all_valid(lanes)
    valid[3:, :2] = False
    for update_statistics in (True, False):
        for ages in (same_ages(lanes), mixed_ages(lanes)):
            norm = made(build)
            window = norm.window(ages, valid, update_statistics)
            shapes = []
            for t, z in enumerate(values(lanes)):
                inputs = tuple(i[t] for i in window.inputs)
                _, statistics = norm.normalize(z, window.mode, inputs)
                shapes.append([list(part.shape) for part in statistics])
            others = [s for s in shapes if s != shapes[0]]
            require(
                not others,
                expected=f"every step to return the same statistics (mode '{window.mode}')",
                did=f"step 0 returned shapes {shapes[0]} and another {others[:1]}",
                change="Return the same number of tensors at each step of a mode; zeros where there is "
                "nothing.",
            )


def state_dict_round_trips(build: BuildNormalizer, spec: NormalizerSpec) -> None:
    """A normalizer that loads another's ``state_dict`` gives the same at inference and in training."""
    lanes = lanes_for(spec)
    one, other = trained(build, lanes), made(build)
    change = "Register parameters and running statistics (register_buffer) in __init__."
    with must_work("a new normalizer to load the state_dict of another", change):
        other.load_state_dict({k: v.clone() for k, v in one.state_dict().items()})
    gap = 0.0
    with torch.no_grad():
        # training moves the statistics on; inference after it sees whether both moved alike
        for update_statistics in (False, True, False):
            a = run(
                one, values(lanes), same_ages(lanes), all_valid(lanes), update_statistics
            ).outputs
            b = run(
                other, values(lanes), same_ages(lanes), all_valid(lanes), update_statistics
            ).outputs
            gap = max(gap, distance(a, b))
    require(
        gap == 0,
        expected="a normalizer with another's state_dict to go on as that one",
        did=f"they differ by {gap:.3g}",
        change=change,
    )


def recalibration_ends_as_it_began(build: BuildNormalizer, spec: NormalizerSpec) -> None:
    """After begin, some windows and end, it has the same ``state_dict`` entries and finite results."""
    lanes = lanes_for(spec)
    norm = trained(build, lanes)
    keys = sorted(norm.state_dict())
    change = "Put back in end_recalibration what begin_recalibration set aside."
    with must_work("a recalibration over two windows", change), torch.no_grad():
        norm.begin_recalibration()
        for seed in (21, 22):
            run(norm, values(lanes, seed), same_ages(lanes), all_valid(lanes), True)
        norm.end_recalibration()
        out = run(norm, values(lanes), same_ages(lanes), all_valid(lanes), False).outputs
    after = sorted(norm.state_dict())
    require(
        after == keys and bool(out.isfinite().all()),
        expected=f"the entries {keys} and finite results after a recalibration",
        did=f"it has {after}, results {'finite' if bool(out.isfinite().all()) else 'not finite'}",
        change=change,
    )
