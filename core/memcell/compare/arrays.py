"""A comparison on arrays in Python: the command's, by a call."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from memcell.compare.axes import Axis
from memcell.compare.declared import Asked
from memcell.compare.folder import DATA
from memcell.compare.plan import plan_of, with_choice
from memcell.compare.run import compare as run_comparison
from memcell.compare.run import report as make_report
from memcell.errors import MemcellError, UsageError
from memcell.files.reading import read_lines, read_object
from memcell.jobs import Mode
from memcell.plugins import default_registry
from memcell.runs.fit import APP, as_frame, removing, sections_of, with_data
from memcell.runs.own_functions import OwnFunctions, again
from memcell.runs.run_folder import new_path

SEEDS = 20


class ComparisonResult:
    """A comparison that is done: its folder and its tables.

    Args:
        path: Its folder.

    Attributes:
        path: The same.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    @property
    def primary(self) -> dict[str, str]:
        """What decides, as it was declared before the first run: outcome, inference policy, population."""
        found = read_object(self.path / "comparison.json").get("primary")
        return {k: str(v) for k, v in found.items()} if isinstance(found, dict) else {}

    def summary(self) -> Any:
        """Return a row for each setting: a pandas DataFrame where pandas is installed, else dicts.

        ``primary`` is the mean of the outcome that decides, in the rows of its inference policy.
        """
        return self._table("summary.tsv")

    def verdicts(self) -> Any:
        """Return the rows of `differences` that decide: those of the primary outcome."""
        return self._table("comparisons.tsv", lambda row: row["primary"] == "true")

    def differences(self) -> Any:
        """Return a row for each paired difference between two settings, with its interval and p value."""
        return self._table("comparisons.tsv")

    def runs(self) -> Any:
        """Return a row for each run and inference policy."""
        return self._table("runs.tsv")

    def report(self) -> Path:
        """Make the report anew and return its file."""
        make_report(self.path, _quiet)
        return self.path / "report.html"

    def _table(self, name: str, wanted: Callable[[dict[str, str]], bool] | None = None) -> Any:
        file = self.path / name
        if not file.is_file():
            raise MemcellError(
                f"'{file}' is not there: the report was not made; see report() for why"
            )
        heads, *rows = (line.split("\t") for line in read_lines(file))
        found = [dict(zip(heads, row, strict=True)) for row in rows]
        kept = [row for row in found if wanted is None or wanted(row)]
        return as_frame([{head: _value(cell) for head, cell in row.items()} for row in kept])

    def __repr__(self) -> str:
        """Return the folder."""
        return f"<memcell comparison {self.path}>"


