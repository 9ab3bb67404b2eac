"""Cells as researchers write them: matrix memories, addressing, several heads, state spaces, odd indexing.

Each is a step of plain PyTorch on small sizes. `CELLS` has all that must run as generated C.
"""

# ruff: noqa: RUF012 -- the attributes of these classes are what a test reads
from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from memcell.recurrent import Cell

F_IN, H, D = 3, 2, 4  # features, heads, width of a head
W = H * D


class Vector(NamedTuple):
    h: Tensor


class Matrix(NamedTuple):
    m: Tensor


class Pair(NamedTuple):
    a: Tensor
    b: Tensor


class Triple(NamedTuple):
    a: Tensor
    b: Tensor
    c: Tensor


CELLS: dict[str, type[Cell]] = {}


class Paper(Cell):
    """A cell with an input projection of ``columns`` and the parameters of ``shapes``."""

    norm_sites: Any = {}
    columns = W
    shapes: dict[str, tuple[int, ...]] = {}
    spec: dict[str, tuple[int, ...]] = {"h": (W,)}
    state_type: Any = Vector
    width = W

    def __init__(self, input_size: int = F_IN, hidden_size: int = W) -> None:
        super().__init__(input_size, hidden_size)
        self.w_in = nn.Parameter(torch.empty(self.columns, input_size))
        for name, shape in self.shapes.items():
            setattr(self, name, nn.Parameter(torch.empty(shape)))
        self.double()
        torch.manual_seed(0)
        for p in self.parameters():
            nn.init.normal_(p, std=0.4)

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        CELLS[cls.__name__] = cls

    @property
    def output_size(self) -> int:
        return self.width

    @property
    def state_spec(self) -> dict[str, tuple[int, ...]]:
        return self.spec

    def project(self, x: Tensor) -> Any:
        return F.linear(x, self.w_in)


class FastWeights(Paper):
    """Ba et al. 2016, one inner step."""

    shapes = {"w": (W, W)}
    spec = {"a": (W,), "b": (W, W)}
    state_type = Pair

    def step(self, p, s, norm):
        a = 0.9 * s.b + 0.5 * s.a.unsqueeze(2) * s.a.unsqueeze(1)
        first = torch.tanh(p + F.linear(s.a, self.w))
        h = torch.tanh(p + F.linear(s.a, self.w) + torch.bmm(a, first.unsqueeze(2)).squeeze(2))
        return h, Pair(h, a)


class DeltaRule(Paper):
    """Schlag et al. 2021: keys written where they were read."""

    columns = 3 * W + H
    spec = {"m": (H, D, D)}
    state_type = Matrix

    def step(self, p, s, norm):
        q, k, v, b = p.split([W, W, W, H], -1)
        q, k, v = (t.view(-1, H, D) for t in (q, k, v))
        k = torch.softmax(k, -1)
        old = torch.einsum("bhij,bhj->bhi", s.m, k)
        m = s.m + torch.einsum("bhi,bhj->bhij", torch.sigmoid(b).unsqueeze(-1) * (v - old), k)
        return torch.einsum("bhij,bhj->bhi", m, q).reshape(-1, W), Matrix(m)


class GatedDelta(Paper):
    """With a decay and matmul instead of einsum."""

    columns = 3 * W + 2 * H
    spec = {"m": (H, D, D)}
    state_type = Matrix

    def step(self, p, s, norm):
        q, k, v, rest = p.split([W, W, W, 2 * H], -1)
        q, k, v = (t.reshape(-1, H, D) for t in (q, k, v))
        k = k / (k.pow(2).sum(-1, keepdim=True) + 1e-6).sqrt()
        beta, decay = torch.sigmoid(rest).view(-1, H, 2).unbind(-1)
        m = decay[..., None, None] * s.m
        error = v - (m @ k.unsqueeze(-1)).squeeze(-1)
        m = m + (beta[..., None] * error).unsqueeze(-1) @ k.unsqueeze(-2)
        return (m @ q[..., None])[..., 0].flatten(1), Matrix(m)


class HeadedSLSTM(Paper):
    """Several heads: each has its own recurrent matrices."""

    columns = 4 * W
    shapes = {"r": (H, D, 4 * D), "bias": (4, W)}
    spec = {"a": (H, D), "b": (H, D), "c": (W,)}
    state_type = Triple

    def step(self, p, s, norm):
        back = torch.einsum("bhd,hde->bhe", s.a, self.r)
        z = p.view(-1, H, 4 * D) + back
        i, f, g, o = z.chunk(4, -1)
        f = torch.sigmoid(f + self.bias[1].view(H, D))
        c = f * s.b + torch.sigmoid(i) * torch.tanh(g + self.bias[0].view(1, H, D))
        h = torch.sigmoid(o) * torch.tanh(c)
        return h.flatten(-2), Triple(h, c, 0.5 * s.c + h.reshape(-1, W))


