"""``memcell evaluate APP RUN``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from memcell.applications.datasets import find_dataset
from memcell.cli.app_command import AppGroup, typed_values
from memcell.cli.brief import BriefCommand, BriefOption
from memcell.cli.completion import PLACE, TRAINED
from memcell.cli.options import config_options, sections
from memcell.cli.precision import precision_option
from memcell.cli.terminal import echo
from memcell.errors import UsageError
from memcell.plugins import default_registry
from memcell.plugins.options import fields_of, from_mapping, topics
from memcell.plugins.specs import AppSpec
from memcell.settings.options import EVAL_POLICIES
from memcell.settings.run_config import has_folder

#: Where the words of the command are kept, and the section of what recordings are read with.
_TYPED, _READING = "memcell.evaluate.typed", "reading"


class _Evaluate(BriefCommand):
    """The command of an app, with the options of the data set that ``--data`` names."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Add the options of the data set, then parse."""
        ctx.meta[_TYPED] = list(args)
        words = typed_values(args, "data")
        registry = default_registry()
        if words and not has_folder(registry.get("app", str(self.name)).config_type()()):
            name, _ = find_dataset(registry, words[-1], {})
            config = registry.get("dataset", name).config_type()
            self.params = [*self.params, *config_options("data", config, prefix="data.")]
        return super().parse_args(ctx, args)


def _command(app: AppSpec) -> click.Command:
    config = default_registry().get("app", app.name).config_type()
    rescoring = getattr(config, "RESCORING", ())
    others = [f.name for f in fields_of(config) if f.name not in rescoring]
    options = config_options(app.name, config, skip=others) if rescoring else []
    reading = default_registry().get("app", app.name).predict_config_type()
    if reading is not None and "reference" in (named := [f.name for f in fields_of(reading)]):
        kept = [name for name in named if name != "reference"]
        options += config_options(_READING, reading, skip=kept)

    def run(
        run: str,
        eval_policy: str | None,
        data: str | None,
        out: str | None,
        robustness: bool,
        mixed_precision: bool,
        **values: Any,
    ) -> None:
        from memcell.applications.models import names_a_model, run_folder_of
        from memcell.runs.evaluate import evaluate as evaluate_run
        from memcell.runs.evaluate import evaluate_on
        from memcell.settings.run_config import Choice

        registry = default_registry()
        folder = run_folder_of(registry, run, app.name)
        params = click.get_current_context().command.params
        found = sections(params, values)
        reference = str(found.get(_READING, {}).get("reference", ""))
        if reading is not None:
            from_mapping(reading, found.get(_READING, {}), "evaluate")
        if reference and data is None:
            raise UsageError(
                "--reference goes with --data: a run's own recordings are as they were"
            )
        own = has_folder(config())
        if own and data is not None and out is None and not robustness:
            evaluate_run(
                *(app.name, folder, eval_policy or "both", registry, echo),
                data=data,
                mixed_precision=mixed_precision,
            )
            return
        if data is None:
            if names_a_model(registry, run):
                raise UsageError(
                    f"'{run}' is a model that comes along, and the data that it was trained on does not: say "
                    "on which labelled recordings, with --data PATH (its own scores: memcell models show "
                    f"{run})"
                )
            if out is not None:
                raise UsageError("--out goes with --data: the scores of a run are kept in the run")
            typed = found.get(app.name, {})
            if robustness:
                if eval_policy or typed or mixed_precision:
                    raise UsageError(
                        "--robustness scores a run as it was scored when it was trained: leave out the other "
                        "options, or type --data"
                    )
                from memcell.runs.robustness_later import robustness as score_under_conditions

                # a run of folds is scored as such, whether or not it has a network of everybody
                typed_path = Path(run).expanduser()
                of_folds = (typed_path / "folds.json").is_file()
                path = typed_path if of_folds else folder
                score_under_conditions(app.name, path, registry, echo)
                return
            evaluate_run(
                *(app.name, folder, eval_policy or "both", registry, echo, typed),
                mixed_precision=mixed_precision,
            )
            return
        name, options_of_data = find_dataset(registry, data, found.get("data", {}))
        chosen = Choice(name=name, config=registry.get("dataset", name).config(options_of_data))
        evaluate_on(
            app.name,
            folder,
            chosen,
            eval_policy or "auto",
            registry,
            echo,
            Path(out) if out else None,
            name=run,
            options=found.get(app.name, {}),
            disturbed=robustness,
            reference=reference,
            mixed_precision=mixed_precision,
            typed=["memcell", "evaluate", app.name, *click.get_current_context().meta[_TYPED]],
        )

    own: list[click.Parameter] = [
        click.Argument(["run"], metavar="RUN", type=TRAINED),
        BriefOption(
            ["--eval-policy"],
            brief="carry, reset or both: memory at inference.",
            topic=topics.RUNNING,
            type=click.Choice([*EVAL_POLICIES, "both"]),
            help="Memory at inference: carried through a recording, or reset every window (default: both; "
            "what the run was trained for with --data).",
        ),
        BriefOption(
            ["--data"],
            brief="Score these labelled recordings instead.",
            topic=topics.DATA,
            metavar="PATH",
            type=PLACE,
            help="Score it on these labelled recordings instead, of nobody it was trained on: a path, or "
            "the name of a data set, whose options follow as --data.NAME. Of own sequences: the folder where "
            "those of the run lie now.",
        ),
        BriefOption(
            ["--out"],
            brief="With --data: where tables go.",
            topic=topics.RESULTS,
            metavar="FOLDER",
            type=PLACE,
            help="With --data: where tables go; nowhere without.",
        ),
        BriefOption(
            ["--robustness"],
            brief="Under other gains, lost channels, hum.",
            topic=topics.RUNNING,
            is_flag=True,
            help="Score it under other conditions (gains, lost channels, hum, half the rate), as 'memcell "
            "train' does: all folds of a run too; with --data, on these recordings.",
        ),
        precision_option(),
        *options,
    ]
    help = (
        "Score the trained network of a run on its test split, or on other recordings. RUN is a run folder, "
        f"or the name of a model that comes along. {app.summary}"
    )
    return _Evaluate(app.name, params=own, callback=run, help=help)


evaluate: Any = AppGroup("evaluate", _command, "Score a trained run again.")
