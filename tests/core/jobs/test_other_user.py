"""Another user of this machine at the ports of a run's processes; becoming one needs root."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import pytest

from campaigns import other_user
from memcell.jobs import Mode, clients

needs_root = pytest.mark.skipif(
    not other_user.can_act(), reason="only root may act as another user of this machine"
)


@pytest.fixture
def processes():
    with clients.client_of(Mode(jobs=1)) as client:
        client.wait_for_workers(1)
        yield client, other_user.family(os.getpid())


@pytest.mark.slow
@needs_root
def test_other_users_run_nothing_on_the_ports_of_a_run(processes):
    client, family = processes
    ports = other_user.ports(family)
    assert int(client.scheduler.address.rpartition(":")[2]) in ports
    assert len(ports) >= 3, "a scheduler, a nanny, a worker"
    for port in ports:
        tried = other_user.as_user(other_user.nobody(), lambda p=port: other_user.break_in(p, 1.0))
        assert not other_user.opened(tried)


@needs_root
def test_the_intruder_gets_in_where_nothing_is_encrypted(cluster):
    """Or the test above could not fail."""
    port = int(cluster.scheduler_address.rpartition(":")[2])
    tried = other_user.as_user(other_user.nobody(), lambda: other_user.break_in(port, 5.0))
    assert tried["tcp"] == "ran code in a Scheduler as uid 0"


def test_the_key_is_on_no_command_line_and_in_no_environment_or_file_of_others(processes):
    _, family = processes
    for pid in family:
        for name in ("cmdline", "environ"):
            assert b"PRIVATE KEY" not in Path(f"/proc/{pid}/{name}").read_bytes()


def test_workers_keep_their_files_where_nobody_else_can_look(processes):
    client, _ = processes
    # a lambda goes to the worker as code; a function of this file by its name, which is not importable there
    (folder,) = client.run(lambda dask_worker: dask_worker.local_directory).values()
    assert any(
        Path(parent).stat().st_mode & 0o777 == 0o700 for parent in (folder, *Path(folder).parents)
    )


@pytest.mark.parametrize(
    ("address", "who"),
    [
        ("tcp://10.1.2.3:8786", "everybody who reaches 10.1.2.3"),
        ("node7:8786", "everybody who reaches node7"),
        ("tcp://127.0.0.1:8786", "every user of this machine"),
        ("tcp://[::1]:8786", "every user of this machine"),
    ],
)
def test_a_scheduler_that_asks_nobody_who_they_are_is_warned_of(address, who):
    with pytest.warns(UserWarning, match=who) as told:
        clients._warn_of_open(address)
    assert "tls://" in str(told[0].message)


def test_an_encrypted_scheduler_is_not_warned_of():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        clients._warn_of_open("tls://10.1.2.3:8786")


def test_a_missing_package_is_named(monkeypatch):
    def missing():
        raise ImportError("cryptography")

    monkeypatch.setattr(clients.Security, "temporary", missing)
    with (
        pytest.raises(clients.UsageError, match=r"cryptography.*memcell-rnn\[cluster\]"),
        clients.client_of(Mode(jobs=1)),
    ):
        pass
