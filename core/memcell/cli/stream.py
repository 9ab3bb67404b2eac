"""``memcell stream APP --model RUN``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from memcell.cli.app_command import AppGroup
from memcell.cli.brief import BriefCommand, BriefOption
from memcell.cli.completion import PLACE, TRAINED
from memcell.cli.options import config_options, sections
from memcell.cli.own_output import own_output
from memcell.cli.precision import precision_option
from memcell.cli.terminal import echo
from memcell.errors import UsageError
from memcell.plugins import default_registry
from memcell.plugins.options import topics
from memcell.plugins.specs import AppSpec

#: The section under which an app's own options are collected.
_OWN = "stream"


def _command(app: AppSpec) -> click.Command:
    config = default_registry().get("app", app.name).stream_config_type()
    of_app = config_options(_OWN, config) if config is not None else []

    def run(model: str | None, out: str | None, mixed_precision: bool, **typed: Any) -> int:
        if config is None:
            raise UsageError(f"app '{app.name}' has no live signal to stream")
        from memcell.applications.models import chosen_message, run_folder_of
        from memcell.runs.stream import stream as stream_run

        folder = run_folder_of(default_registry(), model, app.name)
        if model is None:
            echo(chosen_message(folder), err=True)
        with own_output() as output:
            return stream_run(
                app.name,
                folder,
                Path(out) if out else None,
                sections(of_app, typed).get(_OWN, {}),
                default_registry(),
                lambda line: echo(line, err=True),
                None if sys.stdout is None else output,
                mixed_precision=mixed_precision,
            )

    own: list[click.Parameter] = [
        BriefOption(
            ["--model"],
            brief="A run, or a model of 'memcell models list'.",
            topic=topics.SIGNAL,
            metavar="RUN",
            type=TRAINED,
            help="The run folder of the trained network, or the name of a model that comes along; without "
            "it, the only one of the app.",
        ),
        BriefOption(
            ["--out"],
            brief="Where results are kept; nowhere without.",
            topic=topics.RESULTS,
            metavar="FOLDER",
            type=PLACE,
            help="Where results are kept; nowhere without.",
        ),
        precision_option(gpu=False),
        *of_app,
    ]
    help = f"Run a trained network live, step by step, until Ctrl-C. {app.summary}"
    return BriefCommand(app.name, params=own, callback=run, help=help)


stream: Any = AppGroup("stream", _command, "Run a trained network live, step by step.")
