"""``memcell bench cells``: every registered cell against torch.nn.LSTM. Imports torch only to run."""

from __future__ import annotations

import itertools
import json
import tempfile
from pathlib import Path
from typing import Any

import click

from memcell.cli.brief import BriefCommand, BriefOption
from memcell.errors import UsageError, unknown
from memcell.plugins import Registry, default_registry
from memcell.plugins.options import fields_of
from memcell.plugins.options.values import from_text
from memcell_benchmarks.history import KINDS as KINDS_OF_HISTORY
from memcell_benchmarks.history import append, measurements, read, this_run
from memcell_benchmarks.options import (
    BACKENDS,
    DEFAULT_BACKENDS,
    DEFAULT_KINDS,
    DTYPES,
    FORMER_NAMES,
    KINDS,
    CellChoice,
    Options,
    Size,
    cell_with_options,
    each,
    numbers,
    words,
)


def _described(known: dict[str, str]) -> str:
    return "; ".join(f"{name}: {text}" for name, text in known.items())


@click.command("cells", cls=BriefCommand)
@click.option(
    "--cell",
    "cells",
    metavar="NAME[:OPTION=VALUE,…]",
    multiple=True,
    help="Only this cell, with options of it as in lstm97:gate_recurrence=false; repeatable.",
)
@click.option(
    "--normalizer",
    "normalizers",
    metavar="NAME",
    multiple=True,
    help="With this normalizer (or 'none'); repeatable. By default every cell without one, and lstm "
    "with each.",
)
@click.option(
    "--hidden-size",
    cls=BriefOption,
    brief="H (default: {default}).",
    default="64,128,256",
    show_default=True,
    metavar="N,…",
    help="H.",
)
@click.option(
    "--batch-size",
    cls=BriefOption,
    brief="B, lanes (default: {default}).",
    default="32,128",
    show_default=True,
    metavar="N,…",
    help="B, lanes.",
)
@click.option(
    "--time-steps",
    cls=BriefOption,
    brief="T (default: {default}).",
    default="128",
    show_default=True,
    metavar="N,…",
    help="T.",
)
@click.option(
    "--input-size",
    cls=BriefOption,
    brief="I (default: {default}).",
    default="16",
    show_default=True,
    metavar="N,…",
    help="I.",
)
@click.option(
    "--threads",
    cls=BriefOption,
    brief="Of torch (default: {default}).",
    default=1,
    show_default=True,
    type=click.IntRange(1),
    help="Of torch.",
)
@click.option(
    "--dtype", default="float32", show_default=True, metavar="NAME", help=", ".join(DTYPES)
)
@click.option(
    "--device",
    type=click.Choice(["cpu", "cuda"]),
    default="cpu",
    show_default=True,
    help="cpu or cuda.",
)
@click.option(
    "--backends",
    default=None,
    metavar="NAME,…",
    cls=BriefOption,
    brief=f"{', '.join(BACKENDS)}.",
    help=f"{_described(BACKENDS)}. Default: {','.join(DEFAULT_BACKENDS['cpu'])}, on a GPU "
    f"{','.join(DEFAULT_BACKENDS['cuda'])}.",
)
@click.option("--ways", default=None, hidden=True)  # what --backends was called
@click.option(
    "--what",
    default=",".join(DEFAULT_KINDS),
    show_default=True,
    metavar="NAME,…",
    cls=BriefOption,
    brief=f"{', '.join(KINDS)}.",
    help=f"{_described(KINDS)}.",
)
@click.option(
    "--rounds",
    default=7,
    show_default=True,
    type=click.IntRange(1),
    help="Samples of each contender, taken in turn with the others.",
)
@click.option(
    "--sample",
    default=0.1,
    show_default=True,
    metavar="SECONDS",
    type=click.FloatRange(0, min_open=True),
    help="How long a sample should last.",
)
@click.option(
    "--check/--no-check",
    default=True,
    show_default=True,
    help="Verify each backend against the eager loop in float64 before it is timed.",
)
@click.option("--json", "json_file", metavar="FILE", help="Also write all numbers there.")
@click.option(
    "--append",
    "history_file",
    metavar="FILE",
    help="Add the ratios to the history there, with version and commit; 'memcell bench history' shows it.",
)
def command(
    cells: tuple[str, ...],
    normalizers: tuple[str, ...],
    hidden_size: str,
    batch_size: str,
    time_steps: str,
    input_size: str,
    threads: int,
    dtype: str,
    device: str,
    backends: str | None,
    ways: str | None,
    what: str,
    rounds: int,
    sample: float,
    check: bool,
    json_file: str | None,
    history_file: str | None,
) -> int:
    """Compare the speed of cells with torch.nn.LSTM of the same sizes.

    Every cell is timed on every backend, in turn with torch.nn.LSTM (oneDNN; cuDNN on a GPU), in one
    process. A backend that cannot run is listed with the reason. The exit code is 1 where one gave wrong
    numbers or failed.
    """
    registry = default_registry()
    sizes = itertools.product(
        numbers("--hidden-size", hidden_size),
        numbers("--batch-size", batch_size),
        numbers("--time-steps", time_steps),
        numbers("--input-size", input_size),
    )
    if dtype not in DTYPES:
        raise UsageError(unknown("dtype", dtype, DTYPES))
    options = Options(
        subjects=_subjects(cells, normalizers, registry),
        sizes=tuple(
            Size(hidden_size=h, batch_size=b, time_steps=t, input_size=i) for h, b, t, i in sizes
        ),
        backends=_backends(backends, ways, device),
        kinds=words("measurement", what, KINDS),
        device=device,
        dtype=dtype,
        threads=threads,
        rounds=rounds,
        sample=sample,
        check=check,
    )
    if "profile" in options.kinds and "native" not in options.backends:
        raise UsageError(
            "--what profile: only the native backend has one; add native to --backends"
        )
    if history_file is not None and not set(KINDS_OF_HISTORY) & set(options.kinds):
        raise UsageError(f"--append keeps {', '.join(KINDS_OF_HISTORY)}; --what has none of them")
    history = None if history_file is None else Path(history_file)
    if history is not None and history.exists():
        read(history)  # what is no history is refused before minutes of measuring
    from memcell_benchmarks.run import compare

    with tempfile.TemporaryDirectory() as folder:
        written = Path(json_file or f"{folder}/numbers.json")
        code = compare(options, registry, click.echo, written)
        if history is not None:
            record = json.loads(written.read_text(encoding="utf-8"))
            added = append(history, measurements(record, this_run()))
            click.echo(f"{added} ratios added to {history}")
    return code


