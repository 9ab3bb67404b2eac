"""Mutated files of results under every command that reads a run, a comparison or a prediction.

::

    python -m tests.campaigns.run_folders --trials 10000 --seed 0 --work /tmp/campaign

Each trial mutates one file of a folder that memcell wrote, and runs one command on it in a forked process
with limits on memory and time. It must end well, or refuse in one line that names the file; never with a
traceback, a hang, too much memory, or a byte written outside the folder and ``--out``.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import os
import random
import resource
import shutil
import signal
import sys
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from . import command_line, mutate

#: Address space beyond what a process has when it is forked, bytes; and what it may hold at its peak.
MOST_SPACE, MOST_HELD = 6 * 2**30, 1_500_000_000
#: Of CPU time, and of any, seconds. Waiting for a pipe takes no CPU time.
MOST_CPU, MOST_WAIT = 60, 240

_TINY = ["--epochs", "1", "--min-updates", "1", "--hidden-size", "4"]
_TINY += ["--batch-size", "4", "--time-steps", "20"]
_NIGHT = ["--tune", "none", "--baselines", "few", "--data.subjects", "4", "--data.minutes", "2"]
_TASK = ["--task", "recall", "--streams", "4", "--test-streams", "2", "--trials", "3", "--lag", "8"]


@dataclass(frozen=True)
class Kind:
    """A folder, the files that are mutated, and the commands that read it.

    Args:
        name: Of the folder.
        files: Globs of its files; those that decide most stand several times.
        commands: Weight and command line each; FOLDER, OUT and EDF are filled in.
    """

    name: str
    files: tuple[str, ...]
    commands: tuple[tuple[float, tuple[str, ...]], ...]


KINDS = (
    Kind(
        "run",
        ("config.toml", "environment.json", "model.safetensors", "model.safetensors"),
        (
            (3, ("predict", "microsleep", "EDF", "--model", "FOLDER", "--out", "OUT")),
            (2, ("stream", "microsleep", "--model", "FOLDER", "--file", "EDF", "--speed", "max",
                 "--lines", "alarms", "--duration", "30", "--out", "OUT")),
            (0.3, ("export", "FOLDER", "--to", "onnx")),
            (0.4, ("evaluate", "microsleep", "FOLDER")),
        ),
    ),
    Kind(
        "run",
        ("config.toml", "environment.json", "model.safetensors", "metrics.jsonl", "predictions.npz",
         "excerpts.npz", "views/*.npz", "*.tsv", "scores.json", "control-reset/*"),
        ((1, ("report", "FOLDER")),),
    ),
    Kind(
        "task",
        ("config.toml", "environment.json", "model.safetensors"),
        ((1.5, ("evaluate", "memory", "FOLDER")), (0.2, ("export", "FOLDER", "--to", "onnx"))),
    ),
    Kind(
        "task",
        ("config.toml", "environment.json", "*.safetensors", "checkpoint.safetensors",
         "metrics.jsonl", "probes.jsonl", "control-reset/*.*"),
        ((1.2, ("train", "memory", "--resume", "FOLDER")),),
    ),
    Kind(
        "folds",
        ("config.toml", "environment.json", "folds.json", "folds.json", "folds/*/config.toml",
         "folds/*/predictions.npz", "folds/*/model.safetensors", "folds/*/scores.json", ".lock"),
        ((0.5, ("train", "microsleep", "--resume", "FOLDER")), (0.5, ("report", "FOLDER"))),
    ),
    Kind(
        "compared",
        ("comparison.json", "comparison.json", "baselines.json", "runs/*/record.json",
         "runs/*/record.json", "runs/*/environment.json", "runs/*/metrics.jsonl", ".lock",
         "runs/*/config.toml"),
        (
            (0.5, ("report", "FOLDER")),
            (0.4, ("compare", "memory", "--policy", "carry,reset", "--seeds", "2", *_TASK, *_TINY,
                   "--out", "FOLDER")),
        ),
    ),
    Kind(
        "found",
        ("prediction.json", "summary.tsv", "**/*_events.tsv", "**/*_events.json", "**/*_probability.tsv",
         "dataset_description.json", "views/*.npz"),
        (
            (0.6, ("report", "FOLDER")),
            (0.8, ("predict", "microsleep", "EDF", "--model", "RUN", "--out", "FOLDER")),
        ),
    ),
)  # fmt: skip


def make(
    base: Path, names: Collection[str] = ("run", "task", "folds", "compared", "found")
) -> None:
    """Make a folder of each of these kinds; beside a run, the recording that it can predict."""
    from memcell.cli.main import run

    calls = {
        "run": ["train", "microsleep", *_NIGHT, *_TINY],
        "task": ["train", "memory", *_TASK, *_TINY, "--probe", "staleness"],
        "folds": ["train", "microsleep", *_NIGHT, *_TINY, "--split", "loso", "--against", "none"],
        "compared": [
            "compare",
            "memory",
            "--policy",
            "carry,reset",
            "--seeds",
            "2",
            *_TASK,
            *_TINY,
        ],
    }
    for name, call in calls.items():
        wanted = name in names and not (base / name).exists()
        if wanted and run([*call, "--out", str(base / name)]) != 0:
            raise SystemExit(f"{name} could not be made")
    edf = base / "night.edf"
    if "run" in names and not edf.exists():
        made = next(Path(os.environ["XDG_CACHE_HOME"]).rglob("*.edf"))
        shutil.copy(made, edf)
    if "found" in names and not (base / "found").exists():
        call = ["predict", "microsleep", str(edf), "--model", str(base / "run")]
        if run([*call, "--out", str(base / "found")]) != 0:
            raise SystemExit("no prediction could be made")


@dataclass(frozen=True)
class Trial:
    """What came of one trial.

    Args:
        what: ``"accepted"``, ``"refused"``, or a fault.
        command: The command's first word.
        file: That was mutated.
        mutation: How.
        said: What the command printed.
    """

    what: str
    command: str
    file: str
    mutation: str
    said: str

    @property
    def fault(self) -> bool:
        """Whether it is one."""
        return self.what not in ("accepted", "refused")


def trial(base: Path, work: Path, number: int, seed: int) -> Trial:
    """Do one trial, the same for the same numbers."""
    rng = random.Random(f"{seed}-{number}")
    weights = [sum(w for w, _ in kind.commands) for kind in KINDS]
    (kind,) = rng.choices(KINDS, weights)
    ((_, command),) = rng.choices(kind.commands, [w for w, _ in kind.commands])
    place = work / "trial"
    shutil.rmtree(place, ignore_errors=True)
    folder, outside = place / kind.name, place / "outside"
    shutil.copytree(base / kind.name, folder)
    outside.mkdir()
    (outside / "kept.json").write_text("{}")
    (outside / "kept.txt").write_text("as it was\n")
    files = [p for p in folder.glob(rng.choice(kind.files)) if p.is_file()]
    path = rng.choice(sorted(files)) if files else folder / "config.toml"
    how = _mutated(rng, path, outside, folder, work)
    filled = {"FOLDER": str(folder), "OUT": str(place / "out"), "EDF": str(base / "night.edf"),
              "RUN": str(base / "run")}  # fmt: skip
    before = _seen(place, outside)
    code, said, held = forked([filled.get(word, word) for word in command], place)
    told = str(path.relative_to(folder))
    what = _judged(code, said, held, path, before != _seen(place, outside))
    return Trial(what, command[0], told, how, said)


def _mutated(rng: random.Random, path: Path, outside: Path, folder: Path, work: Path) -> str:
    chance = rng.random()
    if chance < 0.12:
        change = rng.choice(mutate.PLACE)
        change(path, outside, rng)
    elif chance < 0.15 and path.parent != folder:
        change = mutate.linked_folder
        change(path, outside, rng)
    elif chance < 0.2:
        others = sorted(p for p in folder.rglob("*") if p.is_file() and p != path)
        path.write_bytes(rng.choice(others).read_bytes())
        return "another file's content"
    else:
        own = mutate.BY_ENDING.get(path.suffix, ())
        change = rng.choice(own) if own and chance < 0.75 else rng.choice(mutate.CONTENT)
        with contextlib.chdir(work):
            path.write_bytes(change(rng, path.read_bytes()))
    return str(change.__doc__).strip().splitlines()[0].rstrip(".")


def _seen(place: Path, outside: Path) -> str:
    """Return what lies outside of the folder and of ``--out``."""
    found = [p.name for p in place.iterdir() if p.name not in ("out", "said")]
    for path in sorted(outside.rglob("*")):
        found.append(f"{path.name} {path.stat().st_size}")
        found.append(hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "")
    return "\n".join(found)


def forked(command: list[str], place: Path) -> tuple[int, str, int]:
    """Run a command in a forked process with limits; return its code, what it said, and its memory."""
    said = place / "said"
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        code = 99
        try:
            with said.open("wb") as file:
                for stream in (1, 2):
                    os.dup2(file.fileno(), stream)
            os.setsid()
            space = int(Path("/proc/self/statm").read_text().split()[0]) * 4096 + MOST_SPACE
            resource.setrlimit(resource.RLIMIT_AS, (space, space))
            resource.setrlimit(resource.RLIMIT_CPU, (MOST_CPU, MOST_CPU + 5))
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.alarm(MOST_WAIT)
            os.chdir(place)
            from memcell.cli.main import run

            code = run(command)
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            with contextlib.suppress(Exception):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(code)
    _, status, used = os.wait4(child, 0)
    text = said.read_bytes().decode("utf-8", "replace")
    code = -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
    return code, text, used.ru_maxrss * 1024


def _judged(code: int, said: str, held: int, path: Path, wrote: bool) -> str:
    if wrote:
        return "wrote outside"
    if code in (-signal.SIGALRM, -signal.SIGXCPU, -signal.SIGKILL):
        return "hangs"
    if code < 0:
        return f"died of signal {-code}"
    if held > MOST_HELD:
        return "took too much memory"
    if "Traceback" in said or "this is a fault of memcell" in said:
        return "traceback"
    if any("\x1b" in said or chr(c) in said for c in range(0x80, 0xA0)):
        return "a terminal's command is printed"
    if code == 0:
        return "accepted"
    last = [line for line in said.splitlines() if line.startswith(("memcell: ", "failed: "))]
    if not last:
        return "no line says why"
    # a model of other channels is one: the message says what it wants and what the recording has
    named = path.name in said or path.parent.name in last[-1] or "The model was trained on" in said
    if not named:
        return "the file is not named"
    return "refused"


def campaign(
    base: Path, work: Path, numbers: Iterable[int], seed: int, say: Callable[[str], None]
) -> list[Trial]:
    """Do many trials, or those until somebody stops it; say each fault as it is found."""
    done: list[Trial] = []
    for number in numbers:
        try:
            one = trial(base, work, number, seed)
        except KeyboardInterrupt:
            break
        done.append(one)
        if len(done) % 250 == 0:
            say(f"-- {len(done)} done, {sum(t.fault for t in done)} faults")
        if one.fault:
            say(f"{number}: {one.what}: {one.command}, {one.file}, {one.mutation}")
            say(f"    {one.said.strip()[-300:]!r}")
    return done


def table(done: list[Trial]) -> str:
    """Return counts by command, as Markdown."""
    whats = ["accepted", "refused", *sorted({t.what for t in done if t.fault})]
    lines = [f"| command | trials | {' | '.join(whats)} |", "|---" * (len(whats) + 2) + "|"]
    counted = Counter((t.command, t.what) for t in done)
    for command in [*sorted({t.command for t in done}), "all"]:
        own = [sum(n for (c, w), n in counted.items() if w == what and command in (c, "all"))
               for what in whats]  # fmt: skip
        lines.append(f"| {command} | {sum(own)} | {' | '.join(map(str, own))} |")
    return "\n".join(lines)


def prepare() -> None:
    """Import what the commands import, so that no forked process has to."""
    import torch

    torch.set_num_threads(1)
    import matplotlib.pyplot  # noqa: F401
    import mne.io  # noqa: F401

    import memcell.compare.report
    import memcell.runs.export_onnx
    import memcell.runs.predict
    import memcell.runs.stream  # noqa: F401
    from memcell.plugins import default_registry

    registry = default_registry()
    for kind in ("app", "cell", "policy", "sampler", "optimizer", "normalizer", "dataset"):
        for name in registry.names(kind):
            registry.get(kind, name).config_type()


def warm(base: Path, work: Path) -> None:
    """Run each command once in this process: what it imports and loads, no forked one has to."""
    from memcell.cli.main import run

    for number, kind in enumerate(KINDS):
        for _, command in kind.commands:
            place = work / f"warm-{number}-{command[0]}"
            shutil.rmtree(place, ignore_errors=True)
            shutil.copytree(base / kind.name, place / kind.name)
            filled = {"FOLDER": str(place / kind.name), "OUT": str(place / "out"),
                      "EDF": str(base / "night.edf"), "RUN": str(base / "run")}  # fmt: skip
            with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stdout(nowhere):
                run([filled.get(word, word) for word in command])
            shutil.rmtree(place)


def options(parser: argparse.ArgumentParser) -> None:
    """Add which trials are done."""
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)


def main() -> int:
    """Run it."""
    with command_line.begun(__doc__, options) as asked:
        typed, folder = asked.options, asked.folder
        os.environ["HOME"] = str(folder)
        make(folder / "made")
        prepare()
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        work = folder / f"from-{typed.first}"
        work.mkdir(exist_ok=True)
        warm(folder / "made", work)
        numbers = range(typed.first, typed.first + typed.trials)
        done = campaign(
            folder / "made", work, numbers, typed.seed, lambda line: print(line, flush=True)
        )
        print(f"\n{table(done)}\n")
        return asked.ended(f"{len(done)} trials", sum(t.fault for t in done), "faults")


if __name__ == "__main__":
    raise SystemExit(main())
