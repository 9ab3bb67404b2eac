"""What every campaign of kills does: kill at a random moment, wait for an end, compare bytes, and count."""

from __future__ import annotations

import hashlib
import json
import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.campaigns.forking import Child
from tests.campaigns.smallest import LIMIT

#: Written anew at each beginning of a run, or holding times.
OWN = {
    "environment.json", "work.json", ".lock", "report.html", "timeline.png", "runs.tsv", "results.json",
}  # fmt: skip


@dataclass
class Tally:
    """What a campaign counts.

    Args:
        kills: Processes killed.
        writing: Of them while a file was being written.
        runs: Runs that were compared with an undisturbed one.
        wrong: What was not as it should be.
    """

    kills: int = 0
    writing: int = 0
    runs: int = 0
    wrong: list[str] = field(default_factory=list)
    _halves: set[Path] = field(default_factory=set)

    def killed(self, folder: Path) -> None:
        """Count a kill, and whether it left a half-written file that no kill before it left."""
        self.kills += 1
        halves = set(folder.rglob(".*.memcell-*"))
        self.writing += bool(halves - self._halves)
        self._halves |= halves

    def complain(self, what: str) -> None:
        """Count something that is not as it should be."""
        self.wrong.append(what)
        print(f"  WRONG: {what}", flush=True)

    def show(self) -> None:
        """Print where the campaign is."""
        print(f"  {self.kills} kills, {self.runs} runs, {len(self.wrong)} wrong", flush=True)


def digests(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every file whose bytes are promised."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name not in OWN:
            found[str(path.relative_to(folder))] = hashlib.sha256(_stable(path, folder)).hexdigest()
    return found


def _stable(path: Path, folder: Path) -> bytes:
    """Return a file's bytes, without CPU times and its own path."""
    content = path.read_bytes().replace(str(folder).encode(), b"FOLDER")
    if path.name in ("record.json", "comparison.json"):
        values = json.loads(content)
        for name in ("cpu_seconds", "command", "commands", "preparing_seconds"):
            values.pop(name, None)
        return json.dumps(values, sort_keys=True).encode()
    return content


def differing(folder: Path, whole: dict[str, str]) -> list[str]:
    """Return the names of files that differ from those of an undisturbed run, leftovers included."""
    mine = digests(folder)
    return sorted(n for n in mine.keys() | whole.keys() if mine.get(n) != whole.get(n))


def compared(folder: Path, whole: dict[str, str], tally: Tally, what: str) -> None:
    """Hold a folder against that of an undisturbed run, and count it."""
    tally.runs += 1
    wrong = differing(folder, whole)
    if wrong:
        tally.complain(f"{what}: {len(wrong)} files differ: {', '.join(wrong[:8])}")


def being_written(folder: Path, name: str = "") -> bool:
    """Say whether a file, whose name begins like this, is being written somewhere in a folder."""
    return any(folder.rglob(f".{name}*.memcell-*"))


def kill_at_random(
    child: Child,
    folder: Path,
    rng: random.Random,
    longest: float,
    tally: Tally,
    aim: Callable[[], bool] | None = None,
) -> bool:
    """Kill a process at a random moment; say whether it was still there to be killed.

    Args:
        child: The process.
        folder: That it writes into.
        rng: Draws the moment.
        longest: How long to wait at most, s.
        tally: Counts it.
        aim: Looked at again and again after that, until it is true or as long has passed once more.
    """
    child.wait(rng.uniform(0.0, longest))
    if aim is not None:
        until = time.monotonic() + longest
        while not aim() and child.poll() is None and time.monotonic() < until:
            pass
        time.sleep(rng.choice((0.0, rng.uniform(0.0, 0.003))))
    if child.poll() is not None:
        return False
    child.kill()
    tally.killed(folder)
    return True


def finished(child: Child, tally: Tally, what: str) -> bool:
    """Wait for the end of a run; say whether it ended well, and where it is if it does not end."""
    code = child.wait(LIMIT)
    if code is None:
        child.signal(signal.SIGUSR1)
        time.sleep(1.0)
        tally.complain(f"{what}: hangs: {child.said[-20_000:]}")
        child.kill()
    elif code != 0:
        tally.complain(f"{what}: exit code {code}: {child.said[-600:]}")
    return code == 0
