"""The network of 1997: memory blocks of this project's ``lstm97`` and sigmoid outputs."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from memcell.nn import Recurrent
from memcell_memory_tasks.tasks_1997.definitions import Definition, cell_options
from memcell_memory_tasks.tasks_1997.sequences import Example
from memcell_plugins.cells.lstm97 import LSTM97

#: A bias with which a gate is 1 to the last bit of float32.
_OPEN = 30.0


class Network1997(nn.Module):
    """Input units, a layer of memory blocks, sigmoid output units.

    Outputs see the cells, and the inputs too where the task has direct connections; cells and gates see the
    inputs, the cells' outputs and the gates of one step before. All initial weights are uniform but for the
    gates' biases that a task sets.

    What a task does not have is held: a bare cell's recurrent weights at 0 and its output gate open.

    Args:
        task: The task.
        seed: Of the initial weights.
        blocks: Memory blocks at most; the task's own number unless given.
        start_blocks: Those that take part from the start; -1 for all.
        cell: Options of ``lstm97`` that are to be others than the task's.
        backend: What runs the time loop, as in `memcell.nn.Recurrent`.
    """

    def __init__(
        self,
        task: Definition,
        seed: int,
        *,
        blocks: int = 0,
        start_blocks: int = -1,
        cell: dict[str, Any] | None = None,
        backend: str = "auto",
    ) -> None:
        super().__init__()
        self.task = task
        blocks = blocks or task.blocks
        options = cell_options(task, blocks, start_blocks=start_blocks, **(cell or {}))
        hidden = blocks * task.block_size
        self.memory = Recurrent(
            "lstm97", task.inputs, hidden, cell_options=options, backend=backend
        )
        self.output = nn.Linear(hidden, task.outputs, bias=task.output_bias)
        self.direct = nn.Linear(task.inputs, task.outputs, bias=False) if task.direct else None
        #: The layer's one cell: an `LSTM97`.
        self.cell = cast(LSTM97, self.memory.stack.each[0].cell)
        self._held: dict[str, Tensor] = {}
        set_by_task = self._gates_set(cell or {})
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            biases = self.cell.bias_gates
            set_before = None if biases is None else biases.clone()
            for p in self.parameters():
                p.uniform_(-task.start, task.start, generator=generator)
            if biases is not None and set_before is not None:
                biases[set_by_task] = set_before[set_by_task]
        if task.bare:
            self._hold_bare(hidden, blocks)
        trained = [(n, p) for n, p in self.named_parameters() if p.requires_grad]
        self._trained = [p for _, p in trained]
        self._masks = [self._held.get(n) for n, _ in trained]

    def _gates_set(self, cell: dict[str, Any]) -> Tensor:
        """Return which gates' biases are not drawn: those that the task or a changed option sets."""
        which = torch.zeros(2 * self.cell.blocks, dtype=torch.bool)
        if self.task.input_gates or "input_gate_bias" in cell:
            which[: self.cell.blocks] = True
        if self.task.output_gates or "output_gate_bias" in cell:
            which[self.cell.blocks :] = True
        return which

    def _hold_bare(self, hidden: int, blocks: int) -> None:
        """Let cells see the input alone, through an input gate without a bias, and hold output gates open."""
        cell, biases = self.cell, self.cell.bias_gates
        assert biases is not None  # `cell_options` gives a bare cell its gates' biases
        gate_out = hidden + blocks  # rows of the weights from here on are output gates
        with torch.no_grad():
            cell.weight_recurrent.zero_()
            cell.weight_input[gate_out:] = 0.0
            biases[:blocks] = 0.0
            biases[blocks:] = _OPEN
        cell.weight_recurrent.requires_grad_(False)
        biases.requires_grad_(False)
        mask = torch.ones_like(cell.weight_input)
        mask[gate_out:] = 0.0
        name = next(n for n, p in self.named_parameters() if p is cell.weight_input)
        self._held[name] = mask

    def free(self, tensor: Tensor) -> Tensor:
        """Return which entries of a weight are trained, as 1 and 0."""
        for p, mask in zip(self._trained, self._masks, strict=True):
            if p is tensor:
                return torch.ones_like(p) if mask is None else mask
        return torch.zeros_like(tensor)

    @property
    def count(self) -> int:
        """Weights that are trained, those of blocks that do not take part yet included."""
        held = (None if mask is None else int(mask.sum()) for mask in self._masks)
        return sum(
            p.numel() if some is None else some for p, some in zip(self._trained, held, strict=True)
        )

    def answers(self, inputs: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return outputs ``[n, B, K]`` for inputs ``[T, B, I]``: at every step, or at each lane's last one.

        Args:
            inputs: Sequences, padded at their end.
            mask: ``[T, B]`` False is padding; None for none.
        """
        h, _ = self.memory(inputs, mask=mask)
        x = inputs
        if not self.task.every_step:
            if mask is None:
                h, x = h[-1:], x[-1:]
            else:
                last, lanes = mask.sum(0) - 1, torch.arange(mask.shape[1])
                h, x = h[last, lanes][None], x[last, lanes][None]
        net = self.output(h)
        if self.direct is not None:
            net = net + self.direct(x)
        return torch.sigmoid(net)

    def learn(self, example: Example, rate: float) -> NDArray[np.float64]:
        """Make one update by one sequence: a step down ``E = sum (target - output)^2 / 2``.

        Returns:
            Errors ``|target - output|`` ``[n, K]`` of before the update.
        """
        y = self.answers(torch.from_numpy(example.inputs[:, None]))[:, 0]
        off = y - torch.from_numpy(example.targets)
        loss = 0.5 * off.square().sum()
        gradients = torch.autograd.grad(loss, self._trained)
        with torch.no_grad():
            for p, g, mask in zip(self._trained, gradients, self._masks, strict=True):
                p.add_(g if mask is None else g * mask, alpha=-rate)
        return np.asarray(off.detach().abs().double().numpy())
