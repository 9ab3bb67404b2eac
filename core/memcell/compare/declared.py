"""What a comparison says before its first run: which outcome decides, under which inference, about whom."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from memcell.errors import UsageError
from memcell.plugins.options import replace as replaced
from memcell.settings.run_config import Choice, RunConfig

#: What may decide: the main score on the test split; the best validation loss; updates to the (first) target.
OUTCOMES = ("score", "validation_loss", "updates")
#: What a difference is about: other draws of simulated data and other trainings; other people and other
#: trainings; other trainings on the same recordings alone.
DRAWS, PEOPLE, TRAININGS = "draws", "people", "trainings"
POPULATIONS = ("auto", PEOPLE, TRAININGS)
#: Whether simulated data are drawn anew for each seed.
PER_SEED, ONCE = "per-seed", "once"
#: Every setting under the inference that its training policy is used to.
OWN = "own"
#: Fewest people that a difference is said to be about, where nobody asks for it.
FEWEST_PEOPLE = 6
#: Class attribute of the config of an app or a data set: the option that simulated data are drawn by.
DATA_SEED = "DATA_SEED"


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What somebody asks of a comparison beside what is varied.

    Args:
        primary: The outcome that decides, one of `OUTCOMES`.
        targets: Validation losses whose reaching is counted in updates; the first is the one of ``updates``.
            None: one is found by a rule.
        population: One of `POPULATIONS`.
        draw_data: `PER_SEED` or `ONCE`.
        smallest_effect: The smallest difference in the primary outcome that matters (of updates a ratio).
        pilot: The folder of a comparison that says how much the primary outcome varies.
        anyway: Run what cannot answer too; the report keeps why.
        both: Validate each epoch with memory carried and with memory reset; the declared one chooses.
    """

    primary: str = OUTCOMES[0]
    targets: tuple[float, ...] = ()
    population: str = "auto"
    draw_data: str = PER_SEED
    smallest_effect: float | None = None
    pilot: Path | None = field(default=None)
    anyway: bool = False
    both: bool = True

    def __post_init__(self) -> None:
        for option, value, words in (
            ("primary", self.primary, OUTCOMES),
            ("population", self.population, POPULATIONS),
            ("draw-data", self.draw_data, (PER_SEED, ONCE)),
        ):
            if value not in words:
                raise UsageError(f"--{option} got '{value}'; expected one of {', '.join(words)}")
        for target in self.targets:
            if not math.isfinite(target):
                raise UsageError(
                    f"--target-loss got {target}; expected numbers of nats, such as 0.5 or 0.5,0.3"
                )
            if target <= 0:
                raise UsageError(
                    f"--target-loss got {target:g}, which no loss reaches; expected numbers above 0, such as "
                    "0.5 or 0.5,0.3"
                )
        effect = self.smallest_effect
        if effect is not None and not (math.isfinite(effect) and effect > 0):
            raise UsageError(f"--smallest-effect got {effect}; expected a number above 0")
        if effect is not None and self.primary == "updates" and effect <= 1:
            raise UsageError(
                f"--smallest-effect got {effect}; of updates it is a ratio above 1, such as 1.1"
            )
        if (effect is None) != (self.pilot is None):
            raise UsageError(
                "--smallest-effect and --pilot go together: a pilot says how much the outcome varies, and "
                "the "
                "effect is what has to be told from that"
            )


def data_seed(config: RunConfig) -> int | None:
    """Return the seed that a run's simulated data are drawn with; None where data are not drawn."""
    name = _option(config)
    return None if name is None else int(getattr(_holder(config, name[0]), name[1]))


def with_data_seed(config: RunConfig, seed: int) -> RunConfig:
    """Return a config whose data are drawn with another seed; the same where they are not drawn."""
    name = _option(config)
    if name is None:
        return config
    part, option = name
    new = replaced(_holder(config, part), **{option: seed})
    if part == "app":
        return replace(config, app_config=new)
    assert config.dataset is not None
    return replace(config, dataset=Choice(name=config.dataset.name, config=new))


def _option(config: RunConfig) -> tuple[str, str] | None:
    for part in ("app", "dataset"):
        option = getattr(type(_holder(config, part)), DATA_SEED, "")
        if option:
            return part, option
    return None


def _holder(config: RunConfig, part: str) -> Any:
    if part == "app":
        return config.app_config
    return None if config.dataset is None else config.dataset.config


def population_of(asked: str, facts: Mapping[str, Any], outcome: str, drawn: bool) -> str:
    """Return what a primary difference is about, known once the data are.

    Args:
        asked: One of `POPULATIONS`.
        facts: ``simulated`` and ``splits`` of the data.
        outcome: One of `OUTCOMES`.
        drawn: Data are drawn anew for each seed.

    Raises:
        UsageError: What is asked for cannot be.
    """
    split = "test" if outcome == "score" else "valid"
    people = len(facts["splits"][split]["subjects"])
    if asked == PEOPLE:
        if outcome == "updates" or drawn or people < 2:
            why = (
                "updates to a target are counted on all of them together"
                if outcome == "updates"
                else "the data are drawn anew for each seed, so that nobody is there twice"
                if drawn
                else f"the {split} split is of {people}"
            )
            raise UsageError(f"--population people cannot be: {why}; leave it out")
        return PEOPLE
    if drawn:
        return DRAWS
    if asked == TRAININGS or outcome == "updates" or facts.get("simulated"):
        return TRAININGS
    return PEOPLE if people >= FEWEST_PEOPLE else TRAININGS
