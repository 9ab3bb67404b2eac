"""The files of ``memcell data check``, looked into one after the other or by several processes, in order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from memcell.applications.checking import Checker, FileReport
from memcell.applications.datasets import find_checker
from memcell.errors import MemcellError, PluginError
from memcell.interrupt import Interrupted
from memcell.jobs import Mode, Outcome, Working, run_tasks
from memcell.plugins import default_registry


@dataclass(frozen=True, kw_only=True)
class CheckTask:
    """One file to look into.

    Args:
        path: The file.
        typed: The path that was typed and that it was found by, which says by which checker.
        samples: As for `memcell.applications.checking.Checker.check`, like the rest.
        channels, given: Likewise; ``given`` has what is handed over only where it was typed.
    """

    path: Path
    typed: str
    samples: bool
    channels: tuple[str, ...] = ()
    given: tuple[tuple[str, str], ...] = ()

    @property
    def id(self) -> str:
        """The file's path."""
        return str(self.path)


def check_file(task: CheckTask, working: Working) -> FileReport:
    """Look into one file; whatever goes wrong is in its report."""
    return report_of(_checker(task.typed), task)


def report_of(checker: Checker, task: CheckTask) -> FileReport:
    """Look into one file with a checker that is at hand."""
    try:
        return checker.check(
            task.path, samples=task.samples, channels=task.channels, **dict(task.given)
        )
    except MemcellError as error:
        return FileReport(path=task.path, refused=str(error))
    except Exception as error:
        # Somebody's checker that fails on one strange file must not lose the others.
        what = f"the checker itself failed with {type(error).__name__}"
        return FileReport(path=task.path, refused=str(PluginError(what)))


def in_order(
    tasks: Sequence[CheckTask],
    checkers: Mapping[Path, Checker],
    jobs: int,
    take: Callable[[FileReport], None],
) -> None:
    """Look into files and hand over each report in the order of the files.

    Args:
        tasks: A task for each.
        checkers: What looks into each.
        jobs: Processes; 0 for this one alone.
        take: Called with each report, as soon as those before it were handed over.

    Raises:
        Interrupted: The person asked to stop.
        MemcellError: The processes cannot be started, or were lost.
    """
    if not jobs:
        for task in tasks:
            take(report_of(checkers[task.path], task))
        return
    waiting: dict[str, FileReport] = {}
    order = iter(tasks)
    following = next(order, None)

    def ended(task: CheckTask, outcome: Outcome[FileReport]) -> None:
        nonlocal following
        if isinstance(outcome.error, Interrupted):
            raise outcome.error
        waiting[task.id] = (
            outcome.result
            if outcome.result is not None
            else FileReport(path=task.path, refused=str(outcome.error))
        )
        while following is not None and following.id in waiting:
            take(waiting.pop(following.id))
            following = next(order, None)

    imports = sorted({type(checker).__module__ for checker in checkers.values()})
    run_tasks(check_file, tasks, Mode(jobs=jobs, imports=(__name__, *imports)), ended)


@lru_cache(maxsize=64)
def _checker(typed: str) -> Checker:
    return find_checker(default_registry(), typed)
