"""Who trains, validates and tests: by folder, by name, or drawn from a seed."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from memcell.errors import DataError, did_you_mean
from memcell_sequences.config import SequencesConfig
from memcell_sequences.reading import Column
from memcell_sequences.selecting import RawSequence

#: Sequences by split.
Splits = Mapping[str, Sequence[RawSequence]]


def split(sequences: Sequence[RawSequence], config: SequencesConfig) -> Splits:
    """Return the splits.

    What a folder named train, valid or test holds is that split; of the rest whole subjects, sequences or
    the ends of each sequence are drawn.

    Raises:
        DataError: There are too few, or a name is none of them.
    """
    _check_names(sequences, config)
    named = {s.part for s in sequences} - {""}
    if named and config.split == "time":
        raise DataError(
            f"the data has a split of its own ({', '.join(sorted(named))}), and --split time would make "
            "another: leave out --split, or the folders"
        )
    if config.split == "time":
        return _in_time(sequences, config)
    parts: dict[str, list[RawSequence]] = {"train": [], "valid": [], "test": []}
    for s in sequences:
        parts[_part(s, config)].append(s)
    if not parts["train"]:
        raise DataError(
            "nobody is left to train on: name fewer with --test-subjects and --valid-subjects, or put files "
            "into the folder train"
        )
    shares = {"test": config.test_share, "valid": config.valid_share}
    if config.split == "everybody":
        del shares["test"]
        parts["train"] += parts.pop("test")
        parts["test"] = []
    wanted = {part: share for part, share in shares.items() if not parts[part]}
    for part, share in wanted.items():
        _draw(parts, part, share, config)
    _check_apart(parts, config)
    return parts


def _part(sequence: RawSequence, config: SequencesConfig) -> str:
    if sequence.part:
        return sequence.part
    if sequence.subject in config.test_subjects:
        return "test"
    return "valid" if sequence.subject in config.valid_subjects else "train"


def _check_names(sequences: Sequence[RawSequence], config: SequencesConfig) -> None:
    known = sorted({s.subject for s in sequences})
    for flag, names in (
        ("test-subjects", config.test_subjects),
        ("valid-subjects", config.valid_subjects),
    ):
        for name in names:
            if name not in known:
                listed = ", ".join(known[:8]) + (", ..." if len(known) > 8 else "")
                raise DataError(
                    f"--{flag} got '{name}', and there is no such subject; there are {listed}."
                    f"{did_you_mean(name, known)}"
                )


def _unit(sequence: RawSequence, config: SequencesConfig) -> str:
    return sequence.name if config.split == "sequence" else sequence.subject


def _draw(
    parts: dict[str, list[RawSequence]], part: str, share: float, config: SequencesConfig
) -> None:
    """Move a share of the units of the training split into another one."""
    pool = parts["train"]
    units = sorted({_unit(s, config) for s in pool})
    what = "sequence" if config.split == "sequence" else "subject"
    fewest = 2 if parts["valid"] or part == "valid" else 3
    if len(units) < fewest:
        there = "1 sequence" if len(pool) == 1 else f"{len(units)} {what}{'s' * (len(units) != 1)}"
        raise DataError(
            f"there is {there} to divide into training, validation and test; expected {fewest} or more: type "
            "--split time to cut each sequence in time"
            + (", or --split sequence" if what == "subject" and len(pool) > 2 else "")
        )
    everything = len({_unit(s, config) for p in parts.values() for s in p})
    n = min(max(1, round(share * everything)), len(units) - (fewest - 1))
    rng = np.random.default_rng([config.split_seed, {"test": 0, "valid": 1}[part]])
    chosen = {units[k] for k in rng.permutation(len(units))[:n]}
    parts[part] = [s for s in pool if _unit(s, config) in chosen]
    parts["train"] = [s for s in pool if _unit(s, config) not in chosen]


def _check_apart(parts: Splits, config: SequencesConfig) -> None:
    """Refuse a folder's split that has one subject on two sides, where whole subjects are asked for."""
    if config.split == "sequence":
        return
    where: dict[str, str] = {}
    for part, members in parts.items():
        for s in members:
            before = where.setdefault(s.subject, part)
            if before != part:
                raise DataError(
                    f"subject '{s.subject}' is in {before} and in {part}: scores would say too much; put all "
                    "of a subject's sequences on one side, or type --split sequence"
                )


def _in_time(sequences: Sequence[RawSequence], config: SequencesConfig) -> Splits:
    parts: dict[str, list[RawSequence]] = {"train": [], "valid": [], "test": []}
    for s in sequences:
        n = s.n_steps
        if n < 10:
            raise DataError(
                f"sequence '{s.name}' has {n} steps; expected 10 or more to be cut in time"
            )
        test = min(n - 1, round(n * (1 - config.test_share)))
        valid = round(n * (1 - config.test_share - config.valid_share))
        for part, a, b in (("train", 0, valid), ("valid", valid, test), ("test", test, n)):
            parts[part].append(_cut(s, a, b, part))
    return parts


def _cut(s: RawSequence, a: int, b: int, part: str) -> RawSequence:
    y = s.y
    assert y is not None
    return dataclasses.replace(
        s,
        name=f"{s.name}-{part}",
        x=s.x[a:b],
        y=Column(values=y.values[a:b], whole=y.whole),
        breaks=tuple(k - a for k in s.breaks if a < k < b),
        times=None if s.times is None else s.times[a:b],
        part=part,
    )
