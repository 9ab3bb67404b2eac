"""A linear path from a step's features to the outputs, around the recurrent layers.

A network with one is a linear model and what memory adds to it. Where the path starts at a fitted regression
(`memcell.training.regression_start`) and the readout of the recurrent layers at zero, the network *is* that
regression before its first update, and training has to find what the regression lacks (He et al. 2016,
"Identity mappings in deep residual networks"; Zhang, Dauphin & Ma 2019, "Fixup initialization", for the
zero at the end of a branch).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class LinearPath(nn.Module):
    """``W x`` of each step, ``[T, B, F] -> [T, B, n_outputs]``; the bias is the readout's.

    Args:
        n_features: F.
        n_outputs: Outputs a step.
        trained: The weights are parameters; otherwise they are kept as they start (a buffer of the same name,
            so that files hold the same).
    """

    weight: Tensor
    #: None, as that of a `torch.nn.Linear` without one.
    bias: None = None

    def __init__(self, n_features: int, n_outputs: int, trained: bool = True) -> None:
        super().__init__()
        weight = torch.empty(n_outputs, n_features)
        nn.init.xavier_uniform_(weight)
        if trained:
            self.weight = nn.Parameter(weight)
        else:
            self.register_buffer("weight", weight)

    def forward(self, x: Tensor) -> Tensor:
        """Return the path's share of the logits."""
        return nn.functional.linear(x, self.weight)
