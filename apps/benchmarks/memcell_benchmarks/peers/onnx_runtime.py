"""The same LSTM in ONNX Runtime: its LSTM operator, inference only."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import torch
from torch import Tensor

from memcell_benchmarks.contenders import BenchmarkProblem, CannotRun, CellParts, Trained
from memcell_benchmarks.peers.lstm_weights import LSTMWeights, imported, lstm_weights

#: Old enough for any ONNX Runtime of the last years.
OPSET, IR_VERSION = 14, 8


class OnnxRuntime:
    """An LSTM in ONNX Runtime on the CPU with the weights of a cell.

    Args:
        parts: Cell and normalizers.
        problem: The problem.
        threads: Of the session.
    """

    def __init__(self, parts: CellParts, problem: BenchmarkProblem, threads: int) -> None:
        weights = lstm_weights(parts, problem)
        os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # read when it is imported
        runtime = imported("onnxruntime")
        options = runtime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = threads
        self._session = runtime.InferenceSession(
            _model(weights).SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        lanes, width = problem.size.batch_size, problem.size.hidden_size
        zero = np.zeros((1, lanes, width), np.float32)
        self._window = {"x": problem.x.numpy(), "h": zero, "c": zero}
        one = np.zeros((1, 1, width), np.float32)
        self._one = {"x": problem.x[:1, :1].contiguous().numpy(), "h": one, "c": one}

    def train(self) -> Trained:
        """Not here."""
        raise CannotRun("inference only")

    def infer(self) -> Tensor:
        """Run a window."""
        (out,) = self._session.run(["y"], self._window)
        return torch.from_numpy(out[:, 0])

    def step(self) -> Tensor:
        """Go on by one step of one lane."""
        out, h, c = self._session.run(["y", "h_n", "c_n"], self._one)
        self._one |= {"h": h, "c": c}
        return torch.from_numpy(out[:, 0])


def _model(weights: LSTMWeights) -> Any:
    onnx = imported("onnx")
    helper, numpy_helper = onnx.helper, imported("onnx.numpy_helper")
    width, inputs = weights.recurrent.shape[1], weights.input.shape[1]

    def reordered(t: Tensor) -> Tensor:
        i, f, g, o = t.chunk(4)
        return torch.cat([i, o, f, g])  # ONNX stacks its gates so

    biases = torch.cat([reordered(weights.bias), torch.zeros_like(weights.bias)])
    constants = {
        "w": reordered(weights.input),
        "r": reordered(weights.recurrent),
        "b": biases,
    }
    kind = onnx.TensorProto.FLOAT

    def value(name: str, *shape: Any) -> Any:
        return helper.make_tensor_value_info(name, kind, list(shape))

    node = helper.make_node(
        "LSTM", ["x", "w", "r", "b", "", "h", "c"], ["y", "h_n", "c_n"], hidden_size=width
    )
    state = [value(name, 1, "B", width) for name in ("h", "c", "h_n", "c_n")]
    graph = helper.make_graph(
        [node],
        "lstm",
        [value("x", "T", "B", inputs), *state[:2]],
        [value("y", "T", 1, "B", width), *state[2:]],
        [numpy_helper.from_array(t.unsqueeze(0).numpy(), n) for n, t in constants.items()],
    )
    opset = [helper.make_opsetid("", OPSET)]
    return helper.make_model(graph, opset_imports=opset, ir_version=IR_VERSION)
