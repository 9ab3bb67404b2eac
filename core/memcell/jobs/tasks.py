"""Tasks, how one is tried, and running many: serially here, on a cluster in `memcell.jobs.cluster`.

Only that module imports Dask.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from memcell.errors import MemcellError, UsageError
from memcell.interrupt import Interrupted, Interrupts
from memcell.progress import SILENT, Progress


class JobTask(Protocol):
    """A small description of work that can be pickled; what it needs is read where it runs."""

    @property
    def id(self) -> str:
        """Its name, another one for each task."""


def data_of(task: JobTask) -> str:
    """Return the name of what a process prepares for a task and keeps (its attribute ``data``), or "".

    Tasks of the same name go to the same process as long as there are others for the rest.
    """
    return str(getattr(task, "data", ""))


@dataclass(frozen=True, kw_only=True)
class Working:
    """What a task is handed beside its description.

    Args:
        stop: Its ``requested`` turns True when the person wants to stop: save, and raise `Interrupted`.
        progress: Told how far the task is, 1 being all; silent on a cluster.
    """

    stop: Interrupts = field(default_factory=Interrupts)
    progress: Progress = SILENT


R_co = TypeVar("R_co", covariant=True)


@dataclass(frozen=True, kw_only=True)
class Outcome(Generic[R_co]):
    """What came of a task: a result or an error.

    Args:
        result: What the function returned, None where it raised.
        error: What it raised; what is no `MemcellError` is wrapped in one, with its type's name.
        lost: Its workers died while they ran it, every time: the task is the likely cause.
        warnings: What was warned of on a worker; serially warnings go their usual way.
    """

    result: R_co | None = None
    error: MemcellError | None = None
    lost: bool = False
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Mode:
    """Where tasks run: in this process, on processes of this machine, or on a Dask cluster.

    Args:
        jobs: Processes on this machine; 0 for none: one task after the other in this process.
        scheduler: Address of a running Dask scheduler (``tcp://…``, ``tls://…``), empty for none.
        imports: Modules that tasks need; with ``jobs`` they are imported once for all processes.
        first_alone: No other task begins before the first has ended.

    Raises:
        UsageError: Both, or a number that cannot be.
    """

    jobs: int = 0
    scheduler: str = ""
    imports: tuple[str, ...] = ()
    first_alone: bool = False

    def __post_init__(self) -> None:
        if self.jobs < 0:
            raise UsageError(f"--jobs got {self.jobs}; 1 or more expected")
        if self.jobs and self.scheduler:
            raise UsageError(
                "--jobs starts processes here and --scheduler uses a running cluster: type one of them"
            )

    @property
    def serial(self) -> bool:
        """Whether everything runs in this process."""
        return not self.jobs and not self.scheduler


T = TypeVar("T", bound=JobTask)
R = TypeVar("R")

#: On a worker: the batch of tasks to whether it was asked to stop. A worker outlives many batches.
_interrupts: dict[str, Interrupts] = {}
#: One task at a time in a process: weights are drawn from torch's global generator.
_one_at_a_time = threading.Lock()


def attempt(function: Callable[[T, Working], R], task: T, working: Working) -> Outcome[R]:
    """Call the function and return what came of it; only what stops the process passes through."""
    try:
        return Outcome(result=function(task, working))
    except MemcellError as error:
        return Outcome(error=error)
    except Exception as error:
        reason = " ".join(str(error).split())
        return Outcome(error=MemcellError(f"{type(error).__name__}: {reason}"))


def on_worker(function: Callable[[T, Working], R], task: T, batch: str) -> Outcome[R]:
    """Do a task on a worker; ``batch`` names the tasks that are stopped together."""
    stop = _interrupts.setdefault(batch, Interrupts())
    with _one_at_a_time, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        # Each becomes a note for a person. These are for the developers of libraries, and Python shows them
        # to nobody else either.
        for of_developers in (DeprecationWarning, ImportWarning, ResourceWarning):
            warnings.simplefilter("ignore", of_developers)
        outcome = attempt(function, task, Working(stop=stop))
    messages = tuple(dict.fromkeys(str(w.message) for w in caught))
    return Outcome(result=outcome.result, error=outcome.error, warnings=messages)


def ask_to_stop(batch: str) -> None:
    """Ask the tasks of a batch on this worker to save and stop."""
    _interrupts.setdefault(batch, Interrupts()).requested = True


def forget(batch: str) -> None:
    """Forget a batch that is over."""
    _interrupts.pop(batch, None)


def run_tasks(
    function: Callable[[T, Working], R],
    tasks: Sequence[T],
    mode: Mode,
    on_result: Callable[[T, Outcome[R]], None],
    progress: Progress = SILENT,
) -> None:
    """Run every task once and hand over what came of each.

    The function must be importable by name. It writes its files atomically, skips what is done, goes on
    from what is begun and returns a small record: then a task may be cut off anywhere and run again. A
    worker that dies costs its task one more try; a task whose workers keep dying is given up by name and
    the others go on.

    Args:
        function: Does a task.
        tasks: What is to be done, in the order in which it is begun; no two of one ``id``.
        mode: Where.
        on_result: Called in this process for each task, in the order in which they end. What it raises
            ends everything.
        progress: Told how many tasks are done.

    Raises:
        Interrupted: The person asked to stop (Ctrl-C, SIGTERM): begun tasks were asked to save.
        UsageError: Dask is wanted and not installed, or no scheduler answers at the address.
        MemcellError: The cluster was lost.
    """
    if len({task.id for task in tasks}) < len(tasks):
        raise ValueError("two tasks have one id")
    if not tasks:
        return
    if mode.serial:
        _serially(function, tasks, on_result, progress)
        return
    try:
        from memcell.jobs.cluster import on_cluster
    except ImportError as error:
        raise UsageError(
            f"--jobs and --scheduler need Dask, which cannot be imported ({error}): "
            "pip install 'memcell-rnn[cluster]', or leave them out"
        ) from None
    on_cluster(function, tasks, mode, on_result, progress)


def _serially(
    function: Callable[[T, Working], R],
    tasks: Sequence[T],
    on_result: Callable[[T, Outcome[R]], None],
    progress: Progress,
) -> None:
    with Interrupts() as stop:
        for done, task in enumerate(tasks):
            if stop.requested:
                raise Interrupted(f"stopped before {task.id}")
            progress.at(done)
            outcome = attempt(function, task, Working(stop=stop, progress=_Part(progress, done)))
            if isinstance(outcome.error, Interrupted):
                raise outcome.error
            on_result(task, outcome)
            progress.at(done + 1)


class _Part:
    """Progress of one task as a part of all."""

    def __init__(self, whole: Progress, before: int) -> None:
        self.whole, self.before = whole, before
        self.total, self.done = 1.0, 0.0

    def expect(self, total: float) -> None:
        self.total = total or 1.0

    def advance(self, amount: float = 1, note: str = "") -> None:
        self.at(self.done + amount, note)

    def at(self, done: float, note: str = "") -> None:
        self.done = done
        self.whole.at(self.before + min(1.0, done / self.total), note)
