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
    start_blocks: int = option(
        -1,
        help="Sequential network construction: memory blocks that take part from the start; the next one "
        "is added whenever the training loss stops falling, up to --hidden-size cells. -1 for all of them "
        "from the start.",
        unit="blocks",
        low=-1,
    )
    grow_patience: int = option(
        3,
        help="Where blocks are added: epochs without a lower training loss before the next one is.",
        unit="epochs",
        low=1,
    )
    grow_least: float = option(
        0.01,
        help="Where blocks are added: share of the training loss that it has to fall by to count as lower.",
        low=0,
        high=0.99,
    )

    def validate(self) -> None:
        """Refuse bias starts without any number.

        Raises:
            ConfigError: An empty ``input_gate_bias`` or ``output_gate_bias``.
        """
        for name in ("input_gate_bias", "output_gate_bias"):
            if not getattr(self, name):
                raise ConfigError(f"lstm97: '{name}' is empty; give one number, or one a block.")


@dataclass(frozen=True, kw_only=True)
class SLSTMConfig:
    """Options of ``slstm``."""

    heads: int = option(
        1, help="Heads, which do not see each other; they divide --hidden-size.", low=1
    )
    forget_gate: str = option(
        "sigmoid", help="What the forget gate passes.", choices=("sigmoid", "exp")
    )
    forget_bias: tuple[float, ...] = option(
        (3.0, 6.0),
        help="What the forget gates' biases start with, spread from the first unit to the last: one "
        "number, or two.",
    )

    def validate(self) -> None:
        """Refuse a spread without ends."""
        _one_or_two("slstm", self.forget_bias)


@dataclass(frozen=True, kw_only=True)
class MLSTMConfig:
    """Options of ``mlstm``."""

    heads: int = option(
        1, help="Heads, each with a memory of d x d; they divide --hidden-size.", low=1
    )
    forget_gate: str = option(
        "sigmoid", help="What the forget gate passes.", choices=("sigmoid", "exp")
    )
    forget_bias: tuple[float, ...] = option(
        (3.0, 6.0),
        help="What the forget gates' biases start with, spread from the first head to the last: one "
        "number, or two.",
    )

    def validate(self) -> None:
        """Refuse a spread without ends."""
        _one_or_two("mlstm", self.forget_bias)


def _one_or_two(cell: str, bias: tuple[float, ...]) -> None:
    if len(bias) not in (1, 2):
        raise ConfigError(
            f"{cell}: forget_bias has {len(bias)} numbers; give one, or the first and the last unit's, "
            "such as 3,6"
        )


@dataclass(frozen=True, kw_only=True)
class MinGRUConfig:
    """Options of ``mingru``."""

    positive: bool = option(False, help="Keep the candidate, and so the memory, positive.")
    write_bias: float = option(
        0.0, help="Bias that the gate starts with; negative remembers from the start."
    )


@dataclass(frozen=True, kw_only=True)
class MinLSTMConfig:
    """Options of ``minlstm``."""

    positive: bool = option(False, help="Keep the candidate, and so the memory, positive.")
    forget_bias: float = option(
        1.0, help="Bias that the forget gate starts with; positive remembers from the start."
    )


@dataclass(frozen=True, kw_only=True)
class LEMConfig:
    """Options of ``lem``."""

    dt: float = option(
        1.0, help="Longest time step; 1 at most keeps the states bounded.", low=1e-6, high=1
    )


@dataclass(frozen=True, kw_only=True)
class CoRNNConfig:
    """Options of ``cornn``; the defaults are the paper's for sequential MNIST."""

    dt: float = option(0.042, help="Time step.", low=1e-6)
    gamma: float = option(2.7, help="Squared frequency of the oscillators.", low=0)
    epsilon: float = option(4.7, help="Damping of the oscillators.", low=0)

    def validate(self) -> None:
        """Refuse oscillators that grow without bound by themselves.

        Raises:
            ConfigError: The time step is too long for this frequency and damping.
        """
        reached = self.dt**2 * self.gamma + 2 * self.dt * self.epsilon
        if reached >= 4:
            raise ConfigError(
                f"cornn: dt {self.dt:g} is too long for gamma {self.gamma:g} and epsilon {self.epsilon:g}: "
                f"dt^2 gamma + 2 dt epsilon is {reached:.3g}, and from 4 on the oscillators grow without "
                "bound; take a smaller dt"
            )


@dataclass(frozen=True, kw_only=True)
class IndRNNConfig:
    """Options of ``indrnn``."""

    activation: str = option(
        "relu", help="What the sums pass: the rectifier, or tanh.", choices=("relu", "tanh")
    )
    bound: float = option(
        1.0,
        help="Largest recurrent weight; the paper's for sequences of T steps is 2^(1/T), 1 for carried "
        "memory without end.",
        low=1e-6,
        high=2,
    )
    start_low: float = option(
        0.0, help="Recurrent weights start uniform from this to the bound.", low=-2, high=2
    )

    def validate(self) -> None:
        """Refuse a start outside the bound.

        Raises:
            ConfigError: ``start_low`` is not within it.
        """
        if not -self.bound <= self.start_low <= self.bound:
            raise ConfigError(
                f"indrnn: start_low is {self.start_low:g}; expected {-self.bound:g} to {self.bound:g}, "
                "within the bound"
            )


@dataclass(frozen=True, kw_only=True)
class LRUConfig:
    """Options of ``lru``."""

    units: int = option(
        0, help="Complex units of the state; 0: as many as --hidden-size.", low=0, high=65536
    )
    r_min: float = option(
        0.0,
        help="Least modulus that lambda starts with; .9 and more for long memory.",
        low=0,
        high=1,
    )
    r_max: float = option(1.0, help="Largest modulus that lambda starts with.", low=0, high=1)
    max_phase: float = option(
        6.283185307179586,
        help="Largest phase that lambda starts with; small ones (.3) for slow memory.",
        unit="radians",
        low=1e-6,
        high=6.283185307179586,
    )
    activation: str = option(
        "identity", help="What the output passes.", choices=("identity", "gelu")
    )

    def validate(self) -> None:
        """Refuse a ring whose inner edge is the outer one.

        Raises:
            ConfigError: ``r_min`` is above ``r_max``.
        """
        if self.r_min > self.r_max:
            raise ConfigError(
                f"lru: r_min {self.r_min:g} is above r_max {self.r_max:g}; lambda starts on the ring between "
                "them, such as 0.9 and 0.999"
            )
