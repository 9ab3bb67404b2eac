"""Hostile file names under the commands that read recordings.

::

    python -m tests.campaigns.file_names --names 500 --run RUN --recording NIGHT.edf --work /tmp/names

Without ``--run`` and ``--recording`` both are made. Copies of one recording get names that a file system
takes and a program may not: bytes that are no text, line breaks, terminal commands, dashes, formulas,
devices, 255 bytes, names that differ in case or in the form of an accent. All of them are predicted at once,
once more, checked, and a few trained on; every byte that was printed or written is looked through.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import unicodedata
from pathlib import Path
from typing import Any

from . import command_line

#: Pieces that names are put together from.
PIECES = (
    b"night", b"\xff\xfe", b"\n", b"\r", b"\t", b" ", b"-", b"=1+1", b"+", b"@", b"\x1b[2J",
    b"\x1b]0;x\x07", b"\x7f", b"\x01", "\u202e".encode(), "\u2066".encode(), "\u200b".encode(),
    "\u2028".encode(), "\x9b".encode(), "é".encode(), "e\u0301".encode(), "日本".encode(),
    "🧠".encode(), b"CON", b"nul", b"..", b".", b"~", b"$HOME", b"$(touch hit)", b"`id`", b"'", b'"',
    b"<script>alert(1)", b"&amp;", b"%s%n", b"{0}", b"[a]", b"*", b"?", b":", b"|", b"\\", b"#", b"!",
    b"A", b"a", b"_events", b"x" * 60, b"\xed\xa0\x80",
)  # fmt: skip
#: Names as they are.
WHOLE = (
    b"-", b"--help", b"-rf", b"...", b"=cmd|' calc'!A0", b"CON", b"nul", b"con.night", b"a" * 251,
    "ü".encode() * 125, b"\xff" * 251, b"UP", b"up", b"Up", "é".encode(), "e\u0301".encode(), b"summary",
    b" ", b"report", b"prediction", b"n_events", b"n", b"\n", b"night\nmemcell: all is well",
    b"[red]x", b"[bold",
)  # fmt: skip


def names(count: int, seed: int = 0) -> list[bytes]:
    """Return different file names that Linux takes, ``.edf`` at the end."""
    rng = random.Random(seed)
    found = dict.fromkeys(name + b".edf" for name in WHOLE[:count] if _is_sought(name))
    while len(found) < count:
        name = b"".join(rng.choice(PIECES) for _ in range(rng.randrange(1, 7)))[:251]
        if _is_sought(name):
            found[name + b".edf"] = None
    return list(found)


def _is_sought(name: bytes) -> bool:
    """Whether a file of a name is looked for in a folder: not where it is hidden, or has no ending."""
    return not name.startswith(b".") and Path(os.fsdecode(name + b".edf")).suffix == ".edf"


def unseen(data: bytes, form: str) -> list[str]:
    """Return what is wrong with the bytes of an output: of a terminal, a table, a page or JSON."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        return [f"not UTF-8 at {error.start}"]
    bad = [
        f"{c!r}" for c in sorted(set(text))
        if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") and c not in "\n\t"
    ]  # fmt: skip
    if form == "html" and "<script>alert" in text:
        bad.append("a script")
    if form == "tsv":
        cells = (cell for line in text.splitlines() for cell in line.split("\t"))
        bad += [
            f"a formula: {cell[:30]!r}"
            for cell in cells
            if len(cell) > 1 and cell[0] in "=+-@" and not _number(cell)
        ]
    return bad


