"""Runs in hostile surroundings: other locales, clocks and hash seeds, few files, full and read-only disks.

``python -m tests.campaigns.hostile_places`` trains, compares, predicts and exports in each; results have the
bytes of an ordinary place, or the command says in one line what is wrong and goes on to the same bytes when
it is mended. A disk of its own (tmpfs) needs root; without it those are left out.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.campaigns import command_line, forking
from tests.campaigns.kills.killing import Tally, digests
from tests.campaigns.smallest import LIMIT, TASK, Recordings, recordings

TRAIN = [
    "train",
    "memory",
    *TASK,
    "--epochs",
    "1",
    "--min-updates",
    "200",
    "--probe",
    "order",
    "--probe-budget",
    "2",
]
COMPARE = [
    "compare",
    "memory",
    *TASK,
    "--epochs",
    "1",
    "--min-updates",
    "200",
    "--policy",
    "carry,reset",
    "--seeds",
    "1",
]


def commands(made: Recordings, out: Path) -> dict[str, tuple[list[str], list[str], Path]]:
    """Return commands by name: to begin, to go on, and the folder or file that is held against."""
    train, compare = out / "train", out / "compare"
    predicted, exported = out / "predict", out / "model.onnx"
    predict = made.command(predicted)
    export = ["export", str(made.model), "--to", "onnx", "--out", str(exported)]
    return {
        "train": (
            [*TRAIN, "--out", str(train)], ["train", "memory", "--resume", str(train)], train
        ),
        # twice the same list: a product of tuples has no length to the type checker
        "compare": ([*COMPARE, "--out", str(compare)],) * 2 + (compare,),  # type: ignore[dict-item]
        "predict": (predict, predict, predicted),
        "export": (export, export, exported),
    }  # fmt: skip


def done(
    arguments: list[str], said: Path, before: Callable[[], object] = lambda: None
) -> forking.Child:
    """Run a command to its end in a child in which something was done before."""
    said.unlink(missing_ok=True)
    child = forking.memcell(arguments, said, before=before)
    if child.wait(LIMIT) is None:
        child.kill()
    return child


def in_a_fresh_process(arguments: list[str], said: Path, **variables: str) -> int:
    """Run a command with other variables of the environment, from the very start."""
    with said.open("w") as file:
        return subprocess.run(
            [sys.executable, "-m", "memcell", *arguments],
            env={**os.environ, **variables}, stdout=file, stderr=file, timeout=LIMIT, check=False,
        ).returncode  # fmt: skip


#: Surroundings of a fresh process on which no result may depend.
VARIABLES: dict[str, dict[str, str]] = {
    "hash seed 1": {"PYTHONHASHSEED": "1"},
    "hash seed 4711": {"PYTHONHASHSEED": "4711"},
    "locale C": {"LC_ALL": "C"},
    "locale C, no UTF-8": {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "Turkish": {"LC_ALL": "tr_TR.UTF-8", "LANG": "tr_TR.UTF-8"},
    "decimal comma": {"LC_ALL": "de_DE.UTF-8", "LC_NUMERIC": "de_DE.UTF-8"},
    "time zone Auckland": {"TZ": "Pacific/Auckland"},
    "time zone unknown": {"TZ": "Nowhere/Land"},
}


def made_locales(folder: Path) -> dict[str, str]:
    """Make the locales that the system need not have; return the variable that says where they are."""
    made = shutil.which("localedef")
    for name in ("tr_TR", "de_DE"):
        if made is not None:
            folder.mkdir(exist_ok=True)
            command = [made, "-i", name, "-f", "UTF-8", str(folder / f"{name}.UTF-8")]
            subprocess.run(command, capture_output=True, check=False)
    return {"LOCPATH": str(folder)} if folder.exists() and any(folder.iterdir()) else {}


def clock_set_back() -> None:
    """Let the clock say that it is a year ago, and go back further at each look."""
    real, looks = time.time, iter(range(10**9))
    time.time = lambda: real() - 3.15e7 - next(looks)


def few_files() -> None:
    """Let 40 files be open at most."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))


#: What is done in a child before the command; no result may depend on it.
BEFORE: dict[str, Callable[[], object]] = {
    "clock set back": clock_set_back,
    "40 open files": few_files,
    "umask 0": lambda: os.umask(0),
    "umask 077": lambda: os.umask(0o077),
}


