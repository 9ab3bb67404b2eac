"""Modules that treat each step by itself, run over blocks of a fixed number of steps.

How a matrix product of many rows sums depends on how many rows there are (libraries choose among kernels), so
a step's last bits would depend on what it is run together with. In blocks of `BLOCK` steps, the last one
filled up, a step at the same place in its block has the same bits whatever stands beside it: a stream that
puts its one step there gets what a whole sequence gets.
"""

from __future__ import annotations

from itertools import chain

import torch
from torch import Tensor, nn

#: Steps of a block. A stream pays for a whole one at each step, a sequence for a call of each.
BLOCK = 8


def by_blocks(module: nn.Module, x: Tensor) -> Tensor:
    """Return ``module(x)`` for ``x [T, B, …]``, its first step at the first place of a block.

    Args:
        module: Treats each step by itself.
        x: On the CPU; elsewhere the module is called once, for there are no streams. So is a module without
            weights, which has no sum to make.
    """
    weights = chain(module.parameters(), module.buffers())
    if x.device.type != "cpu" or next(weights, None) is None:
        whole: Tensor = module(x)
        return whole
    steps = len(x)
    missing = -steps % BLOCK
    if missing:
        x = torch.cat((x, x.new_zeros(missing, *x.shape[1:])))
    pieces = [module(part) for part in torch.split(x, BLOCK)]
    out = pieces[0] if len(pieces) == 1 else torch.cat(pieces)
    return out[:steps]
