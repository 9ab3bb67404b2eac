"""The smallest eigenvalue of a symmetric matrix that is known only by its products.

C. Lanczos, "An iteration method for the solution of the eigenvalue problem", J. Res. Nat. Bur. Stand. 45
(1950), with full reorthogonalization (twice), which a few steps can afford. With the tridiagonal
T = Q' A Q of m steps, theta an eigenvalue of T and s its eigenvector, some eigenvalue of A lies within the
residual ``|A Q s - theta Q s| = beta_m |s_m|`` of theta; and the smallest of A is at most the smallest theta.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

#: How far from symmetric a product may be, as a share of its length.
SYMMETRIC = 1e-6


class Extremes(NamedTuple):
    """Ends of the spectrum, as far as they were found.

    Args:
        smallest: The smallest Ritz value.
        residual: Of it: an eigenvalue lies within this distance.
        largest: The largest Ritz value.
        steps: Products done.
    """

    smallest: float
    residual: float
    largest: float
    steps: int


def lanczos(
    product: Callable[[Tensor], Tensor],
    size: int,
    steps: int,
    rng: np.random.Generator,
    tolerance: float = 1e-3,
) -> Extremes:
    """Return the ends of a spectrum.

    Args:
        product: ``v -> A v``, float64 vectors.
        size: Rows of A.
        steps: Products at most.
        rng: Draws the first vector.
        tolerance: Stop where the residual is below this share of the spectrum's spread.

    Raises:
        RuntimeError: A is not finite, or not symmetric. Torch drops what it cannot differentiate twice
            without a word (``once_differentiable``), and this is how it shows.
    """
    vector = torch.from_numpy(rng.standard_normal(size))
    basis = [vector / vector.norm()]
    alpha: list[float] = []
    beta: list[float] = []
    while True:
        found = product(basis[-1]).double().cpu()
        if not bool(torch.isfinite(found).all()):
            raise RuntimeError(
                "the product is not finite: the network's loss is no longer a number"
            )
        if beta and abs(float(found @ basis[-2]) - beta[-1]) > SYMMETRIC * (
            1e-30 + float(found.norm())
        ):
            raise RuntimeError(
                "the product is not symmetric: an operation of the network can be differentiated only once"
            )
        alpha.append(float(found @ basis[-1]))
        for _ in range(2):
            for known in basis:
                found = found - (found @ known) * known
        beta.append(float(found.norm()))
        values, vectors = np.linalg.eigh(
            np.diag(alpha) + np.diag(beta[:-1], 1) + np.diag(beta[:-1], -1)
        )
        residual = beta[-1] * abs(float(vectors[-1, 0]))
        spread = max(abs(values[0]), abs(values[-1]))
        if len(alpha) >= min(steps, size) or residual <= tolerance * spread:
            return Extremes(float(values[0]), residual, float(values[-1]), len(alpha))
        basis.append(found / beta[-1])
