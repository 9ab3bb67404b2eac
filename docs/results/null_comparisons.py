"""How often a comparison has a verdict where there is none, through the report's own functions.

python docs/results/null_comparisons.py [COMPARISONS]    (500 unless typed: half a minute)

Every setting of a comparison is drawn from the same distribution, and `memcell.compare.report` says what it
makes of it: records in, verdicts of the declared outcome out. A comparison is false where any of its settings
is called better or worse. At most 5 in 100 may be. The kinds take turns:

- ``seeds``: a score, tested over seeds, three settings. Seeds share their luck.
- ``draws``: the same with data drawn anew for each seed.
- ``people``: a score of eight people. What a setting does to a person and what it does to a seed are random,
  so that a test over either alone would be wrong.
- ``validated people``: the same with the validation loss.
- ``spread``: the best validation loss, the second setting three times as variable as the first.
- ``updates``: times to a given target; some runs never get there, some end early, one in ten diverges.
- ``updates by rule``: times to the target that the program chooses.
- ``axes``: two policies at three learning rates, and each at its best.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import binomtest

from memcell.compare.records import RunRecord
from memcell.compare.report.differences import PairedDifference, primary_differences
from memcell.compare.report.folder import AxisValues, Baseline, Comparison, Primary
from memcell.compare.report.measures import measure

COMPARISONS = 500
SEED = 20260103
THREE = {"policy": ("carry", "reset", "reset+reshuffle")}
CROSSED = {"policy": ("carry", "reset"), "learning_rate": ("0.001", "0.01", "0.1")}
#: Adds to a value of a setting, where something is planted: axis value to size.
Planted = Mapping[str, float]


def comparison(
    outcome: str,
    population: str,
    axes: Mapping[str, Sequence[str]],
    seeds: int,
    run: Callable[[tuple[str, ...], int], dict[str, Any]],
    **options: Any,
) -> Comparison:
    """Return a comparison as its folder would be read, its runs made by a function."""
    records = []
    for key, seed in itertools.product(itertools.product(*axes.values()), range(seeds)):
        facts = {"status": "done", "updates": 400, "own": "carry", **run(key, seed)}
        setting = dict(zip(axes, key, strict=True))
        records.append(RunRecord(id=f"{key},{seed}", setting=setting, seed=seed, **facts))
    return Comparison(
        folder=Path(),
        app="null",
        axes=tuple(AxisValues(name, tuple(values)) for name, values in axes.items()),
        seeds=tuple(range(seeds)),
        commands=(),
        main_score="accuracy",
        n_classes=2,
        chance_loss=0.69,
        loss_unit="nats",
        primary=Primary(outcome=outcome, inference="carry", population=population),
        records=tuple(records),
        baselines=(Baseline(name="majority class", scores={"accuracy": 0.5}),),
        **options,
    )


def of_seeds(random: np.random.Generator, planted: Planted, population: str) -> Comparison:
    """Return a score of 20 seeds."""
    luck = random.normal(0.8, 0.03, 20)

    def run(key: tuple[str, ...], seed: int) -> dict[str, Any]:
        score = luck[seed] + random.normal(planted.get(key[0], 0.0), 0.01)
        return {"scores": {"carry": {"accuracy": score}}, "validation": ((400, 0.4),)}

    drawn = population == "draws"
    return comparison("score", population, THREE, 20, run, drawn=drawn)


def of_people(random: np.random.Generator, planted: Planted, outcome: str) -> Comparison:
    """Return eight people crossed with ten seeds; settings differ from person to person and seed to seed."""
    seeds, people = 10, 8
    names = [f"P{k}" for k in range(people)]
    of_person = {value: random.normal(0, 0.03, people) for value in THREE["policy"]}

    def run(key: tuple[str, ...], seed: int) -> dict[str, Any]:
        own = random.normal(planted.get(key[0], 0.0), 0.03)
        values = 0.4 + of_person[key[0]] + own + random.normal(0, 0.02, people)
        each = dict(zip(names, map(float, values), strict=True))
        mean = float(values.mean())
        if outcome == "validation_loss":
            return {"validation": ((400, mean),), "valid_subjects": {"carry": each}}
        scored = {name: {"accuracy": value} for name, value in each.items()}
        return {"scores": {"carry": {"accuracy": mean}}, "subjects": {"carry": scored},
                "validation": ((400, 0.4),)}  # fmt: skip

    return comparison(outcome, "people", THREE, seeds, run)


def of_losses(random: np.random.Generator, planted: Planted) -> Comparison:
    """Return best validation losses whose spread differs between settings."""
    spread = {"carry": 0.01, "reset": 0.03, "reset+reshuffle": 0.02}

    def run(key: tuple[str, ...], seed: int) -> dict[str, Any]:
        loss = 0.4 + random.normal(planted.get(key[0], 0.0), spread[key[0]])
        return {"validation": ((200, loss + 0.1), (400, loss))}

    return comparison("validation_loss", "trainings", THREE, 12, run)


def of_updates(random: np.random.Generator, planted: Planted, given: bool) -> Comparison:
    """Return curves that fall at random times; a tenth of the runs diverges, a fifth ends early."""
    luck = random.normal(0, 0.3, 20)

    def run(key: tuple[str, ...], seed: int) -> dict[str, Any]:
        if random.random() < 0.1:
            return {"status": "diverged", "updates": 57, "validation": ((50, 0.69),)}
        middle = np.log(180) + planted.get(key[0], 0.0) + luck[seed]
        falls = float(np.exp(random.normal(middle, 0.5)))
        ends = int(random.integers(150, 400)) if random.random() < 0.2 else 400
        floor = random.normal(0.25, 0.02)
        at = np.arange(10, ends + 1, 10)
        losses = floor + (0.69 - floor) / (1 + (at / falls) ** 3)
        curve = tuple((int(u), float(v)) for u, v in zip(at, losses, strict=True))
        return {"updates": ends, "validation": curve[4::5], "looks": curve}

    return comparison("updates", "trainings", THREE, 20, run, targets=(0.4, 0.3) if given else ())


def of_axes(random: np.random.Generator, planted: Planted) -> Comparison:
    """Return two policies at three rates; the best validation loss decides."""
    luck = random.normal(0, 0.02, 12)

    def run(key: tuple[str, ...], seed: int) -> dict[str, Any]:
        loss = 0.4 + luck[seed] + random.normal(planted.get(key[0], 0.0), 0.01)
        return {"validation": ((400, loss),)}

    return comparison("validation_loss", "trainings", CROSSED, 12, run)


#: What makes a comparison of each kind.
KINDS: Mapping[str, Callable[[np.random.Generator, Planted], Comparison]] = {
    "seeds": lambda random, planted: of_seeds(random, planted, "trainings"),
    "draws": lambda random, planted: of_seeds(random, planted, "draws"),
    "people": lambda random, planted: of_people(random, planted, "score"),
    "validated people": lambda random, planted: of_people(random, planted, "validation_loss"),
    "spread": of_losses,
    "updates": lambda random, planted: of_updates(random, planted, True),
    "updates by rule": lambda random, planted: of_updates(random, planted, False),
    "axes": of_axes,
}


def verdicts(found: Comparison) -> list[PairedDifference]:
    """Return what the report would say of the declared outcome."""
    return primary_differences(found, measure(found))


def false_verdicts(comparisons: int, seed: int = SEED) -> dict[str, list[bool]]:
    """Return for each kind whether each of its null comparisons has a verdict."""
    found: dict[str, list[bool]] = {kind: [] for kind in KINDS}
    for i, kind in zip(range(comparisons), itertools.cycle(KINDS)):
        rows = verdicts(KINDS[kind](np.random.default_rng([seed, i]), {}))
        found[kind].append(any(row.verdict != "undecided" for row in rows))
    return found


def line(name: str, false: Sequence[bool]) -> str:
    """Return a row of the table, with the exact interval of Clopper and Pearson."""
    ends = binomtest(sum(false), len(false)).proportion_ci(method="exact")
    share = f"{np.mean(false):.1%} ({ends.low:.1%} to {ends.high:.1%})"
    return f"| {name} | {len(false)} | {sum(false)} | {share} |"


def main() -> int:
    """Print the table; 1 where more than 5 in 100 are false beyond chance."""
    comparisons = int(sys.argv[1]) if len(sys.argv) > 1 else COMPARISONS
    found = false_verdicts(comparisons)
    print("| null comparisons | n | with a verdict | share (95 % Clopper-Pearson interval) |")
    print("|---|---|---|---|")
    for kind, false in found.items():
        if false:
            print(line(kind, false))
    every = [one for false in found.values() for one in false]
    print(line("all", every))
    return int(binomtest(sum(every), len(every), 0.05, alternative="greater").pvalue < 0.05)


if __name__ == "__main__":
    sys.exit(main())
