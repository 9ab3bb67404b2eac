"""Options. Imports no torch: the help of a command shows them."""

from __future__ import annotations

from dataclasses import dataclass

from memcell import option


@dataclass(frozen=True, kw_only=True)
class MGUConfig:
    """Options of ``mgu``."""

    forget_bias: float = option(
        0.0,
        help="Bias that the gate starts with; negative remembers longer, since the gate also writes.",
        low=-20,
        high=20,
    )


@dataclass(frozen=True, kw_only=True)
class LeakyMeanConfig:
    """Options of ``leaky_mean``."""

    steps: float = option(20.0, help="Time constant of the mean.", unit="steps", low=1)


@dataclass(frozen=True, kw_only=True)
class HjorthConfig:
    """Options of ``--features hjorth``."""

    complexity: bool = option(True, help="Complexity beside activity and mobility.")
