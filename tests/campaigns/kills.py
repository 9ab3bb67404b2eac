"""Processes killed at random moments and gone on with: what they leave has the bytes of an undisturbed run.

``python -m tests.campaigns.kills WHAT [--kills N] [--seed S]``; WHAT is

- ``train``: SIGKILL of ``memcell train --probe …``, a third of them while a checkpoint is being written; each
  run is killed several times before it may come to its end;
- ``compare``: of ``memcell compare``;
- ``loso``: of ``memcell train --split loso``;
- ``predict``: of ``memcell predict --jobs 2``, whose workers are orphans then;
- ``workers``: of workers of ``predict``, ``compare`` and ``loso`` with ``--jobs 2``; none is to blame;
- ``schedulers``: of the scheduler of ``memcell predict --scheduler``.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from tests.campaigns import forking
from tests.campaigns.forking import Child

#: How long an undisturbed run may take, s.
LIMIT = 240.0
#: Written anew at each beginning of a run, or holding times.
OWN = {
    "environment.json",
    "work.json",
    ".lock",
    "report.html",
    "timeline.png",
    "runs.tsv",
    "results.json",
}


@dataclass
class Tally:
    """What a campaign counts.

    Args:
        kills: Processes killed.
        writing: Of them while a file was being written.
        runs: Runs that were compared with an undisturbed one.
        wrong: What was not as it should be.
    """

    kills: int = 0
    writing: int = 0
    runs: int = 0
    wrong: list[str] = field(default_factory=list)

    def complain(self, what: str) -> None:
        """Count something that is not as it should be."""
        self.wrong.append(what)
        print(f"  WRONG: {what}", flush=True)


def digests(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every file whose bytes are promised."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name not in OWN:
            found[str(path.relative_to(folder))] = hashlib.sha256(_stable(path, folder)).hexdigest()
    return found


def _stable(path: Path, folder: Path) -> bytes:
    """Return a file's bytes, without CPU times and its own path."""
    content = path.read_bytes().replace(str(folder).encode(), b"FOLDER")
    if path.name in ("record.json", "comparison.json"):
        values = json.loads(content)
        for name in ("cpu_seconds", "command", "commands", "preparing_seconds"):
            values.pop(name, None)
        return json.dumps(values, sort_keys=True).encode()
    return content


def differing(folder: Path, whole: dict[str, str]) -> list[str]:
    """Return the names of files that differ from those of an undisturbed run, leftovers included."""
    mine = digests(folder)
    return sorted(n for n in mine.keys() | whole.keys() if mine.get(n) != whole.get(n))


def being_written(folder: Path, name: str = "checkpoint") -> bool:
    """Say whether a file is being written somewhere in a run folder."""
    return any(folder.rglob(f".{name}*.memcell-*"))


def kill_at_random(
    child: Child, folder: Path, rng: random.Random, longest: float, aim: bool, tally: Tally
) -> bool:
    """Kill a process at a random moment; say whether it was still there to be killed."""
    child.wait(rng.uniform(0.0, longest))
    until = time.monotonic() + longest
    while aim and child.poll() is None and not being_written(folder):
        if time.monotonic() > until:
            break
    if aim:
        time.sleep(rng.uniform(0.0, 0.003))
    if child.poll() is not None:
        return False
    writing = being_written(folder, "")
    child.kill()
    tally.kills += 1
    tally.writing += writing
    return True


def finished(child: Child, tally: Tally, what: str) -> bool:
    """Wait for the end of a run; say whether it ended well."""
    code = child.wait(LIMIT)
    if code != 0:
        child.kill()
        tally.complain(f"{what}: exit code {code}: {child.said[-600:]}")
    return code == 0