class RetNet(Paper):
    """A decay for each head, fixed."""

    columns = 3 * W
    spec = {"m": (H, D, D)}
    state_type = Matrix

    def __init__(self, *args):
        super().__init__(*args)
        self.register_buffer("gamma", (1 - 2.0 ** -torch.arange(2, 2 + H)).double())

    def step(self, p, s, norm):
        q, k, v = p.view(-1, 3, H, D).unbind(1)
        m = self.gamma.view(1, H, 1, 1) * s.m + k[:, :, :, None] * v[:, :, None, :]
        return torch.einsum("bhd,bhde->bhe", q, m).reshape(-1, W), Matrix(m)


class Selective(Paper):
    """A diagonal state space whose step depends on the input, as in Mamba."""

    columns = 2 * W + 2 * D
    shapes = {"log_a": (W, D), "skip": (W,)}
    spec = {"m": (W, D)}
    state_type = Matrix

    def step(self, p, s, norm):
        x, dt, b, c = p.split([W, W, D, D], -1)
        dt = F.softplus(dt)
        decay = torch.exp(-dt.unsqueeze(-1) * torch.exp(self.log_a))
        m = decay * s.m + (dt * x).unsqueeze(-1) * b.unsqueeze(1)
        return torch.einsum("bdn,bn->bd", m, c) + self.skip * x, Matrix(m)


class RealPairs(Paper):
    """S5 with complex numbers as pairs of real ones."""

    shapes = {"log_nu": (D,), "theta": (D,), "b": (D, 2, W), "c": (W, D, 2)}
    spec = {"m": (D, 2)}
    state_type = Matrix

    def step(self, p, s, norm):
        radius = torch.exp(-torch.exp(self.log_nu))
        re, im = radius * torch.cos(self.theta), radius * torch.sin(self.theta)
        a, b = s.m[..., 0], s.m[..., 1]
        u = torch.einsum("dcw,bw->bdc", self.b, p)
        m = torch.stack([re * a - im * b, re * b + im * a], -1) + u
        return torch.einsum("wdc,bdc->bw", self.c, m), Matrix(m)


class Addressing(Paper):
    """A neural Turing machine's content addressing: read, erase, add over slots."""

    columns = 3 * D + 2
    width = D
    spec = {"a": (5, D), "b": (5,)}
    state_type = Pair

    def step(self, p, s, norm):
        key, erase, add, beta, gate = p.split([D, D, D, 1, 1], -1)
        score = F.cosine_similarity(s.a, key.unsqueeze(1), dim=-1)
        w = torch.softmax(F.softplus(beta) * score, dim=-1)
        g = torch.sigmoid(gate)
        w = g * w + (1 - g) * s.b
        w = 0.8 * w + 0.1 * torch.roll(w, 1, -1) + 0.1 * torch.roll(w, -1, -1)
        m = s.a * (1 - w.unsqueeze(-1) * torch.sigmoid(erase).unsqueeze(1))
        m = m + w.unsqueeze(-1) * add.unsqueeze(1)
        return (w.unsqueeze(-1) * m).sum(1), Pair(m, w)


class HandMadeLayerNorm(Paper):
    """A GRU whose sums are normalized by hand, by mean and var."""

    columns = 3 * W
    shapes = {"r": (3 * W, W), "gain": (3, W)}

    def step(self, p, s, norm):
        z = F.linear(s.h, self.r).view(-1, 3, W)
        mean, var = z.mean(-1, keepdim=True), z.var(-1, keepdim=True, unbiased=False)
        z = (z - mean) / torch.sqrt(var + 1e-5) * self.gain + p.view(-1, 3, W)
        r, u = torch.sigmoid(z[:, 0]), torch.sigmoid(z[:, 1])
        h = (1 - u) * torch.tanh(p[..., 2 * W :] + r * z[:, 2]) + u * s.h
        return h, Vector(h)


class SlotAttention(Paper):
    """Attention over a memory of slots, several heads, then the oldest is replaced."""

    columns = 3 * W
    spec = {"a": (5, W), "b": (W,)}
    state_type = Pair

    def step(self, p, s, norm):
        q, k, v = p.chunk(3, -1)
        slots = torch.cat([s.a[:, 1:], (k + 0.1 * s.b).unsqueeze(1)], 1)
        keys = slots.view(-1, 5, H, D).transpose(1, 2)
        score = torch.einsum("bhd,bhnd->bhn", q.view(-1, H, D), keys) / D**0.5
        w = torch.softmax(score, -1)
        out = torch.matmul(w.unsqueeze(-2), keys).squeeze(-2).flatten(1)
        return torch.tanh(out + v), Pair(slots, torch.tanh(out))


