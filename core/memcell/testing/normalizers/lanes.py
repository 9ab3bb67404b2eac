"""Who may see whom: lanes at inference, lanes in training, and padding."""

from __future__ import annotations

import torch

from memcell.plugins.specs import NormalizerSpec
from memcell.testing.failure import require
from memcell.testing.normalizers.made import (
    STEPS,
    BuildNormalizer,
    all_valid,
    lanes_for,
    mixed_ages,
    run,
    same_ages,
    trained,
    values,
)
from memcell.testing.numbers import EXACT, distance


def inference_ignores_batch_mates(build: BuildNormalizer, spec: NormalizerSpec) -> None:
    """At inference a lane's result depends neither on the other lanes nor on their ages."""
    _lane_alone(build, spec, update_statistics=False)


def training_ignores_batch_mates(build: BuildNormalizer, spec: NormalizerSpec) -> None:
    """In training too, unless the spec declares ``reduces_batch``."""
    if not spec.reduces_batch:
        _lane_alone(build, spec, update_statistics=True)


def _lane_alone(build: BuildNormalizer, spec: NormalizerSpec, update_statistics: bool) -> None:
    lanes = lanes_for(spec)
    z, ages = values(lanes), same_ages(lanes)
    with torch.no_grad():
        among = run(trained(build, lanes), z, ages, all_valid(lanes), update_statistics).outputs
        disturbed, other_ages = z.clone(), mixed_ages(lanes)
        disturbed[:, 1:] = 3.0 * z[:, 1:].flip(0) + 1.0
        others = run(
            trained(build, lanes), disturbed, other_ages, all_valid(lanes), update_statistics
        ).outputs
        alone = run(
            trained(build, lanes), z[:, :1], ages[:, :1], all_valid(1), update_statistics
        ).outputs
    gap = max(distance(among[:, 0], others[:, 0]), distance(among[:, :1], alone))
    when = "in training" if update_statistics else "at inference"
    hint = (
        "declare reduces_batch=True"
        if update_statistics
        else "use running statistics when update_statistics is False"
    )
    require(
        gap <= EXACT,
        expected=f"a lane's result {when} not to depend on the other lanes",
        did=f"it changed by {gap:.3g} with them",
        change=f"Reduce over the last dimension, or {hint}.",
    )


def padding_changes_nothing(build: BuildNormalizer, spec: NormalizerSpec) -> None:
    """What stands in padded lanes changes neither the valid lanes nor the statistics."""
    lanes = lanes_for(spec)
    valid = all_valid(lanes)
    valid[3:, :2] = False
    valid[:, 2] = False
    for update_statistics in (True, False):
        for ages in (same_ages(lanes), mixed_ages(lanes)):
            one, other = trained(build, lanes), trained(build, lanes)
            z = values(lanes)
            disturbed = torch.where(valid.unsqueeze(-1), z, 50.0 - 20.0 * z)
            with torch.no_grad():
                a = run(one, z, ages, valid, update_statistics).outputs
                b = run(other, disturbed, ages, valid, update_statistics).outputs
            gap = distance(a[valid], b[valid])
            stored = other.state_dict()
            moved = [k for k, v in one.state_dict().items() if distance(v, stored[k]) > EXACT]
            require(
                gap <= EXACT and not moved,
                expected=f"padding not to change the valid lanes over {STEPS} steps "
                f"(update_statistics={update_statistics})",
                did=f"it changed them by {gap:.3g}, and {', '.join(moved) or 'no'} statistics",
                change="Take `valid`, handed to window, into account wherever lanes are summed.",
            )
