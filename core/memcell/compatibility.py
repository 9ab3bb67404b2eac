"""Which parts fit each other, checked in one place before any training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from memcell.errors import IncompatibleError
from memcell.registry import Registry
from memcell.training.run_config import RunConfig


def misfits(config: RunConfig, registry: Registry) -> list[str]:
    """Return what does not fit, one sentence each that ends with what to choose instead."""
    can = {
        kind: registry.get(kind, choice.name).capabilities(choice.config)
        for kind, choice in config.choices.items()
    }
    name = {kind: choice.name for kind, choice in config.choices.items()}
    found = []
    policy, sampler, normalizer = can["policy"], can["sampler"], can["normalizer"]
    streaming = _names(registry, "sampler", "preserves_streams", wanted=True)
    independent = _names(registry, "policy", "needs_streams", wanted=False)
    gridless = _names(registry, "policy", "needs_fixed_grid", wanted=False)
    if policy["needs_streams"] and not sampler["preserves_streams"]:
        found.append(
            f"policy '{name['policy']}' needs row i of batch k+1 to continue row i of batch k, and "
            f"sampler '{name['sampler']}' does not: use sampler {streaming}, "
            f"or policy {independent}."
        )
    if policy["needs_fixed_grid"] and not sampler["fixed_grid"]:
        found.append(
            f"policy '{name['policy']}' needs windows that start at the same steps in every epoch, and "
            f"sampler '{name['sampler']}' with these options moves them: switch its jitter off, or use "
            f"policy {gridless}."
        )
    lanes, fewest = config.training.batch_size, int(normalizer["min_lanes"])
    if normalizer["reduces_batch"] and lanes < fewest:
        found.append(
            f"normalizer '{name['normalizer']}' needs at least {fewest} lanes, and the batch size is "
            f"{lanes}: use --batch-size {fewest} or more, or normalizer 'layer'."
        )
    if normalizer["reduces_batch"] and policy["random_restarts"]:
        found.append(
            f"normalizer '{name['normalizer']}' takes its statistics from lanes of the same age, and "
            f"policy '{name['policy']}' restarts lanes at random: use normalizer 'layer', or policy "
            f"'carry' or 'reset'."
        )
    return found


def check(config: RunConfig, registry: Registry) -> None:
    """Refuse parts that do not fit, all misfits at once.

    Raises:
        IncompatibleError: Some do not.
    """
    found = misfits(config, registry)
    if found:
        raise IncompatibleError("\n".join(found))


def _names(registry: Registry, kind: str, capability: str, *, wanted: bool) -> str:
    specs: list[Mapping[str, Any]] = [vars(e.spec) for e in registry.entries(kind)]
    names = [f"'{s['name']}'" for s in specs if bool(s[capability]) is wanted]
    return " or ".join(names[:3]) if names else "(none installed)"