class HyperNetwork(Paper):
    """A small state scales the rows of the large one's matrix."""

    shapes = {"r": (W, W), "scale": (W, D), "small": (D, D), "up": (D, W)}
    spec = {"a": (W,), "b": (D,)}
    state_type = Pair

    def step(self, p, s, norm):
        z = torch.tanh(s.b @ self.small + p @ self.up.t())
        h = torch.tanh(p + F.linear(z, self.scale) * F.linear(s.a, self.r))
        return h, Pair(h, z)


class LowRank(Paper):
    """Recurrent weights that are a product of two thin matrices."""

    shapes = {"u": (W, 2), "v": (2, W)}

    def step(self, p, s, norm):
        h = torch.tanh(p + F.linear(s.h, self.u @ self.v))
        return h, Vector(h)


class Antisymmetric(Paper):
    """Chang et al. 2019: W - W^T - gamma I."""

    shapes = {"w": (W, W)}

    def step(self, p, s, norm):
        w = self.w - self.w.t() - 0.1 * torch.eye(W, dtype=p.dtype)
        h = s.h + 0.3 * torch.tanh(p + s.h @ w.t())
        return h, Vector(h)


class Sparse(Paper):
    """Fixed connections, and signs of columns (Dale's law)."""

    shapes = {"w": (W, W)}

    def __init__(self, *args):
        super().__init__(*args)
        self.register_buffer("mask", (torch.arange(W * W).view(W, W) % 3 > 0).double())
        self.register_buffer("sign", 1 - 2 * (torch.arange(W) % 2).double())

    def step(self, p, s, norm):
        h = torch.relu(0.5 * s.h + p + F.linear(s.h, self.w.abs() * self.mask * self.sign))
        return h, Vector(h)


class Householder(Paper):
    """An orthogonal matrix as a product of reflections, one applied after the other."""

    shapes = {"v": (3, W)}

    def step(self, p, s, norm):
        h = s.h
        for i in range(3):
            v = self.v[i] / self.v[i].norm()
            h = h - 2 * (h @ v).unsqueeze(-1) * v
        h = torch.tanh(p + h)
        return h, Vector(h)


class Multiplicative(Paper):
    """Krause et al. 2016."""

    columns = 5 * W
    shapes = {"wm": (W, W), "wh": (4 * W, W)}
    spec = {"a": (W,), "b": (W,)}
    state_type = Pair

    def step(self, p, s, norm):
        m = p[..., :W] * F.linear(s.a, self.wm)
        i, f, o, g = (p[..., W:] + F.linear(m, self.wh)).chunk(4, -1)
        c = torch.sigmoid(f) * s.b + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        return h, Pair(h, c)


class TensorProduct(Paper):
    """A bilinear form of input and state for each unit."""

    columns = D
    shapes = {"t": (W, D, W)}

    def step(self, p, s, norm):
        h = torch.tanh(torch.einsum("bi,kij,bj->bk", p, self.t, s.h) + 0.3 * s.h)
        return h, Vector(h)


