"""A process that has imported everything and forks a child for each run, so that hundreds of runs are cheap.

The parent computes nothing and starts no thread, so that a child is as a fresh process is.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

IMPORTS = (
    "torch", "memcell.cli.main", "memcell.cli.train", "memcell.cli.compare", "memcell.cli.predict",
    "memcell.cli.stream", "memcell.cli.export", "memcell.cli.evaluate", "memcell.runs.folds.run",
    "memcell.compare.run", "memcell.compare.report", "memcell.runs.predict", "memcell.runs.stream",
    "memcell_compiler", "memcell.probes.scheduler", "memcell_plugins", "memcell_data.datasets.simulated",
    "memcell_microsleep.app", "memcell_eeg.reports", "memcell_eeg.live.run",
    "memcell_eeg.prediction.predict", "memcell_memory_tasks.app", "scipy.signal", "sklearn.linear_model",
    "sklearn.metrics", "statsmodels.api", "matplotlib.pyplot", "mne", "torch._dynamo",
)  # fmt: skip


def warm(*more: str) -> None:
    """Import what children need; what is not there they do without."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("MPLBACKEND", "agg")
    for name in (*IMPORTS, *more):
        try:
            import_module(name)
        except ImportError as error:
            print(f"not imported: {name} ({error})", file=sys.stderr)


@dataclass
class Child:
    """A forked process.

    Args:
        pid: Its number.
        out: Where its output and error output go.
    """

    pid: int
    out: Path
    code: int | None = None

    def poll(self) -> int | None:
        """Return its exit code (negative: the signal that ended it), None while it runs."""
        if self.code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.code = os.waitstatus_to_exitcode(status)
        return self.code

    def wait(self, seconds: float) -> int | None:
        """Wait for its end; None where it takes longer."""
        until = time.monotonic() + seconds
        while self.poll() is None and time.monotonic() < until:
            time.sleep(0.002)
        return self.code

    def signal(self, number: int) -> None:
        """Send it a signal, where it still runs."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it, and wait until it is gone."""
        self.signal(signal.SIGKILL)
        self.wait(30.0)

    @property
    def said(self) -> str:
        """What it wrote so far."""
        return self.out.read_text(errors="replace")


def fork(work: Callable[[], int | None], out: Path, err: Path | None = None) -> Child:
    """Run a function in a child of its own session; its output goes to files."""
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        return Child(pid=pid, out=out)
    code = 70
    try:
        os.setsid()
        for path, number in ((out, 1), (err or out, 2)):
            file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
            os.dup2(file, number)
            os.close(file)
        code = work() or 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def memcell(
    arguments: list[str],
    out: Path,
    err: Path | None = None,
    before: Callable[[], object] = lambda: None,
) -> Child:
    """Run the command line in a child, in which something is done before; SIGUSR1 shows where it is."""

    def work() -> int:
        from memcell.cli.main import run

        faulthandler.register(signal.SIGUSR1)
        before()
        return run(arguments)

    return fork(work, out, err)
