"""``memcell review FOUND``: what was found, corrected by a person in a viewer, and read back."""

from __future__ import annotations

from typing import Any

import click

from memcell.applications.labels import ReviewRequest, find_label_tool
from memcell.cli.completion import PLACE
from memcell.cli.labels import options_of, reading_options, show
from memcell.plugins import default_registry


@click.command()
@click.argument("found", type=PLACE)
@click.option(
    "--to",
    "using",
    type=click.Choice(["auto", "mne", "edfbrowser"]),
    default="auto",
    help="The viewer: MNE's browser opens at once; for EDFbrowser files to import are written. auto takes "
    "MNE's where it is installed.",
)
@click.option(
    "--from",
    "back",
    metavar="PLACE",
    type=PLACE,
    help="Read corrected files back: a file or a folder, in any format that 'memcell labels' reads.",
)
@click.option(
    "--out",
    metavar="FOLDER",
    type=PLACE,
    help="Where corrected labels go (default: FOUND-corrected). Nothing in FOUND is changed.",
)
@click.option("--only", metavar="NAMES", default="", help="Recordings by name, with commas.")
@click.option(
    "--unchanged",
    is_flag=True,
    help="Recordings in which nothing was changed are reviewed too: all that was found in them is right.",
)
@reading_options
def review(
    found: str,
    using: str,
    back: str | None,
    out: str | None,
    only: str,
    unchanged: bool,
    **values: Any,
) -> int:
    """Correct what was found, in MNE's browser or EDFbrowser, and keep the corrected labels.

    FOUND is the folder of 'memcell predict --out', or the NAME_events.tsv of one recording. The folder that
    comes of it is what 'memcell train --data.labels' takes.
    """
    request = ReviewRequest(
        found=found,
        using=using,
        back=back or "",
        out=out or "",
        only=tuple(word.strip() for word in only.split(",") if word.strip()),
        unchanged=unchanged,
        options=options_of(values),
    )
    return show(find_label_tool(default_registry()).review(request))
