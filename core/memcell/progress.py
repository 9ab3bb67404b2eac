"""Progress of long work: what, how far, how long still. On a terminal; silent in a pipe."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from memcell.escape import line


class Progress(Protocol):
    """A line that shows how far something is."""

    def expect(self, total: float) -> None:
        """Say how much there is in all, where it was not known before."""

    def advance(self, amount: float = 1, note: str = "") -> None:
        """Go on by an amount, with a word on how it goes."""

    def at(self, done: float, note: str = "") -> None:
        """Say how much is done in all."""


class _Silent:
    def expect(self, total: float) -> None:
        pass

    def advance(self, amount: float = 1, note: str = "") -> None:
        pass

    def at(self, done: float, note: str = "") -> None:
        pass


SILENT: Progress = _Silent()


@contextmanager
def progress(what: str, total: float | None) -> Iterator[Progress]:
    """Show progress on standard error while entered.

    Args:
        what: What is being done.
        total: How much there is; None where nobody knows.
    """
    if not sys.stderr.isatty():
        yield SILENT
        return
    # rich costs 50 ms to import: only where somebody looks
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.progress import (
        Progress as Bars,
    )

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", markup=False),
    )
    with Bars(
        *columns, console=Console(file=getattr(sys.stderr, "unguarded", sys.stderr)), transient=True
    ) as bars:
        task = bars.add_task(what, total=total, note="")

        class Shown:
            def expect(self, total: float) -> None:
                bars.update(task, total=total)

            def advance(self, amount: float = 1, note: str = "") -> None:
                bars.update(task, advance=amount, note=line(note))

            def at(self, done: float, note: str = "") -> None:
                bars.update(task, completed=done, note=line(note))

        yield Shown()
