"""``python -m memcell_memory_tasks.tasks_1997``: run tasks of 1997 and print the published figures beside."""

from __future__ import annotations

import math
from pathlib import Path

import click

from memcell.errors import MemcellError
from memcell_memory_tasks.tasks_1997 import suite
from memcell_memory_tasks.tasks_1997.compiled import learner
from memcell_memory_tasks.tasks_1997.definitions import TASKS
from memcell_memory_tasks.tasks_1997.trial import Variant, one_thread


@click.group()
def main() -> None:
    """The tasks of "Long short-term memory" (1997) under the paper's own protocol."""


@main.command()
def tasks() -> None:
    """List the tasks with their networks and published figures."""
    for d in TASKS.values():
        paper = "no figure" if d.published is None else f"{d.published.sequences:,} sequences"
        net = f"{d.blocks} x {d.block_size} cells, {d.weights:,} weights, rate {d.rate:g}"
        click.echo(f"{d.name:12} {d.title}: {net}; paper: {paper}")
        if d.note:
            click.echo(f"{'':12} {d.note}")


@main.command()
@click.argument("names")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="Folder of the trials.",
)
@click.option(
    "--trials", type=click.IntRange(1), default=10, show_default=True, help="Trials of each task."
)
@click.option(
    "--times",
    type=click.FloatRange(0, min_open=True),
    default=4.0,
    show_default=True,
    help="Give a trial up after so many times the published number of sequences.",
)
@click.option(
    "--most",
    type=click.IntRange(0),
    default=0,
    help="Give it up after so many sequences, whatever was published; 0 for no such bound.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(0, min_open=True),
    default=math.inf,
    help="Begin no further trial after so long.",
)
@click.option("--dry-run", is_flag=True, help="Predict what it costs, and run nothing.")
@click.option(
    "--blocks", type=click.IntRange(0), default=0, help="Memory blocks; 0 for the paper's number."
)
@click.option(
    "--grow",
    type=click.IntRange(-2),
    default=-2,
    help="Sequential network construction: begin with so many blocks, and add one when the error stops "
    "falling; -1 for all blocks from the start, -2 for what the paper does in the task.",
)
@click.option(
    "--output-gate-bias",
    default="",
    help="What output gates' biases start with: one number, or one a block.",
)
@click.option("--full-gradient", is_flag=True, help="Do not truncate the gradient.")
@click.option(
    "--rate", type=click.FloatRange(0), default=0.0, help="Learning rate; 0 for the paper's."
)
def run(
    names: str,
    out: Path,
    trials: int,
    times: float,
    most: int,
    seconds: float,
    dry_run: bool,
    blocks: int,
    grow: int,
    output_gate_bias: str,
    full_gradient: bool,
    rate: float,
) -> None:
    """Run tasks: NAMES with commas, or all. A finished trial is never repeated; a stopped one goes on."""
    one_thread()
    try:
        biases = tuple(float(b) for b in output_gate_bias.split(",") if b.strip())
    except ValueError:
        raise click.UsageError(
            f"--output-gate-bias got '{output_gate_bias}'; expected numbers with commas, such as -1,-2,-3"
        ) from None
    try:
        plan = suite.Plan(
            tasks=suite.chosen(names),
            trials=trials,
            times=times,
            most=most,
            variant=Variant(
                blocks=blocks,
                grow=grow,
                output_gate_bias=biases,
                full_gradient=full_gradient,
                rate=rate,
            ),
        )
        _predict(out, plan)
        if not dry_run:
            done = suite.run(out, plan, click.echo, seconds)
            click.echo("\n" + suite.markdown(suite.rows(done)))
    except MemcellError as error:
        raise click.ClickException(str(error)) from None


@main.command()
@click.argument("out", type=click.Path(exists=True, file_okay=False, path_type=Path))
def table(out: Path) -> None:
    """Print the table of a folder of trials."""
    try:
        click.echo(suite.markdown(suite.rows(suite.record(out))))
    except MemcellError as error:
        raise click.ClickException(str(error)) from None


def _predict(out: Path, plan: suite.Plan) -> None:
    if learner() is None:
        click.echo(
            "there is no C compiler here: learning runs in numpy, about twenty times as long"
        )
    total = largest = 0.0
    for task, count, expected, most in suite.predicted(plan, suite.record(out)):
        total, largest = total + expected, largest + most
        bound = f"{plan.budget(task):,} sequences a trial at most"
        click.echo(
            f"task {task.name}: {count} to run, {bound}; about {expected / 60:.1f} min if they need what was "
            f"published, {most / 60:.1f} min at most"
        )
    if total:
        click.echo(f"in all about {total / 60:.1f} min, {largest / 60:.1f} min at most, one thread")


if __name__ == "__main__":
    main()
