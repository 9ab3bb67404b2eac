"""The same LSTM as JAX's lax.scan under jit."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.utils.dlpack
from torch import Tensor

from memcell_benchmarks.contenders import BenchmarkProblem, CellParts, Trained
from memcell_benchmarks.peers.lstm_weights import imported, lstm_weights


class JaxScan:
    """An LSTM in JAX on the CPU with the weights of a cell.

    Args:
        parts: Cell and normalizers.
        problem: The problem.
        threads: With 1, XLA is asked for one thread (only what imports JAX first can ask).
    """

    def __init__(self, parts: CellParts, problem: BenchmarkProblem, threads: int) -> None:
        weights = lstm_weights(parts, problem)
        self.names = weights.names
        with _one_thread(threads == 1):
            jax = imported("jax")
            self._device = jax.devices("cpu")[0]
        self._jax, self._numpy = jax, imported("jax.numpy")
        self._weights = tuple(self._given(w) for w in weights[:3])
        self._x, self._cotangent = self._given(problem.x), self._given(problem.cotangent)
        lanes, width = problem.size.batch_size, problem.size.hidden_size
        self._zero = self._given(torch.zeros(lanes, width))
        one = self._given(torch.zeros(1, width))
        self._carried = (one, one)
        self._one_x = self._given(problem.x[0, :1])
        self._train, self._infer = jax.jit(self._train_fn), jax.jit(self._unroll)
        self._step = jax.jit(self._step_fn)

    def train(self) -> Trained:
        """Run a window and its backward."""
        zero = (self._zero, self._zero)
        out, grads = self._ready(self._train(self._weights, self._x, zero, self._cotangent))
        return Trained(_back(out), dict(zip(self.names, map(_back, grads), strict=True)))

    def infer(self) -> Tensor:
        """Run a window without gradient."""
        return _back(self._ready(self._infer(self._weights, self._x, (self._zero, self._zero))))

    def step(self) -> Tensor:
        """Go on by one step of one lane."""
        self._carried = self._ready(self._step(self._weights, self._one_x, self._carried))
        return _back(self._carried[0]).unsqueeze(0)

    def _given(self, t: Tensor) -> Any:
        return self._jax.device_put(t.detach().numpy(), self._device)

    def _ready(self, found: Any) -> Any:
        return self._jax.block_until_ready(found)

    def _after(self, weights: Any, p: Any, state: Any) -> Any:
        h, c = state
        sigmoid, tanh = self._jax.nn.sigmoid, self._numpy.tanh
        i, f, g, o = self._numpy.split(p + h @ weights[1].T, 4, axis=-1)
        c = sigmoid(f) * c + sigmoid(i) * tanh(g)
        return sigmoid(o) * tanh(c), c

    def _unroll(self, weights: Any, x: Any, state: Any) -> Any:
        def body(carry: Any, p: Any) -> Any:
            after = self._after(weights, p, carry)
            return after, after[0]

        _, outputs = self._jax.lax.scan(body, state, x @ weights[0].T + weights[2])
        return outputs

    def _train_fn(self, weights: Any, x: Any, state: Any, cotangent: Any) -> Any:
        out, pull = self._jax.vjp(lambda w: self._unroll(w, x, state), weights)
        return out, pull(cotangent)[0]

    def _step_fn(self, weights: Any, x: Any, state: Any) -> Any:
        return self._after(weights, x @ weights[0].T + weights[2], state)


def _back(array: Any) -> Tensor:
    found: Tensor = torch.utils.dlpack.from_dlpack(array)
    return found


@contextmanager
def _one_thread(wanted: bool) -> Iterator[None]:
    """Say it where XLA reads it, while it starts, and put the variable back."""
    before = os.environ.get("XLA_FLAGS")
    if wanted:
        flag = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
        os.environ["XLA_FLAGS"] = f"{before or ''} {flag}".strip()
    try:
        yield
    finally:
        if before is not None:
            os.environ["XLA_FLAGS"] = before
        elif wanted:
            del os.environ["XLA_FLAGS"]
