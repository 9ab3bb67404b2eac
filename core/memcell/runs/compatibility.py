"""Which parts fit each other, checked in one place before any training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from memcell.errors import ConfigError, IncompatibleError
from memcell.plugins import Registry
from memcell.recurrent.zoneout import zoned_out
from memcell.settings.run_config import RunConfig
from memcell.training.parts import build_gradient_mode


def misfits(config: RunConfig, registry: Registry) -> list[str]:
    """Return what does not fit, one sentence each that ends with what to choose instead."""
    can = {
        kind: registry.get(kind, choice.name).capabilities(choice.config)
        for kind, choice in config.choices.items()
    }
    name = {kind: choice.name for kind, choice in config.choices.items()}
    found = []
    policy, sampler, normalizer = can["policy"], can["sampler"], can["normalizer"]
    streaming = _names(registry, "sampler", "preserves_streams", declared=True)
    independent = _policies(registry, streams=False, grid=bool(sampler["fixed_grid"]))
    gridless = _policies(registry, streams=bool(sampler["preserves_streams"]), grid=False)
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
    found += _gradient_misfits(config, registry, can, name)
    found += _cell_misfits(config, registry)
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


def _cell_misfits(config: RunConfig, registry: Registry) -> list[str]:
    """Return what a built-in cell has against the width of its layer, and against zoneout.

    It is built for that, without memory for its weights. One of a third party may have much against one
    input, and is asked when the network is built.
    """
    choice = config.choices["cell"]
    entry = registry.get("cell", choice.name)
    if not entry.built_in:
        return []
    try:
        with torch.device("meta"):
            cell = entry.build(1, config.network.hidden_size, choice.config)
            zoned_out(cell, config.network.zoneout)
    except ConfigError as error:
        return [f"{error}."]
    return []


def _gradient_misfits(
    config: RunConfig, registry: Registry, can: Mapping[str, Any], name: Mapping[str, str]
) -> list[str]:
    """Return what does not fit the gradient mode."""
    policy, sampler, mode = can["policy"], can["sampler"], can["gradient"]
    problem = build_gradient_mode(config, registry).problem()
    found = [problem] if problem else []
    fixed = _modes(registry, "fixed_grid")
    if policy["needs_fixed_grid"] and not mode["fixed_grid"]:
        streams = bool(sampler["preserves_streams"])
        # a mode that assumes carried memory would refuse 'reset' in its turn
        gridless = _policies(registry, streams=streams, grid=False, context=bool(mode["carries"]))
        found.append(
            f"policy '{name['policy']}' needs windows that start at the same steps in every epoch, and "
            f"gradient '{name['gradient']}' draws their lengths: use --gradient {fixed}, or "
            f"policy {gridless}."
        )
    if not sampler["fixed_grid"] and not mode["takes_phase"]:
        found.append(
            f"gradient '{name['gradient']}' lays its windows at fixed steps, and sampler "
            f"'{name['sampler']}' with these options moves them: switch its jitter off, or use "
            f"--gradient {_modes(registry, 'takes_phase')}."
        )
    if sampler["observes"] and not mode["fixed_grid"]:
        found.append(
            f"sampler '{name['sampler']}' remembers what it observed of each window, and gradient "
            f"'{name['gradient']}' cuts other windows in every epoch: use --gradient {fixed}, or "
            f"sampler 'reshuffle'."
        )
    if mode["carries"] and not (policy["needs_streams"] or policy["uses_context"]):
        found.append(
            f"gradient '{name['gradient']}' assumes memory that goes on from window to window, and policy "
            f"'{name['policy']}' begins windows without what came before: use policy 'carry' or "
            f"'oracle', or --gradient window."
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


def _policies(registry: Registry, *, streams: bool, grid: bool, context: bool = False) -> str:
    """Return policies that fit: the plainest, and two that begin a window with what came before it.

    Args:
        registry: What is installed.
        streams: There are streams.
        grid: The grid of windows is fixed.
        context: Only those that begin with what came before.
    """
    specs: list[Mapping[str, Any]] = [vars(e.spec) for e in registry.entries("policy")]
    fit = [
        s
        for s in specs
        if (streams or not s["needs_streams"]) and (grid or not s["needs_fixed_grid"])
    ]
    carrying = [s for s in fit if s["uses_context"] or s["needs_streams"]]
    plain = [s for s in fit if not any(s[need] for need in _NEEDS)]
    # 'reset' is the plainest there is; elsewhere the alphabet decides
    plain.sort(key=lambda s: s["name"] != "reset")
    names = [f"'{s['name']}'" for s in [*([] if context else plain[:1]), *carrying[:2]]]
    return " or ".join(names) if names else "(none installed)"


_NEEDS = ("needs_streams", "needs_fixed_grid", "random_restarts", "uses_context", "borrows")


def _names(registry: Registry, kind: str, capability: str, *, declared: bool) -> str:
    specs: list[Mapping[str, Any]] = [vars(e.spec) for e in registry.entries(kind)]
    names = [f"'{s['name']}'" for s in specs if bool(s[capability]) is declared]
    return " or ".join(names[:3]) if names else "(none installed)"


def _modes(registry: Registry, capability: str) -> str:
    """Return the gradient modes that have a capability, the plain one first."""
    specs: list[Mapping[str, Any]] = [vars(e.spec) for e in registry.entries("gradient")]
    names = sorted((s["name"] for s in specs if s[capability]), key=lambda n: (n != "window", n))
    return " or ".join(names[:3]) if names else "(none installed)"
