"""A decoder that hears what the memory says of the past, and what it said itself at the step before.

K. Cho et al., "Learning phrase representations using RNN encoder-decoder" (EMNLP 2014). There an encoder
reads a whole sentence into its last state c, and a decoder says word after word from c, its own state and the
word before. Here an output is wanted at every step and none may wait for the end, so c is the encoder's state
*of now*: the memory is the encoder, c_t = h_t sums up all that it was given up to step t, and the decoder
goes on one step for each::

    u, r  = sigma(W [c_t, e_{t-1}] + U s_{t-1} + b)
    n     = tanh(W_n [c_t, e_{t-1}] + U_n (r * s_{t-1}) + b_n)
    s_t   = u * s_{t-1} + (1 - u) * n
    e_t   = tanh(V s_t)

The readout reads s_t. e_t is what the decoder says to itself, a projection of its own: the network's outputs,
to which a linear path may add, are made behind it. s and e are the state. It is causal and runs live; a
decoder that waits for a window's end before it says anything is not among these heads.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from memcell.network.around import HeadPlace
from memcell.recurrent.cell import Cell, Norm
from memcell_plugins.heads.configs import EncoderDecoderConfig


class DecoderState(NamedTuple):
    """s ``[B, D]``, the decoder's memory; e ``[B, E]``, what it said."""

    s: Tensor
    e: Tensor


class Decoder(Cell):
    """A gated recurrent unit with feedback of what it said.

    Args:
        place: Where it stands.
        config: D and E.
    """

    state_type = DecoderState

    def __init__(self, place: HeadPlace, config: EncoderDecoderConfig) -> None:
        super().__init__(place.width, config.width)
        self.feedback = config.feedback
        self.weight_context = nn.Parameter(torch.empty(3 * config.width, place.width))
        self.weight_said = nn.Parameter(torch.empty(3 * config.width, config.feedback))
        self.weight_gates = nn.Parameter(torch.empty(2 * config.width, config.width))
        self.weight_new = nn.Parameter(torch.empty(config.width, config.width))
        self.weight_say = nn.Parameter(torch.empty(config.feedback, config.width))
        self.bias = nn.Parameter(torch.zeros(3 * config.width))
        for weight in (self.weight_context, self.weight_said, self.weight_say):
            nn.init.xavier_uniform_(weight)
        for square in (*self.weight_gates.chunk(2), self.weight_new):
            nn.init.orthogonal_(square)

    @property
    def state_spec(self) -> Mapping[str, tuple[int, ...]]:
        """Widths of s and e."""
        return {"s": (self.hidden_size,), "e": (self.feedback,)}

    def project(self, x: Tensor) -> Tensor:
        """``W c + b`` ``[T, B, 3D]``."""
        return F.linear(x, self.weight_context, self.bias)

    def step(self, p: Tensor, state: DecoderState, norm: Norm) -> tuple[Tensor, DecoderState]:
        """One step."""
        u_x, r_x, n_x = (p + F.linear(state.e, self.weight_said)).chunk(3, dim=-1)
        u_h, r_h = F.linear(state.s, self.weight_gates).chunk(2, dim=-1)
        u, r = torch.sigmoid(u_x + u_h), torch.sigmoid(r_x + r_h)
        n = torch.tanh(n_x + F.linear(r * state.s, self.weight_new))
        s = u * state.s + (1 - u) * n
        return s, DecoderState(s, torch.tanh(F.linear(s, self.weight_say)))
