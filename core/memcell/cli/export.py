"""``memcell export RUN --to onnx``."""

from __future__ import annotations

from pathlib import Path

import click

from memcell.cli.completion import PLACE, TRAINED
from memcell.cli.terminal import echo
from memcell.plugins import default_registry


@click.command()
@click.argument("run", metavar="RUN", type=TRAINED)
@click.option(
    "--to",
    "kind",
    type=click.Choice(["onnx"]),
    required=True,
    help="What to write. 'onnx' needs the extra: pip install 'memcell-rnn[onnx]'.",
)
@click.option(
    "--out",
    metavar="FILE",
    type=PLACE,
    help="Where it goes (default: RUN/model.onnx; NAME.onnx of a model that comes along).",
)
def export(run: str, kind: str, out: str | None) -> None:
    """Write a trained network as a file that other programs run.

    RUN is a run folder, or the name of a model that comes along ('memcell models list'). The memory is named
    inputs and outputs, the length of time and the batch are free. The file is held against torch before it is
    written.
    """
    from memcell.applications.models import names_a_model, run_folder_of
    from memcell.runs.export_onnx import export_onnx

    registry = default_registry()
    folder = run_folder_of(registry, run)
    if out is None and names_a_model(registry, run):
        out = f"{run}.onnx"  # not into the installed package
    export_onnx(folder, Path(out) if out else None, registry, echo)
