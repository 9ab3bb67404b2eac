"""Tasks on Dask: processes started here, or a cluster that runs already. Imported only when wanted.

Futures are submitted directly, one for each free worker: a task that waits on a worker would be blamed
with the one that kills it, and would be lost with it.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from typing import Any, TypeVar
from uuid import uuid4

from distributed import Client, Future, KilledWorker

from memcell.errors import MemcellError
from memcell.jobs.attempt import ask_to_stop, forget, on_worker
from memcell.jobs.clients import client_of
from memcell.jobs.contract import Mode, Outcome, Task, Working
from memcell.progress import Progress
from memcell.training.interrupt import Interrupted, Interrupts

T = TypeVar("T", bound=Task)
R = TypeVar("R")

#: How long the loop waits for a result before it looks around, seconds.
LOOK = 0.25
#: How long begun tasks may take to save when they were asked to stop, seconds.
GRACE = 8.0
#: How long all workers may be away before they are given up, seconds.
AWAY = 60.0


def on_cluster(
    function: Callable[[T, Working], R],
    tasks: Sequence[T],
    mode: Mode,
    on_result: Callable[[T, Outcome[R]], None],
    progress: Progress,
) -> None:
    """Run tasks on workers; see `memcell.jobs.run_tasks`."""
    with Interrupts() as stop, client_of(mode) as client:
        batch = _Batch(client, function, on_result, progress)
        try:
            batch.run(deque(tasks), stop)
        except (OSError, RuntimeError) as error:
            # what distributed raises when the scheduler is gone
            if client.status == "running":
                raise
            raise _lost_cluster(str(error)) from None
        finally:
            batch.end()


class _Batch:
    """Tasks that are begun and stopped together."""

    def __init__(
        self,
        client: Client,
        function: Callable[[Any, Working], Any],
        on_result: Callable[[Any, Outcome[Any]], None],
        progress: Progress,
    ) -> None:
        self.client, self.function = client, function
        self.on_result, self.progress = on_result, progress
        self.name = uuid4().hex
        self.running: dict[Future[Any], Any] = {}
        self.ends: SimpleQueue[Future[Any]] = SimpleQueue()
        self.done = 0
        self.seen = time.monotonic()
        self.looked = 0.0
        self.workers = 0

    def run(self, queue: deque[Any], stop: Interrupts) -> None:
        while queue or self.running:
            if stop.requested:
                self._stop()
            self._look()
            while queue and len(self.running) < self.workers:
                self._begin(queue.popleft())
            for future in self._ended():
                self._take(future)

    def end(self) -> None:
        """Leave nothing behind on a cluster that others use."""
        try:
            if self.running:
                self.client.cancel(list(self.running))
            self.client.run(forget, self.name)
        except Exception:  # the cluster may be gone, and what went wrong first is what counts
            return

    def _look(self) -> None:
        now = time.monotonic()
        if now - self.looked < 1.0:
            return
        if self.client.status != "running":
            raise _lost_cluster("it closed the connection")
        self.looked, self.workers = now, len(self.client.nthreads())
        if self.workers:
            self.seen = now
        elif now - self.seen > AWAY:
            raise MemcellError(
                f"no worker has been there for {AWAY:.0f} s; what is done is kept, the same command goes on"
            )

    def _begin(self, task: Any) -> None:
        key = f"memcell-{self.name}-{task.id}"
        future = self.client.submit(on_worker, self.function, task, self.name, key=key, pure=False)
        self.running[future] = task
        future.add_done_callback(self.ends.put)

    def _ended(self) -> list[Future[Any]]:
        """Return what has ended, after a moment nothing."""
        try:
            return [self.ends.get(timeout=LOOK)]
        except Empty:
            return []

    def _take(self, future: Future[Any]) -> None:
        task = self.running.pop(future)
        outcome = self._outcome(future, task)
        # a result that stays on a worker is made again when that worker dies
        future.release()
        if isinstance(outcome.error, Interrupted):
            raise outcome.error
        self.done += 1
        self.on_result(task, outcome)
        self.progress.at(self.done)

    def _outcome(self, future: Future[Any], task: Any) -> Outcome[Any]:
        if future.status == "finished":
            found: Outcome[Any] = future.result()
            return found
        if future.status in ("cancelled", "lost"):
            raise _lost_cluster("it forgot a task")
        error = future.exception()
        if isinstance(error, KilledWorker):
            told = (
                f"every worker that ran {task.id} died, {error.allowed_failures + 1} in all: it may need "
                f"more memory than there is, or crash; the others went on"
            )
            return Outcome(error=MemcellError(told), lost=True)
        reason = " ".join(str(error).split())
        return Outcome(error=MemcellError(f"{task.id}: {type(error).__name__}: {reason}"))

    def _stop(self) -> None:
        """Ask what is begun to save, take what ends all the same, and stop.

        Raises:
            Interrupted: Always.
        """
        until = time.monotonic() + GRACE
        self.client.run(ask_to_stop, self.name, on_error="ignore")
        said = "stopped, and what was begun is saved"
        while self.running and time.monotonic() < until:
            for future in self._ended():
                try:
                    self._take(future)
                except Interrupted:
                    continue
                except MemcellError as error:
                    said = f"stopped ({error})"
        if self.running:
            said = f"stopped; {len(self.running)} did not end in {GRACE:.0f} s and go on from their last save"
        raise Interrupted(said)


def _lost_cluster(reason: str) -> MemcellError:
    return MemcellError(
        f"the connection to the scheduler is lost ({reason}); what is done is kept, and the same command "
        f"goes on with what is not"
    )
