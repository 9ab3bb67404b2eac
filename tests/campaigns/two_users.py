"""Two users on one machine: what another one can open, connect to, run or exchange; needs root.

::

    python -m tests.campaigns.two_users --work /tmp/two-users

The other user is nobody. Each door is tried by a forked process that has become that user, or that user has
put something where it stands in the way. Without root nothing can be tried, and that is said.
"""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from . import command_line, other_user

Tried = Iterator[tuple[str, str]]


def ports(work: Path) -> Tried:
    """Try every port of a run with ``--jobs``, in four ways each, and look for its key."""
    from memcell.jobs import Mode
    from memcell.jobs.clients import client_of

    with client_of(Mode(jobs=2)) as client:
        client.wait_for_workers(2)
        family = other_user.family(os.getpid())
        for port in other_user.ports(family):
            found = other_user.as_user(
                other_user.nobody(), lambda p=port: other_user.break_in(p, 2.0)
            )
            for way, told in found.items():
                yield f"port, {way}", "" if told.startswith("refused") else told
        for pid in sorted(family):
            for name in ("cmdline", "environ"):
                held = b"PRIVATE KEY" in Path(f"/proc/{pid}/{name}").read_bytes()
                yield f"key in {name}", "it is there" if held else ""
        for place in sorted({Path(f) for f in client.run(_scratch).values()}):
            told = other_user.as_user(other_user.nobody(), lambda p=place: _listed(p))
            yield "workers' files", told
        for path in Path("/tmp").glob("pymp-*/listener-*"):
            told = other_user.as_user(other_user.nobody(), lambda p=path: _connected(p))
            yield "unix socket", told


def _scratch(dask_worker: Any) -> str:
    return str(dask_worker.local_directory)


def _listed(path: Path) -> str:
    try:
        return f"listed: {[p.name for p in path.iterdir()]}"
    except OSError:
        return ""


def _connected(path: Path) -> str:
    import socket

    with socket.socket(socket.AF_UNIX) as end:
        try:
            end.connect(str(path))
        except OSError:
            return ""
    return f"connected to {path}"


def caches(work: Path) -> Tried:
    """Put the cache of compiled code and of features below folders of, or open to, another user."""
    from memcell.files.trusted import reason_against
    from memcell_compiler.build import cache

    for owner in ("ours", "theirs"):
        for mode in (0o700, 0o755, 0o775, 0o777, 0o1777):
            for up in range(3):
                top = work / f"{owner}-{mode:o}-{up}"
                folder = top / "memcell" / "native"
                cache._own_folder = None
                folder.mkdir(parents=True)
                for each in (folder, folder.parent, top):
                    each.chmod(0o700)
                made = cache.fetch("k", lambda p: p.write_bytes(b"code"), folder)
                changed = (folder, folder.parent, top)[up]
                changed.chmod(mode)
                if owner == "theirs":
                    os.chown(changed, other_user.nobody(), -1)
                open_to_all = mode & 0o002 and not (mode & stat.S_ISVTX and up)
                safe = owner == "ours" and not open_to_all
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    place = cache.writable_folder(folder)
                found = cache.lookup("k", folder)
                what = f"cache {owner}, {mode:o}, {up} up"
                yield what, "" if (place == folder) == safe else "used" if not safe else "refused"
                yield f"{what}, found", "" if (found == made) == safe else "wrong"
                yield f"{what}, said", "" if bool(reason_against(folder)) != safe else "wrong"
                if place != folder:
                    told = other_user.as_user(other_user.nobody(), lambda p=place: _listed(p))
                    yield f"{what}, temporary folder", told
                    shutil.rmtree(place, ignore_errors=True)
    cache._own_folder = None


def exchanged(work: Path) -> Tried:
    """Exchange the cache while programs load code from it, as its parent's owner."""
    from memcell_compiler.build import cache

    if shutil.which("cc") is None:
        return
    source = work / "unit.c"
    source.write_text("int number(void) { return 1; }\n")

    def build(path: Path) -> None:
        subprocess.run(["cc", "-shared", "-fPIC", str(source), "-o", str(path)], check=True)

    parent = work / "shared"
    parent.mkdir()
    os.chown(parent, other_user.nobody(), -1)
    folder = parent / "native"
    folder.mkdir(mode=0o700)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for number in range(20):
            place = cache.fetch(f"k{number}", build, folder)
            other_user.as_user(other_user.nobody(), lambda: _exchange(parent))
            try:
                library = cache.load(place)
                yield "exchanged cache", "" if library.number() == 1 else "foreign code ran"
            except OSError:
                yield "exchanged cache", ""
    shutil.rmtree(cache._own_folder or work / "none", ignore_errors=True)
    cache._own_folder = None


def _exchange(parent: Path) -> None:
    """Put another folder in its place, as the parent's owner may."""
    if (parent / "native").exists():
        (parent / "native").rename(parent / f"away-{time.monotonic_ns()}")
    (parent / "native").mkdir()


def folders(work: Path) -> Tried:
    """Open results' folders of another user: nothing of ours may be changed by way of them."""
    from . import run_folders

    base = work / "made"
    run_folders.make(base, ("task",))
    ours = work / "ours.txt"
    for number, name in enumerate(("metrics.jsonl", "probes.jsonl", ".lock", "timeline.png",
                                   "evaluation.tsv", "report.html", "model.onnx")):  # fmt: skip
        place = work / f"theirs-{number}"
        shutil.copytree(base / "task", place)
        ours.write_text("as it was\n")
        (place / name).unlink(missing_ok=True)
        (place / name).symlink_to(ours)
        for path in (place, *place.rglob("*")):
            os.chown(path, other_user.nobody(), -1, follow_symlinks=False)
        for command in (
            ["evaluate", "memory", str(place)],
            ["train", "memory", "--resume", str(place)],
        ):
            done = subprocess.run([sys.executable, "-m", "memcell", *command], capture_output=True)
            said = (done.stdout + done.stderr).decode("utf-8", "replace")
            what = f"{name} a link, {command[0]}"
            yield what, "written through" if ours.read_text() != "as it was\n" else ""
            yield f"{what}, one line", "a traceback" if "Traceback" in said else ""


DOORS = (ports, caches, exchanged, folders)


def campaign(work: Path, doors: tuple[Any, ...] = DOORS) -> tuple[dict[str, int], list[str]]:
    """Try the doors; return how often each was tried, and what stood open."""
    counts: dict[str, int] = {}
    faults = []
    for door in doors:
        place = work / door.__name__
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        for what, told in door(place):
            counts[door.__name__] = counts.get(door.__name__, 0) + 1
            if told:
                faults.append(f"{door.__name__}: {what}: {told}")
    return counts, faults


def main() -> int:
    """Run it."""
    with command_line.begun(__doc__) as asked:
        if not other_user.can_act():
            print("NOT TRIED: only root may act as another user of this machine")
            return 1
        asked.folder.chmod(
            0o755
        )  # nobody could enter a temporary folder, and nothing would be tried
        counts, faults = campaign(asked.folder)
        for name, count in counts.items():
            own = sum(fault.startswith(f"{name}: ") for fault in faults)
            print(f"{name}: {count} tried, {own} open")
        for fault in faults:
            print(fault)
        return asked.ended(f"{sum(counts.values())} doors tried", len(faults), "open")


if __name__ == "__main__":
    raise SystemExit(main())
