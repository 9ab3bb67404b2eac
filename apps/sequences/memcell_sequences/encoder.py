"""From a step's features to the cell's input."""

from __future__ import annotations

from torch import Tensor, cat, nn


class Same(nn.Identity):
    """Passes features on.

    Args:
        n_features: F.
    """

    def __init__(self, n_features: int) -> None:
        super().__init__()
        self.output_size = n_features


class TokenEncoder(nn.Module):
    """Looks up learned numbers for a step's token; other features stand beside them.

    Args:
        tokens: How many there are; the number 0 stands for none.
        width: Learned numbers of each.
        others: Features beside the token, which is the first.
    """

    def __init__(self, tokens: int, width: int, others: int) -> None:
        super().__init__()
        self.table = nn.Embedding(tokens + 1, width)
        self.output_size = width + others

    def forward(self, x: Tensor) -> Tensor:
        """Return ``[..., width + others]`` for ``[..., 1 + others]``."""
        found: Tensor = self.table(x[..., 0].long())
        return found if x.shape[-1] == 1 else cat([found, x[..., 1:]], dim=-1)