def _backends(asked: str | None, former: str | None, device: str) -> tuple[str, ...]:
    """Return the backends that were asked for, where need be by the names of version 0.1."""
    typed = former if asked is None else asked
    if typed is None:
        return DEFAULT_BACKENDS[device]
    now = ",".join(FORMER_NAMES.get(name.strip(), name) for name in typed.split(","))
    if former is not None or now != typed:
        flag = "--backends" if former is None else "--ways"
        click.echo(f"note: '{flag} {typed}' is now '--backends {now}'", err=True)
    return words("backend", now, BACKENDS)


def _subjects(
    cells: tuple[str, ...], normalizers: tuple[str, ...], registry: Registry
) -> tuple[CellChoice, ...]:
    known_cells = registry.names("cell")
    known_normalizers = registry.names("normalizer")
    typed = [cell_with_options(cell) for cell in cells]
    each("cell", (name for name, _ in typed), known_cells)
    chosen = [(name, _options(name, texts, registry)) for name, texts in typed]
    each("normalizer", normalizers, {*known_normalizers, "none"})
    if cells or normalizers:
        every = [(name, ()) for name in known_cells]
        pairs = itertools.product(chosen or every, normalizers or ("none",))
        return tuple(
            CellChoice(cell=c, normalizer=n, options=o) for (c, o), n in dict.fromkeys(pairs)
        )
    plain = tuple(CellChoice(cell=name) for name in known_cells)
    if "lstm" not in known_cells:
        return plain
    return plain + tuple(
        CellChoice(cell="lstm", normalizer=n) for n in known_normalizers if n != "none"
    )


def _options(
    name: str, texts: tuple[tuple[str, str], ...], registry: Registry
) -> tuple[tuple[str, Any], ...]:
    """Return a cell's options as values; a wrong one is said before anything runs."""
    entry = registry.get("cell", name)
    known = {f.name: f for f in fields_of(entry.config_type())}
    found = {o: from_text(known[o], t, f"cell '{name}':") if o in known else t for o, t in texts}
    entry.config(found)
    return tuple(found.items())
