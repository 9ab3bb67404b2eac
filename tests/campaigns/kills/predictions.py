"""Predictions on two processes, killed; the next one begins beside the orphans."""

from __future__ import annotations

import functools
import random
import time
from pathlib import Path

from tests.campaigns import forking
from tests.campaigns.kills.killing import (
    Tally,
    being_written,
    compared,
    digests,
    finished,
    kill_at_random,
)
from tests.campaigns.kills.sessions import orphans_go
from tests.campaigns.smallest import completed, recordings


def predict(kills: int, rng: random.Random, folder: Path) -> Tally:
    """Kill predictions, and hold what the last one makes against a prediction in one process."""
    made, tally, number = recordings(folder, 12, 120), Tally(), 0
    completed(made.command(folder / "serial"), folder / "serial.out")
    whole = digests(folder / "serial")
    began = time.monotonic()
    child = forking.memcell(made.command(folder / "timed", "--jobs", "2"), folder / "timed.out")
    if not finished(child, tally, "predict"):
        return tally
    seconds = time.monotonic() - began
    while tally.kills < kills and len(tally.wrong) < 20:
        number += 1
        out = folder / f"out-{number}"
        command, said = made.command(out, "--jobs", "2"), folder / f"out-{number}.said"
        orphaned = []
        for nth in range(rng.randint(2, 5)):
            child = forking.memcell(command, said)
            aim = functools.partial(being_written, out) if nth % 3 == 1 else None
            if not kill_at_random(child, out, rng, seconds * 0.8, tally, aim):
                break
            orphaned.append(child)
        if finished(forking.memcell(command, said), tally, "predict"):
            for old in orphaned:
                left = orphans_go(old)
                if left:
                    tally.complain(left)
            compared(out, whole, tally, "predict")
        tally.show()
    return tally
