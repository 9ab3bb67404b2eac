"""Tasks on Dask: processes started here, or a cluster that runs already. Imported only when wanted.

Each task is given to one worker, and no worker has two: so it is known which task a worker ran when it died.
A task whose worker dies is run again beside the others; one that loses a second worker waits until all others
are done and is then run alone. Only a task that loses `ALONE` workers while nothing else runs is given up.
"""

from __future__ import annotations

import math
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import CancelledError
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any, TypeVar
from uuid import uuid4

from distributed import Client, Future, KilledWorker

from memcell.errors import MemcellError
from memcell.interrupt import Interrupted, Interrupts
from memcell.jobs.clients import client_of, within
from memcell.jobs.tasks import (
    JobTask,
    Mode,
    Outcome,
    Working,
    ask_to_stop,
    data_of,
    forget,
    on_worker,
)
from memcell.progress import Progress

T = TypeVar("T", bound=JobTask)
R = TypeVar("R")

#: How long the loop waits for a result before it looks around, seconds.
LOOK = 0.25
#: How long begun tasks may take to save when they were asked to stop, seconds.
GRACE = 8.0
#: Workers that a task may lose before it waits for the others to be done.
BESIDE = 2
#: Workers that a task has to lose while nothing else runs before it is given up.
ALONE = 3
#: Times that a task is begun at most, where workers die that run nothing, so that it is not to blame.
MOST_TRIES = 20
#: Workers of our own that may die with nothing to do, without one task that ends in between.
MOST_IDLE_DEATHS = 20
#: How long a worker that takes the place of another one has to be there before it gets a task, seconds.
SETTLED = 1.0
#: How long a worker of our own may be missing before another one is started, seconds.
REPLACE = 20.0
#: How long a result that is there may take to come, seconds.
FETCH = 10.0
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
    with Interrupts() as stop, client_of(mode, lambda: stop.requested) as client:
        batch = _Batch(client, function, on_result, progress, jobs=mode.jobs)
        try:
            batch.first = tasks[0].id if mode.first_alone else ""
            batch.run(tasks, stop)
        except (OSError, RuntimeError) as error:
            # what distributed raises when the scheduler is gone
            if client.status == "running":
                raise
            raise _lost_cluster(str(error)) from None
        finally:
            batch.end()


@dataclass(frozen=True, kw_only=True)
class _Try:
    """A task on a worker.

    Args:
        task: The task.
        worker: Address of the worker.
        alone: Nothing else of the batch runs beside it.
        beside: Workers that were there with nothing to do when it began alone.
    """

    task: Any
    worker: str
    alone: bool = False
    beside: frozenset[str] = frozenset()