class Clockwork(Paper):
    """Units of several periods, with a counter in the state."""

    shapes = {"w": (W, W)}
    spec = {"a": (W,), "b": (1,)}
    state_type = Pair

    def __init__(self, *args):
        super().__init__(*args)
        self.register_buffer("period", 2.0 ** (torch.arange(W) // 2).double())

    def step(self, p, s, norm):
        new = torch.tanh(p + F.linear(s.a, self.w))
        h = torch.where(torch.remainder(s.b.round(), self.period) == 0, new, s.a)
        return h, Pair(h, s.b + 1)


class Dilated(Paper):
    """A register of past states: the oldest is read, all are shifted by roll."""

    shapes = {"w": (W, W)}
    spec = {"m": (3, W)}
    state_type = Matrix

    def step(self, p, s, norm):
        h = torch.tanh(p + F.linear(s.m[:, -1], self.w))
        m = torch.roll(s.m, 1, dims=1)
        m = torch.cat([h.unsqueeze(1), m[:, 1:]], dim=1)
        return h, Matrix(m)


class Stacked(Paper):
    """Gates by unbind and stack, a permutation, a strided slice, flips."""

    columns = 4 * W
    shapes = {"w": (W, W)}

    def step(self, p, s, norm):
        a, b, c, d = p.view(-1, 4, W).unbind(1)
        z = torch.stack([a * s.h.flip(-1), b + F.linear(s.h, self.w)], dim=-1).mean(-1)
        even, odd = z[..., ::2], z[..., 1::2]
        z = torch.stack([odd, even], -1).flatten(-2)
        h = torch.tanh(z + c) * torch.sigmoid(d.view(-1, D, H).transpose(1, 2).reshape(-1, W))
        return h, Vector(h)


class Conditions(Paper):
    """where with comparisons, clamp, masked_fill, abs, sign, minimum, maximum."""

    shapes = {"w": (W, W), "low": (W,)}

    def step(self, p, s, norm):
        z = p + F.linear(s.h, self.w)
        z = torch.where((z > 0.1) & ~(s.h < -0.2), z * 1.3, z - 0.2 * s.h)
        z = z.masked_fill(p.abs() > 1.5, 0.25).clamp(-0.8, 0.9)
        z = torch.clamp(z, min=self.low - 1, max=torch.ones_like(z))
        h = torch.sign(z) * torch.minimum(z.abs(), torch.maximum(p, s.h).square())
        return h, Vector(h + 0.1 * z)


class Moments(Paper):
    """Standard deviations and means of parts of the state, amax, logsumexp, norms."""

    shapes = {"w": (W, W), "g": (W,)}

    def step(self, p, s, norm):
        z = (p + F.linear(s.h, self.w)).view(-1, H, D)
        spread = z.std(dim=-1, keepdim=True) + z.std((1, 2), correction=0)[:, None, None]
        z = (z - z.mean(dim=(1, 2), keepdim=True)) / (0.5 + spread)
        top = z.amax(1, keepdim=True) + torch.logsumexp(z, dim=2, keepdim=True)
        h = torch.tanh((z + 0.1 * top).flatten(1) * self.g) + 0.01 * s.h.norm(dim=-1, keepdim=True)
        return h, Vector(h)


class Rounded(Paper):
    """floor, ceil, %, fmod, floor division, frac: steps that are flat almost everywhere."""

    shapes = {"w": (W, W)}

    def step(self, p, s, norm):
        z = p + F.linear(s.h, self.w)
        z = torch.fmod(z, 0.7) + 0.3 * torch.remainder(z, -0.4 * s.h.abs() - 0.3)
        z = (
            z
            + 0.1 * torch.floor(3 * z)
            - 0.05 * torch.div(z, 0.3, rounding_mode="floor")
            + 0.02 * torch.ceil(z)
            + 0.1 * (z % 0.25)
        )
        h = torch.tanh(z + 0.1 * torch.trunc(2 * p) + 0.1 * torch.frac(p))
        return h, Vector(h)


class SharedHeads(Paper):
    """One weight for every head, applied to [B, heads, d]; a mixing of heads."""

    shapes = {"w": (D, D), "mix": (H, H), "bias": (H, D)}
    spec = {"h": (H, D)}

    def step(self, p, s, norm):
        z = F.linear(s.h, self.w) + self.bias
        z = torch.einsum("gh,bhd->bgd", self.mix, z) + p.view(-1, H, D)
        h = torch.tanh(z)
        return h.reshape(-1, W), Vector(h)


class MatrixProducts(Paper):
    """A state of matrices times a matrix, on both sides."""

    columns = D * D
    width = D * D
    shapes = {"left": (D, D), "right": (D, D)}
    spec = {"m": (D, D)}
    state_type = Matrix

    def step(self, p, s, norm):
        x = p.view(-1, D, D)
        m = torch.tanh(self.left @ s.m @ self.right + 0.3 * x @ s.m + 0.2 * s.m.transpose(1, 2))
        return m.flatten(1) * torch.diagonal(m, dim1=1, dim2=2).sum(-1, keepdim=True), Matrix(m)


class NormalizedWeights(Paper):
    """A weight of unit rows, and a softmax over a parameter."""

    shapes = {"w": (W, W), "g": (W, 1), "mix": (3, W)}

    def step(self, p, s, norm):
        w = self.g * self.w / self.w.norm(dim=1, keepdim=True)
        a = torch.softmax(self.mix, 0)
        h = a[0] * s.h + a[1] * torch.tanh(p + F.linear(s.h, w)) + a[2] * p
        return h, Vector(h)


class Triangular(Paper):
    """A lower triangular recurrence and a band, built in the step."""

    shapes = {"w": (W, W)}

    def step(self, p, s, norm):
        h = torch.tanh(p + s.h @ torch.tril(self.w) + F.linear(s.h, self.w.triu(2)))
        return h, Vector(h)
