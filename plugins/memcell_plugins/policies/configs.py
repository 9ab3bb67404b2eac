"""Options of the built-in state policies. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass

from memcell.plugins.options import option


@dataclass(frozen=True, kw_only=True)
class CarryConfig:
    """Options of ``carry``."""

    reset_each_epoch: bool = option(
        True,
        help="Forget at each epoch's begin. Off, a lane goes on across epochs, and then too only "
        "where its next window continues its last one.",
    )


@dataclass(frozen=True, kw_only=True)
class CarryPConfig(CarryConfig):
    """Options of ``carry_p``."""

    p: float = option(
        0.1, help="Probability that a lane forgets, for each lane and batch.", low=0, high=1
    )


@dataclass(frozen=True, kw_only=True)
class DecayConfig(CarryConfig):
    """Options of ``decay``."""

    rate: float = option(
        0.9,
        help="lambda, what the carried state is multiplied by at each batch; 1 is carry.",
        low=0,
        high=1,
    )


@dataclass(frozen=True, kw_only=True)
class NoiseConfig:
    """Options of ``noise``."""

    sigma: float = option(0.1, help="Standard deviation of each number of the state.", low=0)


@dataclass(frozen=True, kw_only=True)
class RandomPassConfig:
    """Options of ``random_pass``."""

    pool: int = option(512, help="Newest final states to draw from.", unit="states", low=1)


@dataclass(frozen=True, kw_only=True)
class FittedNoiseConfig:
    """Options of ``fitted_noise``."""

    pool: int = option(512, help="Newest final states that are fitted to.", unit="states", low=2)
    least: int = option(
        32, help="Begin afresh until so many were seen, or the pool is full.", unit="states", low=2
    )
    shrinkage: float = option(
        0.1,
        help="Weight of the diagonal against the full covariance; 1 draws each number by itself.",
        low=0,
        high=1,
    )


@dataclass(frozen=True, kw_only=True)
class BurnInConfig:
    """Options of ``burn_in`` and ``stored_burn_in``."""

    steps: int = option(50, help="l, steps run before the window.", unit="steps", low=1)


@dataclass(frozen=True, kw_only=True)
class RefreshConfig(CarryConfig):
    """Options of ``refresh``."""

    windows: int = option(2, help="K, windows run again.", unit="windows", low=1)


@dataclass(frozen=True, kw_only=True)
class FixedLensConfig:
    """Options of ``fixed_lens``."""

    every: int = option(
        10,
        help="K, epochs from one renewal of what makes start states to the next; 0 for none after "
        "the first epoch.",
        unit="epochs",
        low=0,
    )
    by: str = option(
        "copy",
        help="What stands still: 'states', those that windows began with in the epoch that renews; "
        "'copy', the weights as that epoch began, which make the states beside the network.",
        choices=("copy", "states"),
    )
