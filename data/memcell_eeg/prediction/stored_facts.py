"""What a stored model says of its task, checked before anything is made of it: types, names and bounds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from memcell.plugins.options import fields_of, from_mapping
from memcell.plugins.options.values import check
from memcell_eeg.config import EegConfig
from memcell_eeg.features.pipeline import Pipeline

#: Names of channels or features that one model has.
_MOST_NAMES = 100_000


def check_facts(facts: Mapping[str, Any], config: type[EegConfig]) -> None:
    """Refuse facts that no run writes; what an older run lacks is for others to say.

    Args:
        facts: Of a stored model.
        config: The options of its application.

    Raises:
        ConfigError: An option is of another type, or out of bounds.
        ValueError: So is something else.
    """
    if "config" in facts:
        from_mapping(config, _object(facts, "config"), "the run's config")
    for name in ("feature_names", "channels"):
        if name in facts:
            _names(facts, name)
    for name in ("unit", "app"):
        if not isinstance(facts.get(name) or "", str):
            raise ValueError(f"{name} is no text")
    if "pipeline" not in facts:
        return
    pipeline = _object(facts, "pipeline")
    known = {f.name: f for f in fields_of(config)}
    for field in fields(Pipeline):
        if field.name not in pipeline or pipeline.get("ready"):
            continue
        if field.name in ("channels", "eeg", "features"):
            _names(pipeline, field.name)
        elif field.name == "rate":
            _number(pipeline, "rate", 1.0, 100_000.0)
        else:
            check(known[field.name], pipeline[field.name], "the run's pipeline")
    if pipeline.get("ready"):
        _names(pipeline, "feature_names")
        _number(pipeline, "step", 1e-3, 1e6)
        for name in ("centre", "spread"):
            if not all(
                type(v) in (int, float) and math.isfinite(v) for v in pipeline.get(name, ())
            ):
                raise ValueError(f"{name} holds what is no number")


def _object(of: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = of[name]
    if not isinstance(found, Mapping):
        raise ValueError(f"{name} is no object")
    return found


def _names(of: Mapping[str, Any], name: str) -> None:
    found = of[name]
    if not isinstance(found, list | tuple) or len(found) > _MOST_NAMES:
        raise ValueError(f"{name} is no list of names")
    if not all(isinstance(each, str) for each in found):
        raise ValueError(f"{name} holds what is no name")


def _number(of: Mapping[str, Any], name: str, low: float, high: float) -> None:
    found = of[name]
    if type(found) not in (int, float) or not low <= found <= high:
        raise ValueError(f"{name} is {str(found)[:40]}")