def everywhere(folder: Path, names: list[str]) -> Tally:
    """Run all commands in all surroundings."""
    tally, made = Tally(), recordings(folder, 3, 60)
    wholes = {}
    for name, (begin, _, path) in commands(made, folder / "usual").items():
        child = done(begin, folder / "usual.said")
        if child.code != 0:
            tally.complain(f"{name}: {child.code}: {child.said[-500:]}")
        wholes[name] = held(path)

    def check(where: str, name: str, code: int | None, path: Path, said: str) -> None:
        tally.runs += 1
        if code != 0 or "Traceback" in said:
            tally.complain(f"{where}, {name}: exit code {code}: {said[-500:]}")
            return
        mine, whole = held(path), wholes[name]
        wrong = sorted(n for n in mine.keys() | whole.keys() if mine.get(n) != whole.get(n))
        if wrong:
            tally.complain(f"{where}, {name}: {', '.join(wrong[:8])} differ")

    where_locales_are = made_locales(folder / "locales")
    for i, (where, variables) in enumerate(VARIABLES.items()):
        if names and where not in names:
            continue
        for name, (begin, _, path) in commands(made, folder / f"v{i}").items():
            said = folder / f"v{i}.said"
            code = in_a_fresh_process(begin, said, **where_locales_are, **variables)
            check(where, name, code, path, said.read_text(errors="replace"))
        print(f"  {where}: {tally.runs} runs, {len(tally.wrong)} wrong", flush=True)
    for i, (where, before) in enumerate(BEFORE.items()):
        if names and where not in names:
            continue
        for name, (begin, _, path) in commands(made, folder / f"b{i}").items():
            child = done(begin, folder / f"b{i}.said", before)
            check(where, name, child.code, path, child.said)
        print(f"  {where}: {tally.runs} runs, {len(tally.wrong)} wrong", flush=True)
    if not names or "full disk" in names:
        full_disks(folder, made, check, tally)
    return tally


def held(path: Path) -> dict[str, str]:
    """Return digests of a folder, or of one file."""
    if path.is_dir():
        return digests(path)
    return {k: v for k, v in digests(path.parent).items() if k == path.name}


def full_disks(
    folder: Path,
    made: Recordings,
    check: Callable[[str, str, int | None, Path, str], None],
    tally: Tally,
) -> None:
    """Let the disk be full, or read-only, at different moments; then make room and go on."""
    mount = folder / "disk"
    mount.mkdir()
    rng = random.Random(0)
    tmpfs = ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(mount)]
    if os.geteuid() != 0 or subprocess.run(tmpfs, check=False).returncode != 0:
        print("  no disk of its own: full and read-only disks are left out", flush=True)
        return
    try:
        for where in [*(f"full but for {k} kB" for k in (0, 4, 20, 60, 150, 400)), "read-only"]:
            for name, (begin, go_on, path) in commands(made, mount / "out").items():
                shutil.rmtree(mount / "out", ignore_errors=True)
                (mount / "out").mkdir()
                if where == "read-only":
                    _remount(mount, "ro")
                else:
                    room = int(where.split()[3]) * 1024 + rng.randrange(4096)
                    _remount(mount, f"size={_used(mount) + room}")
                child = done(begin, folder / "disk.said")
                said = child.said
                if child.code == 0:
                    continue  # it fitted
                told = "No space left" in said or "Read-only" in said or "cannot write to" in said
                if "Traceback" in said or "fault of memcell" in said or not told:
                    tally.complain(f"{where}, {name}: exit code {child.code}: {said[-500:]}")
                _remount(mount, "rw,size=64m")
                begun = (path / "config.toml").exists()
                child = done(go_on if begun else begin, folder / "disk.said")
                check(f"{where}, then room", name, child.code, path, child.said)
            print(f"  {where}: {tally.runs} runs, {len(tally.wrong)} wrong", flush=True)
            _remount(mount, "rw,size=64m")
    finally:
        subprocess.run(["umount", str(mount)], check=False)


def _remount(mount: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", str(mount)], check=True)


def _used(mount: Path) -> int:
    status = os.statvfs(mount)
    return (status.f_blocks - status.f_bfree) * status.f_frsize


def options(parser: argparse.ArgumentParser) -> None:
    """Add the surroundings."""
    parser.add_argument("names", nargs="*", help="surroundings; all of them by default")


def main() -> int:
    """Run it."""
    with command_line.begun(__doc__, options) as asked:
        forking.warm()
        tally = everywhere(asked.folder, asked.options.names)
        counted = f"hostile places: {tally.runs} runs compared"
        return asked.ended(counted, len(tally.wrong)) or int(tally.runs == 0)


if __name__ == "__main__":
    sys.exit(main())
