"""The command: the same labelled recordings by each of them, scored every 30 s and every 5 s."""

from __future__ import annotations

import json
from pathlib import Path

import click

from memcell.errors import UsageError


@click.command("quality")
@click.argument("data", metavar="PATH")
@click.option(
    "--run",
    "runs",
    multiple=True,
    metavar="FOLDER",
    help="Also the predictions of this run on people it never saw (of all folds, where it has some), which "
    "tells wake from sleep on the same recordings; several times for several.",
)
@click.option(
    "--model",
    default="wake_sleep",
    show_default=True,
    metavar="NAME",
    help="The model of the app 'sleep' that is held beside them.",
)
@click.option("--json", "json_file", metavar="FILE", help="Also write all numbers there.")
def command(data: str, runs: tuple[str, ...], model: str, json_file: str | None) -> None:
    """Hold memcell beside YASA on labelled nights: wake against sleep.

    PATH is a folder of recordings with sleep stages, or another data set that the app 'sleep' takes. YASA
    (Vallat and Walker 2021) is asked as it is installed, with the same EEG channel and no other: pip install
    yasa. It says a stage every 30 s and looks 7.5 minutes ahead; memcell's model says one every 5 s and looks
    back only.
    """
    from memcell_benchmarks.quality import contenders, scoring

    truth = contenders.truth_of(data, model, click.echo)
    click.echo(
        f"{len(truth)} recordings, {sum(len(t.target) for t in truth.values())} labelled steps of 5 s, "
        f"{scoring.share_awake(truth.values()):.1%} of them awake"
    )
    found = {f"memcell {model}": contenders.of_model(truth, model)}
    for run in runs:
        name = f"memcell run {Path(run).name}"
        if name in found:
            raise UsageError(f"two runs are called '{Path(run).name}': rename one of the folders")
        found[name] = contenders.of_run(truth, Path(run))
    version = contenders.yasa_version()
    if version:
        name = f"YASA {version}"
        found[name] = contenders.of_yasa(truth, click.echo)
    else:
        click.echo("YASA is not installed, so nothing is held beside memcell: pip install yasa")
    rows = {
        name: {every: scoring.scores(truth, made, every) for every in scoring.EVERY}
        for name, made in found.items()
    }
    click.echo(scoring.as_text(rows))
    if json_file:
        Path(json_file).write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
