"""Attention over what the memory said in the last steps.

D. Bahdanau et al., "Neural machine translation by jointly learning to align and translate" (ICLR 2015), over
a memory's own past, as J. Cheng et al., "Long short-term memory-networks for machine reading" (EMNLP 2016);
scores are scaled products (Vaswani et al. 2017) with a learned bias for each distance (Raffel et al. 2020)::

    q_t, k_t, v_t = W_q h_t, W_k h_t, W_v h_t
    a_{t,j} = softmax_j(q_t . k_{t-j} / sqrt(d) + r_j),   j = 0 ... n, steps since the last reset only
    c_t = sum_j a_{t,j} v_{t-j}
    o_t = [h_t, c_t]

With several heads (Vaswani et al. 2017) q, k and v fall into as many parts, each with its own a and r, scaled
by the width of a part, and c is their c side by side; the product that mixes them is the readout's.

n keys and values of the past are the state. So it is causal, it looks over a window's edge as far as memory
is carried, and a step costs the same wherever it stands. No gradient flows to keys of the window before, as
none does to its states.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from memcell.network.around import HeadPlace
from memcell.recurrent.cell import Cell, Norm
from memcell_plugins.heads.configs import AttentionConfig

#: The score of a step that is not there.
_NEVER = -1e9


class AttentionState(NamedTuple):
    """The last n steps, the oldest first.

    keys and values ``[B, n, d]``; there ``[B, n]``, 1 for a step that was, 0 for one before the last reset.
    """

    keys: Tensor
    values: Tensor
    there: Tensor


class Attention(Cell):
    """Causal attention over the last n steps; its output holds the memory's own beside what was looked up.

    Args:
        place: Where it stands.
        config: n, d and the heads.
    """

    state_type = AttentionState

    def __init__(self, place: HeadPlace, config: AttentionConfig) -> None:
        super().__init__(place.width, config.width)
        self.past, self.heads = config.past, config.heads
        self.scale = 1 / math.sqrt(config.width // config.heads)
        self.weight = nn.Parameter(torch.empty(3 * config.width, place.width))
        each = () if config.heads == 1 else (config.heads,)
        self.distance = nn.Parameter(torch.zeros(config.past + 1, *each))
        nn.init.xavier_uniform_(self.weight)

    @property
    def output_size(self) -> int:
        """H + d."""
        return self.input_size + self.hidden_size

    @property
    def state_spec(self) -> Mapping[str, tuple[int, ...]]:
        """Shapes of keys, values and which are there."""
        kept = (self.past, self.hidden_size)
        return {"keys": kept, "values": kept, "there": (self.past,)}

    def project(self, x: Tensor) -> tuple[Tensor, ...]:
        """The memory's output itself, and q, k and v ``[T, B, d]``."""
        q, k, v = F.linear(x, self.weight).chunk(3, dim=-1)
        return x, q * self.scale, k, v

    def step(
        self, p: tuple[Tensor, ...], state: AttentionState, norm: Norm
    ) -> tuple[Tensor, AttentionState]:
        """One step."""
        h, q, k, v = p
        keys = torch.cat((state.keys, k.unsqueeze(1)), dim=1)
        values = torch.cat((state.values, v.unsqueeze(1)), dim=1)
        there = torch.cat((state.there, torch.ones_like(k[:, :1])), dim=1)
        if self.heads == 1:
            scores = (keys * q.unsqueeze(1)).sum(-1) + self.distance
            share = torch.softmax(torch.where(there > 0, scores, _NEVER), dim=-1)
            found = (share.unsqueeze(-1) * values).sum(1)
        else:
            parts = (self.heads, -1)
            scores = (keys * q.unsqueeze(1)).unflatten(-1, parts).sum(-1) + self.distance
            share = torch.softmax(torch.where(there.unsqueeze(-1) > 0, scores, _NEVER), dim=1)
            found = (share.unsqueeze(-1) * values.unflatten(-1, parts)).sum(1).flatten(1)
        return torch.cat((h, found), dim=-1), AttentionState(
            keys[:, 1:], values[:, 1:], there[:, 1:]
        )
