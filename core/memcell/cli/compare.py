"""``memcell compare APP``."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from memcell.cli.app_command import AppGroup, ConfiguredCommand
from memcell.cli.compare_options import (
    AxisOption,
    compare_groups,
    fixed_and_varied,
    with_whole_paths,
)
from memcell.cli.terminal import echo
from memcell.cli.where import where_options
from memcell.compare.axes import Axis, listed, sweeps
from memcell.errors import UsageError
from memcell.plugins import default_registry
from memcell.plugins.specs import AppSpec
from memcell.settings.run_config import DEFAULTS

SEEDS = 20


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
    target_loss: float | None,
    out: str | None,
    jobs: int,
    scheduler: str | None,
    verbose: bool,
    report: bool,
) -> int:
    swept = sweeps(sweep)
    shared = with_whole_paths(fixed_and_varied(base, typed, [*axes, *swept]), default_registry())
    if seeds < 1:
        raise UsageError(f"--seeds got {seeds}; 1 or more expected (20 is what a decision needs)")
    if first_seed < 0 or first_seed + seeds > 2**63:
        raise UsageError(f"--first-seed got {first_seed}; expected 0 or more, below 2^63")
    if target_loss is not None and not math.isfinite(target_loss):
        raise UsageError(f"--target-loss got {target_loss}; expected a number of nats, such as 0.5")
    # torch is imported here, not where the help is made
    from memcell.compare.plan import plan_of
    from memcell.compare.run import compare as run_comparison
    from memcell.jobs import Mode
    from memcell.runs.run_folder import new_path
    from memcell.testing import concerns

    registry = default_registry()
    mode = Mode(jobs=jobs, scheduler=scheduler or "")
    plan = plan_of(
        app,
        shared,
        [*axes, *swept],
        range(first_seed, first_seed + seeds),
        registry,
        target_loss,
    )
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


def _own() -> Iterable[click.Parameter]:
    kinds = ", ".join(f"--{kind}" for kind in DEFAULTS)
    return [
        click.Option(
            ["--sweep"],
            metavar="FIELD=V,V;…",
            multiple=True,
            help="Vary fields of training or network, or options of plugins: "
            f"'batch_size=8,32;policy.p=0.1,0.5'. Repeatable; {kinds} take several names with commas.",
        ),
        click.Option(
            ["--seeds"], type=int, default=SEEDS, show_default=True, help="Seeds of each setting."
        ),
        click.Option(["--first-seed"], type=int, default=0, show_default=True, help="The first."),
        click.Option(
            ["--target-loss"],
            type=float,
            metavar="NATS",
            help="Validation loss to which updates are counted (default: what half of the runs of every "
            "setting reach).",
        ),
        click.Option(
            ["--out"],
            metavar="FOLDER",
            help="The comparison's folder (default: runs/compare-APP-DATE-TIME); the same command goes on "
            "with it, more seeds or values extend it.",
        ),
        *where_options(),
        click.Option(
            ["--report/--no-report"],
            default=True,
            help="Make the report at the end; 'memcell report FOLDER' makes it at any time.",
        ),
        click.Option(["--verbose"], is_flag=True, help="Print a line for each run that ends."),
    ]


def _command_of(app: AppSpec) -> click.Command:
    help = f"Train every combination with the same seeds, and say what differs. {app.summary}"
    return CompareCommand(app, None, list(_own()), help)


compare = AppGroup("compare", _command_of, "Compare settings with paired seeds and statistics.")
