"""The probes by name. Imports no torch: help and listings read this."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class ProbeSpec:
    """What a probe says of itself.

    Args:
        name: As it is typed.
        summary: What it measures, half a sentence.
        factory: ``"module:Class"``, imported only when the probe runs.
    """

    name: str
    summary: str
    factory: str


PROBES = (
    ProbeSpec(
        name="staleness",
        summary="how far carried memory is from what today's parameters would have made, and what it costs",
        factory="memcell.probes.staleness:Staleness",
    ),
    ProbeSpec(
        name="order",
        summary="what the order of training leaves behind: recency, forgetting, anticipation, periodicity",
        factory="memcell.probes.order:Order",
    ),
    ProbeSpec(
        name="stuck",
        summary="full-batch gradient against the start's, and the smallest eigenvalue of the Hessian",
        factory="memcell.probes.stuck:Stuck",
    ),
    ProbeSpec(
        name="gradient_flow",
        summary="error against lag, with the factor a step and the product bound of the Jacobians",
        factory="memcell.probes.gradient_flow:GradientFlow",
    ),
    ProbeSpec(
        name="cell_state",
        summary="directions and norms of the state, by age, and how saturated the gates are",
        factory="memcell.probes.cell_state:CellState",
    ),
)
NAMES = tuple(spec.name for spec in PROBES)


def described() -> str:
    """Return the names with their summaries, for a help text."""
    return "; ".join(f"{spec.name}: {spec.summary}" for spec in PROBES)
