"""Tasks on Dask: dying workers, poison, stopping, and schedulers that are not there."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import threading
import time

import pytest

from memcell.errors import MemcellError, UsageError
from memcell.interrupt import Interrupted
from memcell.jobs import Mode, clients, run_tasks
from memcell.jobs import cluster as cluster_module
from memcell.jobs.cluster import ALONE, BESIDE
from memcell.progress import SILENT


@pytest.fixture
def running(cluster):
    # the test before may have killed a worker, and another one takes a moment to come
    cluster.wait_for_workers(2, timeout=60)
    return Mode(scheduler=cluster.scheduler_address)


def test_results_errors_and_warnings_come_back(doing, collected, running):
    tasks = [doing.Doing(f"plain {i}", "plain") for i in range(5)]
    tasks += [doing.Doing("r", "refuse"), doing.Doing("b", "break"), doing.Doing("w", "warn")]
    found = collected(tasks, running)
    serial = collected(tasks, Mode())
    assert set(found) == set(serial)
    for name, outcome in found.items():
        assert outcome.result == serial[name].result
        assert str(outcome.error) == str(serial[name].error)
    assert found["w"].warnings == ("a slow way was taken",)


def test_a_worker_that_dies_costs_its_task_one_more_try(doing, collected, running, tmp_path):
    tasks = [doing.Doing(f"plain {i}", "plain") for i in range(4)]
    tasks.insert(1, doing.Doing("falls", "kill once", str(tmp_path)))
    found = collected(tasks, running)
    assert {o.result for o in found.values()} == {f"{t.id} done" for t in tasks}


def test_a_task_that_kills_its_workers_is_named_and_the_rest_goes_on(
    doing, collected, running, tmp_path
):
    tasks = [doing.Doing(f"plain {i}", "plain") for i in range(6)]
    tasks.insert(0, doing.Doing("poison", "kill", str(tmp_path)))
    found = collected(tasks, running)
    assert found.pop("poison").lost
    assert all(o.error is None for o in found.values())
    assert len(found) == 6
    assert len((tmp_path / "poison").read_text()) == BESIDE + ALONE


@pytest.mark.slow
def test_innocent_tasks_beside_several_that_kill_at_once_are_never_given_up(
    doing, collected, tmp_path
):
    tasks = [doing.Doing(f"plain {i}", "sleep" if i % 7 == 0 else "plain") for i in range(60)]
    for i in (0, 30):
        tasks.insert(i, doing.Doing(f"poison {i}", "kill", str(tmp_path)))
    found = collected(tasks, Mode(jobs=2))
    assert {name for name, o in found.items() if o.error} == {"poison 0", "poison 30"}
    assert all(o.lost for o in found.values() if o.error)
    assert len(found) == 62


def test_a_task_that_loses_workers_and_then_runs_alone_is_done(doing, collected, tmp_path):
    lost = BESIDE + ALONE - 1
    tasks = [doing.Doing("unlucky", f"kill at first {lost}", str(tmp_path))]
    tasks += [doing.Doing(f"plain {i}", "plain") for i in range(4)]
    found = collected(tasks, Mode(jobs=2))
    assert found["unlucky"].result == "unlucky done"
    assert len((tmp_path / "unlucky").read_text()) == lost + 1


@pytest.mark.slow
def test_a_task_is_not_blamed_while_workers_with_nothing_to_do_die_too(
    doing, collected, tmp_path, monkeypatch
):
    """Alone it loses ten workers, and with each of them the idle one is killed from outside."""
    begin = cluster_module._Batch._begin

    def begin_and_kill_the_other(batch, tried):
        if tried.alone:
            if not tried.beside:  # it is not there yet: wait for it, or nobody could tell
                batch.suspects.appendleft(tried.task)
                return
            (other,) = tried.beside
            pid = batch.client.run(os.getpid, workers=[other])[other]
            os.kill(pid, signal.SIGKILL)
            while other in batch.client.nthreads():
                time.sleep(0.01)
        begin(batch, tried)

    monkeypatch.setattr(cluster_module._Batch, "_begin", begin_and_kill_the_other)
    found = collected(
        [doing.Doing("a", f"kill at first {BESIDE + ALONE + 1}", str(tmp_path))], Mode(jobs=2)
    )
    assert found["a"].result == "a done"


def test_a_signal_lets_begun_tasks_save_and_begins_no_other(doing, running, tmp_path):
    tasks = [doing.Doing(f"long {i}", "wait to be stopped", str(tmp_path)) for i in range(4)]
    tasks.insert(0, doing.Doing("first", "plain"))
    done = []

    def on_result(task, outcome):
        done.append(task.id)
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(Interrupted, match="saved"):
        run_tasks(doing.do, tasks, running, on_result)
    assert done == ["first"]
    marks = [p.read_text() for p in tmp_path.iterdir()]
    assert 1 <= len(marks) <= 2, "no more than there are workers"
    assert set(marks) == {"saved"}


def test_a_stopped_cluster_takes_other_tasks_again(doing, collected, running):
    assert collected([doing.Doing("a", "plain")], running)["a"].result == "a done"


def test_a_scheduler_that_does_not_answer_is_named(doing, collected, monkeypatch):
    monkeypatch.setattr(clients, "ANSWER", 1.0)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
        with pytest.raises(UsageError, match=f"--scheduler {address}: no scheduler answers"):
            collected([doing.Doing("a", "plain")], Mode(scheduler=address))


@pytest.fixture
def certificate(tmp_path):
    """A certificate made by itself, as a cluster of one's own machines has."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl, which makes the certificate, is not installed")
    key, made = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj",
         "/CN=127.0.0.1", "-keyout", str(key), "-out", str(made)],
        capture_output=True, check=True,
    )  # fmt: skip
    names = {"ca-file": made}
    for role in ("client", "scheduler", "worker"):
        names |= {f"{role}.cert": made, f"{role}.key": key}
    return {f"distributed.comm.tls.{name}": str(path) for name, path in names.items()}


