"""``memcell compare APP``."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from memcell.cli.app_command import AppGroup, ConfiguredCommand
from memcell.cli.brief import BriefOption
from memcell.cli.compare_options import (
    AxisOption,
    compare_groups,
    fixed_and_varied,
    with_whole_paths,
)
from memcell.cli.completion import PLACE
from memcell.cli.terminal import echo
from memcell.cli.where import where_options
from memcell.compare.axes import Axis, listed, sweeps
from memcell.compare.grid import grid_of, of_runs
from memcell.errors import MemcellError, UsageError
from memcell.plugins import default_registry
from memcell.plugins.options import topics
from memcell.plugins.specs import AppSpec
from memcell.settings.run_config import DEFAULTS, resolve

SEEDS = 20
#: More than anybody waits for; a slip of the finger is told at once.
MOST_SEEDS = 10_000


class CompareCommand(ConfiguredCommand):
    """The command of an app whose choices of plugins may be several with commas."""

    def option_groups(
        self, args: list[str], base: Mapping[str, Any]
    ) -> list[tuple[str, list[click.Parameter]]]:
        """Return the options of all chosen plugins."""
        return compare_groups(self.app, args, base, default_registry())

    def _no_such(self, option: str) -> str:
        kind, _, rest = option.lstrip("-").partition(".")
        if not rest or kind not in DEFAULTS:
            return super()._no_such(option)
        groups = [(t, g) for t, g in self.groups if t.startswith(f"{kind} '")]
        have = [name for _, group in groups for p in group for name in p.opts]
        listed = f"what they have: {', '.join(have)}." if have else "they have no options."
        titles = ", ".join(title for title, _ in groups)
        return f"no such option: {option}: not of any that was chosen ({titles}); {listed}"

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Keep what was typed, to say how to go on."""
        ctx.meta["memcell.typed"] = shlex.join([*ctx.command_path.split(), *args])
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Sort what was typed into what is varied and what all runs share, and run."""
        base, typed = self.given(ctx)
        axes = [
            Axis(p.section, listed(values, f"--{p.section}"))
            for p in self.params
            if isinstance(p, AxisOption) and p.name and (values := ctx.params.get(p.name))
        ]
        own = {p.name: ctx.params[p.name] for p in self.own if p.name in ctx.params}
        own.pop("config", None)
        source = ctx.get_parameter_source("seeds")
        seeds_typed = source is not click.core.ParameterSource.DEFAULT
        command = ctx.meta["memcell.typed"]
        return _compare(self.app.name, base, typed, axes, seeds_typed, command, **own)


def _compare(
    app: str,
    base: Mapping[str, Any],
    typed: Mapping[str, Mapping[str, Any]],
    axes: Sequence[Axis],
    seeds_typed: bool,
    command: str,
    *,
    sweep: Sequence[str],
    seeds: int,
    first_seed: int,
    primary: str,
    target_loss: Sequence[str],
    population: str,
    draw_data: str,
    smallest_effect: float | None,
    pilot: str | None,
    reshuffled: bool,
    anyway: bool,
    both_inferences: bool,
    out: str | None,
    jobs: int,
    scheduler: str | None,
    verbose: bool,
    report: bool,
) -> int:
    swept = sweeps(sweep)
    shared = with_whole_paths(fixed_and_varied(base, typed, [*axes, *swept]), default_registry())
    if not 1 <= seeds <= MOST_SEEDS:
        raise UsageError(
            f"--seeds got {seeds}; 1 to {MOST_SEEDS} expected (20 is what a decision needs)"
        )
    if first_seed < 0 or first_seed + seeds > 2**63:
        raise UsageError(f"--first-seed got {first_seed}; expected 0 or more, below 2^63")
    _check_values(app, shared, [*axes, *swept])
    # torch is imported here: neither where the help is made nor before a value is refused
    from memcell.compare.declared import Asked
    from memcell.compare.plan import plan_of, with_choice
    from memcell.compare.run import compare as run_comparison
    from memcell.jobs import Mode
    from memcell.runs.run_folder import new_path
    from memcell.testing import concerns

    registry = default_registry()
    mode = Mode(jobs=jobs, scheduler=scheduler or "")
    asked = Asked(
        primary=primary,
        targets=targets_of(target_loss),
        population=population,
        draw_data=draw_data,
        smallest_effect=smallest_effect,
        pilot=Path(pilot) if pilot else None,
        anyway=anyway,
        both=both_inferences,
    )
    varied = [*axes, *swept]
    if reshuffled:
        varied = with_choice(app, shared, varied, registry)
    numbers = range(first_seed, first_seed + seeds)
    plan = plan_of(app, shared, varied, numbers, registry, asked)
    if len(plan.configs) < 2 and not seeds_typed:
        raise UsageError(
            "there is one setting only, so nothing to compare: give an option several values, such as "
            "--policy carry,reset or --sweep batch_size=8,32; or type --seeds N to train this setting "
            "with N seeds"
        )
    path = Path(out) if out else new_path(Path("runs"), f"compare-{app}")
    if not out:
        command += f" --out {shlex.quote(str(path))}"
    return run_comparison(
        plan,
        path,
        registry,
        mode,
        echo,
        command=command,
        verbose=verbose,
        reported=report,
        concerns=concerns,
    )


def _check_values(app: str, shared: Mapping[str, Mapping[str, Any]], axes: Sequence[Axis]) -> None:
    """Refuse a value that no setting can be made with; the plan checks each setting by itself.

    Raises:
        MemcellError: Says what is wrong.
    """
    registry = default_registry()
    grid = grid_of(app, of_runs(app, shared, registry), axes, registry)
    first: MemcellError | None = None
    for setting in grid.settings:
        try:
            resolve(app, grid.of(setting), registry)
        except MemcellError as error:
            if first is not None and str(error) != str(first):
                return  # several faults: the plan lists them
            first = error
        else:
            return
    if first is not None:
        raise UsageError(str(first))


def targets_of(texts: Sequence[str]) -> tuple[float, ...]:
    """Return the losses of ``0.5,0.3``, given once or several times.

    Raises:
        UsageError: One is no number.
    """
    found = []
    for text in listed(texts, "--target-loss") if texts else ():
        try:
            found.append(float(text))
        except ValueError:
            raise UsageError(
                f"--target-loss got '{text}'; expected numbers of nats, such as 0.5 or 0.5,0.3"
            ) from None
    return tuple(found)


def _own() -> Iterable[click.Parameter]:
    kinds = ", ".join(f"--{kind}" for kind in DEFAULTS)
    return [
        BriefOption(
            ["--sweep"],
            brief="Vary options: 'batch_size=8,32;policy.p=.1,.5'.",
            topic=topics.COMPARISON,
            metavar="FIELD=V,V;…",
            multiple=True,
            help="Vary fields of training or network, or options of plugins: "
            f"'batch_size=8,32;policy.p=0.1,0.5'. Repeatable; {kinds} take several names with commas.",
        ),
        BriefOption(
            ["--seeds"],
            brief="Seeds of each setting (default: {default}).",
            topic=topics.COMPARISON,
            type=int,
            default=SEEDS,
            show_default=True,
            help="Seeds of each setting.",
        ),
        BriefOption(
            ["--first-seed"],
            advanced=True,
            type=int,
            default=0,
            show_default=True,
            help="The first.",
        ),
        BriefOption(
            ["--primary"],
            brief="score, validation_loss or updates decides.",
            topic=topics.COMPARISON,
            type=click.Choice(["score", "validation_loss", "updates"]),
            default="score",
            show_default=True,
            help="The outcome that decides, declared before the first run: the main score on the test "
            "split, the "
            "best validation loss, or updates to the first target loss. All else is secondary.",
        ),
        BriefOption(
            ["--target-loss"],
            advanced=True,
            metavar="NATS,…",
            multiple=True,
            help="Validation losses to which updates are counted; one that is chance is refused (default: "
            "nine "
            "tenths of the way from chance to the median run).",
        ),
        BriefOption(
            ["--population"],
            advanced=True,
            type=click.Choice(["auto", "people", "trainings"]),
            default="auto",
            show_default=True,
            help="Whom the primary outcome is about: other people and trainings, or other trainings on these "
            "recordings alone; auto: people where six or more are tested. Of simulated data: other draws.",
        ),
        BriefOption(
            ["--draw-data"],
            advanced=True,
            type=click.Choice(["per-seed", "once"]),
            default="per-seed",
            show_default=True,
            help="Whether simulated data are drawn anew for each seed, or are the same for all.",
        ),
        BriefOption(
            ["--smallest-effect"],
            brief="What matters: says how many seeds it takes.",
            topic=topics.COMPARISON,
            type=float,
            metavar="X",
            help="The smallest difference in the primary outcome that matters (of updates a ratio, 1.1): "
            "says "
            "before training how many seeds it takes; with --pilot.",
        ),
        BriefOption(
            ["--pilot"],
            advanced=True,
            metavar="FOLDER",
            help="A comparison that says how much the primary outcome varies between pairs.",
        ),
        BriefOption(
            ["--reshuffled/--no-reshuffled"],
            advanced=True,
            default=True,
            help="Beside --policy carry,reset alone: reset on reshuffled windows (reset+reshuffle) as well, "
            "which is what people choose carry or not.",
        ),
        BriefOption(
            ["--both-inferences/--no-both-inferences"],
            advanced=True,
            default=True,
            help="Validate each epoch with memory carried and with memory reset, so that all settings are "
            "seen under both; the declared one chooses the epoch.",
        ),
        BriefOption(
            ["--anyway"],
            advanced=True,
            is_flag=True,
            help="Run a comparison that cannot answer; its report keeps why.",
        ),
        BriefOption(
            ["--out"],
            brief="Its folder; the same command goes on.",
            topic=topics.COMPARISON,
            metavar="FOLDER",
            type=PLACE,
            help="The comparison's folder (default: runs/compare-APP-DATE-TIME); the same command goes on "
            "with it, more seeds or values extend it.",
        ),
        *where_options(),
        BriefOption(
            ["--report/--no-report"],
            advanced=True,
            default=True,
            help="Make the report at the end; 'memcell report FOLDER' makes it at any time.",
        ),
        BriefOption(
            ["--verbose"], advanced=True, is_flag=True, help="Print a line for each run that ends."
        ),
    ]


def _command_of(app: AppSpec) -> click.Command:
    help = f"Train every combination with the same seeds, and say what differs. {app.summary}"
    return CompareCommand(app, None, list(_own()), help)


compare = AppGroup("compare", _command_of, "Compare settings with paired seeds and statistics.")
