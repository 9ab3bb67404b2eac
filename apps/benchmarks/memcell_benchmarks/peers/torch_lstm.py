"""torch.nn.LSTM, which every ratio is to: oneDNN on a CPU, cuDNN on a GPU."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from memcell_benchmarks.contenders import BenchmarkProblem, Trained


class TorchLSTM:
    """torch.nn.LSTM of the same sizes.

    Args:
        problem: The problem.
    """

    def __init__(self, problem: BenchmarkProblem) -> None:
        self.problem = problem
        size, x = problem.size, problem.x
        self.module = nn.LSTM(size.input_size, size.hidden_size).to(x)
        zero = x.new_zeros(1, size.batch_size, size.hidden_size)
        self._zero = (zero, zero)
        one = x.new_zeros(1, 1, size.hidden_size)
        self._carried = (one, one)
        self._x = x[:1, :1].contiguous()

    def train(self) -> Trained:
        """Run a window and its backward."""
        out, _ = self.module(self.problem.x, self._zero)
        names, parameters = zip(*self.module.named_parameters(), strict=True)
        found = torch.autograd.grad(out, parameters, self.problem.cotangent)
        return Trained(out.detach(), dict(zip(names, found, strict=True)))

    def infer(self) -> Tensor:
        """Run a window without gradient."""
        with torch.no_grad():
            out: Tensor = self.module(self.problem.x, self._zero)[0]
        return out

    def step(self) -> Tensor:
        """Go on by one step of one lane."""
        with torch.no_grad():
            out, self._carried = self.module(self._x, self._carried)
        found: Tensor = out
        return found

    def flops(self) -> float:
        """Return what its matrix products need, forward and backward, no gradient to x."""
        size = self.problem.size
        lane_steps, rows = size.time_steps * size.batch_size, 4 * size.hidden_size
        both, recurrent = size.input_size + size.hidden_size, size.hidden_size
        return 2.0 * lane_steps * rows * (2 * both + recurrent)
