"""``memcell models list|show|get``: the trained models that come along."""

from __future__ import annotations

import shutil
import textwrap
from pathlib import Path

import click

from memcell.cli.completion import PLACE, TRAINED
from memcell.cli.terminal import echo
from memcell.errors import MemcellError, UsageError
from memcell.plugins import default_registry

#: Width of what is printed, and of the words before it.
_WIDTH, _INDENT = 80, 11
#: Texts of a card in the order in which they are read; the rest is said elsewhere.
_HEADINGS = {
    "knows": "knows",
    "takes": "takes",
    "gives": "gives",
    "data": "data",
    "people": "people",
    "licence": "licence",
    "citation": "cite",
    "made": "made",
    "threshold": "threshold",
}


@click.group()
def models() -> None:
    """List and show the trained models that come along.

    Their names stand wherever a run folder is for use: memcell predict, stream, evaluate, export.
    """


@models.command("list")
def list_models() -> None:
    """List the models."""
    from memcell.applications.models import models_of

    found = models_of(default_registry())
    if not found:
        echo("no installed package brings a trained model")
    width = max((len(model.name) for model in found), default=0)
    for model in found:
        entry = model.entry
        said = textwrap.wrap(f"{model.app}: {entry.spec.summary}", max(30, 78 - width))
        for k, text in enumerate((*said, f"of {entry.distribution} {entry.version}")):
            echo(f"{'' if k else model.name:<{width}}  {text}")


@models.command("show")
@click.argument("name", type=TRAINED)
def show(name: str) -> None:
    """Show the card of NAME: data, people, licence, how it was made, scores, what it is not.

    NAME may be the folder of a run: what it needs of a recording is shown, and its card where it has one
    (--final).
    """
    from memcell.applications.models import CARD, card_of_run, get_model, names_a_model, with_final

    registry = default_registry()
    path = Path(name).expanduser()
    if path.is_dir() and not names_a_model(registry, name):
        folder = with_final(path)
        if (folder / "model.safetensors").is_file() and not (folder / CARD).is_file():
            echo(f"run {folder}; it has no card: one is written by --final")
            _needs(folder, name)
            return
        folder, card = card_of_run(path)
        by = f"run {folder}"
    else:
        model = get_model(registry, name)
        folder, card = model.folder, model.check()
        by = f"{model.entry.distribution} {model.entry.version}"
    echo(f"{card.name} {card.version}: {card.title}")
    echo(f"of {by}, app {card.app}")
    for field, heading in _HEADINGS.items():
        _paragraph(heading, str(getattr(card, field)))
    for number, limit in enumerate(card.limits):
        _paragraph("" if number else "is not", limit)
    echo("scores, with 95 % intervals over people where known:")
    for on in dict.fromkeys(score.on for score in card.scores):
        _paragraph("", on)
        for score in card.scores:
            if score.on == on:
                echo(f"{'':<{_INDENT + 2}}{score.score.replace('_', ' '):<23}{score}")
    _paragraph("SHA-256", card.sha256)
    echo(f"files: {folder}")
    _needs(folder, name)


def _needs(folder: Path, name: str) -> None:
    """Say what a network needs of a recording, and what to type."""
    from memcell.runs.needs import line_to_type, needs_of

    app, found = needs_of(folder, default_registry())
    if found:
        echo("a recording needs:")
    for heading, text in found:
        _paragraph(heading, text)
    echo(f"to use it: {line_to_type(app, name)}")


def _paragraph(heading: str, text: str) -> None:
    for number, line in enumerate(textwrap.wrap(text, _WIDTH - _INDENT)):
        echo(f"{'' if number else heading:<{_INDENT}}{line}")


@models.command("get")
@click.argument("name", type=TRAINED)
@click.option(
    "--out",
    metavar="FOLDER",
    type=PLACE,
    help="Where a copy goes, as a run folder (default: ./NAME).",
)
def get(name: str, out: str | None) -> None:
    """Copy NAME into a folder of its own: a run folder, its card with it. Nothing is fetched."""
    from memcell.applications.models import FILES, get_model
    from memcell.files.atomic import make_folder, write_atomic

    model = get_model(default_registry(), name)
    model.check()
    path = Path(out or name)
    if path.exists():
        raise UsageError(f"'{path}' is there already: type another --out")
    make_folder(path)
    try:
        for file in FILES:
            write_atomic(path / file, (model.folder / file).read_bytes())
    except MemcellError:
        shutil.rmtree(path, ignore_errors=True)
        raise
    echo(f"{path}: a copy of {name}")