def _number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def campaign(count: int, run: Path, recording: Path, work: Path, seed: int = 0) -> list[str]:
    """Do it, and return the faults, a line each."""
    shutil.rmtree(work, ignore_errors=True)
    folder, out = work / "in", work / "out"
    folder.mkdir(parents=True)
    made = names(count, seed)
    for name in made:
        shutil.copy(recording, folder / os.fsdecode(name))  # a link would be the same recording
    faults: list[str] = []

    def call(*words: str, codes: tuple[int, ...] = (0,)) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "memcell", *words], cwd=work, capture_output=True, check=False
        )
        said = done.stdout + done.stderr
        if done.returncode not in codes:
            faults.append(f"{words[0]}: exit code {done.returncode}: {said[-400:]!r}")
        if b"Traceback" in said or b"this is a fault of memcell" in said:
            faults.append(f"{words[0]}: a traceback: {said[-400:]!r}")
        faults.extend(f"{words[0]}: printed {what}" for what in unseen(said, "terminal"))
        return said.decode("utf-8", "replace")

    predict = ["predict", "microsleep", "in", "--model", str(run), "--out", "out"]
    said = call(*predict, "--export", "edf")
    if f"{count} of {count} recordings predicted" not in said:
        faults.append(f"predict: not all were: {said[-400:]!r}")
    first = contents(out)
    wanted = ("summary.tsv", "report.html", "prediction.json")
    faults += [f"predict: no {name}" for name in wanted if name not in first]
    for ending in ("_events.tsv", "_events.json", "_probability.tsv", "_annot.txt"):
        n = sum(name.endswith(ending) for name in first)
        if n != count:
            faults.append(f"predict: {n} files *{ending} of {count} recordings")
    for name, content in first.items():
        if name.endswith(".npz"):  # a view: its name is looked at, and its numbers by its own tests
            content = b""
        faults.extend(f"{name}: {what}" for what in unseen(content, Path(name).suffix[1:]))
        if unseen(os.fsencode(name), "terminal") or (
            Path(name).name[0] in "-=+@.~" and name != ".bidsignore"
        ):
            faults.append(f"a result is called {name!r}")
        if name.endswith(".json"):
            json.loads(content)
    if "done before" not in call(*predict, "--export", "edf"):
        faults.append("predict: the second time something is done again")
    if set(contents(out)) != set(first):
        faults.append("predict: the second time makes other files")
    call("report", "out")
    call("data", "check", "in", "--out", "checked.tsv", codes=(0, 1))
    faults.extend(f"checked.tsv: {w}" for w in unseen((work / "checked.tsv").read_bytes(), "tsv"))
    for line in call("data", "check", "in", "--json", codes=(0, 1)).splitlines():
        if line.startswith("{"):
            json.loads(line)
    faults += trained(folder, made[: min(count, 24)], work, call)
    if (work / "hit").exists() or (folder / "hit").exists():
        faults.append("a name was run by a shell")
    return faults


def contents(out: Path) -> dict[str, bytes]:
    """Return the files of a folder of results but its signals, by their path in it."""
    files = (p for p in out.rglob("*") if p.is_file() and p.suffix != ".edf")
    return {p.relative_to(out).as_posix(): p.read_bytes() for p in files}


def trained(folder: Path, some: list[bytes], work: Path, call: Any) -> list[str]:
    """Train on a few of them, each held out once, and look through what is written."""
    few = work / "few"
    few.mkdir()
    for name in some:
        shutil.copy(folder / os.fsdecode(name), few / os.fsdecode(name))
    call(
        "train", "microsleep", "--data", "few", "--data.positive", "microsleep", "--epochs", "1",
        "--min-updates", "1", "--hidden-size", "4", "--out", "run", "--split", "time", codes=(0, 1, 2),
    )  # fmt: skip
    written = [p for p in (work / "run").rglob("*") if p.suffix in (".tsv", ".html")]
    return [
        f"run/{p.name}: {what}" for p in written for what in unseen(p.read_bytes(), p.suffix[1:])
    ]


def options(parser: argparse.ArgumentParser) -> None:
    """Add how many names, and what they are given to."""
    parser.add_argument("--names", type=int, default=500)
    parser.add_argument("--run", type=Path)
    parser.add_argument("--recording", type=Path)


def main() -> int:
    """Run it."""
    with command_line.begun(__doc__, options) as asked:
        run, recording = asked.options.run, asked.options.recording
        if run is None or recording is None:
            from . import run_folders

            run_folders.make(asked.folder / "made", ("run",))
            run, recording = (asked.folder / "made" / name for name in ("run", "night.edf"))
        count = asked.options.names
        faults = campaign(count, run.absolute(), recording.absolute(), asked.folder / "names")
        for fault in faults:
            print(fault)
        return asked.ended(f"{count} names", len(faults), "faults")


if __name__ == "__main__":
    raise SystemExit(main())
