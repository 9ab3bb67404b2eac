"""Tasks of the tests, in a module of their own: a worker imports it by name."""

from __future__ import annotations

import os
import signal
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

from memcell.errors import DataError
from memcell.interrupt import Interrupted


@dataclass(frozen=True)
class Doing:
    id: str
    what: str
    folder: str = ""


def do(task, working):
    marks = Path(task.folder) / task.id
    if task.what == "refuse":
        raise DataError("no such recording")
    if task.what == "break":
        return [][1]
    if task.what == "warn":
        warnings.warn("a slow way was taken", stacklevel=1)
        warnings.warn("a file was not closed", ResourceWarning, stacklevel=1)
    if task.what == "kill once" and not marks.exists():
        marks.write_text("")
        os.kill(os.getpid(), signal.SIGKILL)
    if task.what == "kill":
        with marks.open("a") as file:
            file.write("x")
        os.kill(os.getpid(), signal.SIGKILL)
    if task.what.startswith("kill at first"):
        with marks.open("a") as file:
            file.write("x")
        if len(marks.read_text()) <= int(task.what.split()[-1]):
            os.kill(os.getpid(), signal.SIGKILL)
    if task.what == "pid":
        return os.getpid()
    if task.what == "sleep":
        time.sleep(0.2)
    if task.what == "wait to be stopped":
        marks.write_text("begun")
        for _ in range(2000):
            if working.stop.requested:
                marks.write_text("saved")
                raise Interrupted("saved")
            time.sleep(0.01)
        marks.write_text("never asked")
    return f"{task.id} done"
