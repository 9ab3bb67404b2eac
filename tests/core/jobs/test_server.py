"""Workers of this machine are forked from a process that has imported what they need, once for all."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys

import pytest

COUNTED = (
    "import os\nwith open(os.environ['COUNT'], 'a') as file:\n    file.write(f'{os.getpid()}\\n')\n"
)
WORK = """
import os
from dataclasses import dataclass

@dataclass(frozen=True)
class Task:
    id: str

def do(task, working):
    import counted
    return os.getpid(), os.environ.get("MEMCELL_WORKER_IMPORTS")
"""
SCRIPT = """
from memcell.jobs import Mode, run_tasks
import os
from work import Task, do

if __name__ == "__main__":
    mode = Mode(jobs=2, imports=("ends", "raises", "is_not_there", "counted"))
    run_tasks(do, [Task(str(i)) for i in range(4)], mode, lambda task, outcome: print(*outcome.result))
    assert "MEMCELL_WORKER_IMPORTS" not in os.environ
"""


@pytest.mark.skipif(
    "forkserver" not in multiprocessing.get_all_start_methods(), reason="no process can be forked"
)
def test_imports_are_made_once_and_none_that_fails_ends_the_workers(tmp_path):
    files = {
        "counted": COUNTED, "ends": "raise SystemExit(3)", "raises": "[][1]", "work": WORK,
        "script": SCRIPT,
    }  # fmt: skip
    for name, text in files.items():
        (tmp_path / f"{name}.py").write_text(text)
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    count = tmp_path / "count"
    done = subprocess.run(
        [sys.executable, str(tmp_path / "script.py")],
        env={**os.environ, "PYTHONPATH": path, "COUNT": str(count)},
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    results = [line.split() for line in done.stdout.splitlines()]
    assert len(results) == 4
    assert {told for _, told in results} == {"None"}, "no worker sees how it was begun"
    (importer,) = count.read_text().split()
    assert importer not in {pid for pid, _ in results}


THREADS = """
import os
from dataclasses import dataclass
from memcell.jobs import Mode, run_tasks

@dataclass(frozen=True)
class Task:
    id: str

def do(task, working):
    return len(os.listdir(f"/proc/{os.getppid()}/task"))

if __name__ == "__main__":
    mode = Mode(jobs=1, imports=("pyarrow",))
    run_tasks(do, [Task("one")], mode, lambda task, outcome: print(outcome.result))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="threads are counted in /proc")
def test_the_server_runs_one_thread_whatever_it_imports(tmp_path):
    pytest.importorskip("pyarrow")
    (tmp_path / "threads.py").write_text(THREADS)
    done = subprocess.run(
        [sys.executable, str(tmp_path / "threads.py")],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["1"]