def test_a_cluster_behind_tls_runs_tasks_and_says_when_a_certificate_is_missing(
    doing, collected, certificate, monkeypatch
):
    import dask
    from distributed import LocalCluster, Security

    monkeypatch.setattr(clients, "ANSWER", 5.0)
    tasks = [doing.Doing("a", "plain"), doing.Doing("r", "refuse")]
    with dask.config.set(certificate):
        security = Security(require_encryption=True)
        with LocalCluster(
            n_workers=1, threads_per_worker=1, processes=False, protocol="tls", security=security,
            host="tls://127.0.0.1", dashboard_address=None, silence_logs=60,
        ) as made:  # fmt: skip
            mode = Mode(scheduler=made.scheduler_address)
            assert mode.scheduler.startswith("tls://127.0.0.1:")
            found = collected(tasks, mode)
            assert found["a"].result == "a done"
            assert str(found["r"].error) == "no such recording"
            with (
                dask.config.set(dict.fromkeys(certificate)),
                pytest.raises(UsageError, match=r"--scheduler tls://.*certificate"),
            ):
                collected(tasks, mode)


@pytest.mark.parametrize("address", ["nonsense", "tcp://", "127.0.0.1", "carrier-pigeon://x:1"])
def test_what_is_no_address_is_named(doing, collected, monkeypatch, address):
    monkeypatch.setattr(clients, "ANSWER", 1.0)
    with pytest.raises(UsageError, match="--scheduler"):
        collected([doing.Doing("a", "plain")], Mode(scheduler=address))


def test_a_scheduler_without_workers_is_named(doing, collected, monkeypatch):
    from distributed import LocalCluster

    monkeypatch.setattr(clients, "ANSWER", 1.0)
    with (
        LocalCluster(n_workers=0, host="127.0.0.1", dashboard_address=None) as empty,
        pytest.raises(UsageError, match="no worker"),
    ):
        collected([doing.Doing("a", "plain")], Mode(scheduler=empty.scheduler_address))


def test_a_scheduler_that_goes_away_at_once_is_not_blamed_on_its_workers():
    class Gone:
        def run(self, function):
            raise OSError("Stream is closed")

    with pytest.raises(MemcellError, match="lost at once") as raised:
        clients._check_workers(Gone(), "tcp://127.0.0.1:1")
    assert not isinstance(raised.value, UsageError)


def test_a_scheduler_that_resets_the_connection_is_said_to_be_lost():
    class Gone:
        status = "running"

        def nthreads(self):
            raise ConnectionResetError("Connection reset by peer")

    batch = cluster_module._Batch(Gone(), print, print, SILENT, jobs=0)
    with pytest.raises(MemcellError, match="connection to the scheduler is lost"):
        batch._look()


