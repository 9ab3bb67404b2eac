"""A comparison before it runs: settings and seeds, every misfit found before the first run."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from memcell.compare.axes import Axis
from memcell.compare.grid import Grid, grid_of, raise_all
from memcell.errors import MemcellError, UsageError
from memcell.plugins import Registry
from memcell.plugins.options import fields_of
from memcell.runs.compatibility import misfits
from memcell.settings.run_config import DEFAULTS, TUNE, RunConfig, resolve
from memcell.settings.source import SECTION as INIT

_LONGEST_ID = 200


@dataclass(frozen=True, kw_only=True)
class Planned:
    """One run that is to be.

    Args:
        id: Name of its folder.
        setting: Axis name to value.
        seed: Its seed.
        config: Everything that it does.
    """

    id: str
    setting: Mapping[str, str]
    seed: int
    config: RunConfig


@dataclass(frozen=True, kw_only=True)
class ComparisonPlan:
    """A comparison.

    Args:
        app: Name of the app.
        grid: What is varied.
        base: What all runs share, resolved; see `Grid.base`.
        configs: The config of each setting, in the order of ``grid.settings``, with the first seed.
        seeds: Seeds, the same for every setting.
        target_loss: Validation loss whose reaching is counted in updates, nats; None: found from the runs.
    """

    app: str
    grid: Grid
    base: Mapping[str, Mapping[str, Any]]
    configs: tuple[RunConfig, ...]
    seeds: tuple[int, ...]
    target_loss: float | None = None

    @property
    def axes(self) -> tuple[Axis, ...]:
        """What is varied."""
        return self.grid.axes

    @property
    def reference(self) -> dict[str, str]:
        """The setting that others are held against: the first value of each axis."""
        return {axis.name: axis.values[0] for axis in self.axes}

    def runs(self) -> list[Planned]:
        """Return all runs, seed by seed, so that an unfinished comparison has whole pairs."""
        pairs = list(zip(self.grid.settings, self.configs, strict=True))
        return [
            Planned(id=run_id(s, seed), setting=s, seed=seed, config=with_seed(config, seed))
            for seed in self.seeds
            for s, config in pairs
        ]


def plan_of(
    app: str,
    base: Mapping[str, Mapping[str, Any]],
    axes: Sequence[Axis],
    seeds: Sequence[int],
    registry: Registry,
    target_loss: float | None = None,
) -> ComparisonPlan:
    """Resolve a comparison and check every setting.

    Args:
        app: Name of the app.
        base: Sections that all runs share, as in ``config.toml``.
        axes: What is varied.
        seeds: Seeds.
        registry: What is installed.
        target_loss: See `ComparisonPlan`.

    Raises:
        UsageError: Options, axes or parts that cannot be; all that was found, a line each.
    """
    if INIT in base:
        raise UsageError(
            f"a comparison trains every network from the start: leave out section [{INIT}] of the config file"
        )
    grid = grid_of(app, _of_runs(app, base, registry), axes, registry)
    problems: dict[str, list[str]] = {}
    configs = []
    for setting in grid.settings:
        try:
            config = resolve(app, grid.of(setting), registry)
            configs.append(config)
            found = misfits(config, registry)
        except MemcellError as error:
            found = [str(error)]
        for problem in found:
            problems.setdefault(problem, []).append(setting_text(setting))
    if problems:
        n = len(grid.settings)
        lines = [_where(problem, where, n) for problem, where in problems.items()]
        raise_all([UsageError(line) for line in lines])
    resolved = _shared(grid, configs[0])
    return ComparisonPlan(
        app=app,
        grid=grid,
        base=resolved,
        configs=tuple(with_seed(c, seeds[0]) for c in configs),
        seeds=tuple(seeds),
        target_loss=target_loss,
    )


def _of_runs(
    app: str, base: Mapping[str, Mapping[str, Any]], registry: Registry
) -> dict[str, Mapping[str, Any]]:
    """Return the base with what a comparison decides itself.

    No control run, and no choice of settings: every run has those of the comparison. Seeds are set for each.

    Raises:
        UsageError: A choice of settings is asked for.
    """
    training = {**base.get("training", {}), "control": "none"}
    training.pop("against", None)
    training.pop("seed", None)
    sections = {k: v for k, v in base.items() if isinstance(v, Mapping)}
    sections["training"] = training
    if any(field.name == TUNE for field in fields_of(registry.get("app", app).config_type())):
        tuning = sections.get(app, {}).get(TUNE, "none")
        if tuning != "none":
            raise UsageError(
                f"--tune {tuning}: the runs of a comparison have the settings that it compares, and none are "
                "chosen for them; leave it out, or type --tune none"
            )
        sections[app] = {**sections.get(app, {}), TUNE: "none"}
    return sections


def _shared(grid: Grid, config: RunConfig) -> dict[str, Mapping[str, Any]]:
    """Return the resolved sections without what is varied."""
    sections: dict[str, Any] = {k: v for k, v in config.sections().items() if isinstance(v, dict)}
    del sections["training"]["seed"]
    varied = {axis.name for axis in grid.axes}
    for name in ("training", "network"):
        sections[name] = {k: v for k, v in sections[name].items() if k not in varied}
    for kind in DEFAULTS:
        if kind in varied:
            sections[kind] = dict(grid.base.get(kind, {}))
        elif kind not in sections:
            continue
        sections[kind] = {k: v for k, v in sections[kind].items() if f"{kind}.{k}" not in varied}
    return sections


def with_seed(config: RunConfig, seed: int) -> RunConfig:
    """Return the config with another seed."""
    from dataclasses import replace

    return replace(config, training=replace(config.training, seed=seed))


def setting_text(setting: Mapping[str, str]) -> str:
    """Return ``policy=carry,batch_size=8``."""
    return ",".join(f"{name}={value}" for name, value in setting.items())


def run_id(setting: Mapping[str, str], seed: int) -> str:
    """Return the name of a run's folder: ``policy=carry,batch_size=8,seed=3``."""
    words = [setting_text(setting)] if setting else []
    text = ",".join([*words, f"seed={seed}"])
    name = re.sub(r"[^\w.=,+-]", "-", text.replace(")", ""))
    if len(name) > _LONGEST_ID:
        name = f"{name[:_LONGEST_ID]}-{sha256(text.encode()).hexdigest()[:12]},seed={seed}"
    return name


def _where(problem: str, where: Sequence[str], n: int) -> str:
    if n == 1 or len(where) == n:
        return problem
    more = f" and {len(where) - 1} more" if len(where) > 1 else ""
    return f"{where[0]}{more}: {problem}"
