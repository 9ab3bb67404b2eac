"""``memcell predict APP RECORDINGS… --model RUN --out FOLDER``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from memcell.cli.app_command import AppGroup
from memcell.registry import default_registry
from memcell.specs import AppSpec


def _command(app: AppSpec) -> click.Command:
    def run(recordings: tuple[str, ...], model: str, out: str, eval_policy: str) -> int:
        from memcell.training.predict import predict as predict_run

        return predict_run(
            app.name,
            list(recordings),
            Path(model),
            Path(out),
            eval_policy,
            default_registry(),
            click.echo,
        )

    own: list[click.Parameter] = [
        click.Argument(["recordings"], metavar="RECORDINGS…", nargs=-1, required=True),
        click.Option(
            ["--model"], metavar="RUN", required=True, help="The run folder to predict with."
        ),
        click.Option(["--out"], metavar="FOLDER", required=True, help="Where results go."),
        click.Option(
            ["--eval-policy"],
            type=click.Choice(["auto", "carry", "reset"]),
            default="auto",
            show_default=True,
            help="Memory at inference; auto is what the run was trained for.",
        ),
    ]
    help = f"Run a trained network over files, folders or globs. {app.summary}"
    return click.Command(app.name, params=own, callback=run, help=help)


predict: Any = AppGroup("predict", _command, "Run a trained network over recordings.")
