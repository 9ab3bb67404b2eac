"""Run a campaign of kills."""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Callable
from pathlib import Path

from tests.campaigns import command_line, forking, kills
from tests.campaigns.kills import cluster, outputs, predictions, runs
from tests.campaigns.kills.killing import Tally

#: What is killed, and how often if nothing else is typed.
CAMPAIGNS: dict[str, tuple[Callable[[int, random.Random, Path], Tally], int]] = {
    "train": (runs.train, 200), "compare": (runs.compare, 50), "loso": (runs.loso, 50),
    "predict": (predictions.predict, 50), "evaluate": (outputs.evaluate, 50), "export": (outputs.export, 50),
    "workers": (cluster.workers, 20), "schedulers": (cluster.schedulers, 5),
}  # fmt: skip


def options(parser: argparse.ArgumentParser) -> None:
    """Add what is killed, and how often."""
    parser.add_argument("what", choices=CAMPAIGNS)
    parser.add_argument("--kills", type=int)
    parser.add_argument("--seed", type=int, default=0)


def main() -> int:
    """Run it."""
    with command_line.begun(kills.__doc__, options) as asked:
        forking.warm()
        what, seed = asked.options.what, asked.options.seed
        run, usual = CAMPAIGNS[what]
        tally = run(asked.options.kills or usual, random.Random(seed), asked.folder)
        counted = (
            f"{what}, seed {seed}: {tally.kills} kills ({tally.writing} while a file was being written), "
            f"{tally.runs} runs came to their end and were compared"
        )
        return asked.ended(counted, len(tally.wrong)) or int(tally.kills == 0)


if __name__ == "__main__":
    sys.exit(main())
