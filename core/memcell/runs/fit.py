"""Training on arrays in Python: the command's run, by a call.

``memcell.fit(train=[(x, y), ...])`` writes the arrays into the run's folder (``RUN/data``) and does what
``memcell train sequences --data RUN/data`` does; so a run goes on and is reported in another process.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from memcell.applications.arrays import TakingArrays
from memcell.errors import MemcellError, UsageError, unknown
from memcell.files.atomic import make_folder
from memcell.files.reading import read_object
from memcell.plugins import Registry, default_registry
from memcell.plugins.options import fields_of
from memcell.runs.folds.run import FoldOptions, train_any
from memcell.runs.load import load
from memcell.runs.own_functions import FILE, OwnFunctions
from memcell.runs.reporting import make_report
from memcell.runs.run_folder import RunFolder, new_path, resolve_stored
from memcell.runs.run_folder import with_data as moved_data
from memcell.runs.tables import with_fields
from memcell.settings.options import NetworkConfig, TrainingConfig
from memcell.settings.run_config import DEFAULTS, resolve

#: The app that arrays are of.
APP = "sequences"
#: Where arrays lie in a run's or a comparison's folder.
DATA = "data"
Say = Callable[[str], object]


class Run:
    """A run that is done: its folder, its scores, and its network.

    Args:
        path: The run folder.

    Attributes:
        path: The same.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    @property
    def scores(self) -> dict[str, float]:
        """The test scores of the run's own network under its own inference policy."""
        return dict(self._rows()[0]["scores"])

    def table(self) -> Any:
        """Return every row of the score table: a pandas DataFrame where pandas is installed, else dicts."""
        rows = []
        for row in self._rows():
            names = {k: row[k] for k in ("name", "kind", "cell", "trained_with", "inferred_with")}
            rows.append({**names, **row["scores"]})
        return as_frame(rows)

    def predict(self, x: Any) -> Any:
        """Return what the network says of each step, ``[steps, outputs]``: probabilities, or values.

        Args:
            x: One sequence, ``[steps, features]``; a list of them; a file or a folder.
        """
        return self.model.predict(x)

    @cached_property
    def model(self) -> Any:
        """The trained network (`memcell.load`)."""
        return load(self.path)

    def report(self) -> Path:
        """Make the report anew and return its file."""
        make_report(self.path, default_registry(), _quiet)
        return self.path / "report.html"

    def _rows(self) -> list[dict[str, Any]]:
        found = read_object(self.path / "scores.json")["rows"]
        return [_numbers(with_fields(row)) for row in found]

    def __repr__(self) -> str:
        """Return the folder and the scores."""
        try:
            result = ", ".join(f"{k} {v:.3f}" for k, v in self.scores.items())
        except MemcellError:
            result = "not finished"
        return f"<memcell run {self.path}: {result}>"


def fit(
    train: Sequence[Any] | None = None,
    valid: Sequence[Any] | None = None,
    test: Sequence[Any] | None = None,
    *,
    data: str | Path | None = None,
    metrics: Any = None,
    out: str | Path | None = None,
    resume: str | Path | None = None,
    jobs: int = 0,
    verbose: bool = False,
    **options: Any,
) -> Run:
    """Train a network on sequences of one's own, with its control run and its baselines, and score it.

    Args:
        train: Sequences, each ``(x, y)``: ``x [steps, features]``, ``y [steps]`` or ``[steps, targets]``; or
            a dict of arrays (``x``, ``y``, and ``subject``, ``time``, ``starts`` or ``gaps`` where there are
            some). With ``kind="next"`` each may be one array of tokens.
        valid: Sequences for early stop; None to draw them from ``train``.
        test: Sequences that scores are of; None to draw them from ``train``.
        data: A folder of files instead, as the command's ``--data``; with ``resume``, where it lies now.
        metrics: Scores, the one that counts most first: names, functions ``(targets, predictions) -> float``
            of all steps that have a target, or a dict of functions by name. One whose name ends in
            ``_error`` is better when smaller.
        out: The run folder; None for a new one in ``runs``.
        resume: Go on with this run instead; every other argument is left out, but for ``data`` and for
            functions, of which a run keeps the names alone.
        jobs: Train the folds of ``split="loso"`` on so many processes.
        verbose: Print what the command prints.
        **options: Every option of ``memcell train sequences``, with ``_`` for ``-`` and for a plugin's own
            with ``__`` for the dot: ``cell="gru"``, ``hidden_size=64``, ``policy__p=0.2``. ``loss`` may be
            a function ``(outputs, targets)`` that returns the loss of each step
            (`memcell.sequences.own_loss`), ``class_weights`` a dict by class.

    Raises:
        UsageError: An option is not known, or the call cannot be carried out.
        DataError: A sequence cannot be used; names it.
    """
    registry = default_registry()
    say: Callable[[str], None] = print if verbose else _quiet
    threads = torch.get_num_threads()
    functions = OwnFunctions.of(options.get("loss"), metrics)
    functions.check_travel(jobs)
    if functions.loss is not None:
        del options["loss"]
    try:
        if resume is not None:
            if train is not None or out is not None or options:
                raise UsageError(
                    "resume= goes on with a run as it was begun: leave out the rest, but for data= where a "
                    "folder lies elsewhere now"
                )
            folder = RunFolder.open(Path(resume))
            begun = resolve_stored(folder, APP, registry)
            if data is not None:
                begun = moved_data(begun, data)
            functions.check_same(begun.app_config.own, folder.path)
            registry = functions.registry(registry, APP)
            train_any(begun, registry, folder.path, say, True, FoldOptions(mode=_mode(jobs)))
            return Run(folder.path)
        path = Path(out) if out is not None else new_path(Path("runs"), APP)
        if functions.shown:
            options["metrics"] = functions.shown
        sections = sections_of(options, registry)
        RunFolder.check_free(path)
        if functions.names:
            sections.setdefault(APP, {})["own"] = functions.names
            registry = functions.registry(registry, APP)
        with_data(sections, path, data, {"train": train, "valid": valid, "test": test}, registry)
        with removing(path, data is None, "config.toml"):
            config = resolve(APP, sections, registry)
            functions.write(path)
            train_any(config, registry, path, say, False, FoldOptions(mode=_mode(jobs)))
    finally:
        torch.set_num_threads(threads)  # the program's, not the run's
    return Run(path)


