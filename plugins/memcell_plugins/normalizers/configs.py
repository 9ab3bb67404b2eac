"""Options of the built-in normalizers. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass

from memcell.plugins.options import option


@dataclass(frozen=True, kw_only=True)
class BatchSharedConfig:
    """Options of ``batch_shared``."""

    gamma: float = option(
        0.1,
        help="What the gain starts with; .1 keeps the sums in tanh's steep part, where gradients pass "
        "(Cooijmans et al. 2016).",
    )
    beta: bool = option(
        False,
        help="Also learn an offset. Off by default: the cell adds its own bias behind its sums.",
    )
    min_lanes: int = option(
        16,
        help="Fewest lanes of an age whose statistics are trusted; below that the running "
        "statistics are used.",
        unit="lanes",
        low=2,
    )
    momentum: float = option(
        0.1, help="Rate of the moving averages, once a window.", low=0.000001, high=1
    )
    eps: float = option(1e-5, help="Added to variances.", low=1e-12)

    def capabilities(self) -> dict[str, object]:
        """Return what the options change of what the spec declares."""
        return {"min_lanes": self.min_lanes}


@dataclass(frozen=True, kw_only=True)
class BatchConfig(BatchSharedConfig):
    """Options of ``batch``."""

    t_max: int = option(
        100,
        help="Ages with statistics of their own; older memory shares those of age t_max - 1.",
        unit="steps",
        low=1,
    )


@dataclass(frozen=True, kw_only=True)
class LayerConfig:
    """Options of ``layer``."""

    gamma: float = option(1.0, help="What the gain starts with.")
    eps: float = option(1e-5, help="Added to variances.", low=1e-12)


@dataclass(frozen=True, kw_only=True)
class RMSConfig:
    """Options of ``rms``."""

    gamma: float = option(1.0, help="What the gain starts with.")
    eps: float = option(1e-5, help="Added to mean squares.", low=1e-12)
