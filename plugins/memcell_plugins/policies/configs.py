"""Options of the built-in state policies. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass

from memcell.config import option


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
