"""The cells: each as short as its paper's equations allow. Papers stand beside the names in the package."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional as F

from memcell import Cell


class H(NamedTuple):
    h: torch.Tensor


class HC(NamedTuple):
    h: torch.Tensor
    c: torch.Tensor


class Paper(Cell):
    """A cell of weights ``shapes(I, H)``; x is handed to the step as it is, or projected by ``w``."""

    state_type = H

    def __init__(self, input_size, hidden_size, config=None):
        super().__init__(input_size, hidden_size)
        for name, shape in self.shapes(input_size, hidden_size).items():
            self.register_parameter(name, nn.Parameter(torch.zeros(*shape)))

    @property
    def state_spec(self):
        return dict.fromkeys(self.state_type._fields, (self.hidden_size,))

    def project(self, x):
        return F.linear(x, self.w, self.b) if hasattr(self, "w") else x

    def reset_parameters(self, initialize):
        for p in self.parameters():
            if p.dim() == 1:
                nn.init.uniform_(p, -0.1, 0.1)
            else:
                kind = "recurrent" if p.shape[-1] == p.shape[-2] else "input"
                initialize[kind](p)


class TextbookLSTM(Paper):
    state_type = HC

    def shapes(self, i, h):
        return {"joined": (4 * h, i + h), "bias": (4 * h,)}

    def step(self, x, s, norm):
        i, f, g, o = F.linear(torch.cat([x, s.h], -1), self.joined, self.bias).chunk(4, -1)
        c = torch.sigmoid(f) * s.c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        return h, HC(h, c)


class TextbookGRU(Paper):
    def shapes(self, i, h):
        return {"gates": (2 * h, h + i), "candidate": (h, h + i), "bias": (h,)}

    def step(self, x, s, norm):
        z, r = torch.sigmoid(F.linear(torch.cat([s.h, x], -1), self.gates)).chunk(2, -1)
        g = torch.tanh(F.linear(torch.cat([r * s.h, x], -1), self.candidate, self.bias))
        h = (1 - z) * s.h + z * g
        return h, H(h)


class Phased(NamedTuple):
    h: torch.Tensor
    c: torch.Tensor
    t: torch.Tensor


class PhasedLSTM(Paper):
    state_type = Phased

    def shapes(self, i, h):
        return {"w": (4 * h, i), "u": (4 * h, h), "b": (4 * h,), "period": (h,), "shift": (h,)}

    @property
    def state_spec(self):
        return {"h": (self.hidden_size,), "c": (self.hidden_size,), "t": (1,)}

    def step(self, p, s, norm):
        i, f, g, o = (p + F.linear(s.h, self.u)).chunk(4, -1)
        turns = (s.t - self.shift) / (2 + self.period.abs())
        phase = turns - torch.floor(turns)
        rising, falling = 4 * phase, 2 - 4 * phase
        open_ = torch.where(phase < 0.25, rising, torch.where(phase < 0.5, falling, 0.001 * phase))
        c = torch.sigmoid(f) * s.c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        c, h = torch.lerp(s.c, c, open_), torch.lerp(s.h, h, open_)
        return h, Phased(h, c, s.t + 1)


class ConvLSTM(Paper):
    """H places of one channel; a kernel of three places round each, zeros beyond the ends."""

    state_type = HC

    def shapes(self, i, h):
        return {"w": (4 * h, i), "b": (4 * h,), "kernel": (4, 3)}

    def step(self, p, s, norm):
        edge = torch.zeros_like(s.h[:, :1])
        left, right = torch.cat([edge, s.h[:, :-1]], -1), torch.cat([s.h[:, 1:], edge], -1)
        around = torch.stack([left, s.h, right], -1)
        back = (around.unsqueeze(1) * self.kernel.view(1, 4, 1, 3)).sum(-1)
        i, f, g, o = (p.view(-1, 4, self.hidden_size) + back).unbind(1)
        c = torch.sigmoid(f) * s.c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        return h, HC(h, c)


class BlockLSTM(Paper):
    """Two cells share the gates of their block; no forget gate, as in 1997."""

    state_type = HC

    def shapes(self, i, h):
        rows = 2 * -(-h // 2) + h
        return {"joined": (rows, i + h), "bias": (rows,)}

    def step(self, x, s, norm):
        n = self.hidden_size
        blocks = -(-n // 2)
        z = F.linear(torch.cat([x, s.h], -1), self.joined, self.bias)
        i, o, g = z.split([blocks, blocks, n], -1)
        i, o = (torch.sigmoid(v).repeat_interleave(2, -1)[:, :n] for v in (i, o))
        c = s.c + i * (4 * torch.sigmoid(g) - 2)
        h = o * (2 * torch.sigmoid(c) - 1)
        return h, HC(h, c)
