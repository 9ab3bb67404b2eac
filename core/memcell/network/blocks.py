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

from memcell.network.linear_path import LinearPath

#: Steps of a block. A stream pays for a whole one at each step, a sequence for a call of each.
BLOCK = 8

#: Multiplications from which `torch.bmm` hands its products to the library that makes a single one. It has a
#: loop of its own for smaller ones, and `torch.nn.functional.linear` a routine of its own for one column.
_OF_LIBRARY = 400


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
    # exactly these: a class derived from one may do more than its product
    if steps > BLOCK and (type(module) is nn.Linear or type(module) is LinearPath):
        together = _together(module, x)
        if together is not None:
            return together[:steps]
    return torch.cat([module(part) for part in torch.split(x, BLOCK)])[:steps]


def _together(module: nn.Linear | LinearPath, x: Tensor) -> Tensor | None:
    """Return a linear module over all blocks of ``x [n * BLOCK, …, I]`` as one call of many products.

    Each is of the form that a block by itself has. None where the first and the last block do not come out
    with the bits that they have by themselves, which no library promises; and where products are so small
    that they are known to be rounded otherwise, now and then in so few steps that the ends do not show it.
    """
    blocks = x.reshape(len(x) // BLOCK, -1, x.shape[-1])
    if 1 in module.weight.shape or blocks.shape[1] * module.weight.numel() < _OF_LIBRARY:
        return None
    weight = module.weight.t().expand(len(blocks), -1, -1)
    bias = module.bias
    found = torch.bmm(blocks, weight) if bias is None else torch.baddbmm(bias, blocks, weight)
    out = found.reshape(*x.shape[:-1], -1)
    ends = (slice(0, BLOCK), slice(len(x) - BLOCK, None))
    return out if all(torch.equal(out[end], module(x[end])) for end in ends) else None