@pytest.mark.parametrize("dies", [1, 99])
def test_processes_that_die_while_they_start_are_started_again(doing, collected, monkeypatch, dies):
    start, tried = clients.LocalCluster, []

    def dying(**how):
        tried.append(how)
        if len(tried) <= dies:
            raise RuntimeError("Nanny failed to start.")
        return start(**how)

    monkeypatch.setattr(clients, "LocalCluster", dying)
    if dies == 1:
        assert collected([doing.Doing("a", "plain")], Mode(jobs=1))["a"].result == "a done"
    else:
        with pytest.raises(MemcellError, match=r"--jobs 1: the processes do not start"):
            collected([doing.Doing("a", "plain")], Mode(jobs=1))
        assert len(tried) == clients.STARTS


def test_processes_that_hang_while_they_start_are_ended_and_started_again(
    doing, collected, monkeypatch
):
    start, over = clients.LocalCluster, threading.Event()

    def hanging(**how):
        if not tried:
            tried.append(how)
            over.wait()
        return start(**how)

    tried = []
    monkeypatch.setattr(clients, "LocalCluster", hanging)
    usual = clients.within
    monkeypatch.setattr(
        clients, "within", lambda s, *rest: usual(s if tried else 0.5, *rest), raising=True
    )
    try:
        with pytest.warns(UserWarning, match="ended and started again"):
            assert collected([doing.Doing("a", "plain")], Mode(jobs=1))["a"].result == "a done"
    finally:
        over.set()


def test_a_signal_ends_the_waiting_for_processes_that_hang(doing, monkeypatch):
    over = threading.Event()

    def hanging(**how):
        os.kill(os.getpid(), signal.SIGINT)
        over.wait()

    monkeypatch.setattr(clients, "LocalCluster", hanging)
    try:
        with pytest.raises(Interrupted, match="before anything was begun"):
            run_tasks(doing.do, [doing.Doing("a", "plain")], Mode(jobs=1), print)
    finally:
        over.set()


class Silent:
    """A client whose scheduler has stopped: nothing that is asked of it comes back."""

    status = "running"

    def __init__(self) -> None:
        self.over = threading.Event()

    def nthreads(self):
        self.over.wait()

    def run(self, *what, **how):
        self.over.wait()


@pytest.fixture
def silent():
    client = Silent()
    yield client
    client.over.set()


def test_a_scheduler_that_stands_still_is_said_to_be_lost(silent, monkeypatch):
    monkeypatch.setattr(cluster_module, "AWAY", 0.3)
    batch = cluster_module._Batch(silent, print, print, SILENT, jobs=0)
    with pytest.raises(MemcellError, match="connection to the scheduler is lost"):
        batch._look()


def test_workers_that_stand_still_hold_up_no_end(silent, monkeypatch):
    monkeypatch.setattr(cluster_module, "GRACE", 0.3)
    monkeypatch.setattr(cluster_module, "FETCH", 0.3)
    batch = cluster_module._Batch(silent, print, print, SILENT, jobs=2)
    with pytest.raises(Interrupted):
        batch._stop()
    batch.end()


def test_a_call_is_waited_for_as_long_as_it_may_take():
    assert clients.within(5, lambda: "here") == "here"
    with pytest.raises(ZeroDivisionError):
        clients.within(5, lambda: 1 // 0)
    over = threading.Event()
    with pytest.raises(TimeoutError, match=r"no answer within 0\.1 s"):
        clients.within(0.1, over.wait)
    with pytest.raises(Interrupted):
        clients.within(5, over.wait, lambda: True)
    over.set()


class _Prepared:
    def __init__(self, id, data):
        self.id, self.data = id, data


def test_tasks_of_the_same_data_go_to_the_worker_that_has_them():
    batch = cluster_module._Batch(None, None, None, SILENT, jobs=2)
    batch.workers = {"a": 0.0, "b": 0.0}
    batch.queue.extend(_Prepared(f"{d}{k}", d) for d in "xyz" for k in range(3))
    taken = {"a": [], "b": []}
    for worker in "ababababa":
        task = batch._next(worker)
        batch.prepared[worker] = task.data
        taken[worker].append(task.id)
    # at the end, when no other data is left, the one that is done helps the other
    assert taken == {"a": ["x0", "x1", "x2", "z0", "z2"], "b": ["y0", "y1", "y2", "z1"]}
    assert not batch.queue