def sections_of(options: Mapping[str, Any], registry: Registry) -> dict[str, Any]:
    """Return the sections of a config that options of a call are.

    Raises:
        UsageError: One is not known; says which is near.
    """
    own = {f.name for f in fields_of(registry.get("app", APP).config_type())} - {"data", "own"}
    places = {
        **{f.name: "training" for f in fields_of(TrainingConfig)},
        **{f.name: "network" for f in fields_of(NetworkConfig)},
        **dict.fromkeys(own, APP),
    }
    sections: dict[str, Any] = {}
    for name, value in options.items():
        if isinstance(value, Mapping):  # weights by class
            value = ",".join(f"{key}={number}" for key, number in value.items())
        if callable(value):
            word = getattr(value, "__name__", repr(value))
            raise UsageError(
                f"{name} got the function or class {word}; expected a name or a number: "
                "register it as a plugin and name it (docs/plugins.md)"
            )
        kind, dot, option = name.partition("__")
        if dot and kind == "probe":
            probe, _, option = option.partition("__")
            sections.setdefault("probe", {}).setdefault(probe, {})[option] = value
        elif dot and kind in DEFAULTS:
            sections.setdefault(kind, {})[option] = value
        elif name in DEFAULTS:
            sections.setdefault(name, {})["name"] = value
        elif name in places:
            sections.setdefault(places[name], {})[name] = value
        else:
            raise UsageError(unknown("option", name, [*places, *DEFAULTS]))
    return sections


def with_data(
    sections: dict[str, Any],
    path: Path,
    data: str | Path | None,
    splits: Mapping[str, Sequence[Any] | None],
    registry: Registry,
) -> None:
    """Name the folder of the data in sections; arrays are written below the run's folder first.

    Raises:
        UsageError: Neither arrays nor a folder were given, or both.
        DataError: The arrays cannot be used.
    """
    given = {part: s for part, s in splits.items() if s is not None}
    own = sections.setdefault(APP, {})
    if data is not None:
        if given:
            raise UsageError(
                f"data= and {next(iter(given))}= were both given: leave out one of them"
            )
        own["data"] = str(Path(data).absolute())
        return
    if "train" not in given:
        raise UsageError("nothing to train on: give train=[(x, y), ...], or data=FOLDER")
    entry = registry.get("app", APP)
    app = entry.build(entry.config(own), None)
    if not isinstance(app, TakingArrays):
        raise UsageError(f"{entry.origin} takes no arrays")
    home = path / DATA
    if home.exists() and any(home.iterdir()):
        raise UsageError(f"'{home}' already holds data: choose another out=")
    make_folder(home)
    with removing(path, True, "config.toml"):
        app.write_arrays(home, given)
    own["data"] = str(home.absolute())


@contextmanager
def removing(path: Path, written: bool, begun: str) -> Iterator[None]:
    """Remove the arrays again where an error came before anything was begun with them.

    Args:
        path: The run's folder, or a comparison's.
        written: There are arrays.
        begun: The file that is there once it was begun.
    """
    try:
        yield
    except MemcellError:
        if not (path / begun).exists():
            if written:
                shutil.rmtree(path / DATA, ignore_errors=True)
            (path / FILE).unlink(missing_ok=True)
            with suppress(OSError):  # something else is in it
                path.rmdir()
        raise


def as_frame(rows: list[dict[str, Any]]) -> Any:
    """Return rows as a pandas DataFrame where pandas is installed, else as they are."""
    try:
        import pandas
    except ImportError:
        return rows
    return pandas.DataFrame(rows)


def _numbers(row: dict[str, Any]) -> dict[str, Any]:
    scores = {k: float("nan") if v is None else float(v) for k, v in row["scores"].items()}
    return {**row, "scores": scores}


def _mode(jobs: int) -> Any:
    from memcell.jobs import Mode

    return Mode(jobs=jobs)


def _quiet(line: str) -> None:
    """Say nothing: a program is not a terminal."""