@dataclass(kw_only=True)
class Chain:
    """A command that is killed, gone on with, killed, and at last left alone.

    Args:
        begin: The command for a new folder.
        resume: The one for a folder in which a run was begun.
        begun: Whether a run was begun in a folder.
        folder: The folder.
    """

    begin: list[str]
    resume: list[str]
    begun: Callable[[Path], bool]
    folder: Path

    def start(self) -> Child:
        """Begin, or go on."""
        arguments = self.resume if self.begun(self.folder) else self.begin
        return forking.memcell(arguments, self.folder.with_suffix(".out"))


def killed_and_left(
    chains: Iterator[tuple[str, Callable[[Path], Chain]]],
    kills: int,
    rng: random.Random,
    folder: Path,
    after: Callable[[Child], str] = lambda child: "",
) -> Tally:
    """Kill chains until so many processes were killed; hold each against an undisturbed run."""
    tally, wholes = Tally(), {}
    for number in range(100_000):
        if tally.kills >= kills:
            break
        kind, make = next(chains)
        if kind not in wholes:
            chain = make(folder / f"whole-{len(wholes)}")
            began = time.monotonic()
            if not finished(chain.start(), tally, f"undisturbed {kind}"):
                break
            wholes[kind] = digests(chain.folder), time.monotonic() - began
        whole, seconds = wholes[kind]
        chain = make(folder / f"killed-{number}")
        for nth in range(rng.randint(3, 7)):
            child = chain.start()
            if not kill_at_random(child, chain.folder, rng, seconds * 0.45, nth % 3 == 1, tally):
                if child.code != 0:
                    tally.complain(f"{kind}: exit code {child.code}: {child.said[-600:]}")
                break
            left = after(child)
            if left:
                tally.complain(f"{kind}: {left}")
        if finished(chain.start(), tally, kind):
            tally.runs += 1
            wrong = differing(chain.folder, whole)
            if wrong:
                tally.complain(f"{kind}: {len(wrong)} files differ: {', '.join(wrong[:8])}")
        if "Traceback" in chain.folder.with_suffix(".out").read_text(errors="replace"):
            tally.complain(f"{kind}: a traceback: {chain.folder.with_suffix('.out')}")
        print(f"  {tally.kills} kills, {tally.runs} runs, {len(tally.wrong)} wrong", flush=True)
    return tally


# -- train, compare, loso ------------------------------------------------------------------------------------

SMALL = [
    "--streams", "4", "--test-streams", "1", "--trials", "9", "--hidden-size", "5", "--min-updates", "0",
    "--batch-size", "4", "--time-steps", "25",
]  # fmt: skip
PROBES = ["--probe", "staleness,order,stuck,gradient_flow,cell_state", "--probe-budget", "3"]
LOSO = [
    "--data.subjects", "3", "--data.minutes", "2", "--channels", "O1,O2", "--epochs", "2", "--hidden-size",
    "4", "--min-updates", "0", "--split", "loso", "--batch-size", "4", "--checkpoint-seconds", "0.05",
]  # fmt: skip
#: Ways to train that keep different things in a checkpoint.
WAYS = [
    [],
    ["--cell", "gru", "--policy", "stored", "--sampler", "reshuffle", "--unroll", "eager"],
    ["--normalizer", "layer", "--policy", "carry_p", "--layers", "2", "--dropout", "0.2"],
    ["--optimizer", "averaged", "--sampler", "grab", "--policy", "reset", "--unroll", "eager"],
]  # fmt: skip


def begun_run(folder: Path) -> bool:
    """Say whether a run folder can be gone on with."""
    return (folder / "config.toml").exists()


def train(kills: int, rng: random.Random, folder: Path) -> Tally:
    """Kill trainings with probes."""

    def chains() -> Iterator[tuple[str, Callable[[Path], Chain]]]:
        while True:
            for way in WAYS:
                options = [*SMALL, *PROBES, "--epochs", "2", "--checkpoint-seconds", "0.02", *way]

                def make(path: Path, options: list[str] = options) -> Chain:
                    return Chain(
                        begin=["train", "memory", *options, "--out", str(path)],
                        resume=["train", "memory", "--resume", str(path)],
                        begun=begun_run,
                        folder=path,
                    )

                yield "train " + (" ".join(way) or "as it is"), make

    return killed_and_left(chains(), kills, rng, folder)


