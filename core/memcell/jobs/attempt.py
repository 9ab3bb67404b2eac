"""One try at a task: whatever goes wrong in it becomes an outcome."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable
from typing import TypeVar

from memcell.errors import MemcellError
from memcell.interrupt import Interrupts
from memcell.jobs.contract import Outcome, Task, Working

T = TypeVar("T", bound=Task)
R = TypeVar("R")

#: On a worker: the batch of tasks to whether it was asked to stop. A worker outlives many batches.
_asked: dict[str, Interrupts] = {}
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
    stop = _asked.setdefault(batch, Interrupts())
    with _one_at_a_time, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        outcome = attempt(function, task, Working(stop=stop))
    said = tuple(dict.fromkeys(str(w.message) for w in caught))
    return Outcome(result=outcome.result, error=outcome.error, warnings=said)


def ask_to_stop(batch: str) -> None:
    """Ask the tasks of a batch on this worker to save and stop."""
    _asked.setdefault(batch, Interrupts()).requested = True


def forget(batch: str) -> None:
    """Forget a batch that is over."""
    _asked.pop(batch, None)
