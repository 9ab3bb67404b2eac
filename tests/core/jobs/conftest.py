"""A cluster of two processes for all tests of this room, and the tasks that it runs."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from memcell.jobs.clients import ALLOWED_FAILURES


@pytest.fixture(scope="session")
def doing():
    """The module of the tasks, importable by name here and in processes started from here."""
    folder = str(Path(__file__).parent)
    sys.path.insert(0, folder)
    yield importlib.import_module("doing")
    sys.path.remove(folder)
    del sys.modules["doing"]


@pytest.fixture(scope="module")
def cluster(doing):
    """A cluster as somebody else would have started it."""
    import dask
    from distributed import LocalCluster

    with (
        dask.config.set({"distributed.scheduler.allowed-failures": ALLOWED_FAILURES}),
        LocalCluster(
            n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None,
            silence_logs=60,
        ) as made,
    ):  # fmt: skip
        yield made


@pytest.fixture
def collected(doing):
    """Runs tasks and returns what came of each, by id."""
    from memcell.jobs import run_tasks

    def collect(tasks, mode):
        found = {}
        run_tasks(doing.do, tasks, mode, lambda task, outcome: found.update({task.id: outcome}))
        return found

    return collect
