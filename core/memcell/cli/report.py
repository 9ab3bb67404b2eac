"""``memcell report FOLDER``: the report of a comparison, a run or a prediction, made anew from its files."""

from __future__ import annotations

import os
from pathlib import Path

import click

from memcell.cli.completion import PLACE
from memcell.cli.terminal import echo


@click.command()
@click.argument("folder", metavar="FOLDER", type=PLACE)
def report(folder: str) -> None:
    """Make the report of a comparison, a training run or a prediction again, also of a half-finished one.

    FOLDER is what was given to 'memcell compare', 'memcell train' or 'memcell predict' as --out.
    """
    # matplotlib is imported there, not where the help is made
    from memcell.compare.report import build_report
    from memcell.plugins import default_registry
    from memcell.runs.reporting import make_report

    path = Path(folder)
    if os.path.lexists(path / "comparison.json"):
        build_report(path, echo)
    else:
        make_report(path, default_registry(), echo)