def compare(kills: int, rng: random.Random, folder: Path) -> Tally:
    """Kill comparisons."""
    options = [*SMALL, "--epochs", "2", "--checkpoint-seconds", "0.05", "--policy", "carry,reset"]
    options += ["--seeds", "2"]

    def chains() -> Iterator[tuple[str, Callable[[Path], Chain]]]:
        def make(path: Path) -> Chain:
            command = ["compare", "memory", *options, "--out", str(path)]
            return Chain(begin=command, resume=command, begun=lambda _: True, folder=path)

        while True:
            yield "compare", make

    return killed_and_left(chains(), kills, rng, folder)


def loso(kills: int, rng: random.Random, folder: Path) -> Tally:
    """Kill runs that leave one subject out."""
    options = [
        "--data.subjects",
        "3",
        "--data.minutes",
        "2",
        "--channels",
        "O1,O2",
        "--epochs",
        "2",
    ]
    options += ["--hidden-size", "4", "--min-updates", "0", "--split", "loso", "--batch-size", "4"]
    options += ["--checkpoint-seconds", "0.05", "--cache", str(folder / "cache")]

    def chains() -> Iterator[tuple[str, Callable[[Path], Chain]]]:
        def make(path: Path) -> Chain:
            return Chain(
                begin=["train", "microsleep", *options, "--out", str(path)],
                resume=["train", "microsleep", "--resume", str(path)],
                begun=begun_run,
                folder=path,
            )

        while True:
            yield "loso", make

    return killed_and_left(chains(), kills, rng, folder)


# -- predict, workers, schedulers ----------------------------------------------------------------------------


@dataclass(kw_only=True)
class Nights:
    """A model and recordings to predict, with what a prediction in one process gives.

    Args:
        model: A run folder.
        files: Recordings.
        whole: Digests of the undisturbed prediction.
    """

    model: Path
    files: list[str]
    whole: dict[str, str]

    def command(self, out: Path, *more: str) -> list[str]:
        """Return the command of a prediction."""
        model = ["--model", str(self.model), "--out", str(out)]
        return ["predict", "microsleep", *self.files, *model, *more]


def nights(folder: Path, count: int, seconds: int) -> Nights:
    """Train the smallest model and write recordings."""
    from memcell_data.formats.edf.writer import Track, write_edf

    model = folder / "model"
    options = [
        "--data.subjects",
        "3",
        "--data.minutes",
        "2",
        "--channels",
        "O1,O2",
        "--epochs",
        "1",
    ]
    options += [
        "--hidden-size",
        "4",
        "--min-updates",
        "0",
        "--against",
        "none",
        "--out",
        str(model),
    ]
    child = forking.memcell(["train", "microsleep", *options], folder / "model.out")
    if child.wait(LIMIT) != 0:
        raise RuntimeError(child.said)
    files = []
    for i in range(count):
        values = np.random.default_rng(i).normal(size=(2, seconds * 128)) * 20
        tracks = [
            Track(name=name, values=row, rate=128.0, physical=(-200.0, 200.0))
            for name, row in zip(("O1", "O2"), values, strict=True)
        ]
        path = folder / f"night{i:02d}.edf"
        write_edf(path, tracks)
        files.append(str(path))
    made = Nights(model=model, files=files, whole={})
    out = folder / "serial"
    child = forking.memcell(made.command(out), folder / "serial.out")
    if child.wait(LIMIT) != 0:
        raise RuntimeError(child.said)
    made.whole.update(digests(out))
    return made


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


