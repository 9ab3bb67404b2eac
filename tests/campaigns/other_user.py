"""Acting as another user of this machine: what they can open, connect to and run; needs root."""

from __future__ import annotations

import asyncio
import json
import os
import pwd
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

#: What a Dask server calls the order to run a function that it is handed.
_RUN = {"Scheduler": "run_function", "Worker": "run", "Nanny": "run"}


def can_act() -> bool:
    """Whether this process may become another user."""
    return hasattr(os, "getuid") and os.getuid() == 0


def nobody() -> int:
    """The user id of nobody."""
    return pwd.getpwnam("nobody").pw_uid


def as_user(uid: int, work: Callable[[], Any]) -> Any:
    """Do something in a forked process that has become another user; return its result, plain values.

    Raises:
        RuntimeError: What it raised, as text.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.close(reading)
            os.setgroups([])
            os.setgid(uid)
            os.setuid(uid)
            os.environ["HOME"] = "/nonexistent"
            try:
                told = {"result": work()}
            except BaseException:
                told = {"error": traceback.format_exc()}
            with os.fdopen(writing, "w") as pipe:
                json.dump(told, pipe)
            code = 0
        finally:
            os._exit(code)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    told = json.loads(text) if text else {"error": "it died"}
    if "error" in told:
        raise RuntimeError(told["error"])
    return told["result"]


def family(pid: int) -> set[int]:
    """The process ids of a process and all that descend from it."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(entry.parent.name)] = int(entry.read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError):
            continue
    found, before = {pid}, 0
    while len(found) > before:
        before = len(found)
        found |= {child for child, parent in parents.items() if parent in found}
    return found


def ports(pids: Iterable[int]) -> list[int]:
    """The TCP ports on which processes listen."""
    inodes: set[str] = set()
    for pid in pids:
        for link in Path(f"/proc/{pid}/fd").glob("*"):
            try:
                inodes.add(str(link.readlink()))
            except OSError:
                continue
    found = set()
    for table in ("tcp", "tcp6"):
        path = Path("/proc/net") / table
        for line in path.read_text().splitlines()[1:] if path.exists() else []:
            cells = line.split()
            if cells[3] == "0A" and f"socket:[{cells[9]}]" in inodes:
                found.add(int(cells[1].rpartition(":")[2], 16))
    return sorted(found)


def break_in(port: int, seconds: float = 3.0) -> dict[str, str]:
    """Try each way to make a Dask server on a port run a function; return what each way came to.

    The ways: a plain connection, an encrypted one with a certificate of one's own, and HTTP.
    """
    from distributed import Security, rpc
    from distributed.comm import connect
    from distributed.protocol.pickle import dumps

    async def order(scheme: str) -> str:
        arguments: dict[str, Any] = {}
        if scheme == "tls":
            arguments = Security.temporary().get_connection_args("client")
        address = f"{scheme}://127.0.0.1:{port}"
        comm = await connect(address, timeout=seconds, **arguments)
        await comm.close()
        server = rpc(address, connection_args=arguments)
        try:
            kind = (await asyncio.wait_for(server.identity(), seconds))["type"]
            answer = getattr(server, _RUN[kind])(function=dumps(os.getuid), args=(), kwargs={})
            done = await asyncio.wait_for(answer, seconds)
            return f"ran code in a {kind} as uid {done['result']!r}"
        finally:
            await server.close_rpc()

    async def page(path: str) -> str:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"GET {path} HTTP/1.0\r\n\r\n".encode())
        status = await asyncio.wait_for(reader.readline(), seconds)
        writer.close()
        return f"page {path}" if b" 200 " in status else ""

    def tried(work: Any) -> str:
        async def limited() -> str:
            result: str = await asyncio.wait_for(work, 3 * seconds)
            return result

        try:
            return asyncio.run(limited())
        except BaseException as error:
            return f"refused: {type(error).__name__}"

    found = {scheme: tried(order(scheme)) for scheme in ("tcp", "tls")}
    for path in ("/info/main/workers.html", "/json/counts.json", "/health", "/metrics"):
        found[path] = tried(page(path)) or "refused: no such page"
    return found


def opened(found: dict[str, str]) -> list[str]:
    """What of `break_in` came through."""
    return [f"{way}: {told}" for way, told in found.items() if not told.startswith("refused")]
