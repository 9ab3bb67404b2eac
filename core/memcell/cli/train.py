"""``memcell train APP``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from memcell.cli.app_command import AppGroup, ConfiguredCommand
from memcell.cli.brief import BriefOption
from memcell.cli.completion import PLACE, TRAINED
from memcell.cli.terminal import echo
from memcell.cli.where import where_options
from memcell.errors import UsageError
from memcell.plugins import default_registry
from memcell.plugins.options import topics
from memcell.plugins.specs import AppSpec


def _train(
    config: Callable[..., Any],
    typed: dict[str, Any],
    out: str | None,
    resume: str | None,
    jobs: int,
    scheduler: str | None,
    repeats: int,
    init: str | None,
    final: bool,
    app: str,
) -> None:
    moved = typed.get(app, {}).get("data") if set(typed) == {app} and len(typed[app]) == 1 else None
    if resume is not None and ((typed and moved is None) or out or init):
        raise UsageError(
            "--resume goes on with a run as it was begun: leave out every other option, but for --data where "
            "own sequences lie elsewhere now"
        )
    resolved = None if resume is not None else config()
    # torch is imported here: neither where the help is made nor before a value is refused
    from memcell.jobs import Mode
    from memcell.runs.folds.run import FoldOptions, train_any
    from memcell.runs.run_folder import RunFolder, new_path, resolve_stored, with_data
    from memcell.testing import concerns

    registry = default_registry()
    options = FoldOptions(
        mode=Mode(jobs=jobs, scheduler=scheduler or ""), repeats=repeats, final=final
    )
    if resolved is None:
        folder = RunFolder.open(Path(resume or ""))
        begun = resolve_stored(folder, app, registry)
        if moved is not None:
            begun = with_data(begun, moved)
        train_any(begun, registry, folder.path, echo, True, options, concerns)
        return
    path = Path(out) if out else new_path(Path("runs"), app)
    train_any(resolved, registry, path, echo, False, options, concerns)


def _command(app: AppSpec) -> click.Command:
    def run(**values: Any) -> None:
        _train(app=app.name, **values)

    own: list[click.Parameter] = [
        BriefOption(
            ["--out"],
            brief="The run folder.",
            topic=topics.RUNNING,
            metavar="FOLDER",
            type=PLACE,
            help="The run folder (default: runs/APP-DATE-TIME).",
        ),
        BriefOption(
            ["--resume"],
            brief="Go on with an interrupted run.",
            topic=topics.RUNNING,
            metavar="RUN",
            type=TRAINED,
            help="Go on with an interrupted run, bit for bit.",
        ),
        BriefOption(
            ["--init"],
            brief="Begin at the weights of a trained model.",
            topic=topics.NETWORK,
            metavar="MODEL",
            type=TRAINED,
            help="Go on from a trained model's weights: a run folder, its model.safetensors, or the name of "
            "a model that comes along ('memcell models list'). Network and features are taken from it; "
            "nobody whom it was trained on is tested on.",
        ),
        BriefOption(
            ["--repeats"],
            advanced=True,
            type=click.IntRange(min=0),
            default=0,
            metavar="N",
            help="Train each fold of a run with N seeds, --seed and those after it; with --resume, add more.",
        ),
        BriefOption(
            ["--final"],
            brief="After the folds, one network of everybody.",
            topic=topics.RUNNING,
            is_flag=True,
            help="After the folds of a run, train one network on everybody, whose card has the scores of the "
            "folds; with --resume, add it.",
        ),
        *where_options("Train the folds of a run"),
    ]
    return ConfiguredCommand(app, run, own, f"Train a network for {app.name}. {app.summary}")


class TrainGroup(AppGroup):
    """Lists the probes beside the apps: they can be switched on in a run of any."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the apps, then the probes."""
        super().format_commands(ctx, formatter)
        with formatter.section("Probes of any app (--probe NAMES; they never change the training)"):
            found = default_registry().entries("probe")
            formatter.write_dl([(entry.spec.name, entry.spec.summary) for entry in found])


train = TrainGroup("train", _command, "Train a network and its control run, and score both.")
