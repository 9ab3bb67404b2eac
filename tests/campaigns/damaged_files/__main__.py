"""``python -m tests.campaigns.damaged_files``: the named defects and thousands of damaged files, counted.

What must hold: no error that is not caught, every message names the file and a reason, no file takes more
than 2 s of CPU time, no unit is wrong without a word, no gap is lost, and no patient is named.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from memcell.progress import progress

from .mutations import Outcome, try_one
from .named import judge
from .samples import write_samples


def main(words: Sequence[str] | None = None) -> int:
    """Run what was asked for and print the counts; return 1 where something did not hold."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.campaigns.damaged_files", description=__doc__
    )
    parser.add_argument("--count", type=int, default=10_000, help="how many damaged files")
    parser.add_argument(
        "--start", type=int, default=0, help="number of the first, to go on in pieces"
    )
    parser.add_argument("--seed", type=int, default=0, help="the same seed makes the same damage")
    asked = parser.parse_args(words)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        faults = _named(folder / "named")
        faults += _mutated(folder / "damaged", asked.start, asked.count, asked.seed)
    for line in faults:
        print(line)
    print(f"{len(faults)} faults")
    return int(bool(faults))


def _named(folder: Path) -> list[str]:
    judged = judge(folder)
    print(f"{len(judged)} named defects, {sum(not f for f in judged.values())} as they should be")
    return [f"{name}: {fault}" for name, found in judged.items() for fault in found]


def _mutated(folder: Path, start: int, count: int, seed: int) -> list[str]:
    samples = write_samples(folder)
    for (
        sample
    ) in samples:  # what is imported at the first reading of a format is not its file's time
        try_one(0, seed, [sample])
    counted: Counter[tuple[str, str]] = Counter()
    faults, slowest = [], (0.0, 0, "none")
    with progress("damaged files", count) as shown:
        for number in range(start, start + count):
            outcome = try_one(number, seed, samples)
            counted[outcome.sample, outcome.result] += 1
            slowest = max(slowest, (outcome.seconds, number, outcome.sample))
            faults += [_line(outcome, fault, seed) for fault in outcome.faults]
            shown.advance(1)
    for name in sorted({sample for sample, _ in counted}):
        read, refused = counted[name, "read"], counted[name, "refused"]
        print(f"{name}: {read} read, {refused} refused, {counted[name, 'uncaught']} not caught")
    total = Counter[str]()
    for (_, result), n in counted.items():
        total[result] += n
    print(
        f"{count} damaged files: {total['read']} read, {total['refused']} refused by name, "
        f"{total['uncaught']} not caught; the slowest took {slowest[0]:.2f} s (file "
        f"{slowest[1]}, {slowest[2]})"
    )
    return faults


def _line(outcome: Outcome, fault: str, seed: int) -> str:
    return f"seed {seed}, file {outcome.number} ({outcome.sample}, {outcome.result}): {fault}"


if __name__ == "__main__":
    sys.exit(main())
