"""What a comparison cannot answer, in sentences, before it runs; each ends with what would let it answer."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from memcell.compare.axes import named
from memcell.reports.numbers import counted
from memcell.statistics.paired import ALPHA, smallest_p
from memcell.statistics.targets import clearly_below


@dataclass(frozen=True, kw_only=True)
class Limit:
    """Something that a comparison cannot say.

    Args:
        sentence: For a person.
        refused: It is not run, unless somebody wants it anyway; otherwise it is said and the report keeps it.
    """

    sentence: str
    refused: bool


@dataclass(frozen=True, kw_only=True)
class Lanes:
    """How an epoch of a setting goes along its lanes.

    Args:
        policy: Name of the training policy.
        carries: It goes on from what its lane left.
        recomputes: It makes a window's start of what came before it in the recording, wherever that ran.
        windows: Of an epoch.
        lanes: Side by side.
        continued: Windows that go on where their lane was.
        cut: Windows that begin in mid-recording on a lane that was elsewhere.
        sequences: Training sequences.
    """

    policy: str
    carries: bool
    recomputes: bool
    windows: int
    lanes: int
    continued: int
    cut: int
    sequences: int


def limits_of_lanes(found: Mapping[str, Lanes]) -> Iterator[Limit]:
    """Yield what cannot be told of training policies, by how their lanes go.

    Args:
        found: Value of the axis of policies to its lanes.
    """
    for lanes, names in _alike(found, lambda o: o.carries and not o.continued):
        many = " and ".join(f"'{name}'" for name in names)
        one, fewest = len(names) == 1, max(1, lanes.windows // 4)
        yield Limit(
            refused=True,
            sentence=f"{'policy' if one else 'policies'} {many} carr{'ies' if one else 'y'} nothing here: "
            "the "
            f"{counted(lanes.windows, 'window')} of an epoch lie on {lanes.lanes} lanes and none goes on "
            "where its "
            f"lane was, so {'its' if one else 'their'} runs would be those of 'reset'; take --batch-size "
            f"{fewest}{' or fewer' * (fewest > 1)}, shorter windows (--time-steps), or longer recordings",
        )
    other = next((value for value, lanes in found.items() if lanes.recomputes), "")
    for lanes, names in _alike(found, lambda o: o.carries and o.continued > 0 and o.cut > 0):
        many = ", ".join(f"'{name}'" for name in names)
        begin = "begins" if lanes.cut == 1 else "begin"
        cut = f"{counted(lanes.cut, 'window')} of {lanes.windows} of an epoch {begin} in mid-recording"
        why = f"{counted(lanes.sequences, 'training sequence')} on {lanes.lanes} lanes"
        fewer = f"--batch-size {lanes.sequences} or fewer"
        if other:
            yield Limit(
                refused=True,
                sentence=f"policies {many} and '{other}' do not have the same context: under {many} {cut} "
                "without "
                f"what came before ({why}), which '{other}' sees; take {fewer}, so that lanes hold whole "
                "recordings",
            )
        else:
            yield Limit(
                refused=False,
                sentence=f"under policy {many} {cut} without what came before ({why}); with {fewer} none "
                "would",
            )


def _alike(
    found: Mapping[str, Lanes], wanted: Callable[[Lanes], bool]
) -> Iterator[tuple[Lanes, list[str]]]:
    """Yield lanes that are wanted, with the values that go along such ones: one sentence for all of them."""
    names: dict[Lanes, list[str]] = {}
    for value, lanes in found.items():
        if wanted(lanes):
            names.setdefault(replace(lanes, policy=""), []).append(value)
    yield from names.items()


def limits_of_targets(targets: Sequence[float], chance: float) -> Iterator[Limit]:
    """Yield targets that who knows nothing reaches, or nearly.

    Args:
        targets: Validation losses.
        chance: The loss of the best constant prediction on the validation data.
    """
    least = clearly_below(chance)
    for target in targets:
        if target > least:
            yield Limit(
                refused=True,
                sentence=f"a target loss of {target:g} is chance: the best constant prediction has "
                f"{chance:.4g} on the validation data, so the time to it says nothing about learning; take a "
                f"--target-loss of {math.floor(least * 1000) / 1000:g} or less",
            )


def limits_of_data(facts: Mapping[str, Any], outcome: str) -> Iterator[Limit]:
    """Yield what the data cannot say.

    Args:
        facts: ``splits``, and ``validates``: whether validation has a label.
        outcome: The primary outcome.
    """
    splits = facts["splits"]
    people = sorted({s for split in splits.values() for s in split["subjects"]})
    if len(people) == 1 and not facts.get("simulated"):
        yield Limit(
            refused=False,
            sentence=f"all data are of one subject ('{people[0]}'): whatever is found is about "
            "trainings on that one alone; add recordings of other people to say more",
        )
    if outcome == "score" and not splits["test"]["steps"]:
        yield Limit(
            refused=True,
            sentence="nobody is tested, so there is no score to decide by; take --primary validation_loss, "
            "or a "
            "split with a test part",
        )
    if outcome != "score" and not facts["validates"]:
        yield Limit(
            refused=True,
            sentence="no step of the validation split has a label, so there is no "
            f"{outcome.replace('_', ' ')}; "
            "take --primary score, or a split whose validation has labels",
        )


def limits_of_seeds(seeds: int, tests: int, population: str) -> Iterator[Limit]:
    """Yield that there are too few seeds, with the number that would do.

    Args:
        seeds: Of each setting.
        tests: Of the primary outcome's family.
        population: As declared; that of people is tested otherwise.
    """
    if not tests:
        return
    if population == "people":
        if seeds < 2:
            yield Limit(
                refused=False,
                sentence="too few seeds to decide: with one, how much trainings vary is not known; take "
                "--seeds 6 or more",
            )
        return
    least = min(1.0, smallest_p(seeds) * tests)
    if least <= ALPHA:
        return
    enough = next(n for n in range(1, 64) if smallest_p(n) * tests <= ALPHA)
    pairs = "1 pair" if seeds == 1 else f"{seeds} pairs"
    yield Limit(
        refused=False,
        sentence=f"too few seeds to decide: the smallest p that {pairs} of runs can give, "
        f"corrected for {counted(tests, 'test')}, is {least:.2g}, above .05; {enough} seeds could, and 20 "
        "are advised",
    )


def family_size(axes: Sequence[tuple[str, Sequence[str]]]) -> int:
    """Return how many tests the primary outcome's family will have.

    Args:
        axes: Name and values of each axis.
    """
    settings = math.prod(len(values) for _, values in axes)
    tests = 0
    for i, (_, values) in enumerate(axes):
        against = len(values) - 1 + ({"carry", "oracle"} <= set(values[1:]))
        tests += against * settings // len(values)
        # and, where there is more than one axis, the first with each of its values at its best
        tests += against * (i == 0 and len(axes) > 1)
    return tests


def seeds_for(effect: float, deviation: float, tests: int, power: float = 0.8) -> int:
    """Return how many pairs tell an effect from 0 in so many of ten comparisons (normal approximation).

    Args:
        effect: Mean of the paired differences.
        deviation: Their standard deviation.
        tests: That Holm's correction spans; the first step of it is what is counted with.
        power: Share of comparisons that would find it.
    """
    from scipy.stats import norm

    z = float(norm.isf(ALPHA / tests / 2))
    n = ((z + float(norm.ppf(power))) * deviation / effect) ** 2 + z**2 / 2
    least = next(n for n in range(1, 64) if smallest_p(n) * tests <= ALPHA)
    return max(math.ceil(n), least)


def policy_of(value: str) -> str:
    """Return the name of the policy that a value of the axis of policies chooses."""
    return named(value, "--policy").name