def compare_arrays(
    train: Sequence[Any] | None = None,
    valid: Sequence[Any] | None = None,
    test: Sequence[Any] | None = None,
    *,
    axes: Mapping[str, Sequence[Any]],
    seeds: int = SEEDS,
    primary: str = "score",
    target_loss: float | Sequence[float] = (),
    population: str = "auto",
    smallest_effect: float | None = None,
    pilot: str | Path | None = None,
    reshuffled: bool = True,
    anyway: bool = False,
    both_inferences: bool = True,
    data: str | Path | None = None,
    metrics: Any = None,
    out: str | Path | None = None,
    jobs: int = 0,
    verbose: bool = False,
    **options: Any,
) -> ComparisonResult:
    """Train every combination of settings with the same seeds on sequences of one's own.

    Args:
        train: As `memcell.fit` takes them; likewise ``valid``, ``test``, ``data``, ``metrics``, options, and
            a ``loss`` that is a function.
        valid: See ``train``.
        test: See ``train``.
        axes: What is varied to its values: ``{"policy": ["carry", "reset"], "batch_size": [8, 32]}``. The
            first value of each is the reference.
        seeds: Seeds of each setting.
        primary: The outcome that decides: ``"score"``, ``"validation_loss"`` or ``"updates"`` (to the first
            target loss). All else is secondary and has no verdict.
        target_loss: Validation losses to which updates are counted.
        population: Whom the primary outcome is about: ``"people"``, ``"trainings"`` or ``"auto"``.
        smallest_effect: The smallest difference that matters; with ``pilot``.
        pilot: A comparison that says how much the primary outcome varies.
        reshuffled: Beside carry and reset alone, reset on reshuffled windows as well.
        anyway: Run what cannot answer too; the report keeps why.
        both_inferences: Validate each epoch with memory carried and with memory reset; the declared one
            chooses the epoch.
        data: See ``train``.
        metrics: See ``train``.
        out: The comparison's folder; None for a new one in ``runs``. With ``data=``, one that is there is
            gone on with.
        jobs: Runs side by side, each in a process; 0 for one after the other here.
        verbose: Print what the command prints.
        **options: Shared by all runs.

    Raises:
        UsageError: An option is not known, there is nothing to compare, or it could not answer.
        DataError: A sequence cannot be used; names it.
        MemcellError: Runs failed; says how many, and where they lie.
    """
    registry = default_registry()
    varied = [_axis(name, values) for name, values in axes.items()]
    if not varied:
        raise UsageError(
            "axes is empty, so there is nothing to compare: give an option several values, such as "
            "axes={'policy': ['carry', 'reset']}"
        )
    if seeds < 1:
        raise UsageError(f"seeds got {seeds}; expected 1 or more (20 is what a decision needs)")
    path = Path(out) if out is not None else new_path(Path("runs"), f"compare-{APP}")
    functions = OwnFunctions.of(options.get("loss"), metrics)
    functions.check_travel(jobs)
    if functions.loss is not None:
        del options["loss"]
    if functions.shown:
        options["metrics"] = functions.shown
    both = sorted(set(options) & set(axes))
    if functions.loss is not None and "loss" in axes:
        both = ["loss"]
    if both:
        raise UsageError(f"{both[0]} has one value, and axes varies it: leave out one of them")
    sections = sections_of(options, registry)
    if functions.names:
        sections.setdefault(APP, {})["own"] = functions.names
        registry = functions.registry(registry, APP)
    home = path / DATA
    with_data(sections, path, data, {"train": train, "valid": valid, "test": test}, registry)
    given = (target_loss,) if isinstance(target_loss, int | float) else tuple(target_loss)
    with removing(path, data is None, "comparison.json"):
        asked = Asked(
            primary=primary,
            targets=tuple(map(float, given)),
            population=population,
            smallest_effect=smallest_effect,
            pilot=None if pilot is None else Path(pilot),
            anyway=anyway,
            both=both_inferences,
        )
        if reshuffled:
            varied = with_choice(APP, sections, varied, registry)
        plan = plan_of(APP, sections, varied, range(seeds), registry, asked)
    say: Callable[[str], None] = print if verbose else _quiet
    words = [f"--sweep={a.name}={','.join(a.values)}" for a in varied]
    command = shlex.join(
        ["memcell", "compare", APP, "--data", str(data or home), *words, "--out", str(path)]
    )
    if functions.names:
        more = again(functions.names)
        command = f"memcell.compare(data={str(data or home)!r}, axes=..., out={str(path)!r}{more}) in Python"
    with removing(path, data is None, "comparison.json"):
        mode = Mode(jobs=jobs)
        failed = run_comparison(plan, path, registry, mode, say, command=command)
    if failed:
        raise MemcellError(
            f"some runs failed; '{path}' has the others, and runs.tsv there says why"
        )
    return ComparisonResult(path)


def _axis(name: str, values: Sequence[Any]) -> Axis:
    if isinstance(values, str) or not isinstance(values, Sequence) or not values:
        raise UsageError(
            f"axes[{name!r}] got {values!r}; expected a list of values, such as ['carry', 'reset']"
        )
    return Axis(name.replace("__", "."), tuple(map(str, values)))


def _value(cell: str) -> Any:
    if cell == "n/a":
        return float("nan")
    for kind in (int, float):
        try:
            return kind(cell)
        except ValueError:
            continue
    return cell


def _quiet(line: str) -> None:
    """Say nothing: a program is not a terminal."""
