"""``memcell report FOLDER``: the report of a comparison, made anew from its records."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("folder", metavar="FOLDER")
def report(folder: str) -> None:
    """Make the report of a comparison again, also of a half-finished one.

    FOLDER is what was given to 'memcell compare' as --out.
    """
    # matplotlib is imported here, not where the help is made
    from memcell.compare.report import build_report

    build_report(Path(folder), click.echo)
