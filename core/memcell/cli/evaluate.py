"""``memcell evaluate APP RUN``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from memcell.cli.app_command import AppGroup
from memcell.registry import default_registry
from memcell.specs import AppSpec


def _command(app: AppSpec) -> click.Command:
    def run(run: str, eval_policy: str) -> None:
        from memcell.training.evaluate import evaluate as evaluate_run

        evaluate_run(app.name, Path(run), eval_policy, default_registry(), click.echo)

    own: list[click.Parameter] = [
        click.Argument(["run"], metavar="RUN"),
        click.Option(
            ["--eval-policy"],
            type=click.Choice(["carry", "reset", "both"]),
            default="both",
            show_default=True,
            help="Memory at inference: carried through a recording, or reset every window.",
        ),
    ]
    help = f"Score the trained network of a run on its test split. {app.summary}"
    return click.Command(app.name, params=own, callback=run, help=help)


evaluate: Any = AppGroup("evaluate", _command, "Score a trained run again.")
