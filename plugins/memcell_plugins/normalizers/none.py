"""No normalization: every sum stays as it is."""

from __future__ import annotations

from torch import Tensor

from memcell.recurrent.normalizer import Normalizer


class NoNorm(Normalizer):
    """``norm(z) = z``.

    Args:
        width: W.
        config: Ignored; there are no options.
    """

    def __init__(self, width: int, config: object = None) -> None:
        super().__init__(width)

    def normalize(
        self, z: Tensor, mode: str, inputs: tuple[Tensor, ...]
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Return z; there are no statistics."""
        return z, ()
