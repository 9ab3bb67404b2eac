"""Long short-term memory as it was published: input and output gates, and nothing that forgets.

S. Hochreiter and J. Schmidhuber, "Long short-term memory", Neural Computation 9 (1997). H cells stand in
``blocks = H / block_size`` memory blocks; the cells of a block share its two gates. With
v = [h_{t-1}, y_in_{t-1}, y_out_{t-1}] (``gate_recurrence`` off: v = h_{t-1})::

    net   = W_c x_t + U_c v + b_c                                        [H]
    y_in  = sigma(W_in x_t + U_in v + b_in)                              [blocks]
    y_out = sigma(W_out x_t + U_out v + b_out)                           [blocks]
    s_t   = s_{t-1} + y_in * g(net)         g(x) = 4 sigma(x) - 2
    h_t   = y_out * h(s_t)                  h(x) = 2 sigma(x) - 1

The state is the constant error carousel: ds_t / ds_{t-1} = 1, exactly so under the paper's truncated
gradient (``truncate``), which detaches all that enters from step t-1 except s.

**Sequential network construction** (section 4, "abuse problem and solutions"): with ``start_blocks`` only so
many blocks take part; a cell of another block has h = s = 0 and its gates count as 0 in v, so that nothing
sees its weights and its weights see no gradient. When the training loss has not fallen for
``grow_patience`` epochs, the next block joins with the weights that it was given at the start, as a new
cell of the paper does: outputs change by what small random weights make of it. Weights, their optimizer's
state, checkpoints and exported graphs have the shape of the whole layer throughout.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from memcell.errors import ConfigError
from memcell.recurrent.cell import Cell, Norm
from memcell_plugins.cells.configs import LSTM97Config
from memcell_plugins.cells.squash import INTO_STATE, OUT_OF_STATE


class LSTM97State(NamedTuple):
    """What enters the next step.

    Args:
        h: ``[B, H]`` cell outputs.
        s: ``[B, H]`` the carousels.
        gates: ``[B, 2 * blocks]`` y_in and y_out (unused where ``gate_recurrence`` is off).
    """

    h: Tensor
    s: Tensor
    gates: Tensor


class LSTM97(Cell):
    """LSTM of 1997.

    Rows of the weights: H cells, then the input gates, then the output gates. Cell ``j`` belongs to
    block ``j % blocks``, so that a block's gate reaches its cells by repeating the row of gates.

    Args:
        input_size: I.
        hidden_size: H, cells (not blocks).
        config: Options.

    Sites: ``input`` and ``recurrent`` [H + 2 blocks], ``cell`` [H] (s inside h only).
    Buffers, where blocks are added in training: ``taking_part`` [blocks], 1 or 0, and ``lowest_loss``.

    Raises:
        ConfigError: ``block_size`` does not divide H, a gate bias has neither one number nor one for each
            block, or there are fewer blocks than ``start_blocks``.
    """

    state_type = LSTM97State
    taking_part: Tensor
    lowest_loss: Tensor

    def __init__(self, input_size: int, hidden_size: int, config: LSTM97Config) -> None:
        super().__init__(input_size, hidden_size)
        self.config = config
        if hidden_size % config.block_size:
            raise ConfigError(
                f"lstm97: block_size {config.block_size} does not divide hidden_size {hidden_size}; "
                f"take a hidden_size of {-(-hidden_size // config.block_size) * config.block_size}"
            )
        self.blocks = hidden_size // config.block_size
        self._gate_bias_starts()  # wrong lengths are found here rather than at initialization
        rows = hidden_size + 2 * self.blocks
        self.weight_input = nn.Parameter(torch.zeros(rows, input_size))
        self.weight_recurrent = nn.Parameter(torch.zeros(rows, hidden_size))
        self.weight_gates = (
            nn.Parameter(torch.zeros(rows, 2 * self.blocks)) if config.gate_recurrence else None
        )
        self.bias_cell = nn.Parameter(torch.zeros(hidden_size)) if config.bias else None
        self.bias_gates = nn.Parameter(torch.zeros(2 * self.blocks)) if config.gate_bias else None
        self.grows = config.start_blocks >= 0
        if config.start_blocks > self.blocks:
            raise ConfigError(
                f"lstm97: start_blocks is {config.start_blocks}, but hidden_size {hidden_size} with "
                f"block_size {config.block_size} makes {self.blocks} blocks; give 0 to {self.blocks}, or -1 "
                "for all"
            )
        if self.grows:
            self.register_buffer("taking_part", torch.zeros(self.blocks))
            #: The lowest training loss so far, and epochs since.
            self.register_buffer("lowest_loss", torch.tensor([math.inf, 0.0], dtype=torch.float64))
            self.taking_part[: config.start_blocks] = 1.0

    @property
    def state_spec(self) -> Mapping[str, tuple[int, ...]]:
        """Widths of h, s and the gates."""
        return {"h": (self.hidden_size,), "s": (self.hidden_size,), "gates": (2 * self.blocks,)}

    @property
    def norm_sites(self) -> Mapping[str, int]:
        """The two sums before the biases, and the state on its way out."""
        rows = self.hidden_size + 2 * self.blocks
        return {"input": rows, "recurrent": rows, "cell": self.hidden_size}

    def project(self, x: Tensor) -> Tensor:
        """``W x`` ``[T, B, H + 2 blocks]``, without biases."""
        return F.linear(x, self.weight_input)

    def step(self, p: Tensor, state: LSTM97State, norm: Norm) -> tuple[Tensor, LSTM97State]:
        """One step."""
        g = INTO_STATE[self.config.squash_input]
        out = OUT_OF_STATE[self.config.squash_output]
        z = norm("input", p) + norm("recurrent", self._from_before(state))
        net, gates = torch.split(z, [self.hidden_size, 2 * self.blocks], dim=-1)
        if self.bias_cell is not None:
            net = net + self.bias_cell
        if self.bias_gates is not None:
            gates = gates + self.bias_gates
        gates = torch.sigmoid(gates)
        y_in, y_out = (self._to_cells(y) for y in gates.chunk(2, dim=-1))
        s = state.s + y_in * g(net)
        if not self.grows:
            h = y_out * out(norm("cell", s))
            return h, LSTM97State(h, s, gates)
        cells = self._to_cells(self.taking_part)
        s = s * cells
        h = y_out * out(norm("cell", s)) * cells
        return h, LSTM97State(h, s, gates * torch.cat([self.taking_part] * 2))

    def _from_before(self, state: LSTM97State) -> Tensor:
        """``U v``: what enters from step t-1 other than s; what ``truncate`` cuts."""
        h, gates = state.h, state.gates
        if self.config.truncate:
            h, gates = h.detach(), gates.detach()
        back = F.linear(h, self.weight_recurrent)
        return back if self.weight_gates is None else back + F.linear(gates, self.weight_gates)

    def _to_cells(self, gate: Tensor) -> Tensor:
        """``[B, blocks]`` to ``[B, H]``: each block's gate for each of its cells."""
        size = self.config.block_size
        return gate if size == 1 else torch.cat([gate] * size, dim=-1)

    def grow(self) -> bool:
        """Let the next block take part; False where all of them do."""
        count = int(self.taking_part.sum()) if self.grows else self.blocks
        if count == self.blocks:
            return False
        with torch.no_grad():
            self.taking_part[count] = 1.0
        return True

    def after_epoch(self, loss: float) -> str:
        """Add a block where the loss has stopped falling.

        Args:
            loss: The epoch's mean training loss.

        Returns:
            What was done, in words; empty for nothing.
        """
        if not self.grows:
            return ""
        lowest, waited = self.lowest_loss.tolist()
        falls = loss < lowest - self.config.grow_least * abs(lowest) or math.isinf(lowest)
        lowest, waited = (loss, 0) if falls else (lowest, waited + 1)
        said = ""
        if waited >= self.config.grow_patience and self.grow():
            said = f"memory block {int(self.taking_part.sum())} of {self.blocks} was added"
            lowest, waited = loss, 0
        with torch.no_grad():
            self.lowest_loss.copy_(torch.tensor([lowest, waited], dtype=torch.float64))
        return said

    def reset_parameters(self, initialize: Mapping[str, Callable[[Tensor], None]]) -> None:
        """Fill the matrices; cell biases are 0, gate biases start as the options say."""
        initialize["input"](self.weight_input)
        initialize["recurrent"](self.weight_recurrent)
        if self.weight_gates is not None:
            initialize["recurrent"](self.weight_gates)
        if self.bias_cell is not None:
            nn.init.zeros_(self.bias_cell)
        if self.bias_gates is not None:
            with torch.no_grad():
                self.bias_gates.copy_(torch.tensor(self._gate_bias_starts()))

    def _gate_bias_starts(self) -> tuple[float, ...]:
        starts: tuple[float, ...] = ()
        for name in ("input_gate_bias", "output_gate_bias"):
            values: tuple[float, ...] = getattr(self.config, name)
            if len(values) not in (1, self.blocks):
                raise ConfigError(
                    f"lstm97: {name} has {len(values)} values, but hidden_size {self.hidden_size} "
                    f"with block_size {self.config.block_size} makes {self.blocks} blocks; give 1 "
                    f"value or {self.blocks}"
                )
            starts += values * self.blocks if len(values) == 1 else values
        return starts
