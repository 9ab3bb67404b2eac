"""Options of the encoders."""

from __future__ import annotations

from dataclasses import dataclass

from memcell import option


@dataclass(frozen=True, kw_only=True)
class ConvConfig:
    """Options of ``conv``."""

    kernel: int = option(
        5, help="Steps that an output is made of, the step itself included.", low=2, high=10000
    )
    channels: int = option(32, help="Outputs a step.", low=1, high=65536)