class _Batch:
    """Tasks that are begun and stopped together."""

    def __init__(
        self,
        client: Client,
        function: Callable[[Any, Working], Any],
        on_result: Callable[[Any, Outcome[Any]], None],
        progress: Progress,
        jobs: int,
    ) -> None:
        self.client, self.function = client, function
        self.on_result, self.progress = on_result, progress
        self.name = uuid4().hex
        #: Workers that were started for this batch, so that none leaves of its own will; 0 for others'.
        self.jobs = jobs
        self.complete = time.monotonic()
        self.queue: deque[Any] = deque()
        self.suspects: deque[Any] = deque()
        self.running: dict[Future[Any], _Try] = {}
        self.ends: SimpleQueue[Future[Any]] = SimpleQueue()
        self.done = 0
        self.seen = time.monotonic()
        self.looked = 0.0
        #: Address of each worker that is there to when it was seen first.
        self.workers: dict[str, float] = {}
        self.tries: Counter[str] = Counter()
        self.deaths: Counter[str] = Counter()
        self.deaths_alone: Counter[str] = Counter()
        self.idle_deaths = 0
        #: Worker to the data that it prepared for its last task, and keeps.
        self.prepared: dict[str, str] = {}
        #: The task before whose end no other begins; empty for none.
        self.first = ""

    def run(self, tasks: Iterable[Any], stop: Interrupts) -> None:
        self.queue.extend(tasks)
        while self.queue or self.suspects or self.running:
            if stop.requested:
                self._stop()
            self._look()
            self._begin_some()
            for future in self._ended():
                self._take(future)

    def end(self) -> None:
        """Leave nothing behind on a cluster that others use."""
        try:
            if self.running:
                within(FETCH, lambda: self.client.cancel(list(self.running)))
            within(FETCH, lambda: self.client.run(forget, self.name))
        except Exception:  # the cluster may be gone, and what went wrong first is what counts
            return

    def _look(self, at_once: bool = False) -> None:
        """See who is there, once a second."""
        now = time.monotonic()
        if now - self.looked < 1.0 and not at_once:
            return
        if self.client.status != "running":
            raise _lost_cluster("it closed the connection")
        there = self._there()
        gone = self.workers.keys() - there
        # our own are waited for when they are started: those of the first look are up and running
        begun = -math.inf if self.jobs and not self.looked else now
        self.workers = {w: self.workers.get(w, begun) for w in sorted(there)}
        self.looked = now
        self._replace(now)
        if there:
            self.seen = now
        elif now - self.seen > AWAY:
            raise MemcellError(
                f"no worker has been there for {AWAY:.0f} s; what is done is kept, the same command goes on"
            )
        for future, tried in list(self.running.items()):
            if tried.worker not in there and not future.done():
                self._died(future)
                gone.discard(tried.worker)
        self.idle_deaths += len(gone - {t.worker for t in self.running.values()})
        if self.jobs and self.idle_deaths > MOST_IDLE_DEATHS:
            raise MemcellError(
                f"{self.idle_deaths} processes died while they had nothing to do: something ends them, such "
                f"as a limit on memory; what is done is kept, and the same command goes on, with fewer --jobs"
            )

    def _there(self) -> set[str]:
        """Return the addresses of the workers that are there."""
        try:
            return set(within(AWAY, self.client.nthreads))
        except OSError as error:
            raise _lost_cluster(" ".join(str(error).split())) from None

    def _replace(self, now: float) -> None:
        """Start other workers of our own for those that do not come back.

        Dask starts a worker again that died, unless it died while it was still being started.
        """
        if not self.jobs or len(self.workers) >= self.jobs:
            self.complete = now
        elif now - self.complete > REPLACE:
            cluster: Any = self.client.cluster
            cluster.scale(len(cluster.worker_spec) + self.jobs - len(self.workers))
            self.complete = now

    def _begin_some(self) -> None:
        busy = {tried.worker for tried in self.running.values()}
        # a worker that dies whatever it runs does so before it is trusted with a task
        settled = time.monotonic() - SETTLED
        free = [w for w, since in self.workers.items() if w not in busy and since <= settled]
        if self.jobs:
            free = free[: max(0, self.jobs - len(busy))]
        while self.queue and free and not self._waits():
            worker = free.pop(0)
            self._begin(_Try(task=self._next(worker), worker=worker))
        if self.suspects and not self.queue and not self.running and free:
            beside = frozenset(self.workers) - {free[0]}
            task = self.suspects.popleft()
            self._begin(_Try(task=task, worker=free[0], alone=True, beside=beside))

    def _next(self, worker: str) -> Any:
        """Take a task from the queue: of the data that the worker has, or that no other has, or the first."""
        others = {d for w, d in self.prepared.items() if w != worker and w in self.workers}
        own = self.prepared.get(worker, "")
        data = [data_of(task) for task in self.queue]
        at = next((i for i, d in enumerate(data) if d == own), None)
        if at is None:
            at = next((i for i, d in enumerate(data) if d not in others), 0)
        task = self.queue[at]
        del self.queue[at]
        return task

    def _waits(self) -> bool:
        """Whether the first task is still under way, and others wait for it."""
        return any(tried.task.id == self.first for tried in self.running.values())

    def _begin(self, tried: _Try) -> None:
        task = tried.task
        self.tries[task.id] += 1
        self.prepared[tried.worker] = data_of(task)
        # a name of its own for each try: the scheduler's count of deaths is not ours
        key = f"memcell-{self.name}-{self.tries[task.id]}-{task.id}"
        future = self.client.submit(
            on_worker, self.function, task, self.name, key=key, pure=False, workers=[tried.worker]
        )
        self.running[future] = tried
        future.add_done_callback(self.ends.put)

    def _ended(self) -> list[Future[Any]]:
        """Return what has ended, after a moment nothing."""
        try:
            future = self.ends.get(timeout=LOOK)
        except Empty:
            return []
        return [future] if future in self.running else []

    def _take(self, future: Future[Any]) -> None:
        tried = self.running[future]
        outcome = self._outcome(future, tried)
        if outcome is None:
            self._died(future)
            return
        del self.running[future]
        # a result that stays on a worker is made again when that worker dies
        future.release()
        if isinstance(outcome.error, Interrupted):
            raise outcome.error
        self.idle_deaths = 0
        self._over(tried.task, outcome)

    def _over(self, task: Any, outcome: Outcome[Any]) -> None:
        self.done += 1
        self.on_result(task, outcome)
        self.progress.at(self.done)

    def _outcome(self, future: Future[Any], tried: _Try) -> Outcome[Any] | None:
        """Return what came of a try; None where its worker died."""
        task = tried.task
        while future.status == "finished":
            try:
                found: Outcome[Any] = future.result(timeout=FETCH)
                return found
            except (TimeoutError, CancelledError):
                # it may have died with the result
                if tried.worker not in self._there():
                    return None
        if future.status in ("lost", "pending"):
            return None
        if future.status == "cancelled":
            raise _lost_cluster("it forgot a task")
        try:
            error = future.exception(timeout=FETCH)
        except TimeoutError:  # it was begun again in this moment
            return None
        if isinstance(error, KilledWorker):
            return None
        reason = " ".join(str(error).split())
        return Outcome(error=MemcellError(f"{task.id}: {type(error).__name__}: {reason}"))

    def _died(self, future: Future[Any]) -> None:
        """Begin a task again whose worker died; or give it up, where it is the cause."""
        tried = self.running.pop(future)
        future.cancel()
        task = tried.task
        self.deaths[task.id] += 1
        if not tried.alone:
            again = self.queue if self.deaths[task.id] < BESIDE else self.suspects
            again.append(task)
            return
        # others that died with nothing to do were not ended by the task
        if tried.beside <= self._there():
            self.deaths_alone[task.id] += 1
        if self.deaths_alone[task.id] >= ALONE or self.tries[task.id] >= MOST_TRIES:
            message = (
                f"every worker that ran {task.id} died, {self.deaths[task.id]} in all, the last "
                f"{self.tries[task.id] - BESIDE} while nothing else ran: it may need more memory than there "
                f"is, or crash; the others went on"
            )
            self._over(task, Outcome(error=MemcellError(message), lost=True))
            return
        self.suspects.append(task)

    def _stop(self) -> None:
        """Ask what is begun to save, take what ends all the same, and stop.

        Raises:
            Interrupted: Always.
        """
        until = time.monotonic() + GRACE
        with suppress(TimeoutError):  # a worker that does not answer keeps no other from saving
            within(GRACE, lambda: self.client.run(ask_to_stop, self.name, on_error="ignore"))
        message = "stopped, and what was begun is saved"
        while self.running and time.monotonic() < until:
            for future in self._ended():
                try:
                    self._take(future)
                except Interrupted:
                    continue
                except MemcellError as error:
                    message = f"stopped ({error})"
        if self.running:
            left = len(self.running)
            message = f"stopped; {left} did not end in {GRACE:.0f} s and go on from their last save"
        raise Interrupted(message)


def _lost_cluster(reason: str) -> MemcellError:
    return MemcellError(
        f"the connection to the scheduler is lost ({reason}); what is done is kept, and the same command "
        f"goes on with what is not"
    )
