"""Options of a run that belong to no plugin."""

from __future__ import annotations

from dataclasses import dataclass

from memcell.errors import ConfigError
from memcell.plugins.options import option, topics

#: Memory at inference: carried through a recording, or reset every window.
EVAL_POLICIES = ("carry", "reset")
#: Of a folder that is watched: seconds from one look to the next, and how long an incomplete file may rest.
LOOK_EVERY, PATIENCE = 10.0, 1800.0


@dataclass(frozen=True, kw_only=True)
class NetworkConfig:
    """The recurrent network."""

    hidden_size: int = option(
        32,
        help="Width of each recurrent layer.",
        low=1,
        high=65536,
        brief="Width of each recurrent layer (default: {default}).",
        topic=topics.NETWORK,
    )
    layers: int = option(
        1,
        help="Recurrent layers on top of each other.",
        low=1,
        high=64,
        topic=topics.NETWORK,
        advanced=True,
    )
    dropout: float = option(
        0.0,
        help="Share of a layer's outputs dropped on the way to the next layer.",
        low=0,
        high=0.95,
        topic=topics.NETWORK,
        advanced=True,
    )
    zoneout: tuple[float, ...] = option(
        (0.0,),
        help="Probability that a unit of a cell's state stays as it was at a step of training (Krueger et "
        "al. 2017): one number, or one for each part of the state, such as an LSTM's h,c.",
        low=0,
        high=0.95,
        advanced=True,
    )
    input_shift: float = option(
        0.0,
        help="Training noise: standard deviation of a shift of each feature, drawn for each window and lane.",
        low=0,
        advanced=True,
    )
    input_dropout: float = option(
        0.0,
        help="Training noise: share of the features left out of a window, drawn for each window and lane.",
        low=0,
        high=0.95,
        advanced=True,
    )
    input_noise: float = option(
        0.0,
        help="Training noise: standard deviation of white noise on each feature, drawn for each step.",
        low=0,
        advanced=True,
    )
    skip: str = option(
        "none",
        help="A linear path from a step's features to the outputs, around the recurrent layers: linear is "
        "trained with them, fixed stays as it starts.",
        choices=("none", "linear", "fixed"),
        advanced=True,
    )
    start: str = option(
        "regression",
        help="What a linear path starts from: a regression fitted to the training steps, to which the "
        "recurrent layers add nothing yet, or random weights.",
        choices=("regression", "random"),
        advanced=True,
    )
    inverse_penalty: float = option(
        1e-3,
        help="Inverse strength of the L2 penalty of the regression that a linear path starts from "
        "(scikit-learn's C). Where settings are chosen by cross-validation, this one is chosen first.",
        low=1e-9,
        high=1e9,
        advanced=True,
    )
    input_init: str = option(
        "glorot",
        help="Initializer of input weights.",
        choices=("zeros", "constant", "uniform", "glorot", "he", "orthogonal"),
        advanced=True,
    )
    recurrent_init: str = option(
        "orthogonal",
        help="Initializer of recurrent weights, one gate at a time.",
        choices=("zeros", "constant", "uniform", "glorot", "he", "orthogonal"),
        advanced=True,
    )

    def validate(self) -> None:
        """Check what concerns two options at once.

        Raises:
            ConfigError: A linear path that is random and stays so.
        """
        if self.skip == "fixed" and self.start == "random":
            raise ConfigError(
                "'start' got 'random' and 'skip' is 'fixed': the path would stay random; type --skip linear, "
                "or leave out --start."
            )


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """How the network is trained."""

    time_steps: int = option(
        50,
        help="Steps of a window: what one backward pass sees (truncated BPTT).",
        low=1,
        high=1000000,
        brief="Steps that one backward pass sees (default: {default}).",
        topic=topics.NETWORK,
    )
    batch_size: int = option(
        16,
        help="Lanes: windows that one update sees side by side. Not the same thing as time steps.",
        low=1,
        high=1000000,
        brief="Windows side by side in an update (default: {default}).",
        topic=topics.NETWORK,
    )
    epochs: int = option(
        40,
        help="Most passes over the training windows.",
        low=1,
        high=1000000,
        brief="Most passes over the data (default: {default}).",
        topic=topics.NETWORK,
    )
    min_updates: int = option(
        200,
        help="At least so many updates, over more epochs than that where an epoch is short, and no early "
        "stop before; 0 where --epochs is given and this is not.",
        unit="updates",
        low=0,
        advanced=True,
    )
    learning_rate: float = option(
        0.003,
        help="Step size of the optimizer.",
        low=0,
        high=1000,
        brief="Step size of the optimizer (default: {default}).",
        topic=topics.NETWORK,
    )
    schedule: str = option(
        "cosine",
        help="Learning rate over the run: constant, cosine to a tenth, or linear to a tenth.",
        choices=("constant", "cosine", "linear"),
        advanced=True,
    )
    warmup: int = option(
        0, help="Updates over which the learning rate rises.", unit="updates", low=0, advanced=True
    )
    clip: float = option(
        1.0,
        help="Largest norm of the gradient; 0 for no clipping (Pascanu et al. 2013).",
        low=0,
        advanced=True,
    )
    patience: int = option(
        8,
        help="Epochs without a better validation loss before training stops; 0 for never.",
        low=0,
        topic=topics.NETWORK,
        advanced=True,
    )
    seed: int = option(
        0,
        help="Seed of weights, order and dropout.",
        low=0,
        high=2**63 - 1,
        brief="Seed of weights, order and dropout.",
        topic=topics.NETWORK,
    )
    order_seed: int = option(
        -1,
        help="Seed of the order of windows and of drawn lengths, where it is to be another than that of "
        "weights and dropout; -1: --seed.",
        low=-1,
        high=2**63 - 1,
        advanced=True,
    )
    device: str = option(
        "auto",
        help="Where to train.",
        choices=("auto", "cpu", "cuda"),
        topic=topics.NETWORK,
        advanced=True,
    )
    mixed_precision: bool = option(
        False,
        help="Run the network in bfloat16 where that is safe: on a GPU, on CPUs with AMX, and on AMD's from "
        "Zen 4 on; on another CPU it runs in float32, and says so.",
        advanced=True,
    )
    threads: int = option(1, help="Torch threads of this process.", low=1, high=1024, advanced=True)
    backend: str = option(
        "auto",
        help="What runs the time loop: generated C (native), torch's own kernels, chunks through Inductor, "
        "or the eager loop; auto takes the fastest that can run the cell.",
        choices=("auto", "native", "torch", "inductor", "eager"),
        formerly="unroll",
        former_words={"compiled": "inductor"},
        advanced=True,
    )
    eval_policy: str = option(
        "auto",
        help="Memory at inference: carried through a recording, or reset every window; auto is what "
        "the training policy is used to.",
        choices=("auto", *EVAL_POLICIES),
        advanced=True,
    )
    validate_every: int = option(
        0,
        help="Look at the validation loss every so many updates within an epoch too, beside its end; nothing "
        "is chosen by it. 0: at ends alone; -1: as often as costs a fifth of the training.",
        unit="updates",
        low=-1,
        high=1000000,
        advanced=True,
    )
    control: str = option(
        "reset",
        help="Policy of the paired control run, which is trained with the same seed to compare with (none: "
        "no control run). Where the policy itself is reset, the control run carries.",
        formerly="against",
        brief="Policy of the control run, or none.",
        topic=topics.NETWORK,
    )
    recalibrate: bool = option(
        True,
        help="Estimate running statistics of normalizers anew over the training data before every validation "
        "and before scoring: moving averages lag behind the weights.",
        advanced=True,
    )
    probe: tuple[str, ...] = option(
        (),
        help="Probes to measure with while training, several with commas, each with options of its own "
        "(--probe.NAME.OPTION); weights and metrics stay the same to the bit.",
        topic=topics.NETWORK,
        advanced=True,
    )
    probe_budget: float = option(
        0.15,
        help="Most that all probes together may cost, as a share of the training's own work, both counted "
        "in lane-steps. Each probe has an equal share of it.",
        low=0,
        high=1000000,
        advanced=True,
    )
    checkpoint_seconds: float = option(
        30.0, help="Time between checkpoints within an epoch.", unit="s", low=0, advanced=True
    )

    @property
    def seed_of_order(self) -> int:
        """The seed that orders of windows are drawn with."""
        return self.seed if self.order_seed < 0 else self.order_seed
