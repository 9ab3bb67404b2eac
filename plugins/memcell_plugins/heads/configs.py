"""Options of the heads."""

from __future__ import annotations

from dataclasses import dataclass

from memcell import option


@dataclass(frozen=True, kw_only=True)
class MLPConfig:
    """Options of ``mlp``."""

    width: int = option(32, help="Units of each hidden layer.", low=1, high=65536)
    layers: int = option(1, help="Hidden layers.", low=1, high=64)


@dataclass(frozen=True, kw_only=True)
class AttentionConfig:
    """Options of ``attention``."""

    past: int = option(
        50,
        help="Steps that it looks back, over windows' edges; it keeps so many keys and values a lane.",
        unit="steps",
        low=1,
        high=1000,
    )
    width: int = option(32, help="Width of queries, keys and values.", low=1, high=1024)


@dataclass(frozen=True, kw_only=True)
class EncoderDecoderConfig:
    """Options of ``encoder_decoder``."""

    width: int = option(32, help="Units of the decoder.", low=1, high=65536)
    feedback: int = option(
        8,
        help="Width of what the decoder says and hears again at the next step.",
        low=1,
        high=65536,
    )
