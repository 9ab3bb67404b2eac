"""The processes that a command has started, found by their session."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from tests.campaigns.forking import Child


def session(leader: int) -> dict[int, tuple[int, str]]:
    """Return the processes of a session: number to the parent's number and the command line."""
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if int(fields[3]) == leader and fields[0] != "Z":
            found[int(entry.name)] = int(fields[1]), line
    return found


def workers_of(leader: int) -> list[int]:
    """Return the worker processes that a session's fork server has made."""
    there = session(leader)
    servers = {
        p for p, (parent, line) in there.items() if parent == leader and "forkserver" in line
    }
    return [p for p, (parent, _) in there.items() if parent in servers]


def orphans_go(child: Child) -> str:
    """Wait until nothing of a killed process's session runs any more; say what stays."""
    until = time.monotonic() + 30.0
    while there := session(child.pid):
        if time.monotonic() > until:
            for pid in there:
                os.kill(pid, signal.SIGKILL)
            return f"{len(there)} orphans stay: {[line[:80] for _, line in there.values()]}"
        time.sleep(0.1)
    return ""
