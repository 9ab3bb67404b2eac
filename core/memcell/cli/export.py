"""``memcell export RUN --to onnx``."""

from __future__ import annotations

from pathlib import Path

import click

from memcell.cli.terminal import echo
from memcell.plugins import default_registry


@click.command()
@click.argument("run", metavar="RUN")
@click.option(
    "--to",
    "kind",
    type=click.Choice(["onnx"]),
    required=True,
    help="What to write. 'onnx' needs the extra: pip install 'memcell-rnn[onnx]'.",
)
@click.option("--out", metavar="FILE", help="Where it goes (default: RUN/model.onnx).")
def export(run: str, kind: str, out: str | None) -> None:
    """Write a trained network as a file that other programs run.

    The memory is named inputs and outputs, the length of time and the batch are free. The file is held
    against torch before it is written.
    """
    from memcell.runs.export_onnx import export_onnx

    export_onnx(Path(run), Path(out) if out else None, default_registry(), echo)
