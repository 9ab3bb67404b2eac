"""A Dask client: of processes started here, or of a cluster that runs already."""

from __future__ import annotations

import logging
import multiprocessing
import signal
import socket
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from multiprocessing import resource_tracker
from multiprocessing.process import BaseProcess
from queue import Empty, SimpleQueue
from typing import Any, TypeVar
from urllib.parse import urlsplit

import dask
from distributed import Client, LocalCluster, Security
from distributed.comm.addressing import get_address_host_port

from memcell.errors import MemcellError, UsageError
from memcell.interrupt import Interrupted
from memcell.jobs.forking import CAN_FORK, METHOD, end_server, start_server
from memcell.jobs.tasks import Mode
from memcell.version import __version__

#: A task may kill so many workers before it is given up; after each it runs once more.
ALLOWED_FAILURES = 2
#: How long a process of our own may take to start, on a machine that is busy with other work, seconds.
START = 120.0
#: How long they may take to end by themselves, seconds; then they are killed.
CLOSE = 30.0
#: How often a wait looks around, seconds.
LOOK = 0.25
#: How often processes of our own are tried to be started.
STARTS = 3
#: How long a scheduler has to answer, and to have a worker, seconds.
ANSWER = 10.0
_LOOPBACK = ("localhost", "127.0.0.1", "::1")

T = TypeVar("T")


@contextmanager
def client_of(mode: Mode, stopped: Callable[[], bool] = bool) -> Iterator[Client]:
    """Return a client while entered; processes started for it end with it.

    Args:
        mode: Where tasks run.
        stopped: Whether the person asked to stop, which ends the waiting for processes of our own.

    Raises:
        Interrupted: The person asked to stop before they were there.
        UsageError: No scheduler answers, it has no worker, or its workers cannot run this memcell.
    """
    if mode.scheduler:
        with _own_words(), _running(mode.scheduler) as client:
            yield client
        return
    settings: dict[str, Any] = {
        # with infinity a worker's queue is lost with it, and its tasks are blamed for each other
        "distributed.scheduler.worker-saturation": 1.1,
        "distributed.scheduler.allowed-failures": ALLOWED_FAILURES,
        # a worker is here for us alone: it may use the memory that there is
        "distributed.worker.memory.terminate": False,
        # looking after themselves, Dask's processes take 3 % of a core each: at their stacks a hundred times
        # a second, at their loops fifty times
        "distributed.worker.profile.enabled": False,
        "distributed.admin.tick.interval": "1s",
        "distributed.admin.system-monitor.interval": "5s",
        # Dask's processes answer over HTTP even without a dashboard, unencrypted and to every user of the
        # machine; without routes there is nothing to ask or to order there
        "distributed.scheduler.http.routes": [],
        "distributed.worker.http.routes": [],
    }
    if CAN_FORK:
        settings["distributed.worker.multiprocessing-method"] = METHOD
    security = own_security()
    with _own_words(), dask.config.set(settings), _private_folder() as scratch:
        cluster = _processes(mode, security, scratch, stopped)
        try:
            with Client(cluster, set_as_default=False) as client:
                yield client
        finally:
            pids = {nanny.pid for nanny in cluster.workers.values()}
            # what was to be done is done, or what went wrong before this is what counts
            with suppress(Exception):
                within(CLOSE, cluster.close)
            _kill({p for p in multiprocessing.active_children() if p.pid in pids})


def _processes(
    mode: Mode, security: Security, scratch: str, stopped: Callable[[], bool]
) -> LocalCluster:
    """Start the processes; one that dies or hangs meanwhile takes all with it, and they start again.

    Raises:
        MemcellError: They do not start.
        Interrupted: The person asked to stop.
    """
    reason = ""
    for n in range(1, STARTS + 1):
        others = _workers()
        start = _Start(mode, security, scratch)
        try:
            return within(START, start, stopped)
        except BaseException as error:
            # one that hangs holds up what waits for it, and so may the server that all are forked from
            start.given_up.set()
            _kill(_workers() - others)
            end_server()
            if not isinstance(error, (AssertionError, OSError, RuntimeError)):
                raise
            reason = " ".join(str(error).split()) or type(error).__name__
            if isinstance(error, TimeoutError) and n < STARTS:
                warnings.warn(
                    f"--jobs {mode.jobs}: the processes are not there after {START:.0f} s; they are ended "
                    "and started again",
                    stacklevel=2,
                )
    raise MemcellError(
        f"--jobs {mode.jobs}: the processes do not start, {STARTS} times in a row ({reason}): something ends "
        f"them, such as a limit on memory or on processes; fewer --jobs may do, or none"
    )


