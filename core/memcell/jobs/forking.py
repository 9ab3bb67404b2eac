"""The process that workers are forked from, where the system has such: what they import is imported once.

Importing torch and an app takes seconds of CPU time, which every worker started anew would spend again. The
server runs one thread and has computed nothing when it forks. It loads this module, which then imports what
is asked for; nothing that goes wrong there may end it: a worker that needs what cannot be imported says so.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from multiprocessing import forkserver

METHOD = "forkserver"
#: Set in that process: pyarrow, which pandas imports, would begin a thread of its allocator there.
ONE_THREAD = {"JE_ARROW_MALLOC_CONF": "background_thread:false"}
#: Whether workers can be forked here.
CAN_FORK = METHOD in multiprocessing.get_all_start_methods()


def start_server(imports: Sequence[str], environment: Mapping[str, str]) -> None:
    """Start it, unless one of this process runs already or there can be none (`CAN_FORK`).

    Args:
        imports: Modules, imported in this order; what cannot be imported is left to the workers.
        environment: Set there before anything is imported, where this process has nothing under the name.
    """
    if not CAN_FORK:
        return
    multiprocessing.get_context(METHOD).set_forkserver_preload([__name__])
    inner = {k: v for k, v in {**ONE_THREAD, **environment}.items() if k not in os.environ}
    with variables_set({**inner, NAMES: ",".join(imports)}):
        forkserver.ensure_running()


def end_server() -> None:
    """Kill it, where it runs: what waits for it goes on, and the next start makes another one."""
    # there is no other way to get at it
    pid = getattr(getattr(forkserver, "_forkserver", None), "_forkserver_pid", None)
    if pid is None:
        return
    with suppress(OSError):
        os.kill(pid, signal.SIGKILL)
        # until it is dead, and not reaped: whoever starts the next one does that
        if hasattr(os, "waitid"):
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        else:  # macOS
            time.sleep(0.5)


@contextmanager
def variables_set(values: Mapping[str, str]) -> Iterator[None]:
    """While entered, have environment variables set; what they were before comes back."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


#: Names of modules with commas; set while that process is started, and at no other time.
NAMES = "MEMCELL_WORKER_IMPORTS"

for _name in filter(None, os.environ.pop(NAMES, "").split(",")):
    try:
        import_module(_name)
    # someone's module may raise anything, SystemExit included
    except (Exception, SystemExit):
        continue
