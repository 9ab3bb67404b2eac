"""Modules that treat each step by itself: all blocks at once have the bits that each has by itself."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from memcell.network.blocks import BLOCK, by_blocks
from memcell.network.linear_path import LinearPath

MODULES = {
    "linear": lambda inputs, outputs: nn.Linear(inputs, outputs),
    "without a bias": lambda inputs, outputs: nn.Linear(inputs, outputs, bias=False),
    "linear path": lambda inputs, outputs: LinearPath(inputs, outputs),
    "several": lambda inputs, outputs: nn.Sequential(
        nn.Linear(inputs, 3), nn.Tanh(), nn.Linear(3, outputs)
    ),
}


@pytest.mark.parametrize("kind", MODULES)
@pytest.mark.parametrize("outputs", [1, 2, 5])
@pytest.mark.parametrize("inputs", [3, 12, 126])
def test_a_sequence_has_the_bits_of_its_blocks(kind, inputs, outputs):
    torch.manual_seed(0)
    module = MODULES[kind](inputs, outputs)
    x = torch.randn(BLOCK * 20 + 3, 1, inputs)
    with torch.no_grad():
        found = by_blocks(module, x)
        filled = torch.cat((x, torch.zeros(BLOCK - 3, 1, inputs)))
        alone = torch.cat([module(part) for part in filled.split(BLOCK)])[: len(x)]
    assert torch.equal(found, alone)


def test_a_linear_path_is_run_over_all_blocks_at_once():
    """Where sums have the same bits: calls of each block take as long as a small network's loop."""
    calls = []
    module = LinearPath(126, 2)
    module.register_forward_hook(lambda *_: calls.append(1))
    with torch.no_grad():
        by_blocks(module, torch.randn(BLOCK * 20, 1, 126))
    assert len(calls) in (2, 22)  # the two ends, and every block where they differ
