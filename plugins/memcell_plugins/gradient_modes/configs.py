"""Options of the gradient modes."""

from __future__ import annotations

from dataclasses import dataclass

from memcell import option


@dataclass(frozen=True, kw_only=True)
class TBPTTConfig:
    """Options of ``tbptt``."""

    k1: int = option(
        0,
        help="Steps from one window's start to the next, the steps that are new in each (k1; --time-steps is "
        "k2); 0 for half of --time-steps.",
        unit="steps",
        low=0,
    )


@dataclass(frozen=True, kw_only=True)
class RandomLengthConfig:
    """Options of ``random_length``."""

    length_sd: float = option(
        5.0, help="Standard deviation of a window's length.", unit="steps", low=0
    )
    short_share: float = option(
        0.05, help="Probability of a length around half of --time-steps.", low=0, high=1
    )