class _Start:
    """A start of the processes, done in a thread of its own; one that was given up ends what comes late."""

    def __init__(self, mode: Mode, security: Security, scratch: str) -> None:
        self.mode, self.security, self.scratch = mode, security, scratch
        self.given_up = threading.Event()

    def __call__(self) -> LocalCluster:
        with _interrupts_kept_out():
            start_server(("distributed.nanny", *self.mode.imports), _usual_environment())
            cluster = LocalCluster(
                n_workers=self.mode.jobs,
                threads_per_worker=1,
                processes=True,
                protocol="tls",
                security=self.security,
                host="tls://127.0.0.1",
                # any free port: a fixed one tells who runs what, and two runs at once would warn
                dashboard_address="127.0.0.1:0",
                memory_limit=0,
                silence_logs=logging.CRITICAL,
                local_directory=self.scratch,
                # without it a process that hangs while it starts is waited for without end
                death_timeout=START,
            )
        if self.given_up.is_set():
            cluster.close()
        return cluster


def _workers() -> set[BaseProcess]:
    """Return the processes that Dask started from this one."""
    return {p for p in multiprocessing.active_children() if p.name.startswith("Dask Worker")}


def _kill(processes: Collection[BaseProcess]) -> None:
    """End processes, also those that are stopped and see no other signal."""
    for process in processes:
        with suppress(OSError, ValueError):
            process.kill()


def within(seconds: float, call: Callable[[], T], stopped: Callable[[], bool] = bool) -> T:
    """Return what a call gives that has no limit of time of its own, or raise what it raises.

    Args:
        seconds: How long it may take; one that takes longer is left to itself.
        call: The call, done in another thread: this one goes on to see signals.
        stopped: Whether the person asked to stop, which ends the waiting.

    Raises:
        TimeoutError: It took longer.
        Interrupted: The person asked to stop.
    """
    came: SimpleQueue[Future[T]] = SimpleQueue()

    def done() -> None:
        found: Future[T] = Future()
        try:
            found.set_result(call())
        except BaseException as error:
            found.set_exception(error)
        came.put(found)

    threading.Thread(target=done, daemon=True).start()
    until = time.monotonic() + seconds
    while True:
        if stopped():
            raise Interrupted("stopped before anything was begun")
        left = until - time.monotonic()
        if left <= 0:
            raise TimeoutError(f"no answer within {seconds:g} s")
        with suppress(Empty):
            return came.get(timeout=min(left, LOOK)).result()


@contextmanager
def _own_words() -> Iterator[None]:
    """Keep Dask's log off the person's terminal: what goes wrong is said in a line of our own."""
    loggers = [
        logging.getLogger(name)
        for name in list(logging.root.manager.loggerDict)
        if name.split(".")[0] == "distributed"
    ]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)


def own_security() -> Security:
    """Return a certificate and key made for one run, without which nobody connects to its processes.

    A loopback port is open to every user of the machine, and whoever may speak to a scheduler runs code as
    the person who started it. The key is handed to the workers through the pipes they are started with: it
    is never on a command line nor in an environment. Where OpenSSL wants a file, it lies for a moment in a
    folder that only this user can enter.

    Raises:
        UsageError: The package that makes keys is not installed.
    """
    try:
        security: Security = Security.temporary()
    except ImportError:
        raise UsageError(
            "--jobs encrypts what its processes say to each other, which needs the package cryptography: "
            "pip install 'memcell-rnn[cluster]', or leave --jobs out"
        ) from None
    return security


