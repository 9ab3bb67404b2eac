"""Options of the probes."""

from __future__ import annotations

from dataclasses import dataclass

from memcell import option

_HOPED = "Measurements hoped for in a run: fewer may look at more each, within --probe-budget."


@dataclass(frozen=True, kw_only=True)
class StalenessConfig:
    """Options of ``staleness``."""

    measurements: int = option(16, help=_HOPED, low=1, high=250)
    lanes: int = option(16, help="Most lanes that a measurement looks at.", low=1)


@dataclass(frozen=True, kw_only=True)
class OrderConfig:
    """Options of ``order``."""

    measurements: int = option(16, help=_HOPED, low=1, high=250)
    windows: int = option(64, help="Most windows that a measurement looks at.", low=4)


@dataclass(frozen=True, kw_only=True)
class StuckConfig:
    """Options of ``stuck``."""

    measurements: int = option(4, help=_HOPED, low=1, high=250)
    lanczos_steps: int = option(
        24, help="Most steps of Lanczos for the Hessian's eigenvalues; 0 for none.", low=0
    )


@dataclass(frozen=True, kw_only=True)
class GradientFlowConfig:
    """Options of ``gradient_flow``."""

    measurements: int = option(4, help=_HOPED, low=1, high=250)
    lanes: int = option(4, help="Most lanes that a measurement looks at.", low=1)


@dataclass(frozen=True, kw_only=True)
class CellStateConfig:
    """Options of ``cell_state``."""

    measurements: int = option(4, help=_HOPED, low=1, high=250)
    lanes: int = option(16, help="Most lanes that a measurement looks at.", low=1)


@dataclass(frozen=True, kw_only=True)
class DriftConfig:
    """Options of ``drift``."""

    measurements: int = option(32, help=_HOPED, low=1, high=250)
    lanes: int = option(16, help="Most lanes that a measurement looks at.", low=1)
    windows: int = option(
        256, help="Windows whose start states are kept from epoch to epoch.", unit="windows", low=1
    )
