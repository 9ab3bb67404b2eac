"""How many ages a normalizer says it tells apart at inference."""

from __future__ import annotations

import torch

from memcell.plugins.specs import NormalizerSpec
from memcell.recurrent.normalizer import Normalizer, NormWindow
from memcell.testing.failure import require
from memcell.testing.normalizers.made import BuildNormalizer, lanes_for, trained


def inference_ages_are_told_apart(build: BuildNormalizer, spec: NormalizerSpec) -> None:
    """What `window` gives at inference goes by age alone, and by no more ages than declared."""
    lanes = lanes_for(spec)
    norm = trained(build, lanes)
    n = norm.inference_ages
    if n is None:
        return
    require(
        isinstance(n, int) and n >= 1,
        expected="inference_ages to be None or a number of ages from 1 up",
        did=f"it is {n!r}",
        change="Leave it out unless window's inputs at inference go by age.",
    )
    ages = sorted({0, 1, 2, n - 1, n, n + 7})
    together = _window(norm, ages, lanes)
    for row, age in enumerate(ages):
        one = _window(norm, [min(age, n - 1)], lanes)
        same = one.mode == together.mode and len(one.inputs) == len(together.inputs)
        same = same and all(
            torch.equal(a[0], b[row]) for a, b in zip(one.inputs, together.inputs, strict=True)
        )
        require(
            same,
            expected=f"lanes of age {age} to be given what those of age {min(age, n - 1)} are, by "
            f"themselves or among other steps (inference_ages is {n})",
            did="window gave another mode or other inputs",
            change="Let inference_ages be the number of ages that window tells apart, or leave it out.",
        )


def _window(norm: Normalizer, ages: list[int], lanes: int) -> NormWindow:
    each = torch.tensor(ages).unsqueeze(-1).expand(len(ages), lanes)
    valid = torch.ones(len(ages), lanes, dtype=torch.bool)
    return norm.window(each, valid, False)
