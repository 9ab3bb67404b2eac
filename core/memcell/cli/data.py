"""``memcell data``: list, get and make data sets, and check recordings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from memcell.cli.brief import BriefCommand
from memcell.cli.check import check
from memcell.cli.completion import PLACE
from memcell.cli.options import config_options, sections
from memcell.cli.terminal import echo
from memcell.errors import unknown
from memcell.plugins import default_registry


class _DatasetGroup(click.Group):
    """One command for each data set, with that data set's options.

    Args:
        simulated_only: Only for data sets that are made here.
    """

    def __init__(self, name: str, help: str, simulated_only: bool = False) -> None:
        super().__init__(name, help=help)
        self.simulated_only = simulated_only

    def list_commands(self, ctx: click.Context) -> list[str]:
        entries = default_registry().entries("dataset")
        return [
            e.spec.name for e in entries if not self.simulated_only or vars(e.spec)["simulated"]
        ]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command:
        registry, known = default_registry(), self.list_commands(ctx)
        if cmd_name not in known:
            what = "simulated data set" if self.simulated_only else "data set"
            raise click.UsageError(unknown(what, cmd_name, known), ctx)
        entry = registry.get("dataset", cmd_name)
        options = config_options("data", entry.config_type())
        folder = click.Option(["--to"], metavar="FOLDER", type=PLACE, help="Where to put it.")

        def run(to: str | None, **values: Any) -> None:
            typed = sections(options, values).get("data", {})
            dataset = entry.build(entry.config(typed))
            where = dataset.get(Path(to) if to else None)
            echo(f"{dataset.card.title}")
            if dataset.card.simulated:
                echo("simulated: a score on it is not a result about people")
            echo(f"licence: {dataset.card.licence}")
            echo(f"cite: {dataset.card.citation}")
            echo(f"in: {where}")
            for problem in getattr(dataset, "problems", ()):
                echo(f"not usable: {problem}")

        return BriefCommand(
            cmd_name, params=[folder, *options], callback=run, help=entry.spec.summary
        )


@click.group()
def data() -> None:
    """List, get and make data sets, and check recordings."""


@data.command("list")
def list_() -> None:
    """List the data sets with source and licence."""
    for entry in default_registry().entries("dataset"):
        card = entry.build(entry.config({})).card
        echo(f"{card.name}: {card.title}")
        echo(f"  source:  {card.source}")
        echo(f"  licence: {card.licence}")
        echo(f"  cite:    {card.citation}")
        if card.checksum:
            echo(f"  checked: {card.checksum}")
        if card.simulated:
            echo("  simulated: a score on it is not a result about people")


data.add_command(_DatasetGroup("get", "Get a data set, or say how to hand over a local copy."))
data.add_command(_DatasetGroup("make", "Make a simulated data set.", simulated_only=True))
data.add_command(check)
