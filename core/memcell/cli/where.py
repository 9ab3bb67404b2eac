"""The two options that say where many tasks run; see `memcell.jobs.Mode`."""

from __future__ import annotations

import click

from memcell.cli.brief import BriefOption
from memcell.plugins.options import topics


def where_options(what: str = "Run") -> list[click.Parameter]:
    """Return ``--jobs`` and ``--scheduler``.

    Args:
        what: Begins their help: a verb, and what is run where not everything is.
    """
    return [
        BriefOption(
            ["--jobs"],
            brief="Side by side, on N processes.",
            topic=topics.RUNNING,
            type=int,
            default=0,
            metavar="N",
            help=f"{what} on N processes of this machine (Dask); serially when left out.",
        ),
        BriefOption(
            ["--scheduler"],
            advanced=True,
            metavar="ADDRESS",
            help=f"{what} on a Dask cluster that is running already.",
        ),
    ]
