"""Tasks in this process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from memcell.errors import MemcellError, UsageError
from memcell.interrupt import Interrupted
from memcell.jobs import Mode, run_tasks


def test_failed_task_leaves_others_running(doing, collected):
    tasks = [doing.Doing("a", "refuse"), doing.Doing("b", "break"), doing.Doing("c", "plain")]
    found = collected(tasks, Mode())
    assert list(found) == ["a", "b", "c"]
    assert str(found["a"].error) == "no such recording"
    assert "IndexError" in str(found["b"].error)
    assert found["c"].error is None
    assert found["c"].result == "c done"


def test_error_of_the_caller_stops_all_tasks(doing):
    seen = []

    def on_result(task, outcome):
        seen.append(task.id)
        raise MemcellError("the disk is full")

    tasks = [doing.Doing("a", "plain"), doing.Doing("b", "plain")]
    with pytest.raises(MemcellError, match="disk"):
        run_tasks(doing.do, tasks, Mode(), on_result)
    assert seen == ["a"]


def test_a_signal_lets_the_task_save_and_begins_no_other(doing, tmp_path):
    tasks = [
        doing.Doing("first", "plain"),
        doing.Doing("second", "wait to be stopped", str(tmp_path)),
        doing.Doing("third", "plain"),
    ]
    done = []

    def on_result(task, outcome):
        done.append(task.id)
        os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(Interrupted):
        run_tasks(doing.do, tasks, Mode(), on_result)
    assert done == ["first"]
    assert not (tmp_path / "second").exists(), "no task begins after the signal"


def test_progress_counts_parts_of_tasks(doing):
    class Shown:
        def __init__(self):
            self.seen = []

        def at(self, done, note=""):
            self.seen.append(done)

    def halves(task, working):
        working.progress.expect(10)
        working.progress.at(5)

    shown = Shown()
    tasks = [doing.Doing("a", ""), doing.Doing("b", "")]
    run_tasks(halves, tasks, Mode(), lambda *_: None, shown)
    assert shown.seen == [0, 0.5, 1, 1, 1.5, 2]


def test_two_tasks_of_one_name_are_refused(doing):
    with pytest.raises(ValueError, match="one id"):
        run_tasks(doing.do, [doing.Doing("a", "")] * 2, Mode(), lambda *_: None)


def test_a_mode_is_one_of_three():
    with pytest.raises(UsageError, match="one of them"):
        Mode(jobs=2, scheduler="tcp://127.0.0.1:8786")
    with pytest.raises(UsageError, match="-1"):
        Mode(jobs=-1)


def test_serially_nothing_of_dask_is_imported():
    code = (
        "import sys\nfrom memcell.jobs import Mode, run_tasks\n"
        "class T: id = 'a'\n"
        "run_tasks(lambda t, w: 1, [T()], Mode(), lambda t, o: print(o.result))\n"
        "print([m for m in sys.modules if m.partition('.')[0] in ('dask', 'distributed', 'torch')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1", "[]"]
