"""One step of a live detector, whole: gaps, filters, features, network, alarm."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from memcell_benchmarks.microsleep.made import RATE, BenchmarkModel


def steps(model: str, steps: int) -> dict[str, Any]:
    """Measure steps of a stream whose packets hold one step each."""
    from memcell.inference.stepping import NetworkStepper
    from memcell_eeg.live.alarm import AlarmRules
    from memcell_eeg.live.cost import step_cost

    opened = BenchmarkModel(Path(model), Path(model))
    pipeline = opened.pipeline
    network = NetworkStepper(opened.network, len(pipeline.feature_names))
    rules = AlarmRules(threshold=0.5, need=3, of=5, refractory=10.0, step=pipeline.step)
    cost = step_cost(pipeline, RATE, network, rules, steps=steps)
    return {
        "microseconds": 1e3 * cost.whole,
        "highest": 1e3 * cost.highest,
        "parts": {
            name: 1e3 * getattr(cost, name) for name in ("filters", "features", "network", "alarm")
        },
        "step": pipeline.step,
        "steps": cost.steps,
    }
