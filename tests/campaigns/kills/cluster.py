"""Workers and schedulers, killed below commands that go on."""

from __future__ import annotations

import itertools
import os
import random
import signal
import time
from pathlib import Path

from tests.campaigns import forking
from tests.campaigns.kills.killing import Tally, compared, digests, finished
from tests.campaigns.kills.runs import LOSO
from tests.campaigns.kills.sessions import orphans_go, workers_of
from tests.campaigns.smallest import LIMIT, NIGHTS, TASK, completed, recordings


def workers(kills: int, rng: random.Random, folder: Path) -> Tally:
    """Kill workers of predictions, comparisons and folds: no task is to blame, and none is given up."""
    made, tally = recordings(folder, 30, 300), Tally()
    compare = [
        "compare",
        "memory",
        *TASK,
        "--epochs",
        "2",
        "--min-updates",
        "200",
        "--policy",
        "carry,reset",
    ]
    loso = ["train", "microsleep", *NIGHTS, *LOSO, "--cache", str(folder / "features")]
    commands = [
        lambda out: made.command(out),
        lambda out: [*compare, "--seeds", "4", "--out", str(out)],
        lambda out: [*loso, "--out", str(out)],
    ]
    wholes = {}
    for number in itertools.count():
        if tally.kills >= kills or len(tally.wrong) >= 20:
            break
        kind, out = number % len(commands), folder / f"out-{number}"
        if kind not in wholes:
            whole = folder / f"whole-{kind}"
            if not finished(forking.memcell(commands[kind](whole), folder / "w"), tally, "whole"):
                break
            wholes[kind] = digests(whole)
        command = [*commands[kind](out), "--jobs", "2"]
        child, before = forking.memcell(command, folder / f"out-{number}.said"), tally.kills
        while child.poll() is None and tally.kills < kills and tally.kills - before < 7:
            child.wait(rng.uniform(0.5, 4.0))
            there = workers_of(child.pid)
            if there:
                os.kill(rng.choice(there), signal.SIGKILL)
                tally.killed(out)
        if finished(child, tally, command[0]):
            compared(out, wholes[kind], tally, child.said[-500:])
        tally.show()
    return tally


def _cluster(address: Path) -> None:
    """Be a cluster until killed; write the address of its scheduler to a file."""
    import dask
    from distributed import LocalCluster

    dask.config.set({"distributed.worker.multiprocessing-method": "forkserver"})
    with LocalCluster(
        n_workers=1, threads_per_worker=1, host="127.0.0.1", dashboard_address=None, silence_logs=60
    ) as made:
        temporary = address.with_suffix(".part")
        temporary.write_text(made.scheduler_address)
        temporary.replace(address)
        time.sleep(1e6)


def schedulers(kills: int, rng: random.Random, folder: Path) -> Tally:
    """Kill schedulers: it is said soon, and the same command goes on with another one."""
    made, tally = recordings(folder, 20, 300), Tally()
    completed(made.command(folder / "serial"), folder / "serial.out")
    whole = digests(folder / "serial")
    out = folder / "out-0"
    for number in itertools.count():
        last = tally.kills >= kills
        address = folder / f"address-{number}"
        cluster = forking.fork(
            lambda address=address: _cluster(address), folder / f"{number}.cluster"
        )
        until = time.monotonic() + LIMIT
        while not address.exists() and time.monotonic() < until:
            time.sleep(0.05)
        command = made.command(out, "--scheduler", address.read_text())
        child = forking.memcell(command, folder / f"{number}.said")
        if last:
            fine = finished(child, tally, "the last scheduler")
        else:
            child.wait(rng.uniform(1.5, 4.0))
            fine = child.poll() is None
            cluster.kill()
            tally.kills += fine
            began = time.monotonic()
            if child.wait(60.0) is None:
                child.kill()
                tally.complain("it did not end in 60 s after its scheduler died")
            elif fine and (child.code != 1 or "the same command" not in child.said):
                tally.complain(f"exit code {child.code}: {child.said[-500:]}")
            elif "Traceback" in child.said:
                tally.complain(f"a traceback: {child.said[-500:]}")
            print(
                f"  told after {time.monotonic() - began:.1f} s: {child.said[-160:]!r}", flush=True
            )
        cluster.kill()
        left = orphans_go(cluster)
        if left:
            print(f"  {left}", flush=True)
        if last or (not fine and child.code == 0):
            compared(out, whole, tally, "predict")
            out = folder / f"out-{number + 1}"
        if last:
            break
    return tally
