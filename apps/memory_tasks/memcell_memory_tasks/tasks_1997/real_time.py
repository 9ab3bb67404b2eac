"""The paper's learning algorithm (appendix A.1): an update at each step that has an error, no backward pass.

Truncated gradients need no way back through time: what a weight has done to a carousel s is a running sum.
With v_t = [x_t, h_{t-1}, gates_{t-1}, 1], for a cell j of block b and an output k of error
e_k = (target_k - y_k) y_k (1 - y_k)::

    dS_cell[j] += y_in[b] g'(net_j) v                    ds_j / d(weights of cell j)
    dS_in[j]   += g(net_j) y_in[b] (1 - y_in[b]) v       ds_j / d(weights of b's input gate)
    e_j         = sum_k w_kj e_k
    output      += rate e_k h_j
    output gate += rate y_out[b] (1 - y_out[b]) (sum_{j in b} h(s_j) e_j) v
    cell        += rate y_out[b] h'(s_j) e_j dS_cell[j]
    input gate  += rate sum_{j in b} y_out[b] h'(s_j) e_j dS_in[j]

Summed over a sequence with weights that stay, that is the gradient of ``lstm97`` with ``truncate``, which a
test holds. Where there is an error at every step (1, 2a) each one is an update: rates of .5 and 1 are meant
for one step's error, not for the sum of a hundred.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit

from memcell_memory_tasks.tasks_1997.compiled import LONGS, Net, learner, pointer
from memcell_memory_tasks.tasks_1997.network import Network1997
from memcell_memory_tasks.tasks_1997.sequences import Example

_Array = NDArray[np.float64]


class RealTime:
    """Trains a `Network1997` step by step; `give_back` writes the weights into it.

    Args:
        network: Gives the weights, and which of them are trained.
    """

    def __init__(self, network: Network1997) -> None:
        self.network, self.task = network, network.task
        cell = network.cell
        self._inputs, self._cells, self._blocks = cell.input_size, cell.hidden_size, cell.blocks
        self.take()

    def _parts(self) -> list[tuple[torch.Tensor | None, slice, slice]]:
        """Return each tensor of the cell with its rows and columns in the one matrix of all."""
        cell = self.network.cell
        i, h, b = self._inputs, self._cells, self._blocks
        everywhere = slice(0, h + 2 * b)
        return [
            (cell.weight_input, everywhere, slice(0, i)),
            (cell.weight_recurrent, everywhere, slice(i, i + h)),
            (cell.weight_gates, everywhere, slice(i + h, i + h + 2 * b)),
            (cell.bias_cell, slice(0, h), slice(-1, None)),
            (cell.bias_gates, slice(h, h + 2 * b), slice(-1, None)),
        ]

    def take(self) -> None:
        """Take the network's weights, and which blocks take part."""
        rows, columns = self._cells + 2 * self._blocks, self._inputs + self._cells
        self.weights = np.zeros((rows, columns + 2 * self._blocks + 1))
        self._free = np.zeros_like(self.weights)
        for tensor, at, to in self._parts():
            if tensor is not None:
                shape = self.weights[at, to].shape
                self.weights[at, to] = tensor.detach().double().numpy().reshape(shape)
                free = self.network.free(tensor)
                self._free[at, to] = free.double().numpy().reshape(shape)
        self._held = not self._free.all()
        self._step = np.empty_like(self.weights)
        self._block_of = np.tile(np.arange(self._blocks), self.task.block_size)
        out = self.network.output
        self.output = out.weight.detach().double().numpy().copy()
        self.bias = None if out.bias is None else out.bias.detach().double().numpy().copy()
        direct = self.network.direct
        self.direct = None if direct is None else direct.weight.detach().double().numpy().copy()
        cell = self.network.cell
        part = cell.taking_part if cell.grows else torch.ones(self._blocks)
        self._part = part.double().numpy().copy()
        self._cell_part = np.tile(self._part, self.task.block_size)
        self._gate_part = np.tile(self._part, 2)
        self._net = self._structure()

    def give_back(self) -> None:
        """Write the weights into the network."""
        with torch.no_grad():
            for tensor, at, to in self._parts():
                if tensor is not None:
                    found = torch.from_numpy(self.weights[at, to].copy())
                    tensor.copy_(found.reshape(tensor.shape))
            self.network.output.weight.copy_(torch.from_numpy(self.output))
            if self.bias is not None:
                self.network.output.bias.copy_(torch.from_numpy(self.bias))
            if self.network.direct is not None and self.direct is not None:
                self.network.direct.weight.copy_(torch.from_numpy(self.direct))

    def state(self) -> dict[str, torch.Tensor]:
        """Return the weights to the last bit, which the network's own precision would round."""
        held = {
            "weights": self.weights,
            "output": self.output,
            "bias": self.bias,
            "direct": self.direct,
        }
        return {
            f"real_time.{k}": torch.from_numpy(v.copy()) for k, v in held.items() if v is not None
        }

    def restore(self, state: dict[str, torch.Tensor]) -> None:
        """Take back what `state` gave, after the network took its own."""
        self.take()
        for name in ("weights", "output", "bias", "direct"):
            if (found := state.get(f"real_time.{name}")) is not None:
                getattr(self, name)[...] = found.numpy()

    def learn_all(
        self, examples: Sequence[Example], rate: float, compiled: bool = True
    ) -> list[_Array]:
        """Learn from sequences in order, as `learn` does from each; compiled where that can be.

        Returns:
            Errors of each.
        """
        function = learner() if compiled else None
        if function is None:
            return [self.learn(e, rate) for e in examples]
        steps = np.array([len(e.inputs) for e in examples], dtype=np.int64)
        wanted = np.array([len(e.targets) for e in examples], dtype=np.int64)
        x = np.concatenate([e.inputs for e in examples]).astype(np.float64)
        target = np.concatenate([e.targets for e in examples]).astype(np.float64)
        error = np.empty_like(target)
        self._net.rate = rate
        function(
            ctypes.byref(self._net),
            ctypes.c_long(len(examples)),
            steps.ctypes.data_as(LONGS),
            wanted.ctypes.data_as(LONGS),
            pointer(x),
            pointer(target),
            pointer(error),
        )
        return np.split(error, np.cumsum(wanted)[:-1])

    def _structure(self) -> Net:
        """Return what the C function works on: the arrays of this object, and its workspace."""
        rows, columns = self.weights.shape
        h, k = self._cells, self.output.shape[0]
        sizes = {"of_cell": h * columns, "of_in": h * columns, "v": columns, "act": rows, "e": k}
        self._work = {
            name: np.zeros(sizes.get(name, h))
            for name in ("of_cell", "of_in", "v", "act", "s", "h", "read", "slope", "e", "back")
        }
        net = Net(
            inputs=self._inputs,
            cells=h,
            blocks=self._blocks,
            outputs=k,
            squash_in=self.task.squash_input == "scaled_sigmoid",
            squash_out=self.task.squash_output == "scaled_sigmoid",
        )
        held = {
            "w": self.weights,
            "out": self.output,
            "bias": self.bias,
            "direct": self.direct,
            "trained": self._free,
            "cell_part": self._cell_part,
            "gate_part": self._gate_part,
            **self._work,
        }
        for name, array in held.items():
            setattr(net, name, pointer(array))
        self._seen = np.zeros(self._inputs, dtype=np.int64)
        net.seen = self._seen.ctypes.data_as(LONGS)
        return net

    def learn(self, example: Example, rate: float) -> _Array:
        """Go through a sequence, with an update at each step that has a target.

        Returns:
            Errors ``|target - output|`` ``[n, K]``, each of before its update.
        """
        h_, b_ = self._cells, self._blocks
        to_cells = self._block_of
        g_scale, g_shift = (4.0, 2.0) if self.task.squash_input == "scaled_sigmoid" else (1.0, 0.0)
        squashed = self.task.squash_output == "scaled_sigmoid"
        columns = self.weights.shape[1]
        v = np.zeros(columns)
        v[-1] = 1.0
        s = np.zeros(h_)
        of_cell, of_in = np.zeros((h_, columns)), np.zeros((h_, columns))
        first = len(example.inputs) - len(example.targets)
        errors = np.empty(example.targets.shape)
        for t, x in enumerate(example.inputs.astype(np.float64)):
            v[: self._inputs] = x
            act = expit(self.weights @ v)
            net, gates = act[:h_], act[h_:] * self._gate_part
            y_in, y_out = gates[:b_][to_cells], gates[b_:][to_cells]
            g = g_scale * net - g_shift
            s += y_in * g
            of_cell += (y_in * g_scale * net * (1 - net))[:, None] * v
            of_in += (g * y_in * (1 - y_in))[:, None] * v
            half = expit(s) if squashed else s
            out, slope = (2 * half - 1, 2 * half * (1 - half)) if squashed else (s, 1.0)
            out = out * self._cell_part
            h = y_out * out
            if t >= first:
                net_y = self.output @ h
                seen = np.flatnonzero(x) if self.direct is not None else None
                if self.direct is not None:
                    net_y += self.direct[:, seen] @ x[seen]
                if self.bias is not None:
                    net_y += self.bias
                y = expit(net_y)
                off = example.targets[t - first] - y
                errors[t - first] = np.abs(off)
                e = rate * off * y * (1 - y)
                self._update(e, v, h, out, gates[b_:], y_out * slope, of_cell, of_in)
                if self.direct is not None:
                    self.direct[:, seen] += e[:, None] * x[seen]
            v[self._inputs : self._inputs + h_] = h
            v[self._inputs + h_ : -1] = gates
        return errors

    def _update(
        self,
        e: _Array,
        v: _Array,
        h: _Array,
        out: _Array,
        y_out: _Array,
        to_state: _Array,
        of_cell: _Array,
        of_in: _Array,
    ) -> None:
        """Change the weights by one step's error, e times the rate; direct connections aside."""
        h_, b_ = self._cells, self._blocks
        back = (e @ self.output) * self._cell_part
        step = self._step
        state = (to_state * back)[:, None]
        np.multiply(state, of_cell, out=step[:h_])
        step[h_ : h_ + b_] = (state * of_in).reshape(-1, b_, step.shape[1]).sum(0)
        per_block = (out * back).reshape(-1, b_).sum(0)
        np.multiply((y_out * (1 - y_out) * per_block)[:, None], v, out=step[h_ + b_ :])
        if self._held:
            step *= self._free
        self.weights += step
        self.output += e[:, None] * h
        if self.bias is not None:
            self.bias += e
