"""Running tasks: serially here, on a cluster in `memcell.jobs.cluster`, which alone imports Dask."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from memcell.errors import UsageError
from memcell.interrupt import Interrupted, Interrupts
from memcell.jobs.attempt import attempt
from memcell.jobs.contract import Mode, Outcome, Task, Working
from memcell.progress import SILENT, Progress

T = TypeVar("T", bound=Task)
R = TypeVar("R")


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