def _private_folder() -> tempfile.TemporaryDirectory[str]:
    """Return a folder that only this user can enter, for what workers spill; Dask's own is shared."""
    return tempfile.TemporaryDirectory(prefix="memcell-workers-", ignore_cleanup_errors=True)


def _usual_environment() -> dict[str, str]:
    """Return what Dask sets for its workers before they begin: threads of linear algebra, above all."""
    usual = dask.config.get("distributed.nanny.pre-spawn-environ")
    return {name: str(value) for name, value in usual.items() if value is not None}


@contextmanager
def _interrupts_kept_out() -> Iterator[None]:
    """Let processes and threads that are started while entered never see Ctrl-C, nor that a terminal closes.

    A terminal sends these to all processes at once; workers would die of it before they could save. They
    inherit what is blocked, and so do those that take the place of dead ones.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    # it unblocks the signal where it is started in between
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _running(address: str) -> Iterator[Client]:
    _check_certificate(address)
    try:
        # before any client is made: one that could not connect hangs the next one when it is collected
        host, port = get_address_host_port(address, strict=True)
        socket.create_connection((host, port), timeout=ANSWER).close()
        client = Client(address, timeout=ANSWER, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise UsageError(
            f"--scheduler {address}: no scheduler answers there within {ANSWER:.0f} s ({reason}); "
            f"start one with 'dask scheduler', or use --jobs N for processes of this machine"
        ) from None
    _warn_of_open(address)
    with client:
        try:
            client.wait_for_workers(1, timeout=ANSWER)
        except TimeoutError:
            raise UsageError(
                f"--scheduler {address}: it has no worker; start some with: "
                f"dask worker {address} --nthreads 1"
            ) from None
        _check_workers(client, address)
        yield client


def _check_certificate(address: str) -> None:
    """Refuse an encrypted address where Dask knows no certificate: it would fail with a traceback."""
    if not address.startswith("tls://"):
        return
    try:
        known = Security().get_connection_args("client")["ssl_context"] is not None
    except (OSError, TypeError) as error:
        raise UsageError(
            f"--scheduler {address}: Dask's certificate cannot be read ({error}); see "
            f"distributed.comm.tls in its configuration"
        ) from None
    if not known:
        raise UsageError(
            f"--scheduler {address}: Dask has no certificate to show there; name its files in Dask's "
            f"configuration: distributed.comm.tls.ca-file, .client.cert and .client.key"
        )


def _warn_of_open(address: str) -> None:
    """Warn of a scheduler that takes orders from whoever reaches its port."""
    if address.startswith("tls://"):
        return
    host = urlsplit(address if "://" in address else f"//{address}").hostname or ""
    audience = (
        "every user of this machine" if host in _LOOPBACK else f"everybody who reaches {host}"
    )
    warnings.warn(
        f"--scheduler {address} is not encrypted and asks nobody who they are: {audience} can run code as "
        f"you there. Start it with 'dask scheduler --protocol tls --tls-ca-file CA --tls-cert CERT --tls-key "
        f"KEY' and give --scheduler tls://… (docs/design.md, Tasks)",
        stacklevel=2,
    )


def version() -> str:
    """Return the memcell of the process that is asked."""
    return __version__


def _check_workers(client: Client, address: str) -> None:
    try:
        found = client.run(version)
    except OSError as error:
        reason = " ".join(str(error).split())
        raise MemcellError(
            f"--scheduler {address}: the connection was lost at once ({reason}); what is done is kept, and "
            f"the same command goes on when the scheduler is there again"
        ) from None
    except Exception as error:  # whatever a foreign worker says to our code
        reason = " ".join(str(error).split())
        raise UsageError(
            f"--scheduler {address}: its workers cannot run memcell ({reason}); install memcell "
            f"{__version__} where they run"
        ) from None
    other = {worker: v for worker, v in found.items() if v != __version__}
    if other:
        worker, v = next(iter(other.items()))
        raise UsageError(
            f"--scheduler {address}: worker {worker} has memcell {v}, this is {__version__}: "
            f"install the same one everywhere"
        )
