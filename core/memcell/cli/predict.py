"""``memcell predict APP RECORDINGS… --model RUN --out FOLDER``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from memcell.cli.app_command import AppGroup
from memcell.cli.brief import BriefCommand, BriefOption
from memcell.cli.completion import PLACE, TRAINED
from memcell.cli.options import config_options, sections
from memcell.cli.precision import precision_option
from memcell.cli.terminal import echo
from memcell.cli.where import where_options
from memcell.plugins import default_registry
from memcell.plugins.options import from_mapping, topics
from memcell.plugins.specs import AppSpec
from memcell.settings.options import EVAL_POLICIES, LOOK_EVERY, PATIENCE

#: The section under which an app's own options are collected.
_OWN = "predict"


def _command(app: AppSpec) -> click.Command:
    config = default_registry().get("app", app.name).predict_config_type()
    of_app = config_options(_OWN, config) if config is not None else []

    def run(
        recordings: tuple[str, ...],
        model: str | None,
        out: str | None,
        eval_policy: str,
        causal: bool,
        mixed_precision: bool,
        jobs: int,
        scheduler: str | None,
        watch: bool,
        every: float,
        patience: float,
        **typed: Any,
    ) -> int:
        options = sections(of_app, typed).get(_OWN, {})
        if config is not None:
            from_mapping(config, options, "predict")  # before torch is loaded
        from memcell.applications.models import chosen_message, run_folder_of
        from memcell.jobs import Mode
        from memcell.runs.predict import predict as predict_run

        folder = run_folder_of(default_registry(), model, app.name)
        if model is None:
            echo(chosen_message(folder))
        results = Path(out) if out else Path("predictions", app.name)
        asked: dict[str, Any] = {
            "eval_policy": eval_policy,
            "causal": causal,
            "mixed_precision": mixed_precision,
            "options": options,
            "mode": Mode(jobs=jobs, scheduler=scheduler or ""),
            "named": model or folder.name,
        }
        if watch:
            from memcell.runs.watch import WatchRequest
            from memcell.runs.watch import watch as watch_folder

            request = WatchRequest(
                app=app.name,
                paths=recordings,
                run=folder,
                out=results,
                every=every,
                patience=patience,
                **asked,
            )
            return watch_folder(request, echo)
        return predict_run(app.name, list(recordings), folder, results, echo, **asked)

    own: list[click.Parameter] = [
        click.Argument(["recordings"], metavar="RECORDINGS…", type=PLACE, nargs=-1, required=True),
        BriefOption(
            ["--model"],
            brief="A run, or a model of 'memcell models list'.",
            topic=topics.SIGNAL,
            metavar="RUN",
            type=TRAINED,
            help="The run folder to predict with, or the name of a model that comes along ('memcell models "
            "list'); without it, the only one of the app.",
        ),
        BriefOption(
            ["--out"],
            brief="Where results go.",
            topic=topics.RESULTS,
            metavar="FOLDER",
            type=PLACE,
            help=f"Where results go (default: predictions/{app.name}); the same command goes on with what "
            "is missing there.",
        ),
        BriefOption(
            ["--eval-policy"],
            advanced=True,
            type=click.Choice(["auto", *EVAL_POLICIES]),
            default="auto",
            show_default=True,
            help="Memory at inference; auto is what the run was trained for.",
        ),
        BriefOption(
            ["--causal"],
            brief="Only what a live stream would give.",
            topic=topics.RUNNING,
            is_flag=True,
            help="Only what a live stream would give: memory is carried, and nothing looks into the "
            "future; refused where the run's features do.",
        ),
        precision_option(),
        BriefOption(
            ["--watch"],
            brief="Go on with recordings that come, until Ctrl-C.",
            topic=topics.RUNNING,
            is_flag=True,
            help="Go on looking for recordings that come into the folders, until Ctrl-C; what is still being "
            "copied is left until it rests.",
        ),
        BriefOption(
            ["--every"],
            advanced=True,
            type=click.FloatRange(0.1, 86_400),
            default=LOOK_EVERY,
            show_default=True,
            metavar="SECONDS",
            help="With --watch: from one look to the next.",
        ),
        BriefOption(
            ["--patience"],
            advanced=True,
            type=click.FloatRange(0, 31_536_000),
            default=PATIENCE,
            show_default=True,
            metavar="SECONDS",
            help="With --watch: so long a file that is shorter than its header says may rest before it is "
            "predicted as far as it goes.",
        ),
        *where_options(),
        *of_app,
    ]
    help = f"Run a trained network over files, folders or globs. {app.summary}"
    return BriefCommand(app.name, params=own, callback=run, help=help)


predict: Any = AppGroup("predict", _command, "Run a trained network over recordings.")
