"""Trainings, comparisons and left-out subjects, killed and gone on with."""

from __future__ import annotations

import functools
import itertools
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.campaigns import forking
from tests.campaigns.forking import Child
from tests.campaigns.kills.killing import (
    Tally,
    being_written,
    compared,
    digests,
    finished,
    kill_at_random,
)
from tests.campaigns.smallest import NIGHTS, TASK

PROBES = ["--probe", "staleness,order,stuck,gradient_flow,cell_state", "--probe-budget", "3"]
#: Options of training that keep different things in a checkpoint.
SETTINGS = (
    [],
    ["--cell", "gru", "--policy", "stored", "--sampler", "reshuffle", "--backend", "eager"],
    ["--normalizer", "layer", "--policy", "carry_p", "--layers", "2", "--dropout", "0.2"],
    ["--optimizer", "averaged", "--sampler", "grab", "--policy", "reset", "--backend", "eager"],
)
LOSO = [
    "--split",
    "loso",
    "--batch-size",
    "4",
    "--epochs",
    "2",
    "--min-updates",
    "200",
    "--checkpoint-seconds",
    "0.05",
]


@dataclass(kw_only=True)
class Resumable:
    """A command that goes on in the folder in which it was killed.

    Args:
        name: What to call it.
        begin: The command for a new folder, without ``--out``.
        resume: The one for a folder in which a run was begun, which its path follows; empty: the same.
    """

    name: str
    begin: list[str]
    resume: list[str]

    def start(self, folder: Path) -> Child:
        """Begin, or go on."""
        arguments = [*self.begin, "--out", str(folder)]
        if self.resume and (folder / "config.toml").exists():
            arguments = [*self.resume, str(folder)]
        return forking.memcell(arguments, folder.with_suffix(".out"))


def train(kills: int, rng: random.Random, folder: Path) -> Tally:
    """Kill trainings with probes."""
    begin = [
        "train",
        "memory",
        *TASK,
        *PROBES,
        "--epochs",
        "2",
        "--min-updates",
        "200",
        "--checkpoint-seconds",
        "0.02",
    ]
    return killed_and_left(
        [
            Resumable(
                name="train " + (" ".join(setting) or "with defaults"),
                begin=[*begin, *setting],
                resume=["train", "memory", "--resume"],
            )
            for setting in SETTINGS
        ],
        kills, rng, folder,
    )  # fmt: skip


def compare(kills: int, rng: random.Random, folder: Path) -> Tally:
    """Kill comparisons."""
    begin = [
        "compare",
        "memory",
        *TASK,
        "--epochs",
        "2",
        "--min-updates",
        "200",
        "--checkpoint-seconds",
        "0.05",
    ]
    begin += ["--policy", "carry,reset", "--seeds", "2"]
    return killed_and_left([Resumable(name="compare", begin=begin, resume=[])], kills, rng, folder)


def loso(kills: int, rng: random.Random, folder: Path) -> Tally:
    """Kill runs that leave one subject out."""
    begin = ["train", "microsleep", *NIGHTS, *LOSO, "--cache", str(folder / "features")]
    resume = ["train", "microsleep", "--resume"]
    return killed_and_left([Resumable(name="loso", begin=begin, resume=resume)], kills, rng, folder)


def killed_and_left(
    commands: Sequence[Resumable], kills: int, rng: random.Random, folder: Path
) -> Tally:
    """Kill commands several times each until so many kills; hold each against an undisturbed run."""
    tally, wholes = Tally(), {}
    for number, command in enumerate(itertools.cycle(commands)):
        if tally.kills >= kills:
            break
        name = command.name
        if name not in wholes:
            whole = folder / f"whole-{len(wholes)}"
            began = time.monotonic()
            if not finished(command.start(whole), tally, f"undisturbed {name}"):
                break
            wholes[name] = digests(whole), time.monotonic() - began
        expected, seconds = wholes[name]
        out = folder / f"killed-{number}"
        aims = None, functools.partial(being_written, out, "checkpoint")
        for nth in range(rng.randint(3, 7)):
            child = command.start(out)
            if not kill_at_random(child, out, rng, seconds * 0.45, tally, aims[nth % 3 == 1]):
                if child.code != 0:
                    tally.complain(f"{name}: exit code {child.code}: {child.said[-600:]}")
                break
        child = command.start(out)
        if finished(child, tally, name):
            compared(out, expected, tally, name)
        if "Traceback" in child.said:
            tally.complain(f"{name}: a traceback: {child.out}")
        tally.show()
    return tally
