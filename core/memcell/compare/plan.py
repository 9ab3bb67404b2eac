"""A comparison before it runs: settings and seeds, every misfit found before the first run."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any

from memcell.compare.axes import Axis
from memcell.compare.declared import ONCE, OWN, PER_SEED, Asked, data_seed, with_data_seed
from memcell.compare.grid import Grid, grid_of, of_runs, raise_all
from memcell.errors import MemcellError, UsageError
from memcell.plugins import Registry
from memcell.runs.compatibility import misfits
from memcell.runs.setup import inference_policy
from memcell.settings.run_config import DEFAULTS, RunConfig, resolve

_LONGEST_ID = 200
#: What a person who does not carry would train with.
CHOICE = "reset+reshuffle"


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
        asked: What is asked of it beside.
        inference: The inference policy that all settings are validated under and that the verdict takes;
            `OWN` where each has its own.
        left_open: Options of training that nobody typed and that the program decides: going on with a folder
            takes those that it has.
    """

    app: str
    grid: Grid
    base: Mapping[str, Mapping[str, Any]]
    configs: tuple[RunConfig, ...]
    seeds: tuple[int, ...]
    asked: Asked = field(default_factory=Asked)
    inference: str = OWN
    left_open: frozenset[str] = frozenset()

    @property
    def drawn(self) -> bool:
        """Whether the data are drawn anew for each seed."""
        return self.asked.draw_data == PER_SEED and data_seed(self.configs[0]) is not None

    @property
    def draw_data(self) -> str:
        """`PER_SEED`, or `ONCE` where data are not drawn or not anew."""
        return PER_SEED if self.drawn else ONCE

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
            Planned(id=run_id(s, seed), setting=s, seed=seed, config=self.config(config, seed))
            for seed in self.seeds
            for s, config in pairs
        ]

    def config(self, config: RunConfig, seed: int) -> RunConfig:
        """Return the config of a setting with another seed."""
        seeded = with_seed(config, seed)
        first = data_seed(config)
        if not self.drawn or first is None:
            return seeded
        # that of the config is of the first seed already
        return with_data_seed(seeded, first + seed - self.seeds[0])


def plan_of(
    app: str,
    base: Mapping[str, Mapping[str, Any]],
    axes: Sequence[Axis],
    seeds: Sequence[int],
    registry: Registry,
    asked: Asked | None = None,
) -> ComparisonPlan:
    """Resolve a comparison and check every setting.

    Where training policies are varied and nobody says how to infer, all settings are inferred with carried
    memory: validated, their epoch chosen and compared. Where updates to a target decide, no run is stopped
    early unless that is asked for, and validation is looked at within epochs.

    Args:
        app: Name of the app.
        base: Sections that all runs share, as in ``config.toml``.
        axes: What is varied.
        seeds: Seeds.
        registry: What is installed.
        asked: See `ComparisonPlan`.

    Raises:
        UsageError: Options, axes or parts that cannot be; all that was found, a line each.
    """
    asked = asked or Asked()
    grid = grid_of(app, of_runs(app, base, registry), axes, registry)
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
    _not_twice(grid, configs)
    said: set[str] = {*base.get("training", {}), *(axis.name for axis in grid.axes)}
    found_inference = {inference_policy(c, registry) for c in configs}
    changes: dict[str, Any] = {}
    if "eval_policy" not in said and len(found_inference) > 1:
        found_inference = {"carry"}
        changes["eval_policy"] = "carry"
    if asked.primary == "updates" and "patience" not in said:
        changes["patience"] = 0
    if (asked.primary == "updates" or asked.targets) and "validate_every" not in said:
        changes["validate_every"] = -1
    configs = [replace(c, training=replace(c.training, **changes)) for c in configs]
    plan = ComparisonPlan(
        app=app,
        grid=grid,
        base=_shared(grid, configs),
        configs=tuple(with_seed(c, seeds[0]) for c in configs),
        seeds=tuple(seeds),
        asked=asked,
        inference=found_inference.pop() if len(found_inference) == 1 else OWN,
        left_open=frozenset(
            {"eval_policy", "validate_every", *["patience"] * (asked.primary == "updates")} - said
        ),
    )
    if not plan.drawn:
        return plan
    drawn = [with_data_seed(c, (data_seed(c) or 0) + seeds[0]) for c in plan.configs]
    return replace(plan, configs=tuple(drawn))


def with_choice(
    app: str, base: Mapping[str, Mapping[str, Any]], axes: Sequence[Axis], registry: Registry
) -> list[Axis]:
    """Return axes with what people choose between: beside carry and reset on streams, reset reshuffled.

    Under one sampler carry and reset differ in nothing else, which says why; but who resets need not train on
    streams. Added where carry and reset are all that is varied of the policy, and nobody says anything of
    samplers.
    """
    policies = next((axis for axis in axes if axis.name == "policy"), None)
    untouched = "sampler" not in base and not any(a.name.startswith("sampler") for a in axes)
    if policies is None or sorted(policies.values) != ["carry", "reset"] or not untouched:
        return list(axes)
    more = Axis(policies.name, (*policies.values, CHOICE))
    added = [more if axis is policies else axis for axis in axes]
    try:
        grid = grid_of(app, of_runs(app, base, registry), added, registry)
        new = [s for s in grid.settings if s["policy"] == CHOICE]
        fits = not any(misfits(resolve(app, grid.of(s), registry), registry) for s in new)
    except MemcellError:  # said where the comparison itself is resolved
        fits = False
    return added if fits else list(axes)


def _not_twice(grid: Grid, configs: Sequence[RunConfig]) -> None:
    """Refuse two settings that are one.

    Raises:
        UsageError: Names them.
    """
    pairs = zip(grid.settings, (c.sections() for c in configs), strict=True)
    for (a, of_a), (b, of_b) in itertools.combinations(pairs, 2):
        if of_a == of_b:
            raise UsageError(
                f"{setting_text(a)} and {setting_text(b)} are one configuration, so every run would be made "
                "twice: leave one of them out"
            )


def _shared(grid: Grid, configs: Sequence[RunConfig]) -> dict[str, Mapping[str, Any]]:
    """Return the resolved sections without what is varied."""
    # of a setting that takes all of them from the base, where there is one
    plain = (c for s, c in zip(grid.settings, configs, strict=True) if not grid.beside(s))
    config = next(plain, configs[0])
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
