"""Options of the heads."""

from __future__ import annotations

from dataclasses import dataclass

from memcell import option
from memcell.errors import ConfigError


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
    width: int = option(
        32, help="Width of queries, keys and values, all heads' together.", low=1, high=1024
    )
    heads: int = option(
        1,
        help="Attention heads, each over its own part of the width; they divide --head.width.",
        low=1,
        high=1024,
    )

    def validate(self) -> None:
        """Refuse heads that do not divide the width.

        Raises:
            ConfigError: Says which widths would do.
        """
        if self.width % self.heads:
            below = self.width - self.width % self.heads
            raise ConfigError(
                f"attention: heads={self.heads} does not divide width={self.width}; --head.width "
                f"{below or self.heads} or {below + self.heads} would do"
            )


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
