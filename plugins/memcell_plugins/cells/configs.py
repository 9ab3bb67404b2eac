"""Options of the built-in cells. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass

from memcell.errors import ConfigError
from memcell.plugins.options import option


@dataclass(frozen=True, kw_only=True)
class LSTMConfig:
    """Options of the cells with a forget gate: ``lstm``, ``peephole`` and ``cifg``."""

    forget_bias: float = option(
        1.0,
        help="Bias that the forget gate starts with; positive remembers from the start "
        "(Gers et al. 2000; Jozefowicz et al. 2015). 0 for torch's own start.",
    )


@dataclass(frozen=True, kw_only=True)
class CECConfig:
    """Options of ``cec``, the carousel without gates."""

    squash_input: str = option(
        "scaled_sigmoid",
        help="g, what the net input passes before it is added to the state: 4 sigma - 2 or sigma.",
        choices=("scaled_sigmoid", "sigmoid"),
    )
    squash_output: str = option(
        "identity",
        help="h, what the state passes on its way out: 'identity' makes the unit linear; "
        "'scaled_sigmoid' (2 sigma - 1) makes it lstm97 with its gates held open.",
        choices=("identity", "scaled_sigmoid"),
    )
    truncate: bool = option(
        False, help="Cut the gradient of everything from step t-1 but the state s (1997)."
    )


@dataclass(frozen=True, kw_only=True)
class LSTM97Config:
    """Options of ``lstm97``; the defaults are the cell of 1997 with full gradients."""

    block_size: int = option(
        1, help="Cells of a block; a block's cells share its two gates.", unit="cells", low=1
    )
    gate_recurrence: bool = option(
        True, help="Net inputs also see the gate activations of step t-1, as in the paper."
    )
    squash_input: str = option(
        "scaled_sigmoid",
        help="g, what a cell's net input passes: 4 sigma - 2 or sigma.",
        choices=("scaled_sigmoid", "sigmoid"),
    )
    squash_output: str = option(
        "scaled_sigmoid",
        help="h, what the state passes on its way out: 2 sigma - 1 or nothing.",
        choices=("scaled_sigmoid", "identity"),
    )
    truncate: bool = option(
        False,
        help="The paper's truncated gradient: everything that enters from step t-1 except the "
        "state s is detached.",
    )
    bias: bool = option(True, help="Cell inputs have a bias (it starts at 0).")
    gate_bias: bool = option(True, help="Gates have a bias.")
    input_gate_bias: tuple[float, ...] = option(
        (0.0,),
        help="What input gates' biases start with: one number, or one for each block "
        "(-3,-6 for the long tasks of the paper).",
    )
    output_gate_bias: tuple[float, ...] = option(
        (-1.0,),
        help="What output gates' biases start with: one number, or one for each block (-1,-2,-3). "
        "Negative keeps cells from being abused as plain biases early in training.",
    )

    def validate(self) -> None:
        """Refuse bias starts without any number.

        Raises:
            ConfigError: An empty ``input_gate_bias`` or ``output_gate_bias``.
        """
        for name in ("input_gate_bias", "output_gate_bias"):
            if not getattr(self, name):
                raise ConfigError(f"lstm97: '{name}' is empty; give one number, or one a block.")
