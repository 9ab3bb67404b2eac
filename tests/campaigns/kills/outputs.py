"""``evaluate`` and ``export``, killed while they write into a run folder.

What was in the folder stays; a file that the command writes is the one of before or a whole new one;
and the next call does its work and removes what was left half-written.
"""

from __future__ import annotations

import os
import random
import resource
import shutil
import signal
import time
from collections.abc import Sequence
from pathlib import Path

from tests.campaigns import forking
from tests.campaigns.kills.killing import Tally, compared, digests, finished, kill_at_random
from tests.campaigns.smallest import LIMIT, TASK, completed, model

#: A run of each application, and the words of the command that come before and after its folder.
Command = tuple[Path, list[str], list[str]]


def evaluate(kills: int, rng: random.Random, folder: Path) -> Tally:
    """Kill evaluations, where an evaluation of one policy was made before."""
    task = folder / "task"
    completed(
        ["train", "memory", *TASK, "--epochs", "1", "--min-updates", "200", "--out", str(task)],
        folder / "task.out",
    )
    runs = (("memory", task), ("microsleep", model(folder)))
    for app, run in runs:
        once = ["evaluate", app, str(run), "--eval-policy", "carry"]
        completed(once, folder / "carry.out")
    commands: list[Command] = [(run, ["evaluate", app], []) for app, run in runs]
    return killed_in_a_run(commands, kills, rng, folder)


def export(kills: int, rng: random.Random, folder: Path) -> Tally:
    """Kill exports, where another file stood before."""
    run = model(folder)
    (run / "model.onnx").write_bytes(b"what was here before")
    return killed_in_a_run([(run, ["export"], ["--to", "onnx"])], kills, rng, folder)


def killed_in_a_run(
    commands: Sequence[Command], kills: int, rng: random.Random, folder: Path
) -> Tally:
    """Kill commands in copies of a run, look at each copy after each kill, and at last let them end."""
    tally = Tally()
    for nth, (run, before, after) in enumerate(commands):
        old = digests(run)
        whole, said = folder / f"whole-{nth}", folder / f"killed-{nth}.said"
        shutil.copytree(run, whole)
        command = [*before, str(whole), *after]
        completed(command, said)  # what is compiled once takes no time below
        began = time.monotonic()
        completed(command, said)
        seconds, new = time.monotonic() - began, digests(whole)
        written = [name for name in new if new[name] != old.get(name)]
        print(f"  {' '.join(before)}, {seconds:.1f} s, writes {', '.join(written)}", flush=True)
        until = kills * (nth + 1) // len(commands)
        copies = 0
        while tally.kills < until and len(tally.wrong) < 20:
            copies += 1
            out = folder / f"killed-{nth}-{copies}"
            shutil.copytree(run, out)
            command = [*before, str(out), *after]
            for _ in range(rng.randint(1, 3)):
                if rng.random() < 0.5:
                    killed = kill_at_random(
                        forking.memcell(command, said), out, rng, seconds, tally
                    )
                else:
                    size = (whole / rng.choice(written)).stat().st_size
                    killed = killed_at_byte(command, rng.randrange(size), out, tally)
                if killed:
                    lost_or_half(out, old, new, tally)
            child = forking.memcell(command, said)
            if finished(child, tally, before[0]):
                compared(out, new, tally, before[0])
            if "Traceback" in child.said:
                tally.complain(f"a traceback: {child.said[-600:]}")
            shutil.rmtree(out)
        tally.show()
    return tally


def killed_at_byte(command: list[str], size: int, folder: Path, tally: Tally) -> bool:
    """Let the system kill a command when a file that it writes gets larger; say whether it did."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)  # Python ignores it: a write would fail

    child = forking.memcell(command, Path(os.devnull), before=limit)
    code = child.wait(LIMIT)
    if code != -signal.SIGXFSZ:
        child.kill()
        tally.complain(f"{command[0]}: exit code {code} where no file may get {size} bytes")
        return False
    tally.killed(folder)
    return True


def lost_or_half(folder: Path, old: dict[str, str], new: dict[str, str], tally: Tally) -> None:
    """Complain of files that are neither those of before nor whole new ones."""
    held = {n: d for n, d in digests(folder).items() if ".memcell-" not in n}
    wrong = [n for n in held | old if held.get(n) not in (old.get(n), new.get(n))]
    if wrong:
        tally.complain(f"neither as before nor whole after a kill: {', '.join(wrong)}")
