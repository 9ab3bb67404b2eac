"""``memcell evaluate APP RUN``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from memcell.cli.app_command import AppGroup
from memcell.cli.options import config_options, sections
from memcell.cli.terminal import echo
from memcell.plugins import default_registry
from memcell.plugins.options import fields_of
from memcell.plugins.specs import AppSpec


def _command(app: AppSpec) -> click.Command:
    config = default_registry().get("app", app.name).config_type()
    rescoring = getattr(config, "RESCORING", ())
    others = [f.name for f in fields_of(config) if f.name not in rescoring]
    options = config_options(app.name, config, skip=others) if rescoring else []

    def run(run: str, eval_policy: str, **values: Any) -> None:
        from memcell.runs.evaluate import evaluate as evaluate_run

        typed = sections(options, values).get(app.name, {})
        evaluate_run(app.name, Path(run), eval_policy, default_registry(), echo, typed)

    own: list[click.Parameter] = [
        click.Argument(["run"], metavar="RUN"),
        click.Option(
            ["--eval-policy"],
            type=click.Choice(["carry", "reset", "both"]),
            default="both",
            show_default=True,
            help="Memory at inference: carried through a recording, or reset every window.",
        ),
        *options,
    ]
    help = f"Score the trained network of a run on its test split. {app.summary}"
    return click.Command(app.name, params=own, callback=run, help=help)


evaluate: Any = AppGroup("evaluate", _command, "Score a trained run again.")
