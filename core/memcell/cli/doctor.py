"""``memcell doctor``: what memcell can use here, what is missing for which command, and what is broken."""

from __future__ import annotations

import json
import shutil
import textwrap
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict

import click

from memcell.cli.diagnoses import Diagnosis, contents, diagnoses
from memcell.cli.terminal import echo
from memcell.files.places import cache_folder, data_folder
from memcell.reports.numbers import counted

#: Columns of a screen, and of the names of findings.
_COLUMNS, _NAME = 80, 14


@click.command()
@click.option("--fix", is_flag=True, help="Mend what can be mended here: folders, left-over files.")
@click.option(
    "--clear-cache",
    is_flag=True,
    help="Remove everything that memcell can make again, and say how much it was.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON for other programs.")
def doctor(fix: bool, clear_cache: bool, as_json: bool) -> int:
    """Look at this machine: versions, compiler, generated code, GPU, folders, optional packages, plugins.

    A cell is compiled and run, and compared with the plain loop. Nothing is installed; the line to type
    stands beside what is missing. The exit code is 1 where something is broken, 0 where at most something
    optional is missing.
    """
    done = [*(_cleared() if clear_cache else ()), *(_mended() if fix else ())]
    findings = list(diagnoses(_quiet if as_json else _tell))
    broken = [f for f in findings if f.status == "broken"]
    if as_json:
        found = {"findings": [asdict(f) for f in findings], "done": done}
        click.echo(json.dumps(found, indent=2))
        return 1 if broken else 0
    for line in done:
        _paragraph("done", line)
    missing = sum(f.status == "missing" for f in findings)
    if broken:
        echo(f"{len(broken)} broken: {', '.join(f.name for f in broken)}")
    else:
        echo(
            f"nothing is broken; {missing} optional {'part is' if missing == 1 else 'parts are'} missing"
        )
    return 1 if broken else 0


def _tell(diagnosis: Diagnosis) -> None:
    mark = {"ok": "", "missing": "missing: ", "broken": "BROKEN: "}[diagnosis.status]
    _paragraph(diagnosis.name, mark + diagnosis.text)
    if diagnosis.fix:
        _paragraph("", f"to mend it: {diagnosis.fix}")


def _quiet(_: Diagnosis) -> None:
    """Print nothing."""


def _paragraph(name: str, text: str) -> None:
    width = _COLUMNS - _NAME - 2
    first, *rest = textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False) or [
        ""
    ]
    echo(f"{name:<{_NAME}}  {first}")
    for line in rest:
        echo(f"{'':<{_NAME}}  {line}")


def _cleared() -> Iterator[str]:
    folder = cache_folder()
    count, size = contents(folder)
    for child in folder.iterdir() if folder.is_dir() else ():
        if child.is_dir() and not child.is_symlink():
            shutil.rmtree(child, ignore_errors=True)
        else:
            child.unlink(missing_ok=True)
    yield f"removed {size / 2**20:.0f} MiB in {counted(count, 'file')} from '{folder}'"


def _mended() -> Iterator[str]:
    for folder in (cache_folder(), data_folder()):
        if not folder.exists():
            with suppress(OSError):  # it is said as broken
                folder.mkdir(parents=True, mode=0o700)
                yield f"made the folder '{folder}'"
    removed = 0
    for place in (cache_folder(), *cache_folder().glob("*/")):
        for left in place.glob("build-*"):  # of a process that was killed
            if left.is_dir() and time.time() - left.stat().st_mtime > 24 * 60 * 60:
                shutil.rmtree(left, ignore_errors=True)
                removed += 1
    if removed:
        yield f"removed {counted(removed, 'folder')} that killed processes left in '{cache_folder()}'"
