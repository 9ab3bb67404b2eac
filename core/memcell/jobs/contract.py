"""What a task is, what it is handed, and what comes of it; the same serially and on a cluster."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from memcell.errors import MemcellError, UsageError
from memcell.interrupt import Interrupts
from memcell.progress import SILENT, Progress


class Task(Protocol):
    """A small description of work that can be pickled; what it needs is read where it runs."""

    @property
    def id(self) -> str:
        """Its name, another one for each task."""


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

    Raises:
        UsageError: Both, or a number that cannot be.
    """

    jobs: int = 0
    scheduler: str = ""
    imports: tuple[str, ...] = ()

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
