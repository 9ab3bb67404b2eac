"""``work.json`` of a run: what each of its beginnings did and cost, kept also where one is cut off."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

from memcell.errors import MemcellError
from memcell.files.atomic import write_atomic
from memcell.files.reading import read_json
from memcell.progress import Progress

#: How much CPU time of a run that is killed may go uncounted, seconds.
EVERY = 5.0
#: Where the seconds of training stand that validating under a second inference policy took.
SECOND = "second_inference"


class Work:
    """The CPU time of this process, as this beginning of the run; it is also the run's `Progress`.

    Args:
        path: The run folder, which exists.
        shown: Told the same.
    """

    def __init__(self, path: Path, bar: Progress) -> None:
        self.path, self.bar = path / "work.json", bar
        self.before = read_work(path)
        self.began = self.written = time.process_time()
        self.now: dict[str, Any] = {
            "from_update": None,
            "to_update": 0,
            "training": 0.0,
            "all": 0.0,
        }
        self._training_began = self.began

    def begin_training(self, update: int) -> None:
        """Say that training begins after an update."""
        self.now["from_update"] = update
        self._training_began = time.process_time()
        self.at(update)

    def end_training(self) -> None:
        """Say that training is over, or broken off."""
        self._count()
        self.write()

    def expect(self, total: float) -> None:
        """Say how many updates there may be."""
        self.bar.expect(total)

    def advance(self, amount: float = 1, note: str = "") -> None:
        """Go on by some updates."""
        self.at(self.now["to_update"] + amount, note)

    def at(self, done: float, note: str = "") -> None:
        """Say how many updates are done."""
        self.bar.at(done, note)
        self.now["to_update"] = int(done)
        if time.process_time() - self.written > EVERY:
            self._count()
            self.write()

    def write(self) -> None:
        """Write it down."""
        self.written = time.process_time()
        self.now["all"] = round(self.written - self.began, 3)
        self.now["process"] = {"id": os.getpid(), "seconds": round(self.written, 3)}
        write_atomic(self.path, json.dumps([*self.before, self.now], indent=1) + "\n")

    @property
    def cpu_seconds(self) -> float:
        """CPU time of all beginnings, as last written."""
        return round(sum(float(b["all"]) for b in [*self.before, self.now]), 3)

    def _count(self) -> None:
        self.now["training"] = round(time.process_time() - self._training_began, 3)


def read_work(path: Path) -> list[dict[str, Any]]:
    """Return the beginnings of a run.

    Each has ``from_update`` (None: it did not come to train), ``to_update``, and the CPU seconds of
    ``training``, of ``all``, and of the whole ``process`` until then.
    """
    try:
        found = read_json(path / "work.json")
        for beginning in found:
            float(beginning["all"])
    except (MemcellError, ValueError, TypeError, LookupError):
        return []
    return found if isinstance(found, list) else []
