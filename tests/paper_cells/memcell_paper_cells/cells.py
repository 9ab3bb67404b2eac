"""The cells: each as short as its paper's equations allow. Papers stand beside the names in the package."""

from __future__ import annotations

import math
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


class SState(NamedTuple):
    c: torch.Tensor
    n: torch.Tensor
    m: torch.Tensor
    h: torch.Tensor


class SLSTM(Paper):
    state_type = SState

    def shapes(self, i, h):
        return {"w": (4 * h, i), "u": (4 * h, h), "b": (4 * h,)}

    def step(self, p, s, norm):
        z, i, f, o = (p + F.linear(s.h, self.u)).chunk(4, -1)
        f = F.logsigmoid(f)
        m = torch.maximum(f + s.m, i)
        kept, new = torch.exp(f + s.m - m), torch.exp(i - m)
        c = kept * s.c + new * torch.tanh(z)
        n = kept * s.n + new
        h = torch.sigmoid(o) * c / n.clamp(min=1e-6)
        return h, SState(c, n, m, h)


class MState(NamedTuple):
    c: torch.Tensor
    n: torch.Tensor
    m: torch.Tensor


class MLSTM(Paper):
    state_type = MState

    def shapes(self, i, h):
        return {"w": (4 * h + 2, i), "b": (4 * h + 2,)}

    @property
    def state_spec(self):
        h = self.hidden_size
        return {"c": (h, h), "n": (h,), "m": (1,)}

    def step(self, p, s, norm):
        h = self.hidden_size
        q, k, v, o, i, f = p.split([h, h, h, h, 1, 1], -1)
        f = F.logsigmoid(f)
        m = torch.maximum(f + s.m, i)
        kept, new = torch.exp(f + s.m - m), torch.exp(i - m)
        k = k / math.sqrt(h)
        c = kept.unsqueeze(-1) * s.c + new.unsqueeze(-1) * v.unsqueeze(-1) * k.unsqueeze(-2)
        n = kept * s.n + new * k
        read = (c * q.unsqueeze(-2)).sum(-1)
        scale = torch.maximum((n * q).sum(-1, keepdim=True).abs(), torch.exp(-m.clamp(min=-20)))
        return torch.sigmoid(o) * read / scale, MState(c, n, m)


class MinGRU(Paper):
    def shapes(self, i, h):
        return {"w": (2 * h, i), "b": (2 * h,)}

    def step(self, p, s, norm):
        z, g = p.chunk(2, -1)
        z = torch.sigmoid(z)
        h = (1 - z) * s.h + z * torch.where(g >= 0, g + 0.5, torch.sigmoid(g))
        return h, H(h)


class MinLSTM(Paper):
    def shapes(self, i, h):
        return {"w": (3 * h, i), "b": (3 * h,)}

    def step(self, p, s, norm):
        f, i, g = p.chunk(3, -1)
        f, i = torch.sigmoid(f), torch.sigmoid(i)
        h = (f * s.h + i * g) / (f + i + 1e-8)
        return h, H(h)


class Two(NamedTuple):
    y: torch.Tensor
    z: torch.Tensor


class LEM(Paper):
    state_type = Two

    def shapes(self, i, h):
        return {"w": (4 * h, i), "u": (3 * h, h), "v": (h, h), "b": (4 * h,)}

    def step(self, p, s, norm):
        p1, p2, p3, p4 = p.chunk(4, -1)
        u1, u2, u3 = F.linear(s.y, self.u).chunk(3, -1)
        a, b = torch.sigmoid(p1 + u1), torch.sigmoid(p2 + u2)
        z = (1 - a) * s.z + a * torch.tanh(p3 + u3)
        y = (1 - b) * s.y + b * torch.tanh(p4 + F.linear(z, self.v))
        return y, Two(y, z)


class CoRNN(Paper):
    state_type = Two

    def shapes(self, i, h):
        return {"joined": (h, 2 * h + i), "bias": (h,)}

    def step(self, x, s, norm):
        pull = torch.tanh(F.linear(torch.cat([s.y, s.z, x], -1), self.joined, self.bias))
        z = s.z + 0.1 * (pull - s.y - 0.5 * s.z)
        y = s.y + 0.1 * z
        return y, Two(y, z)


class IndRNN(Paper):
    def shapes(self, i, h):
        return {"w": (h, i), "b": (h,), "u": (h,)}

    def step(self, p, s, norm):
        h = torch.relu(p + self.u * s.h)
        return h, H(h)


class LiGRU(Paper):
    def shapes(self, i, h):
        return {"w": (2 * h, i), "b": (2 * h,), "u": (2 * h, h)}

    def step(self, p, s, norm):
        z, g = (p + F.linear(s.h, self.u)).chunk(2, -1)
        z = torch.sigmoid(z)
        h = z * s.h + (1 - z) * torch.relu(g)
        return h, H(h)


class Pair(NamedTuple):
    re: torch.Tensor
    im: torch.Tensor


class LRU(Paper):
    state_type = Pair

    def shapes(self, i, h):
        return {"w": (2 * h, i), "b": (2 * h,), "nu": (h,), "theta": (h,), "out": (h, 2 * h)}

    def step(self, p, s, norm):
        size = torch.exp(-torch.exp(self.nu))
        a, b = size * torch.cos(self.theta), size * torch.sin(self.theta)
        scale = torch.sqrt(1 - size * size)
        to_re, to_im = p.chunk(2, -1)
        re = a * s.re - b * s.im + scale * to_re
        im = b * s.re + a * s.im + scale * to_im
        return F.linear(torch.cat([re, -im], -1), self.out), Pair(re, im)


class ZoneoutLSTM(Paper):
    """Masks are drawn in training; else their expectation stands for them."""

    state_type = HC

    def shapes(self, i, h):
        return {"w": (4 * h, i), "u": (4 * h, h), "b": (4 * h,)}

    def project(self, x, generator=None):
        rates = torch.tensor([0.15, 0.5], dtype=x.dtype)
        kept = rates.view(2, 1, 1, 1).expand(2, *x.shape[:2], self.hidden_size)
        if self.training and generator is not None:
            kept = torch.bernoulli(kept, generator=generator)
        return F.linear(x, self.w, self.b), kept[0], kept[1]

    def step(self, p, s, norm):
        gates, kept_h, kept_c = p
        i, f, g, o = (gates + F.linear(s.h, self.u)).chunk(4, -1)
        c = torch.sigmoid(f) * s.c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        h, c = torch.lerp(h, s.h, kept_h), torch.lerp(c, s.c, kept_c)
        return h, HC(h, c)


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
