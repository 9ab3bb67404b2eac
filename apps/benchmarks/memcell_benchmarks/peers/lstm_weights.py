"""The weights of a cell that is exactly torch's LSTM, for peers that have an LSTM of their own."""

from __future__ import annotations

from importlib import import_module
from typing import Any, NamedTuple

from torch import Tensor

from memcell_benchmarks.contenders import BenchmarkProblem, CannotRun, CellParts


class LSTMWeights(NamedTuple):
    """Weights in torch's gate order (i, f, g, o), and the names of the cell's parameters that they are.

    Args:
        input: ``[4H, I]``.
        recurrent: ``[4H, H]``.
        bias: ``[4H]``.
        names: Of the three, as `CellParts.parameters` says them.
    """

    input: Tensor
    recurrent: Tensor
    bias: Tensor
    names: tuple[str, str, str]


def lstm_weights(parts: CellParts, problem: BenchmarkProblem) -> LSTMWeights:
    """Return the weights.

    Raises:
        CannotRun: The cell is no plain LSTM, or it stands on a GPU or is not of float32.
    """
    form = parts.cell.torch_form()
    if form is None or form.name != "lstm" or len(parts.norms):
        raise CannotRun("only the plain LSTM is written for this peer")
    if problem.x.is_cuda or str(problem.x.dtype) != "torch.float32":
        raise CannotRun("measured in float32 on a CPU only")
    names = []
    for tensor in form.weights[:3]:
        found = [name for name, p in parts.parameters().items() if p is tensor]
        if not found:
            raise CannotRun("the cell's weights are no parameters of its own")
        names += found
    if form.weights[3].any():
        raise CannotRun("the cell has two biases")
    w_input, w_recurrent, bias, _ = (w.detach() for w in form.weights)
    return LSTMWeights(w_input, w_recurrent, bias, (names[0], names[1], names[2]))


def imported(module: str) -> Any:
    """Import a package that may not be there.

    Raises:
        CannotRun: It is not installed, or broken.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise CannotRun(f"{module} is not installed ({error})") from error
