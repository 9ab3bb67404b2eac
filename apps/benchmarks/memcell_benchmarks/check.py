"""Verification before timing: a wrong backend is not measured."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from memcell_benchmarks.contenders import CannotRun, CellContender, Contender

#: A window for checking: over many more steps some networks blow rounding up without bound (layer
#: normalization with random weights: 1e-7 becomes 1e-2 in 128 steps), and nothing can be told from it.
CHECKED_STEPS = 40
#: The largest relative error that rounding explains over so many steps.
LIMITS = {"float32": 5e-4, "float64": 1e-9}
#: And what rounding factors to bfloat16 explains, beside twice what torch's autocast makes of the eager loop:
#: some networks blow up such rounding to any size.
BFLOAT16_LIMIT = 1e-2
#: A gradient that is mathematically 0 (a bias in front of a mean) is all rounding: it is measured
#: against this share of the largest gradient instead of against itself.
SMALL = 1e-3


def relative_error(got: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> float:
    """Return the largest relative error of named tensors, each by its Euclidean norm.

    What one side does not have is 0 (a parameter that got no gradient).
    """
    norms = {name: float(t.double().norm()) for name, t in wanted.items()}
    floor = SMALL * max(norms.values(), default=0.0)
    errors = [0.0]
    for name in {**wanted, **got}:
        a, b = got.get(name), wanted.get(name)
        present = b if a is None else a
        assert present is not None
        zero = torch.zeros(present.shape, dtype=torch.float64)
        a, b = (zero if t is None else t.detach().cpu().double() for t in (a, b))
        difference = float((a - b).norm())
        if difference != difference:
            return float("nan")
        if difference:
            errors.append(difference / max(norms.get(name, 0.0), floor, 1e-30))
    # an infinite number that is missing is infinity by infinity, which max would pass over
    return float("nan") if any(e != e for e in errors) else max(errors)


def verify(contender: Contender, oracle: CellContender) -> float:
    """Return the relative error of everything that a contender gives.

    Args:
        contender: Fresh.
        oracle: The eager loop in float64 with the same weights and statistics, fresh too.
    """
    errors = []
    try:
        trained = contender.train()
    except CannotRun:
        pass  # such peers belong to cells without statistics: a training would change nothing
    else:
        wanted = oracle.train()
        errors.append(relative_error({"y": trained.outputs}, {"y": wanted.outputs}))
        errors.append(relative_error(trained.gradients, wanted.gradients))
        if isinstance(contender, CellContender):
            mine, theirs = contender.statistics(), oracle.statistics()
            pairs = zip(mine, theirs, strict=True)
            errors += [relative_error({"s": a}, {"s": b}) for a, b in pairs]
    errors.append(relative_error({"y": contender.infer()}, {"y": oracle.infer()}))
    for _ in range(3):
        errors.append(relative_error({"y": contender.step()}, {"y": oracle.step()}))
    return float("nan") if any(e != e for e in errors) else max(errors)