def predict(kills: int, rng: random.Random, folder: Path) -> Tally:
    """Kill predictions on two processes; the next one begins while the orphans still end."""
    made, tally, number = nights(folder, 12, 120), Tally(), 0
    began = time.monotonic()
    child = forking.memcell(made.command(folder / "timed", "--jobs", "2"), folder / "timed.out")
    if not finished(child, tally, "predict"):
        return tally
    seconds = time.monotonic() - began
    while tally.kills < kills and len(tally.wrong) < 20:
        number += 1
        out = folder / f"out-{number}"
        command, said = made.command(out, "--jobs", "2"), folder / f"out-{number}.said"
        orphaned = []
        for nth in range(rng.randint(2, 5)):
            child = forking.memcell(command, said)
            if not kill_at_random(child, out, rng, seconds * 0.8, nth % 3 == 1, tally):
                break
            orphaned.append(child)
        if finished(forking.memcell(command, said), tally, "predict"):
            tally.runs += 1
            for old in orphaned:
                left = orphans_go(old)
                if left:
                    tally.complain(left)
            wrong = differing(out, made.whole)
            if wrong:
                tally.complain(f"{len(wrong)} files differ: {', '.join(wrong[:8])}")
        print(f"  {tally.kills} kills, {tally.runs} runs, {len(tally.wrong)} wrong", flush=True)
    return tally


def workers(kills: int, rng: random.Random, folder: Path) -> Tally:
    """Kill workers of predictions, comparisons and folds: no task is to blame, and none is given up."""
    made, tally = nights(folder, 30, 300), Tally()
    seeds = ["--epochs", "2", "--policy", "carry,reset", "--seeds", "4"]
    commands = [
        lambda out: made.command(out),
        lambda out: ["compare", "memory", *SMALL, *seeds, "--out", str(out)],
        lambda out: ["train", "microsleep", *LOSO, "--cache", str(folder / "c"), "--out", str(out)],
    ]
    wholes = {0: made.whole}
    for number in range(10_000):
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
                tally.writing += being_written(out, "")
                os.kill(rng.choice(there), signal.SIGKILL)
                tally.kills += 1
        if finished(child, tally, command[0]):
            tally.runs += 1
            wrong = differing(out, wholes[kind])
            if wrong:
                tally.complain(
                    f"{len(wrong)} files differ: {', '.join(wrong[:8])}: {child.said[-500:]}"
                )
        print(f"  {tally.kills} kills, {tally.runs} runs, {len(tally.wrong)} wrong", flush=True)
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
    made, tally = nights(folder, 20, 300), Tally()
    out = folder / "out-0"
    for number in range(10_000):
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
            tally.runs += 1
            wrong = differing(out, made.whole)
            if wrong:
                tally.complain(f"{len(wrong)} files differ: {', '.join(wrong[:8])}")
            out = folder / f"out-{number + 1}"
        if last:
            break
    return tally


CAMPAIGNS: dict[str, tuple[Callable[[int, random.Random, Path], Tally], int]] = {
    "train": (train, 200), "compare": (compare, 50), "loso": (loso, 50), "predict": (predict, 50),
    "workers": (workers, 20), "schedulers": (schedulers, 5),
}  # fmt: skip


def main() -> int:
    """Run a campaign and print its counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=CAMPAIGNS)
    parser.add_argument("--kills", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", help="folder to work in, which stays")
    asked: Any = parser.parse_args()
    forking.warm()
    run, usual = CAMPAIGNS[asked.what]
    began = time.monotonic()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        where = Path(asked.keep or folder)
        where.mkdir(parents=True, exist_ok=True)
        tally = run(asked.kills or usual, random.Random(asked.seed), where)
    print(
        f"{asked.what}, seed {asked.seed}: {tally.kills} kills ({tally.writing} while a file was being "
        f"written), {tally.runs} runs came to their end and were compared, {len(tally.wrong)} not as they "
        f"should be, {time.monotonic() - began:.0f} s"
    )
    return int(bool(tally.wrong) or tally.kills == 0)


if __name__ == "__main__":
    sys.exit(main())
